"""Apply panel: what happens to running analyses, a preflight check, and the switch to the chosen model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from app.i18n import notice_text
from app.models import Catalogue, Fix, PreflightFinding, Severity, apply_fix
from app.services import HardwareProfile, download_and_switch, with_local_model
from app.services.preflight import preflight
from app.ui.context import language, services, t
from app.ui.formatting import error_words, plain
from app.ui.model_selection import ModelChoice, ModelSettings, config_text
from app.ui.panels.models.current_model import is_changing
from app.ui.panels.models.table import CONFIG, ENGINE, fill_form
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.models import PreflightFinding

_PAUSING = "model_pausing"
_DRAWN: dict[Severity, tuple[Callable[..., object], str]] = {
    "stops": (st.error, ":material/error:"),
    "hinders": (st.warning, ":material/warning:"),
    "tells": (st.info, ":material/info:"),
}


def draw(catalogue: Catalogue, choice: ModelChoice, place: HardwareProfile, wanted: ModelSettings) -> None:
    """Draw the choice for running analyses, the buttons, and the error of the last attempt."""
    running = len(services().jobs.running())
    if running:
        st.segmented_control(
            t("models.page.running", n=running),
            (False, True),
            format_func={False: t("models.page.finish_first"), True: t("models.page.pause_now")}.__getitem__,
            default=False,
            required=True,
            key=_PAUSING,
            help=t("models.page.running_help"),
        )
    with st.container(horizontal=True, gap="small"):
        st.button(
            t(f"models.page.{'use' if choice.folder else 'use_download'}"),
            key="model_use",
            type="primary",
            disabled=wanted.config is None or is_changing(),
            on_click=_use,
            args=(wanted,),
        )
        st.button(
            t("models.page.check"),
            key="model_check",
            icon=":material/rule:",
            help=t("models.page.check_help"),
            disabled=wanted.written is None,
            on_click=_check,
            args=(wanted,),
        )
    findings, state = checked_findings(wanted), page_state()
    if findings is not None:
        draw_findings(findings, wanted, partial(_apply_fix, wanted.model, catalogue, place))
    if state.model_error:
        st.error(plain(error_words(state.model_error)), icon=":material/error:")


def checked_findings(wanted: ModelSettings) -> tuple[PreflightFinding, ...] | None:
    """Return the findings for exactly these settings, or None where they weren't checked."""
    checked = page_state().model_found
    return checked[1] if checked and checked[0] == wanted else None


def _apply_fix(previous: str, catalogue: Catalogue, place: HardwareProfile, wanted: ModelSettings) -> None:
    """Put the settings with a fix applied into the form; another model gets the settings that suit it."""
    if wanted.model != previous:
        fill_form(wanted.model, catalogue, place)
        return
    st.session_state[CONFIG], st.session_state[ENGINE] = wanted.vllm_config, wanted.engine


def _check(wanted: ModelSettings) -> None:
    """Run the preflight checks; a model without local data is looked up on the hub."""
    state = page_state()
    state.model_found = None
    status = services().engine.status()
    runs = status.kind != "remote" and status.state in ("starting", "ready")
    with state.catching_errors("model_error"):
        checked = wanted if wanted.config is not None else replace(wanted, vllm_config="")
        settings = with_local_model(services().settings, **checked.named)
        results = preflight(settings, None if checked is wanted else wanted.written, engine_runs=runs, asks_hub=True)
        # The button already says that the model has to be downloaded.
        state.model_found = (wanted, tuple(finding for finding in results if finding.key != "doctor_model_absent"))


def _use(wanted: ModelSettings) -> None:
    """Switch to the model unless the check fails: the running engine would be stopped for it."""
    _check(wanted)
    state = page_state()
    if state.model_error or any(finding.severity == "stops" for finding in checked_findings(wanted) or ()):
        return
    with state.catching_errors("model_error"):
        settings = with_local_model(services().settings, **wanted.named)
        download_and_switch(services(), settings, pausing=bool(st.session_state.get(_PAUSING)))


def draw_findings(
    findings: tuple[PreflightFinding, ...], wanted: ModelSettings, on_fix: Callable[[ModelSettings], None]
) -> None:
    """Draw the findings, the worst first; a button calls `on_fix` with the fixed settings."""
    if not findings:
        st.success(t("models.page.nothing_found"), icon=":material/check_circle:")
    for place, finding in enumerate(findings):
        show, icon = _DRAWN[finding.severity]
        show(plain(notice_text(finding.notice, language())), icon=icon)
        if finding.fix:
            st.button(
                plain(notice_text(finding.fix.notice, language())),
                key=f"model_fix_{place}",
                icon=":material/build:",
                on_click=on_fix,
                args=(with_fix(wanted, finding.fix),),
            )


def with_fix(wanted: ModelSettings, fix: Fix) -> ModelSettings:
    """Apply a fix to the settings; settings that it doesn't touch stay as typed."""
    written = wanted.written or {}
    changed = apply_fix(written, fix)
    # A setting from our defaults can't be removed from the text; null restores vLLM's own default.
    changed |= {name: None for name in fix.remove if name in (wanted.config or {}) and name not in written}
    model, engine = fix.model or wanted.model, fix.engine or wanted.engine
    return replace(wanted, model=model, engine=engine, vllm_config=config_text(changed))
