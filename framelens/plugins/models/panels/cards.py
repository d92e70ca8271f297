"""Cards of the models to recommend for this machine: the best, a quick one and the smallest."""

from typing import Literal

import streamlit as st

from framelens.plugin import Settings, t
from framelens.plugin.machine import HardwareProfile
from framelens.plugin.models import Catalogue, MemoryEstimate, ModelCandidate, Proposal
from framelens.plugin.texts import gib_number, human_size, joined, plain
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
    for column, (card, candidate) in zip(st.columns(len(cards)), cards.items(), strict=True):
        with column, st.container(border=True, gap="small", height="stretch"):
            _draw_card(ui, card, candidate, best)


def _draw_card(ui: PageTools, card: Card, candidate: ModelCandidate, best: ModelCandidate) -> None:
    size = human_size(candidate.download_bytes) if candidate.download_bytes else t("models.missing.here")
    st.caption(f":material/{_ICONS[card]}: {t(f'models.card.{card}')}")
    st.markdown(f"**{plain(candidate.name)}**")
    st.markdown(plain(joined(size, candidate.licence)))
    st.caption(plain(_why(card, candidate, best)))
    is_used = (
        ui.has_model() and ui.services.settings.model_path == candidate.model and not ui.services.settings.base_url
    )
    label = t(
        "models.page.used_row" if is_used else "models.card.get" if candidate.download_bytes else "models.card.use"
    )
    kind: ButtonKind = "primary" if card == "best" and not ui.has_model() else "secondary"
    ui.button(label, f"model_card_{card}", ui.get_model, candidate, kind=kind, disabled=is_used or is_changing(ui))


def _why(card: Card, candidate: ModelCandidate, best: ModelCandidate) -> str:
    values: dict[str, object] = {}
    if candidate.entry and best.entry:
        values["times"] = best.entry.shape.active_parameters / candidate.entry.shape.active_parameters
    if candidate.need:
        values |= {
            "needs": gib_number(candidate.need.least_bytes),
            "there": gib_number(candidate.need.there_bytes),
        }
    return t(f"models.card.{card}_why", **values)


def model_cards(settings: Settings) -> dict[Card, ModelCandidate]:
    """Return the recommended model, the best that is clearly quicker, and the smallest, each model once."""
    entries = Catalogue.load(settings.data_dir / "models").by_id
    recommended = HardwareProfile.here().recommended(tuple(entries.values()))
    free = [proposal for proposal in recommended if not proposal.entry.is_for_research] or list(recommended)
    if not free:
        return {}
    limit = free[0].entry.shape.active_parameters * _QUICK
    quick = [proposal for proposal in free if proposal.entry.shape.active_parameters <= limit]
    smallest = min(free, key=lambda proposal: MemoryEstimate.weights_bytes(proposal.entry.shape))
    cards: dict[Card, Proposal] = {"best": free[0], "quick": (quick or free)[0], "small": smallest}
    card_of: dict[str, Card] = {}
    for card, proposal in cards.items():
        card_of.setdefault(proposal.entry.id, card)
    return {card: ModelCandidate.of_proposal(cards[card]) for card in card_of.values()}
