"""Model in use: its state with the actions for it, details with its log, and the change in progress or its failure."""

import streamlit as st

from app.components.controls import button, show_error
from app.context import services
from app.panels.menu import model_change
from app.panels.menu.engine import COLOURS, draw_engines, draw_phase, facts, has_model, state_words
from app.state import page_state
from framelens.core.errors import AppError
from framelens.engine.base import EngineStatus
from framelens.i18n import notice_text, t
from framelens.jobs.readiness import Readiness, candidate, readiness
from framelens.plugins.models.panels import vision_check
from framelens.plugins.models.tasks import tasks_of
from framelens.plugins.models.vision_checks import last_check
from framelens.reports.content.page_text import joined, plain, short_model_name
from framelens.store.model_records import confirm_download

_POLL_SECONDS = 2.0
"""Interval between two polls."""
_LOG_LINES = 200


def draw() -> None:
    """Draw the panel and poll it, and below it the details of an engine.

    The whole page is redrawn when a download or switch starts or ends, because that changes what can be chosen.
    """
    st.fragment(_draw, run_every=_POLL_SECONDS)(is_changing())
    if has_model():
        with st.expander(t("ui.details"), icon=":material/info:"):
            _draw_details(services().engine.status())


def is_changing() -> bool:
    """Check whether a switch, a download or a check is running."""
    return model_change.is_running() or tasks_of(services()).preflight.is_running


def _draw(was_changing: bool) -> None:
    if is_changing() != was_changing:
        st.rerun()
    with st.container(border=True, gap="small"):
        if has_model():
            _draw_model(services().engine.status())
        else:
            st.markdown(f"**{t('models.missing.none')}**")
            _draw_default()
    model_change.draw_now()


def _draw_model(status: EngineStatus) -> None:
    st.markdown(f"**{plain(short_model_name(status.model))}**", help=plain(services().settings.model_path))
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.badge(state_words(status), color=COLOURS[status.state])
        if status.state == "ready":
            st.badge(t(f"models.page.sees_{_sight(status)}"), color="gray")
    draw_engines()
    if status.state == "starting" and status.phase:
        draw_phase(status.phase)
    if error := _engine_error(status):
        show_error(error)
    _draw_buttons(status)


def _draw_default() -> None:
    """Say which model the settings name, and why it isn't in use."""
    settings = services().settings
    if error := readiness(settings, services().engine).error:
        show_error(error)
        return
    named = candidate(settings.model_path, settings)
    kind, fits = "chosen" if settings.model_chosen else "default", named.need is None or named.need.fits
    st.caption(plain(t(f"models.page.{kind}{'' if fits else '_large'}", model=named.name)))


def _draw_details(status: EngineStatus) -> None:
    """Draw the facts, notices and log of the engine, and the vision check."""
    st.caption(plain(joined(*_facts(status))))
    for notice in services().engine_notices:
        st.caption(plain(notice_text(notice)))
    vision_check.draw()
    if log := services().engine.log_tail(_LOG_LINES):
        with st.expander(t("ui.engine_log")):
            st.code(log, language=None, height=280, wrap_lines=True)


def _engine_error(status: EngineStatus) -> AppError | None:
    """Return why the engine failed, or a bug in its start or stop, which its status doesn't show."""
    if status.state == "failed":
        return status.error
    for task in (services().switcher.engine_start, services().switcher.engine_stop):
        if task.state == "failed" and task.subject == status.model and task.error and task.error.key == "internal":
            return task.error
    return None


def _facts(status: EngineStatus) -> list[str]:
    """List vision support and other facts of the engine; vision is left out where the start failed."""
    sight = [] if status.state == "failed" else [t(f"models.page.sees_{_sight(status)}")]
    if kept := last_check(services().settings):
        sight.append(t(f"models.vision_check.short_{kept['verdict']}"))
    return [*sight, *facts(status)]


def _sight(status: EngineStatus) -> str:
    sees = status.info.sees if status.info else None
    return "unknown" if sees is None else "yes" if sees else "no"


# ---- start and stop --------------------------------------------------------------------------------------------------


def _draw_buttons(status: EngineStatus) -> None:
    is_remote, is_blocked = status.kind == "remote", is_changing()
    with st.container(horizontal=True, gap="small"):
        if status.state in ("stopped", "failed"):
            now = readiness(services().settings, services().engine)
            words = t("models.page.connect" if is_remote else "models.page.start")
            button(words, "model_start", _on_start, now, icon="play_arrow", disabled=is_blocked or not now.has_room)
        elif not is_remote:
            is_busy = bool(services().jobs.running())
            words, tip = t("models.page.stop"), t(f"models.page.{'stop_busy' if is_busy else 'stop_help'}")
            button(words, "model_stop", _on_stop, icon="stop", disabled=is_blocked or is_busy, help=tip)


def _on_start(now: Readiness) -> None:
    with page_state().catching_errors():
        if now.model:
            confirm_download(services().settings.data_dir, now.model.model)
        services().switcher.start_engine()


def _on_stop() -> None:
    with page_state().catching_errors():
        services().switcher.stop_engine()
