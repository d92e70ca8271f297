"""Taking the model that was chosen: what happens with the analyses that run, a look at what would go wrong, and the
change itself, with a download before it where that is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from app.core.domain import Language
from app.i18n import notice_text, t
from app.models import Catalogue
from app.models.preflight import Finding, Fix, Severity, apply_fix
from app.services.container import chosen, use
from app.services.hardware_profile import Place
from app.services.preflight import preflight
from app.ui.formatting import error_words, plain
from app.ui.model_selection import Choice, Wanted, config_text
from app.ui.panels.models.current_model import is_changing
from app.ui.panels.models.table import CONFIG, ENGINE, take
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.models.preflight import Finding
    from app.services.container import Services

_PAUSING = "model_pausing"
_DRAWN: dict[Severity, tuple[Callable[..., object], str]] = {
    "stops": (st.error, ":material/error:"),
    "hinders": (st.warning, ":material/warning:"),
    "tells": (st.info, ":material/info:"),
}


def draw(
    services: Services, catalogue: Catalogue, choice: Choice, here: Place, wanted: Wanted, language: Language
) -> None:
    """What happens with the analyses that run, the button, and what kept it from being done."""
    running = len(services.jobs.running())
    if running:
        st.segmented_control(
            t("models.page.running", language, n=running),
            (False, True),
            format_func=lambda pauses: t(f"models.page.{'pause_now' if pauses else 'finish_first'}", language),
            default=False,
            required=True,
            key=_PAUSING,
            help=t("models.page.running_help", language),
        )
    with st.container(horizontal=True, gap="small"):
        st.button(
            t(f"models.page.{'use' if choice.folder else 'use_download'}", language),
            key="model_use",
            type="primary",
            disabled=wanted.config is None or is_changing(services),
            on_click=_use,
            args=(services, wanted),
        )
        st.button(
            t("models.page.check", language),
            key="model_check",
            icon=":material/rule:",
            help=t("models.page.check_help", language),
            disabled=wanted.written is None,
            on_click=_check,
            args=(services, wanted),
        )
    what, state = found(wanted), page_state()
    if what is not None:
        draw_findings(what, wanted, partial(_take_mended, wanted.model, catalogue, here), language)
    if state.model_error:
        st.error(plain(error_words(state.model_error, language)), icon=":material/error:")


def found(wanted: Wanted) -> tuple[Finding, ...] | None:
    """What was found out about just this; None where nobody has asked."""
    checked = page_state().model_found
    return checked[1] if checked and checked[0] == wanted else None


def _take_mended(before: str, catalogue: Catalogue, here: Place, wanted: Wanted) -> None:
    """Put what a mend has made into the fields; another model comes with settings of its own."""
    if wanted.model != before:
        take(wanted.model, catalogue, here)
        return
    st.session_state[CONFIG], st.session_state[ENGINE] = wanted.vllm_config, wanted.engine


def _check(services: Services, wanted: Wanted) -> None:
    """Find out what would go wrong; a model that nothing is known of is asked for on the hub."""
    state = page_state()
    state.model_found = None
    status = services.engine.status()
    runs = status.kind != "remote" and status.state in ("starting", "ready")
    with state.trying("model_error"):
        right = wanted if wanted.config is not None else replace(wanted, vllm_config="")
        settings = chosen(services.settings, **right.named)
        met = preflight(settings, None if right is wanted else wanted.written, engine_runs=runs, asks_hub=True)
        # That it has to be downloaded stands above.
        state.model_found = (wanted, tuple(finding for finding in met if finding.key != "doctor_model_absent"))


def _use(services: Services, wanted: Wanted) -> None:
    """Not what is known to fail: the engine of now would be ended for it."""
    _check(services, wanted)
    state = page_state()
    if state.model_error or any(finding.severity == "stops" for finding in found(wanted) or ()):
        return
    with state.trying("model_error"):
        use(services, chosen(services.settings, **wanted.named), pausing=bool(st.session_state.get(_PAUSING)))


def draw_findings(
    found: tuple[Finding, ...], wanted: Wanted, take: Callable[[Wanted], None], language: Language
) -> None:
    """The findings, the worst first. A button calls `take` with what is wanted as its mend has it."""
    if not found:
        st.success(t("models.page.nothing_found", language), icon=":material/check_circle:")
    for place, finding in enumerate(found):
        show, icon = _DRAWN[finding.severity]
        show(plain(notice_text(finding.notice, language)), icon=icon)
        if finding.fix:
            st.button(
                plain(notice_text(finding.fix.notice, language)),
                key=f"model_mend_{place}",
                icon=":material/build:",
                on_click=take,
                args=(mended(wanted, finding.fix),),
            )


def mended(wanted: Wanted, fix: Fix) -> Wanted:
    """The same with the mend's changes in it; of the settings, those that were written stay as they are."""
    written = wanted.written or {}
    changed = apply_fix(written, fix)
    # What our defaults set is not there to be taken out: null is vLLM's own default.
    changed |= {name: None for name in fix.remove if name in (wanted.config or {}) and name not in written}
    model, engine = fix.model or wanted.model, fix.engine or wanted.engine
    return replace(wanted, model=model, engine=engine, vllm_config=config_text(changed))
