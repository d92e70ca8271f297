"""Vision check of the engine in use: test cards with what the model read on each, score and verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.core import Language
from app.i18n import t
from app.llm.vision_check import VisionCard
from app.llm.vision_check import draw as draw_card
from app.services import model_benchmarks, start_vision_check
from app.store import Measured
from app.ui.formatting import error_words, plain
from app.ui.panels.models.current_model import is_switching
from app.ui.panels.sidebar.engine import draw_phase, short_model_name
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.services import Services

_POLL_SECONDS = 2.0
_SIZES = ((448, 252), (640, 360), (896, 504), (1280, 720))
"""Picture sizes offered, in pixels. Chosen by hand; not tuned."""
_CARD_WIDTH = 150
_SIZE = "sight_size"


def draw(services: Services, language: Language) -> None:
    """Draw the check of the engine in use, and its latest stored outcome."""
    outcome = model_benchmarks.last_check(services.settings)
    is_open = services.vision_checks.now is not None
    with st.expander(t("models.vision_check.title", language), icon=":material/visibility:", expanded=is_open):
        every = _POLL_SECONDS if services.vision_checks.runs else None
        st.fragment(_draw, run_every=every)(services, outcome, services.vision_checks.runs, language)


def _draw(services: Services, outcome: Measured | None, did_run: bool, language: Language) -> None:
    checks = services.vision_checks
    if checks.runs != did_run:
        st.rerun()
    now = checks.now
    if now and now.state == "running":
        if now.progress:
            draw_phase(now.progress, language)
        st.button(t("models.benchmark.cancel", language), key="sight_cancel", icon=":material/close:",
                  on_click=checks.cancel)  # fmt: skip
        return
    _draw_offer(services, language)
    if now and now.state == "failed" and now.error and now.model == services.engine.status().model:
        st.error(plain(error_words(now.error, language)), icon=":material/error:")
    if outcome:
        _draw_outcome(outcome, language)


def _draw_offer(services: Services, language: Language) -> None:
    st.caption(t("models.vision_check.about", language))
    default_size = model_benchmarks.usual_size(services.settings)
    sizes = {f"{width} × {height}": (width, height) for width, height in sorted({default_size, *_SIZES})}
    running = len(services.jobs.running())
    size = st.segmented_control(
        t("models.vision_check.size", language),
        list(sizes),
        default=f"{default_size[0]} × {default_size[1]}",
        required=True,
        key=_SIZE,
        help=t("models.vision_check.size_help", language),
    )
    if running:
        st.caption(t("models.vision_check.waits", language, n=running))
    st.button(
        t("models.vision_check.begin", language),
        key="sight_begin",
        icon=":material/visibility:",
        disabled=bool(running) or is_switching(services) or services.benchmarks.runs,
        on_click=_begin,
        args=(services, sizes.get(size or "", default_size), language),
    )


def _begin(services: Services, size: tuple[int, int], language: Language) -> None:
    with page_state().catching_errors("model_error"):
        start_vision_check(services, size, language)


# ---- afterwards ------------------------------------------------------------------------------------------------------


def _draw_outcome(outcome: Measured, language: Language) -> None:
    """Draw the verdict, its basis, and card by card what was read."""
    reason = (outcome.get("reason") or {}).get(language, "")
    st.markdown(plain(t(f"vision_check.{outcome['verdict']}", language, reason=reason)))
    about = [short_model_name(str(outcome["model"])), str(outcome["engine"])]
    about += [t(f"models.format.{outcome['format']}.name", language)] if outcome.get("format") else []
    score = "" if reason else model_benchmarks.result_text(outcome, language)
    st.caption(plain(" ".join(filter(None, (score, f"{' · '.join(filter(None, about))} · {outcome.get('at', '')}")))))
    with st.container(horizontal=True, gap="small"):
        for one in outcome.get("cards") or ():
            _draw_card(one, language)


def _draw_card(one: Measured, language: Language) -> None:
    card = VisionCard(**one["card"])
    marks = {name: "✓" if one[name] else "✗" for name in ("colour", "form", "digit")}
    with st.container(width=_CARD_WIDTH, gap=None):
        st.image(draw_card(card, 224, 126), width=_CARD_WIDTH)
        st.caption(plain(t("models.vision_check.card", language, **marks)))
        st.caption(plain(f"“{one['said']}”" if one["said"] else t("models.vision_check.said_nothing", language)))
