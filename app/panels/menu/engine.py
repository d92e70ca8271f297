"""Engine card of the sidebar (model, state, vision support, log), and progress of an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import streamlit as st

from app.context import services
from framelens.core.events import EngineProgress
from framelens.engine.hardware import installed_vllm
from framelens.engine.installation import missing_engine
from framelens.i18n import t
from framelens.i18n.formatting import phase_text
from framelens.jobs.readiness import readiness
from framelens.reports.content.page_text import error_words, is_path, plain, short_model_name

if TYPE_CHECKING:
    from framelens.engine.base import EngineStatus

COLOURS: dict[str, Literal["gray", "orange", "green", "red"]] = {
    "stopped": "gray",
    "starting": "orange",
    "ready": "green",
    "failed": "red",
}
_NAMES = {"vllm": "vLLM", "transformers": "transformers serve", "remote": ""}
_LOG_LINES = 80
_AMOUNTS = {
    **{"downloading": ("bytes_done", "bytes_total"), "loading": ("done", "total")},
    **dict.fromkeys(("installing_engine", "installing_cuda"), ("written", "most")),
}


def draw() -> None:
    """Draw the card, refreshed while the engine starts or a job runs."""
    is_starting = services().engine.status().state == "starting"
    is_moving = is_starting or services().jobs.waiting() or services().jobs.all_running()
    st.fragment(_card, run_every=2.0 if is_moving else None)()


def has_model() -> bool:
    """Return whether there is a model: here with its engine, remote, or failed to start."""
    status = services().engine.status()
    if missing_engine(status.error):
        return False
    is_known = status.state != "stopped" or (status.kind == "remote" and bool(status.model))
    return is_known or readiness(services().settings, services().engine).kind == "ready"


def _card() -> None:
    status = services().engine.status()
    st.markdown(f"**{t('ui.model')}**")
    with st.container(border=True, gap="small"):
        if not has_model():
            st.markdown(t("models.missing.none"))
            return
        st.badge(state_text(status), color=COLOURS[status.state])
        st.markdown(plain(short_model_name(status.model)), help=plain(status.model) if is_path(status.model) else None)
        for text in _sight(status):
            st.caption(text)
        if status.state == "starting" and status.phase:
            st.caption(plain(phase_text(status.phase)))
        if status.error:
            with st.expander(t("ui.engine_why")):
                st.caption(plain(error_words(status.error)))
        if log := services().engine.log_tail(_LOG_LINES):
            with st.expander(t("ui.engine_log")):
                st.code(log, language=None, height=240, wrap_lines=True)


def draw_engines() -> None:
    """List several engines with their states; an engine that is left out says why on pointing at it."""
    statuses = services().engine.statuses()
    if len(statuses) < 2:
        return
    with st.container(horizontal=True, gap="small"):
        for status in statuses:
            text = f"{short_model_name(status.base_url)} · {state_text(status)}"
            why = plain(error_words(status.error)) if status.error else None
            st.badge(plain(text), color=COLOURS[status.state], help=why)


def state_text(status: EngineStatus) -> str:
    """Return the engine's state in words; a remote engine that wasn't contacted yet isn't called stopped."""
    is_unasked = status.kind == "remote" and status.state == "stopped"
    return t("ui.engine_unchecked" if is_unasked else f"ui.engine_{status.state}")


def facts(status: EngineStatus) -> list[str]:
    """List the known facts: the engine with its version, its device or address, and the context length."""
    info, installed, settings = status.info, installed_vllm(), services().settings
    texts = [f"{_NAMES[status.kind]} {info.version if info else ''}".strip()]
    if status.kind == "vllm" and installed:
        texts.append(installed[0].upper())
    if status.kind == "remote" and len(services().engine.statuses()) == 1:
        texts.append(urlsplit(settings.base_url).netloc)
    length = info.max_model_len if info else None
    if length := length or (settings.vllm_config.get("max_model_len") if status.kind == "vllm" else None):
        texts.append(t("models.context", n=length))
    return list(filter(None, texts))


def _sight(status: EngineStatus) -> list[str]:
    """Describe vision support in at most one sentence; it is unknown for an engine that failed to start."""
    if status.state == "failed":
        return []
    if status.info is None or status.info.sees is None:
        return [t("ui.vision_unknown")]
    return [t("ui.vision_yes" if status.info.sees else "ui.vision_no")]


def draw_phase(phase: EngineProgress) -> None:
    """Draw the current phase."""
    text = plain(phase_text(phase))
    done, total = (phase.values.get(name) for name in _AMOUNTS.get(phase.phase, ("", "")))
    if isinstance(done, int) and isinstance(total, int) and total:
        st.progress(min(1.0, done / total), text)
    else:
        st.caption(text)
