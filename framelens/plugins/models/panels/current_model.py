"""Model in use: its state with the actions for it, details with its log, and the change in progress or its failure."""

import streamlit as st

from framelens import AppError, notice_text
from framelens.plugin import t
from framelens.plugin.engines import EngineStatus
from framelens.plugin.models import ModelCandidate, Readiness, confirmed_downloads, readiness
from framelens.plugin.texts import joined, plain, short_model_name
from framelens.plugin_page import PageTools
from framelens.plugins.models.panels import vision_check
from framelens.plugins.models.tasks import tasks_of
from framelens.plugins.models.vision_checks import last_check

_POLL_SECONDS = 2.0
"""Interval between two polls."""
_LOG_LINES = 200


def draw(ui: PageTools) -> None:
    """Draw the panel and poll it, and below it the details of an engine.

    The whole page is redrawn when a download or switch starts or ends, because that changes what can be chosen.
    """
    st.fragment(_draw, run_every=_POLL_SECONDS)(ui, is_changing(ui))
    if ui.has_model():
        with st.expander(t("ui.details"), icon=":material/info:"):
            _draw_details(ui, ui.services.engine.status())


def is_changing(ui: PageTools) -> bool:
    """Check whether a switch, a download or a check is running."""
    return ui.is_model_changing() or tasks_of(ui.services).preflight.is_running


def _draw(ui: PageTools, was_changing: bool) -> None:
    if is_changing(ui) != was_changing:
        st.rerun()
    with st.container(border=True, gap="small"):
        if ui.has_model():
            _draw_model(ui, ui.services.engine.status())
        else:
            st.markdown(f"**{t('models.missing.none')}**")
            _draw_default(ui)
    ui.draw_model_change()


def _draw_model(ui: PageTools, status: EngineStatus) -> None:
    st.markdown(f"**{plain(short_model_name(status.model))}**", help=plain(ui.services.settings.model_path))
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        ui.draw_engine_state(status)
        if status.state == "ready":
            st.badge(t(f"models.page.sees_{_sight(status)}"), color="gray")
    ui.draw_engines()
    if status.state == "starting" and status.phase:
        ui.draw_engine_phase(status.phase)
    if error := _engine_error(ui, status):
        ui.show_error(error)
    _draw_buttons(ui, status)


def _draw_default(ui: PageTools) -> None:
    """Say which model the settings name, and why it isn't in use."""
    settings, now = ui.services.settings, readiness(ui.services.settings, ui.services.engine)
    if now.error:
        ui.show_error(now.error)
        return
    if about_engine := now.engine_text():
        st.caption(plain(about_engine))
    named = ModelCandidate.of(settings.model_path, settings)
    kind, fits = "chosen" if settings.model_chosen else "default", named.need is None or named.need.fits
    st.caption(plain(t(f"models.page.{kind}{'' if fits else '_large'}", model=named.name)))


def _draw_details(ui: PageTools, status: EngineStatus) -> None:
    """Draw the facts, notices and log of the engine, and the vision check."""
    st.caption(plain(joined(*_facts(ui, status))))
    for notice in ui.services.engine_notices:
        st.caption(plain(notice_text(notice)))
    vision_check.draw(ui)
    if log := ui.services.engine.log_tail(_LOG_LINES):
        with st.expander(t("ui.engine_log")):
            st.code(log, language=None, height=280, wrap_lines=True)


def _engine_error(ui: PageTools, status: EngineStatus) -> AppError | None:
    """Return why the engine failed, or a bug in its start or stop, which its status doesn't show."""
    if status.state == "failed":
        return status.error
    for task in (ui.services.switcher.engine_start, ui.services.switcher.engine_stop):
        if task.state == "failed" and task.subject == status.model and task.error and task.error.key == "internal":
            return task.error
    return None


def _facts(ui: PageTools, status: EngineStatus) -> list[str]:
    """List vision support and other facts of the engine; vision is left out where the start failed."""
    sight = [] if status.state == "failed" else [t(f"models.page.sees_{_sight(status)}")]
    if check := last_check(ui.services.settings):
        sight.append(t(f"models.vision_check.short_{check['verdict']}"))
    return [*sight, *ui.engine_facts(status)]


def _sight(status: EngineStatus) -> str:
    sees = status.info.sees if status.info else None
    return "unknown" if sees is None else "yes" if sees else "no"


# ---- start and stop --------------------------------------------------------------------------------------------------


def _draw_buttons(ui: PageTools, status: EngineStatus) -> None:
    is_remote, is_blocked = status.kind == "remote", is_changing(ui)
    with st.container(horizontal=True, gap="small"):
        if status.state in ("stopped", "failed"):
            now = readiness(ui.services.settings, ui.services.engine)
            label = t("models.page.connect" if is_remote else "models.page.start")
            ui.button(
                label, "model_start", _on_start, ui, now, icon="play_arrow", disabled=is_blocked or not now.has_room
            )
        elif not is_remote:
            is_busy = bool(ui.services.jobs.running())
            label, tip = t("models.page.stop"), t(f"models.page.{'stop_busy' if is_busy else 'stop_help'}")
            ui.button(label, "model_stop", _on_stop, ui, icon="stop", disabled=is_blocked or is_busy, help=tip)


def _on_start(ui: PageTools, now: Readiness) -> None:
    with ui.view.catching_errors():
        if now.model and now.model.download_bytes != 0:
            confirmed_downloads(ui.services.settings.data_dir).save(now.model.model, True)
        ui.services.switcher.start_engine()


def _on_stop(ui: PageTools) -> None:
    with ui.view.catching_errors():
        ui.services.switcher.stop_engine()
