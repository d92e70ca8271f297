"""Cards of the models to recommend for this machine: the best, a quick one and the smallest."""

from typing import Literal

import streamlit as st

from framelens.plugin import Settings, t
from framelens.plugin.machine import HardwareProfile
from framelens.plugin.models import Catalogue, MemoryEstimate, ModelCandidate, Proposal
from framelens.plugin.texts import GIB, human_size, joined, plain
from framelens.plugin_page import ButtonKind, PageTools
from framelens.plugins.models.panels.current_model import is_changing

Card = Literal["best", "quick", "small"]
_QUICK = 0.6
"""Share of the recommended model's parameters for each token that a clearly quicker model has at most."""
_ICONS: dict[Card, str] = {"best": "star", "quick": "bolt", "small": "compress"}


def draw(ui: PageTools) -> None:
    """Draw the cards beside each other, on a phone below each other."""
    cards = model_cards(ui.services.settings)
    if not cards:
        st.info(t("models.page.none"), icon=":material/memory:")
        return
    best = next(iter(cards.values()))
    for place, (card, one) in zip(st.columns(len(cards)), cards.items(), strict=True):
        with place, st.container(border=True, gap="small", height="stretch"):
            _draw_card(ui, card, one, best)


def _draw_card(ui: PageTools, card: Card, one: ModelCandidate, best: ModelCandidate) -> None:
    size = human_size(one.download_bytes) if one.download_bytes else t("models.missing.here")
    st.caption(f":material/{_ICONS[card]}: {t(f'models.card.{card}')}")
    st.markdown(f"**{plain(one.name)}**")
    st.markdown(plain(joined(size, one.licence)))
    st.caption(plain(_why(card, one, best)))
    is_used = ui.has_model() and ui.services.settings.model_path == one.model and not ui.services.settings.base_url
    words = t("models.page.used_row" if is_used else "models.card.get" if one.download_bytes else "models.card.use")
    kind: ButtonKind = "primary" if card == "best" and not ui.has_model() else "secondary"
    ui.button(words, f"model_card_{card}", ui.get_model, one, kind=kind, disabled=is_used or is_changing(ui))


def _why(card: Card, one: ModelCandidate, best: ModelCandidate) -> str:
    values: dict[str, object] = {}
    if one.entry and best.entry:
        values["times"] = best.entry.shape.active_parameters / one.entry.shape.active_parameters
    if one.need:
        values |= {"needs": f"{one.need.least_bytes / GIB:.1f}", "there": f"{one.need.there_bytes / GIB:.1f}"}
    return t(f"models.card.{card}_why", **values)


def model_cards(settings: Settings) -> dict[Card, ModelCandidate]:
    """Return the recommended model, the best that is clearly quicker, and the smallest, each model once."""
    entries = Catalogue.load(settings.data_dir / "models").by_id
    found = HardwareProfile.here().recommended(tuple(entries.values()))
    free = [one for one in found if not one.entry.is_for_research] or list(found)
    if not free:
        return {}
    limit = free[0].entry.shape.active_parameters * _QUICK
    quick = [one for one in free if one.entry.shape.active_parameters <= limit]
    smallest = min(free, key=lambda one: MemoryEstimate.weights_bytes(one.entry.shape))
    cards: dict[Card, Proposal] = {"best": free[0], "quick": (quick or free)[0], "small": smallest}
    known: dict[str, Card] = {}
    for card, one in cards.items():
        known.setdefault(one.entry.id, card)
    return {card: ModelCandidate.of_proposal(cards[card]) for card in known.values()}
