"""The formats in which a model's numbers are kept: what each costs, and on what it runs."""

from __future__ import annotations

import streamlit as st

from app.domain import Language
from app.i18n import t
from app.models import FORMATS, NumberFormat
from app.ui.components import table

_SEVEN_BILLION = 7_615_616_512
_CARDS = {7.5: "RTX 20", 8.0: "RTX 30, A100", 8.9: "RTX 40, L40", 9.0: "H100"}
"""The cards with which a compute capability came, as people know them."""


def draw(language: Language) -> None:
    """The table, and what a format costs in quality."""
    st.caption(t("models.page.formats_about", language))
    heads = [
        t(f"models.column_{name}", language)
        for name in ("format", "bits", "seven", "capability", "full", "cpu", "about")
    ]
    table.draw(heads, [_cells(one, language) for one in FORMATS], key="model_formats", numbers=(1, 2), wide=(6,))
    st.caption(t("models.quality", language))


def _cells(one: NumberFormat, language: Language) -> list[str]:
    return [
        t(f"models.format.{one.key}.name", language),
        f"{one.bits:.4g}",
        f"{_SEVEN_BILLION * one.bits / 8 / 1e9:.1f} GB",
        _since(one.least_capability, language),
        _since(one.full_capability, language),
        t(f"models.runs.{one.cpu}", language),
        t(f"models.format.{one.key}.about", language),
    ]


def _since(capability: float | None, language: Language) -> str:
    if capability is None:
        return "–"
    return t("models.page.since", language, capability=capability, cards=_CARDS[capability])
