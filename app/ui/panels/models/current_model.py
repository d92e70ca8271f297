"""Model in use: its state with the actions for it, its log, and the download or switch in progress or its outcome."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from app.core import AppError, human_size
from app.engine import Engine, installed_vllm
from app.i18n import notice_text
from app.services import Readiness, confirmed_downloads, model_benchmarks
from app.services.readiness import readiness
from app.ui.context import language, services, t
from app.ui.formatting import error_words, plain
from app.ui.panels.sidebar.engine import COLOURS, draw_phase, short_model_name, state_words

if TYPE_CHECKING:
    from app.engine import DownloadState, EngineStatus
    from app.jobs import EngineSwitch

_POLL_SECONDS = 2.0
"""Interval between two polls. Chosen by hand; not tuned."""
_LOG_LINES = 200
_KIND = {"vllm": "vLLM", "transformers": "transformers serve", "remote": ""}


def draw() -> None:
    """Draw the panel and poll it.

    The whole page is redrawn when a download or switch starts or ends, because that changes what can be chosen.
    """
    st.fragment(_draw, run_every=_POLL_SECONDS)(is_changing())


def is_changing() -> bool:
    """Check whether a switch, a download or a benchmark is running."""
    download = services().downloads.current
    return is_switching() or services().benchmarks.runs or (download is not None and download.state == "running")


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
        if status.state == "starting" and status.phase:
            draw_phase(status.phase)
        if status.error and status.state == "failed":
            st.error(plain(error_words(status.error)), icon=":material/error:")
        for notice in services().engine_notices:
            st.caption(plain(notice_text(notice, language())))
        _draw_buttons(status)
        if log := services().engine.log_tail(_LOG_LINES):
            with st.expander(t("ui.engine_log")):
                st.code(log, language=None, height=280, wrap_lines=True)
    if download := services().downloads.current:
        _draw_download(download)
    if change := services().switcher.switch:
        _draw_switch(change)


def is_switching() -> bool:
    """Check whether another engine is about to replace this one."""
    change = services().switcher.switch
    return change is not None and not change.is_over


def _facts(status: EngineStatus) -> list[str]:
    """List vision support, engine, device or address, and context length; none about vision where the start failed."""
    info, installed = status.info, installed_vllm()
    facts = [] if status.state == "failed" else [t(f"models.page.sees_{_sight(status)}")]
    if kept := model_benchmarks.last_check(services().settings):
        facts.append(t(f"models.vision_check.short_{kept['verdict']}"))
    facts.append(f"{_KIND[status.kind]} {info.version if info else ''}".strip())
    if status.kind == "vllm" and installed:
        facts.append(installed[0].upper())
    if status.kind == "remote":
        facts.append(urlsplit(services().settings.base_url).netloc)
    length = info.max_model_len if info else None
    length = length or (None if status.kind != "vllm" else services().settings.vllm_config.get("max_model_len"))
    if length:
        facts.append(t("system.context", n=length))
    return [fact for fact in facts if fact]


def _sight(status: EngineStatus) -> str:
    sees = status.info.sees if status.info else None
    return "unknown" if sees is None else "yes" if sees else "no"


# ---- start and stop --------------------------------------------------------------------------------------------------


def _draw_buttons(status: EngineStatus) -> None:
    is_remote, is_blocked = status.kind == "remote", is_switching() or services().benchmarks.runs
    with st.container(horizontal=True, gap="small"):
        if status.state in ("stopped", "failed"):
            now = readiness(services().settings, services().engine)
            st.button(
                _start_words(now) if not is_remote else t("models.page.connect"),
                key="model_start",
                icon=":material/play_arrow:",
                disabled=is_blocked or not now.has_room,
                on_click=_on_start,
                args=(now,),
            )
        elif not is_remote:
            is_busy = bool(services().jobs.running())
            st.button(
                t("models.page.stop"),
                key="model_stop",
                icon=":material/stop:",
                disabled=is_blocked or is_busy,
                help=t(f"models.page.{'stop_busy' if is_busy else 'stop_help'}"),
                on_click=_stop,
                args=(services().engine,),
            )


def _start_words(now: Readiness) -> str:
    """Return the label of the start button, with the size of the download."""
    if now.model is None:
        return t("models.page.start")
    size = human_size(now.model.download_bytes) if now.model.download_bytes else ""
    return t("models.page.start_download" if size else "models.page.start_download_unknown", size=size)


def _on_start(now: Readiness) -> None:
    if now.model:
        confirmed_downloads(services().settings).add(now.model.model)
    threading.Thread(target=_start, args=(services().engine,), name="engine-start", daemon=True).start()


def _start(engine: Engine) -> None:
    try:
        engine.ensure_ready(lambda _: None, threading.Event())
    except AppError:
        return  # its status shows the error


def _stop(engine: Engine) -> None:
    threading.Thread(target=engine.stop, name="engine-stop", daemon=True).start()


# ---- download and switch ---------------------------------------------------------------------------------------------


def _draw_download(download: DownloadState) -> None:
    downloads = services().downloads
    with st.container(border=True, gap="small"):
        if download.state == "running":
            now = short_model_name(services().engine.status().model)
            st.markdown(plain(t("models.page.download", model=download.model, now=now)))
        elif download.state == "paused":
            st.markdown(plain(t("models.page.download_paused", model=download.model)))
        elif download.error:
            reason = error_words(download.error)
            words = t("models.page.download_failed", model=download.model, reason=reason)
            st.error(plain(words), icon=":material/error:")
        if download.progress:
            draw_phase(download.progress)
        with st.container(horizontal=True, gap="small"):
            running = download.state == "running"
            st.button(
                t(f"models.page.download_{'pause' if running else 'continue'}"),
                key="model_download_pause" if running else "model_download_continue",
                icon=":material/pause:" if running else ":material/play_arrow:",
                on_click=downloads.pause if running else downloads.resume,
            )
            st.button(
                t("models.page.download_cancel"),
                key="model_download_cancel",
                icon=":material/close:",
                on_click=downloads.cancel,
            )


def _draw_switch(change: EngineSwitch) -> None:
    names = {"before": short_model_name(change.before), "after": short_model_name(change.after)}
    if change.state == "done":
        st.caption(plain(t("models.page.switch_done", **names)))
    elif change.state == "cancelled":
        st.info(plain(t("models.page.switch_cancelled", **names)), icon=":material/info:")
    elif change.state == "failed":
        reason = error_words(change.error) if change.error else ""
        words = t("models.page.switch_failed", **names, reason=reason)
        st.error(plain(f"{words}\n\n{t('models.page.switch_back', **names)}"), icon=":material/error:")
    else:
        with st.container(border=True, gap="small"):
            st.markdown(f"**{plain(t('models.page.switching', **names))}**")
            words = t(f"models.page.switch_{change.state}", **names, n=len(services().jobs.running()))
            st.markdown(f":material/progress_activity: {plain(words)}")
            st.button(
                t("models.page.switch_cancel"),
                key="model_switch_cancel",
                icon=":material/close:",
                on_click=services().switcher.cancel,
            )
