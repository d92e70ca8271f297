"""Vision check of the engine in use: test cards with what the model read on each, score and verdict."""

from base64 import b64encode

import streamlit as st

from framelens.plugin import language, t
from framelens.plugin.chat import VisionCard
from framelens.plugin.texts import plain, short_model_name
from framelens.plugin_page import Options, PageTools
from framelens.plugins.models import vision_checks
from framelens.plugins.models.panels.form_state import form_state
from framelens.plugins.models.tasks import tasks_of
from framelens.plugins.models.vision_checks import Measured

_SIZES = ((448, 252), (640, 360), (896, 504), (1280, 720))
"""Picture sizes offered, in pixels."""
_CARD_WIDTH = 150
_SIZE = "sight_size"


def draw(ui: PageTools) -> None:
    """Draw the check of the engine in use, and its latest stored outcome."""
    outcome = vision_checks.last_check(ui.services.settings)
    check = tasks_of(ui.services).vision_check
    with st.expander(t("models.vision_check.title"), icon=":material/visibility:", expanded=check.state != "idle"):
        ui.follow(check, _draw, ui, outcome)


def _draw(ui: PageTools, outcome: Measured | None) -> None:
    check = tasks_of(ui.services).vision_check
    if check.is_running:
        if check.progress:
            ui.draw_engine_phase(check.progress)
        ui.button(t("models.benchmark.cancel"), "sight_cancel", check.cancel, icon="close")
        return
    _draw_offer(ui)
    if check.state == "failed" and check.error and check.subject == ui.services.engine.status().model:
        ui.show_error(check.error)
    if outcome:
        _draw_outcome(outcome)


def _draw_offer(ui: PageTools) -> None:
    st.caption(t("models.vision_check.about"))
    default_size = vision_checks.usual_size(ui.services.settings)
    sizes = {f"{width} × {height}": (width, height) for width, height in sorted({default_size, *_SIZES})}
    running = len(ui.services.jobs.running())
    label, default = t("models.vision_check.size"), f"{default_size[0]} × {default_size[1]}"
    options: Options = {"default": default, "required": True, "help": t("models.vision_check.size_help")}
    size = st.segmented_control(label, list(sizes), key=_SIZE, **options)
    if running:
        st.caption(t("models.vision_check.waits", n=running))
    label, chosen = t("models.vision_check.begin"), sizes.get(size or "", default_size)
    is_blocked = bool(running) or ui.services.switcher.switch.is_running
    ui.button(label, "sight_begin", _begin, ui, chosen, icon="visibility", disabled=is_blocked)


def _begin(ui: PageTools, size: tuple[int, int]) -> None:
    with form_state().catching_errors():
        tasks_of(ui.services).start_vision_check(size)


# ---- afterwards ------------------------------------------------------------------------------------------------------


def _draw_outcome(outcome: Measured) -> None:
    """Draw the verdict, its basis, and card by card what was read."""
    reason = (outcome.get("reason") or {}).get(language(), "")
    st.markdown(plain(t(f"vision_check.{outcome['verdict']}", reason=reason)))
    about = [short_model_name(str(outcome["model"])), str(outcome["engine"])]
    about += [t(f"models.format.{outcome['format']}.name")] if outcome.get("format") else []
    score = "" if reason else vision_checks.result_text(outcome)
    st.caption(plain(" ".join(filter(None, (score, f"{' · '.join(filter(None, about))} · {outcome.get('at', '')}")))))
    with st.container(horizontal=True, gap="small"):
        for result in outcome.get("cards") or ():
            _draw_card(result)


def _draw_card(result: Measured) -> None:
    card = VisionCard(**result["card"])
    marks = {name: "✓" if result[name] else "✗" for name in ("colour", "form", "digit")}
    with st.container(width=_CARD_WIDTH, gap=None):
        picture = b64encode(card.draw(224, 126)).decode()
        st.html(f'<img src="data:image/jpeg;base64,{picture}" alt="" width="{_CARD_WIDTH}">')
        st.caption(plain(t("models.vision_check.card", **marks)))
        st.caption(plain(f"“{result['said']}”" if result["said"] else t("models.vision_check.said_nothing")))
