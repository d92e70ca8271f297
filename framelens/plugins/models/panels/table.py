"""Table of the models that fit this machine, or memory of another size, best first; a row's button chooses its model.

The form fields that a choice fills are named here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from framelens import AppError
from framelens.plugin import language, t
from framelens.plugin.engines import config_text
from framelens.plugin.machine import HardwareProfile, memory_bytes
from framelens.plugin.models import Catalogue, CatalogueEntry, GpuCard, MemoryNeed, NumberFormat, Proposal
from framelens.plugin.texts import GIB, gib_number, joined, plain
from framelens.plugin_page import PageTools
from framelens.plugins.models.formatting import parameters_text, why_not
from framelens.plugins.models.panels.form_state import form_state
from framelens.plugins.models.selection import find_model, proposal_for

_HEADS = ("models.column_model", "models.page.memory", "models.column_format", "models.page.lengths")
_MORE_HEADS = ("models.page.frames", "models.column_licence")
_NUM_UNFOLDED = 10
"""Rows shown before the fold."""
_USUAL_GIB = (24, 16, 12, 8)
"""Sizes offered besides this machine."""
NAME, CONFIG, ENGINE = "model_name", "model_config", "model_engine"
"""Keys of the fields in which a model is chosen."""


def draw(ui: PageTools, catalogue: Catalogue, here: HardwareProfile) -> None:
    """Draw the table of the models that run on this machine."""
    st.caption(plain(joined(here.description(), t("models.page.table_about"))))
    _draw_table(ui, catalogue, here, here, key="model_rows", has_rest=False)


def draw_sizes(ui: PageTools, catalogue: Catalogue, here: HardwareProfile) -> None:
    """Draw the choice of a size of memory, and the table of all models for it."""
    profiles = _profiles(here)
    key = st.segmented_control(
        t("models.page.size"),
        list(profiles),
        default="here",
        format_func={**{key: key for key in profiles}, "here": t("models.page.size_here")}.__getitem__,
        required=True,
        key="model_place",
    )
    hardware = profiles[key or "here"]
    st.caption(plain(hardware.description()))
    if hardware.card is None:
        st.caption(t("models.page.table_cpu"))
    _draw_table(ui, catalogue, here, hardware, key="model_rows_sizes", has_rest=True)


def _draw_table(
    ui: PageTools, catalogue: Catalogue, here: HardwareProfile, hardware: HardwareProfile, *, key: str, has_rest: bool
) -> None:
    """Draw the models that run at a place, with `has_rest` the others, too; a row chooses its model here."""
    entries = tuple(catalogue.by_id.values())
    proposals = hardware.proposals(entries)
    if not proposals:
        st.info(t("models.page.none"), icon=":material/memory:")
    fitting = {proposal.entry.id for proposal in proposals}
    settings = ui.services.settings
    used = settings.model_path if ui.has_model() and not settings.base_url else ""
    rest = sorted(
        (entry for entry in entries if has_rest and entry.id not in fitting),
        key=lambda entry: MemoryNeed.least_of(entry.shape, hardware.device),
    )
    rows = [_row(proposal, hardware, used) for proposal in proposals]
    draw_rows(
        ui,
        rows[:_NUM_UNFOLDED],
        {
            t("models.page.more", n=len(rows[_NUM_UNFOLDED:])): rows[_NUM_UNFOLDED:],
            t("models.page.rest", n=len(rest)): [_rest_row(entry, hardware, used) for entry in rest],
        },
        heads=[t(head) for head in (*_HEADS, *_MORE_HEADS)],
        labels={
            "use": t("models.page.use_row"),
            "used": t("models.page.used_row"),
        },
        key=key,
        on_use=lambda id_: fill_form(id_, catalogue, here),
    )


def _profiles(ours: HardwareProfile) -> dict[str, HardwareProfile]:
    """Return the profiles to choose from by key: this machine, the usual cards, and its CPU if it has a card."""
    profiles = [ours, *(HardwareProfile(f"{gib} GB", GpuCard(gib)) for gib in _USUAL_GIB)]
    if ours.card:
        profiles.append(replace(HardwareProfile.of((), "cpu", memory_bytes() / GIB), key="CPU"))
    return {profile.key: profile for profile in profiles}


def _row(proposal: Proposal, hardware: HardwareProfile, used: str) -> ModelRow:
    needed, available = proposal.sum.card_bytes, hardware.bytes_each
    amounts = {"needs": gib_number(needed), "there": f"{available / GIB:.4g}"}
    return ModelRow(
        id=proposal.entry.id,
        name=proposal.entry.name,
        about=_about(proposal.entry),
        facts=(
            t(f"models.format.{proposal.format.key}.name"),
            f"{proposal.plan.max_model_len:,}",
            str(proposal.frames or "–"),
            proposal.entry.licence_text(),
        ),
        share=needed / available,
        memory=t("models.page.memory_of", **amounts),
        is_used=proposal.entry.id == used,
    )


def _rest_row(entry: CatalogueEntry, hardware: HardwareProfile, used: str) -> ModelRow:
    return ModelRow(
        id=entry.id,
        name=entry.name,
        about=_about(entry),
        facts=(t(f"models.format.{NumberFormat.of(entry.shape).key}.name"), "", "", entry.licence_text()),
        share=MemoryNeed.least_of(entry.shape, hardware.device) / hardware.bytes_each,
        memory=why_not(entry, hardware.card),
        is_used=entry.id == used,
    )


def _about(entry: CatalogueEntry) -> str:
    return " · ".join(filter(None, (parameters_text(entry.shape, named=True), entry.about[language()])))


def fill_form(name: str, catalogue: Catalogue, here: HardwareProfile) -> None:
    """Put this model into the fields, with the settings that suit it on this machine."""
    st.session_state[NAME] = name
    state = form_state()
    state.error = None
    try:
        choice = find_model(name, catalogue)
    except AppError:
        return
    proposal = proposal_for(choice, here)
    st.session_state[CONFIG] = config_text(proposal.config_without_code if proposal else {})
    st.session_state[ENGINE] = choice.entry.engine if choice.entry else "vllm"


@dataclass(frozen=True)
class ModelRow:
    """A model.

    Attributes:
        id: Id of the model.
        name: Its name.
        about: What it is, in a line.
        facts: Short texts, one per column; "" leaves a cell empty.
        share: Share of the available memory that it takes.
        memory: The memory in words.
        is_used: Whether it is the model in use.
    """

    id: str
    name: str
    about: str
    facts: Sequence[str]
    share: float
    memory: str
    is_used: bool = False


def draw_rows(
    ui: PageTools,
    rows: Sequence[ModelRow],
    folded: Mapping[str, Sequence[ModelRow]],
    *,
    heads: Sequence[str],
    labels: Mapping[str, str],
    key: str,
    on_use: Callable[[str], None],
) -> None:
    """Draw the rows.

    Args:
        ui: Tools of the page.
        rows: The rows that are always shown.
        folded: More rows, by the title under which they are folded away.
        heads: Headings of name, memory and facts, in this order.
        labels: Labels: use, used.
        key: The widget key.
        on_use: Called with the id of the row whose button was pressed.
    """
    all_rows = [row for group in (rows, *folded.values()) for row in group]

    def notify() -> None:
        chosen = ui.sent(key, "use")
        if any(chosen == row.id for row in all_rows):
            on_use(chosen)

    folds = [{"title": title, "rows": [vars(row) for row in group]} for title, group in folded.items() if group]
    shown = {"rows": [vars(row) for row in rows], "folds": folds}
    ui.mount(
        "models",
        __package__,
        key=key,
        data={**shown, "heads": list(heads), "words": dict(labels)},
        on_use_change=notify,
    )
