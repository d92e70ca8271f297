"""Cards of the models to recommend for this machine: the best, a quick one and the smallest."""

import streamlit as st

from app.components.controls import ButtonKind, button
from app.context import services
from app.panels.analyse import missing_model
from app.panels.menu.engine import has_model
from framelens.core.units import gib_number, human_size
from framelens.i18n import t
from framelens.jobs.readiness import Card, ModelCandidate, model_cards
from framelens.plugins.models.panels.current_model import is_changing
from framelens.reports.content.page_text import joined, plain

_ICONS: dict[Card, str] = {"best": "star", "quick": "bolt", "small": "compress"}


def draw() -> None:
    """Draw the cards beside each other, on a phone below each other."""
    cards = model_cards(services().settings)
    if not cards:
        st.info(t("models.page.none"), icon=":material/memory:")
        return
    best = next(iter(cards.values()))
    for place, (card, one) in zip(st.columns(len(cards)), cards.items(), strict=True):
        with place, st.container(border=True, gap="small", height="stretch"):
            _draw_card(card, one, best)


def _draw_card(card: Card, one: ModelCandidate, best: ModelCandidate) -> None:
    size = human_size(one.download_bytes) if one.download_bytes else t("models.missing.here")
    st.caption(f":material/{_ICONS[card]}: {t(f'models.card.{card}')}")
    st.markdown(f"**{plain(one.name)}**")
    st.markdown(plain(joined(size, one.licence)))
    st.caption(plain(_why(card, one, best)))
    is_used = has_model() and services().settings.model_path == one.model and not services().settings.base_url
    words = t("models.page.used_row" if is_used else "models.card.get" if one.download_bytes else "models.card.use")
    kind: ButtonKind = "primary" if card == "best" and not has_model() else "secondary"
    button(words, f"model_card_{card}", missing_model.get, one, kind=kind, disabled=is_used or is_changing())


def _why(card: Card, one: ModelCandidate, best: ModelCandidate) -> str:
    values: dict[str, object] = {}
    if one.entry and best.entry:
        values["times"] = best.entry.shape.active_parameters / one.entry.shape.active_parameters
    if one.need:
        values |= {"needs": gib_number(one.need.least_bytes), "there": gib_number(one.need.there_bytes)}
    return t(f"models.card.{card}_why", **values)
