"""Form for another model: its name in any usual form, and settings that fit this machine, checked as they are typed."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from app.core import AppError, gib_text, human_size
from app.i18n import sentences
from app.models import (
    Catalogue,
    Engine,
    Proposal,
    estimate_memory,
    format_of,
    match_text,
    need_text,
    parameters_text,
    parse_plan,
    why_nothing_fits,
)
from app.services import HardwareProfile, free_bytes, with_local_model
from app.ui.components import charts
from app.ui.context import language, services, t
from app.ui.formatting import error_words, plain
from app.ui.model_selection import ModelChoice, ModelSettings, env_lines, find_model, proposal_for
from app.ui.panels.models import apply, benchmark
from app.ui.panels.models.table import CONFIG, ENGINE, NAME, fill_form

_NUM_SUGGESTED = 4
"""Number of suggested models. Chosen by hand; not tuned."""


def draw(catalogue: Catalogue, place: HardwareProfile) -> None:
    """Draw the name field and, below it, what belongs to the model it means."""
    name = st.text_input(
        t("models.page.name"),
        key=NAME,
        placeholder=t("models.page.name_example"),
        help=plain(t("models.page.name_help")),
        persist_state="session",
        on_change=lambda: fill_form(st.session_state[NAME], catalogue, place),
    )
    if not (name or "").strip():
        _draw_suggestions(catalogue, place)
        return
    try:
        choice = find_model(name or "", catalogue)
    except AppError as error:
        st.error(plain(error_words(error)), icon=":material/error:")
        _draw_suggestions(catalogue, place)
        return
    with st.container(border=True):
        _draw_model(choice)
        _draw_settings(catalogue, choice, place)


def _draw_suggestions(catalogue: Catalogue, place: HardwareProfile) -> None:
    best = place.proposals(tuple(catalogue.by_id.values()))[:_NUM_SUGGESTED]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if best:
            st.caption(t("models.page.suggested"), width="content")
        for one in best:
            key = f"model_suggested_{one.entry.id}"
            st.button(plain(one.entry.name), key=key, on_click=fill_form, args=(one.entry.id, catalogue, place))


# ---- model -----------------------------------------------------------------------------------------------------------


def _draw_model(choice: ModelChoice) -> None:
    entry = choice.entry
    st.markdown(f"**{plain(choice.model)}**")
    if entry is None:
        st.caption(t("models.page.unknown_entry"))
    else:
        with st.container(horizontal=True, gap="small"):
            for fact in _facts(choice):
                st.badge(plain(fact), color="gray")
        if entry.about[language()]:
            st.caption(plain(entry.about[language()]))
    if choice.match:
        st.info(plain(match_text(choice.match, language())), icon=":material/info:")
    if entry and entry.needs_code:
        st.caption(plain(t("models.with_code")))
    _draw_place(choice)


def _facts(choice: ModelChoice) -> list[str]:
    entry = choice.entry
    if entry is None:
        return []
    shape = entry.shape
    sees = t(f"models.page.sees_{'yes' if entry.sees else 'no'}")
    positions = shape.text.max_positions
    length = t("system.context", n=positions) if positions else ""
    name = t(f"models.format.{format_of(shape).key}.name")
    return [one for one in (parameters_text(shape, language()), sees, name, length, entry.licence) if one]


def _draw_place(choice: ModelChoice) -> None:
    """Show the model's folder, or the size of the download and whether the disk has room for it."""
    if choice.folder is not None:
        st.caption(f":material/hard_drive: {plain(t('models.page.is_here', folder=choice.folder))}")
        return
    size, free = choice.download_bytes, free_bytes()
    values = {"size": human_size(size or 0), "free": human_size(free)}
    if size and size > free:
        st.error(plain(t("models.page.no_room", **values)), icon=":material/hard_drive:")
        return
    key = "to_download" if size else "to_download_unknown"
    st.caption(f":material/download: {plain(t(f'models.page.{key}', **values))}")


# ---- settings --------------------------------------------------------------------------------------------------------


def _draw_settings(catalogue: Catalogue, choice: ModelChoice, place: HardwareProfile) -> None:
    proposal = proposal_for(choice, place)
    if choice.entry and proposal is None:
        why = why_nothing_fits(choice.entry, place.card, place.need(choice.entry.shape, {}), language())
        words = t("models.page.nothing_fits", machine=place.words(language()), why=why)
        st.warning(plain(words), icon=":material/memory:")
    engine = st.segmented_control(
        t("models.page.engine"),
        get_args(Engine),
        format_func={"vllm": "vLLM", "transformers": "transformers serve"}.__getitem__,
        help=t("models.page.engine_help"),
        key=ENGINE,
        required=True,
        default=None if ENGINE in st.session_state else "vllm",
        persist_state="session",
    )
    wanted = _draw_config(choice, proposal, place, engine or "vllm")
    apply.draw(catalogue, choice, place, wanted)
    if wanted.engine == "vllm":
        benchmark.draw(choice, proposal, place, wanted)
    if wanted.config is not None:
        with st.expander(t("models.page.env"), icon=":material/content_copy:"):
            st.caption(plain(t("models.page.env_why")))
            environment = proposal.environment if proposal else {}
            st.code(env_lines(wanted, environment), language="bash")


def _draw_config(choice: ModelChoice, proposal: Proposal | None, place: HardwareProfile, engine: str) -> ModelSettings:
    """Draw VLLM_CONFIG with the memory it takes, and return the settings."""
    text = ""
    if engine == "vllm":
        about = t("models.page.config_proposed", machine=place.words(language())) if proposal else ""
        text = (
            st.text_area(
                t("models.page.config"),
                "" if CONFIG in st.session_state else "{}",
                key=CONFIG,
                height=230,
                help=plain(sentences((t("models.page.config_help"), about), language())),
                persist_state="session",
            )
            or ""
        )
    try:
        settings = with_local_model(services().settings, model=choice.model, vllm_config=text, engine=engine)
    except AppError as error:
        wanted = ModelSettings(choice.model, text, engine, None)
        if not apply.checked_findings(wanted):  # one of the findings is this error, with its fix
            st.error(plain(error_words(error)), icon=":material/error:")
        return wanted
    wanted = ModelSettings(choice.model, text, engine, settings.vllm_config)
    if engine == "vllm" and choice.entry:
        _draw_memory(choice, wanted, place)
    return wanted


def _draw_memory(choice: ModelChoice, wanted: ModelSettings, place: HardwareProfile) -> None:
    """Draw how much of this machine's memory these settings fill_form."""
    assert choice.entry
    config = wanted.config or {}
    plan = parse_plan(config, device=place.device)
    sum_ = estimate_memory(choice.entry.shape, plan)
    need = place.need(choice.entry.shape, config)
    available, about = need.usable_bytes, need_text(need, language())
    if need.fits:
        tokens = sum_.cache_tokens(available)
        values = {"tokens": f"{tokens:,}", "requests": f"{tokens / plan.max_model_len:.1f}"}
        about += f" · {t('models.page.free_part', **values)}"
        st.caption(plain(about))
    else:
        st.warning(plain(about), icon=":material/memory:")
    parts = [
        charts.BarPart(t(f"models.term.{one.key}"), one.card_bytes, gib_text(one.card_bytes)) for one in sum_.terms
    ]
    charts.draw_stacked_bar(parts, available=available, about=about, key="model_choice_memory")
