"""One step of an engine's way, or of what is measured with it: in words, and as a bar where its amounts are known."""

from __future__ import annotations

import streamlit as st

from app.domain import EngineProgress, Language
from app.i18n import t
from app.ui.formatting import plain

_AMOUNTS = {"downloading": ("bytes_done", "bytes_total"), "loading": ("done", "total")}


def draw_phase(phase: EngineProgress, language: Language) -> None:
    """Draws it."""
    words = plain(t(f"engine.phase.{phase.phase}", language, **phase.values))
    done, total = (phase.values.get(name) for name in _AMOUNTS.get(phase.phase, ("", "")))
    if isinstance(done, int) and isinstance(total, int) and total:
        st.progress(min(1.0, done / total), words)
    else:
        st.caption(words)
