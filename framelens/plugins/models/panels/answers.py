"""Settings of all answers on the page: how words are chosen, how long answers and searches get."""

from functools import partial

import streamlit as st

from framelens import AskSettings
from framelens.plugin import t
from framelens.plugin_page import PageTools
from framelens.plugins.models.panels.form_state import form_state

_STEPS = {
    "temperature": 0.05,
    "top_p": 0.01,
    "max_tokens": 64,
    "context_tokens": 1024,
    "repetition_penalty": 0.05,
    "search_frames": 100,
    "search_seconds": 60,
}


def draw(ui: PageTools) -> None:
    """Draw the settings, each with its limits; a change counts from the next question on."""
    st.caption(t("models.page.answers_about"))
    usual, places = ui.services.answers.usual_settings(ui.services.settings.data_dir), st.columns(2)
    for number, (name, step) in enumerate(_STEPS.items()):
        low, high = AskSettings.LIMITS[name]
        tip = t(f"ask.page.{name}_help", low=f"{low:g}", high=f"{high:g}")
        what = t(f"ask.page.{name}"), low, high, getattr(usual, name), step
        places[number % 2].number_input(*what, key=_key(name), help=tip, on_change=partial(_keep, ui))
    low, high = map(int, AskSettings.LIMITS["seed"])
    tip, none = t("ask.page.seed_help", low=low, high=high), t("ask.page.seed_none")
    places[1].number_input(
        t("ask.page.seed"),
        low,
        high,
        usual.seed,
        key=_key("seed"),
        help=tip,
        placeholder=none,
        on_change=partial(_keep, ui),
    )
    ui.button(
        t("ask.page.defaults"), "answers_defaults", _reset, ui, icon="restart_alt", disabled=usual == AskSettings()
    )


def _key(name: str) -> str:
    return f"answers_{name}"


def _keep(ui: PageTools) -> None:
    with form_state().catching_errors():
        values = {name: st.session_state[_key(name)] for name in (*_STEPS, "seed")}
        ui.services.answers.keep_settings(ui.services.settings.data_dir, AskSettings(**values))


def _reset(ui: PageTools) -> None:
    usual = AskSettings()
    for name in (*_STEPS, "seed"):
        st.session_state[_key(name)] = getattr(usual, name)
    _keep(ui)
