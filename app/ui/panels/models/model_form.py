"""Another model: named in whichever way people name one, with settings that fit this machine, checked as they are
written, and taken by a button, which downloads it first where that is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import streamlit as st

from app.core.domain import Language
from app.core.errors import AppError
from app.engine.downloads.errors import human_bytes
from app.i18n import sentences, t
from app.models import Catalogue, Proposal, memory_of, plan_of
from app.models.catalogue_parser import Engine
from app.models.formats import format_of
from app.models.formatting import match_text, need_text, parameters_text, why_nothing_fits
from app.models.serving_plan import GIB
from app.services.container import chosen
from app.services.hardware_profile import Place
from app.services.readiness import free_bytes
from app.ui.components import charts
from app.ui.formatting import error_words, plain
from app.ui.model_selection import Choice, Wanted, env_lines, proposal_for, understood
from app.ui.panels.models import apply, benchmark
from app.ui.panels.models.table import CONFIG, ENGINE, NAME, take

if TYPE_CHECKING:
    from app.services.container import Services

_SUGGESTED = 4


def draw(services: Services, catalogue: Catalogue, here: Place, language: Language) -> None:
    """The field for the name, and below it all that belongs to the model that is meant by it."""
    name = st.text_input(
        t("models.page.name", language),
        key=NAME,
        placeholder=t("models.page.name_example", language),
        help=plain(t("models.page.name_help", language)),
        persist_state="session",
        on_change=lambda: take(st.session_state[NAME], catalogue, here),
    )
    if not (name or "").strip():
        _draw_suggestions(catalogue, here, language)
        return
    try:
        choice = understood(name or "", catalogue)
    except AppError as error:
        st.error(plain(error_words(error, language)), icon=":material/error:")
        _draw_suggestions(catalogue, here, language)
        return
    with st.container(border=True):
        _draw_model(choice, language)
        _draw_settings(services, catalogue, choice, here, language)


def _draw_suggestions(catalogue: Catalogue, here: Place, language: Language) -> None:
    best = here.proposals(tuple(catalogue.by_id.values()))[:_SUGGESTED]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if best:
            st.caption(t("models.page.suggested", language), width="content")
        for one in best:
            key = f"model_suggested_{one.entry.id}"
            st.button(plain(one.entry.name), key=key, on_click=take, args=(one.entry.id, catalogue, here))


# ---- which one it is -------------------------------------------------------------------------------------------------


def _draw_model(choice: Choice, language: Language) -> None:
    entry = choice.entry
    st.markdown(f"**{plain(choice.model)}**")
    if entry is None:
        st.caption(t("models.page.unknown_entry", language))
    else:
        with st.container(horizontal=True, gap="small"):
            for fact in _facts(choice, language):
                st.badge(plain(fact), color="gray")
        if entry.about[language]:
            st.caption(plain(entry.about[language]))
    if choice.match:
        st.info(plain(match_text(choice.match, language)), icon=":material/info:")
    if entry and entry.needs_code:
        st.caption(plain(t("models.with_code", language)))
    _draw_place(choice, language)


def _facts(choice: Choice, language: Language) -> list[str]:
    entry = choice.entry
    if entry is None:
        return []
    shape = entry.shape
    sees = t(f"models.page.sees_{'yes' if entry.sees else 'no'}", language)
    positions = shape.text.max_positions
    length = t("system.context", language, n=positions) if positions else ""
    name = t(f"models.format.{format_of(shape).key}.name", language)
    return [one for one in (parameters_text(shape, language), sees, name, length, entry.licence) if one]


def _draw_place(choice: Choice, language: Language) -> None:
    """Where it lies, or what is to be downloaded and whether the disk has room for it."""
    if choice.folder is not None:
        st.caption(f":material/hard_drive: {plain(t('models.page.is_here', language, folder=choice.folder))}")
        return
    size, free = choice.download_bytes, free_bytes()
    values = {"size": human_bytes(size or 0), "free": human_bytes(free)}
    if size and size > free:
        st.error(plain(t("models.page.no_room", language, **values)), icon=":material/hard_drive:")
        return
    key = "to_download" if size else "to_download_unknown"
    st.caption(f":material/download: {plain(t(f'models.page.{key}', language, **values))}")


# ---- how it is to be run, and taking it ------------------------------------------------------------------------------


def _draw_settings(services: Services, catalogue: Catalogue, choice: Choice, here: Place, language: Language) -> None:
    proposal = proposal_for(choice, here)
    if choice.entry and proposal is None:
        why = why_nothing_fits(choice.entry, here.card, here.need(choice.entry.shape, {}), language)
        words = t("models.page.nothing_fits", language, machine=here.words(language), why=why)
        st.warning(plain(words), icon=":material/memory:")
    engine = st.segmented_control(
        t("models.page.engine", language),
        get_args(Engine),
        format_func={"vllm": "vLLM", "transformers": "transformers serve"}.__getitem__,
        help=t("models.page.engine_help", language),
        key=ENGINE,
        required=True,
        default=None if ENGINE in st.session_state else "vllm",
        persist_state="session",
    )
    wanted = _draw_config(services, choice, proposal, here, engine or "vllm", language)
    apply.draw(services, catalogue, choice, here, wanted, language)
    if wanted.engine == "vllm":
        benchmark.draw(services, choice, proposal, here, wanted, language)
    if wanted.config is not None:
        with st.expander(t("models.page.env", language), icon=":material/content_copy:"):
            st.caption(plain(t("models.page.env_why", language)))
            environment = proposal.environment if proposal else {}
            st.code(env_lines(wanted, environment), language="bash")


def _draw_config(
    services: Services, choice: Choice, proposal: Proposal | None, here: Place, engine: str, language: Language
) -> Wanted:
    """VLLM_CONFIG with what it comes to; what was named."""
    text = ""
    if engine == "vllm":
        about = t("models.page.config_proposed", language, machine=here.words(language)) if proposal else ""
        text = (
            st.text_area(
                t("models.page.config", language),
                "" if CONFIG in st.session_state else "{}",
                key=CONFIG,
                height=230,
                help=plain(sentences((t("models.page.config_help", language), about), language)),
                persist_state="session",
            )
            or ""
        )
    try:
        settings = chosen(services.settings, model=choice.model, vllm_config=text, engine=engine)
    except AppError as error:
        wanted = Wanted(choice.model, text, engine, None)
        if not apply.found(wanted):  # among which it is, with what mends it
            st.error(plain(error_words(error, language)), icon=":material/error:")
        return wanted
    wanted = Wanted(choice.model, text, engine, settings.vllm_config)
    if engine == "vllm" and choice.entry:
        _draw_memory(choice, wanted, here, language)
    return wanted


def _draw_memory(choice: Choice, wanted: Wanted, here: Place, language: Language) -> None:
    """What these settings take of this machine's memory."""
    assert choice.entry
    config = wanted.config or {}
    plan = plan_of(config, device=here.device)
    sum_ = memory_of(choice.entry.shape, plan)
    need = here.need(choice.entry.shape, config)
    there, about = need.usable_bytes, need_text(need, language)
    if need.fits:
        tokens = sum_.cache_tokens(there)
        values = {"tokens": f"{tokens:,}", "requests": f"{tokens / plan.max_model_len:.1f}"}
        about += f" · {t('models.page.free_part', language, **values)}"
        st.caption(plain(about))
    else:
        st.warning(plain(about), icon=":material/memory:")
    parts = [
        charts.BarPart(t(f"models.term.{one.key}", language), one.card_bytes, _gib(one.card_bytes))
        for one in sum_.terms
    ]
    charts.draw_stacked_bar(parts, there=there, about=about, key="model_choice_memory")


def _gib(amount: float) -> str:
    return f"{amount / GIB:.1f} GiB"
