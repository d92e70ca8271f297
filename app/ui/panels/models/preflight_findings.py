"""What was found wrong with a model and its settings before anything is started, each with a button that mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from app.domain import Language
from app.i18n import notice_text, t
from app.models.preflight import Finding, Mend, Severity, applied
from app.ui.formatting import plain
from app.ui.model_selection import Wanted, config_text

_DRAWN: dict[Severity, tuple[Callable[..., object], str]] = {
    "stops": (st.error, ":material/error:"),
    "hinders": (st.warning, ":material/warning:"),
    "tells": (st.info, ":material/info:"),
}


def draw(found: tuple[Finding, ...], wanted: Wanted, take: Callable[[Wanted], None], language: Language) -> None:
    """The findings, the worst first. A button calls `take` with what is wanted as its mend has it."""
    if not found:
        st.success(t("models.page.nothing_found", language), icon=":material/check_circle:")
    for place, finding in enumerate(found):
        show, icon = _DRAWN[finding.severity]
        show(plain(notice_text(finding.notice, language)), icon=icon)
        if finding.mend:
            st.button(
                plain(notice_text(finding.mend.notice, language)),
                key=f"model_mend_{place}",
                icon=":material/build:",
                on_click=take,
                args=(mended(wanted, finding.mend),),
            )


def mended(wanted: Wanted, mend: Mend) -> Wanted:
    """The same with the mend's changes in it; of the settings, those that were written stay as they are."""
    written = wanted.written or {}
    changed = applied(written, mend)
    # What our defaults set is not there to be taken out: null is vLLM's own default.
    changed |= {name: None for name in mend.remove if name in (wanted.config or {}) and name not in written}
    model, engine = mend.model or wanted.model, mend.engine or wanted.engine
    return replace(wanted, model=model, engine=engine, vllm_config=config_text(changed))
