"""Model in use: its state with the actions for it, its log, and the download or switch in progress or its outcome."""

import streamlit as st

from app.components.controls import button, show_error, show_warning
from app.context import services
from app.formatting import error_words, plain
from app.panels.menu.engine import COLOURS, draw_engines, draw_phase, facts, short_model_name, state_words
from app.state import page_state
from framelens.core.errors import AppError
from framelens.core.units import human_size
from framelens.engine.base import EngineStatus
from framelens.i18n import notice_text, t
from framelens.plugins.models.tasks import tasks_of
from framelens.plugins.models.vision_checks import last_check
from framelens.services.readiness import Readiness, readiness
from framelens.store.model_records import confirm_download

_POLL_SECONDS = 2.0
"""Interval between two polls."""
_LOG_LINES = 200


def draw() -> None:
    """Draw the panel and poll it.

    The whole page is redrawn when a download or switch starts or ends, because that changes what can be chosen.
    """
    st.fragment(_draw, run_every=_POLL_SECONDS)(is_changing())


def is_changing() -> bool:
    """Check whether a switch, a download or a benchmark is running."""
    return (
        is_switching() or tasks_of(services()).benchmark.is_running or tasks_of(services()).download.state == "running"
    )


def _draw(was_changing: bool) -> None:
    if is_changing() != was_changing:
        st.rerun()
    status = services().engine.status()
    with st.container(border=True, gap="small"):
        st.markdown(f"**{plain(short_model_name(status.model))}**", help=plain(services().settings.model_path))
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.badge(state_words(status), color=COLOURS[status.state])
            for fact in _facts(status):
                st.badge(plain(fact), color="gray")
        draw_engines()
        if status.state == "starting" and status.phase:
            draw_phase(status.phase)
        if error := _engine_error(status):
            show_error(error)
        for notice in services().engine_notices:
            st.caption(plain(notice_text(notice)))
        _draw_buttons(status)
        if log := services().engine.log_tail(_LOG_LINES):
            with st.expander(t("ui.engine_log")):
                st.code(log, language=None, height=280, wrap_lines=True)
    _draw_download()
    _draw_switch()


def is_switching() -> bool:
    """Check whether another engine is about to replace the current engine."""
    return services().switcher.switch.is_running


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
    is_remote, is_blocked = status.kind == "remote", is_switching() or tasks_of(services()).benchmark.is_running
    with st.container(horizontal=True, gap="small"):
        if status.state in ("stopped", "failed"):
            now = readiness(services().settings, services().engine)
            words = t("models.page.connect") if is_remote else _start_words(now)
            button(words, "model_start", _on_start, now, icon="play_arrow", disabled=is_blocked or not now.has_room)
        elif not is_remote:
            is_busy = bool(services().jobs.running())
            words, tip = t("models.page.stop"), t(f"models.page.{'stop_busy' if is_busy else 'stop_help'}")
            button(words, "model_stop", _on_stop, icon="stop", disabled=is_blocked or is_busy, help=tip)


def _start_words(now: Readiness) -> str:
    """Return the label of the start button, with the size of the download."""
    if now.model is None:
        return t("models.page.start")
    size = human_size(now.model.download_bytes) if now.model.download_bytes else ""
    return t("models.page.start_download" if size else "models.page.start_download_unknown", size=size)


def _on_start(now: Readiness) -> None:
    with page_state().catching_errors():
        if now.model:
            confirm_download(services().settings.data_dir, now.model.model)
        services().switcher.start_engine()


def _on_stop() -> None:
    with page_state().catching_errors():
        services().switcher.stop_engine()


# ---- download and switch ---------------------------------------------------------------------------------------------


def _draw_download() -> None:
    download = tasks_of(services()).download
    state, model = download.state, download.subject
    if state in ("idle", "done"):
        return
    running = state == "running"
    with st.container(border=True, gap="small"):
        if running:
            now = short_model_name(services().engine.status().model)
            st.markdown(plain(t("models.page.download", model=model, now=now)))
        elif state == "failed" and download.error:
            words = t("models.page.download_failed", model=model, reason=error_words(download.error))
            st.error(plain(words), icon=":material/error:")
        else:
            st.markdown(plain(t("models.page.download_paused", model=model)))
        if download.progress:
            draw_phase(download.progress)
        with st.container(horizontal=True, gap="small"):
            name, act = ("pause", download.cancel) if running else ("continue", download.restart)
            words, icon = t(f"models.page.download_{name}"), "pause" if running else "play_arrow"
            button(words, f"model_download_{name}", act, icon=icon)
            button(t("models.page.download_cancel"), "model_download_cancel", download.forget, icon="close")


def _draw_switch() -> None:
    switch = services().switcher.switch
    state, change = switch.state, switch.progress
    if change is None:
        return
    names = {"before": short_model_name(change.before), "after": short_model_name(change.after)}
    if state == "done":
        st.caption(plain(t("models.page.switch_done", **names)))
        if switch.result:
            words = t("models.page.switch_not_kept", **names, reason=error_words(switch.result))
            show_warning(words)
    elif state == "cancelled":
        st.info(plain(t("models.page.switch_cancelled", **names)), icon=":material/info:")
    elif state == "failed":
        reason = error_words(switch.error) if switch.error else ""
        words = t("models.page.switch_failed", **names, reason=reason)
        st.error(plain(f"{words}\n\n{t('models.page.switch_back', **names)}"), icon=":material/error:")
    else:
        with st.container(border=True, gap="small"):
            st.markdown(f"**{plain(t('models.page.switching', **names))}**")
            words = t(f"models.page.switch_{change.phase}", **names, n=len(services().jobs.running()))
            st.markdown(f":material/progress_activity: {plain(words)}")
            button(t("models.page.switch_cancel"), "model_switch_cancel", switch.cancel, icon="close")
