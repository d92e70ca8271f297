"""Form for another model: its name in any usual form, settings that fit this machine, and the switch to it.

The settings are checked as they are typed. Before the switch the form shows what happens to running analyses.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import streamlit as st

from framelens import AppError, ModelNotFound, notice_text
from framelens.plugin import language, t
from framelens.plugin.files import typed_path
from framelens.plugin.machine import CheckFinding, HardwareProfile, Severity
from framelens.plugin.models import (
    Catalogue,
    MemoryEstimate,
    NumberFormat,
    Plan,
    Proposal,
    chosen_hub,
    download_text,
    free_bytes,
)
from framelens.plugin.texts import gib_text, plain, sentences
from framelens.plugin_page import Options, PageTools
from framelens.plugins.models.formatting import parameters_text, requests_text, why_nothing_fits
from framelens.plugins.models.panels.current_model import is_changing
from framelens.plugins.models.panels.form_state import form_state
from framelens.plugins.models.panels.table import CONFIG, ENGINE, NAME, fill_form
from framelens.plugins.models.selection import ModelChoice, ModelSettings, env_lines, find_model, proposal_for, with_fix
from framelens.plugins.models.tasks import tasks_of

_NAMELESS = ("model_folder_missing", "model_not_in_catalogue", "model_unlike_catalogue", "model_owner_missing",
             "model_owner_unknown")  # fmt: skip
"""Errors of a name that no model has."""
_PAUSING = "model_pausing"
_DRAWN: dict[Severity, tuple[Callable[..., object], str]] = {
    "stops": (st.error, ":material/error:"),
    "hinders": (st.warning, ":material/warning:"),
    "tells": (st.info, ":material/info:"),
}


def is_chosen() -> bool:
    """Return whether a model is named in the field."""
    return bool((st.session_state.get(NAME) or "").strip())


def draw(ui: PageTools, catalogue: Catalogue, hardware: HardwareProfile) -> None:
    """Draw the name field and, below it, what belongs to the model it means."""
    name = st.text_input(
        t("models.page.name"),
        key=NAME,
        placeholder=t("models.page.name_example"),
        help=plain(t("models.page.name_help", hub=t(f"models.hub_{chosen_hub().kind}"))),
        persist_state="session",
        on_change=lambda: fill_form(st.session_state[NAME], catalogue, hardware),
    )
    if not is_chosen():
        return
    try:
        choice = find_model(name or "", catalogue)
    except AppError as error:
        _draw_unknown(ui, name or "", error, catalogue, hardware)
        return
    with st.container(border=True):
        _draw_model(choice)
        _draw_settings(ui, catalogue, choice, hardware)


def _draw_unknown(ui: PageTools, name: str, error: AppError, catalogue: Catalogue, hardware: HardwareProfile) -> None:
    """Say that no model has this name, in the words of the page, with a button for each of the nearest."""
    nearest = () if Path(typed_path(name)).is_absolute() else catalogue.nearest(name)
    if isinstance(error, ModelNotFound) and error.key in _NAMELESS and not Path(typed_path(name)).is_absolute():
        ui.show_warning(t(f"models.page.unknown_name{'' if nearest else '_unlike'}", name=name), "search_off")
    else:
        ui.show_error(error)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for id_ in nearest:
            ui.button(plain(catalogue.by_id[id_].name), f"model_near_{id_}", fill_form, id_, catalogue, hardware)


# ---- model -----------------------------------------------------------------------------------------------------------


def _draw_model(choice: ModelChoice) -> None:
    entry = choice.entry
    st.markdown(f"**{plain(choice.model)}**")
    if entry is None:
        st.caption(
            t(f"models.page.unknown_{'type' if choice.folder else 'entry'}", hub=t(f"models.hub_{chosen_hub().kind}"))
        )
    else:
        with st.container(horizontal=True, gap="small"):
            for fact in _facts(choice):
                st.badge(plain(fact), color="gray")
        if entry.about[language()]:
            st.caption(plain(entry.about[language()]))
    if choice.match:
        st.info(plain(choice.match.text), icon=":material/info:")
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
    length = t("models.context", n=positions) if positions else ""
    name = t(f"models.format.{NumberFormat.of(shape).key}.name")
    return [fact for fact in (parameters_text(shape, named=True), sees, name, length, entry.licence_text()) if fact]


def _draw_place(choice: ModelChoice) -> None:
    """Show the model's folder, or the size of the download and whether the disk has room for it."""
    if choice.folder is not None:
        st.caption(f":material/hard_drive: {plain(t('models.page.is_here', folder=choice.folder))}")
        return
    size, free = choice.download_bytes, free_bytes()
    text = plain(download_text(size, free))
    if size and size > free:
        st.error(text, icon=":material/hard_drive:")
        return
    st.caption(f":material/download: {text}")


# ---- settings --------------------------------------------------------------------------------------------------------


def _draw_settings(ui: PageTools, catalogue: Catalogue, choice: ModelChoice, hardware: HardwareProfile) -> None:
    proposal = proposal_for(choice, hardware)
    if choice.entry and proposal is None:
        why = why_nothing_fits(choice.entry, hardware.card, hardware.need(choice.entry.shape, {}))
        sentence = t("models.page.nothing_fits", machine=hardware.description(), why=why)
        ui.show_warning(sentence, "memory")
    engines = {"vllm": "vLLM", "transformers": "transformers serve"}
    default = None if ENGINE in st.session_state else "vllm"
    options: Options = {"help": t("models.page.engine_help"), "required": True, "persist_state": "session"}
    engine = ui.choose(t("models.page.engine"), engines, ENGINE, st.segmented_control, default=default, **options)
    settings = _draw_config(ui, choice, proposal, hardware, engine or "vllm")
    _draw_apply(ui, catalogue, choice, hardware, settings)
    if settings.config is not None:
        with st.expander(t("models.page.env"), icon=":material/content_copy:"):
            st.caption(plain(t("models.page.env_why")))
            environment = proposal.environment if proposal else {}
            leave = {"trust_remote_code": True} if choice.entry and choice.entry.needs_code else {}
            st.code(env_lines(replace(settings, config={**settings.config, **leave}), environment), language="bash")


def _draw_config(
    ui: PageTools, choice: ModelChoice, proposal: Proposal | None, hardware: HardwareProfile, engine: str
) -> ModelSettings:
    """Draw VLLM_CONFIG with the memory it takes, and return the settings."""
    text = ""
    if engine == "vllm":
        about = t("models.page.config_proposed", machine=hardware.description()) if proposal else ""
        text = (
            st.text_area(
                t("models.page.config"),
                "" if CONFIG in st.session_state else "{}",
                key=CONFIG,
                height=230,
                help=plain(sentences((t("models.page.config_help"), about))),
                persist_state="session",
            )
            or ""
        )
    try:
        settings = ui.services.model_switch.with_local_model(
            ui.services.settings, model=choice.model, vllm_config=text, engine=engine
        )
    except AppError as error:
        model_settings = ModelSettings(choice.model, text, engine, None)
        if not _checked_findings(ui, model_settings):  # one of the findings is this error, with its fix
            ui.show_error(error)
        return model_settings
    model_settings = ModelSettings(choice.model, text, engine, settings.vllm_config)
    if engine == "vllm" and choice.entry:
        _draw_memory(ui, choice, model_settings, hardware)
    return model_settings


def _draw_memory(ui: PageTools, choice: ModelChoice, settings: ModelSettings, hardware: HardwareProfile) -> None:
    """Draw how much of this machine's memory these settings take."""
    assert choice.entry
    config = settings.config or {}
    plan = Plan.parse(config, device=hardware.device)
    sum_ = MemoryEstimate.of(choice.entry.shape, plan)
    need = hardware.need(choice.entry.shape, config)
    available, about = need.usable_bytes, need.description()
    if need.fits:
        tokens = sum_.cache_tokens(available)
        values = {"tokens": f"{tokens:,}", "requests": requests_text(tokens / plan.max_model_len)}
        about += f" · {t('models.page.free_part', **values)}"
        st.caption(plain(about))
    else:
        ui.show_warning(about, "memory")
    parts = [(t(f"models.term.{term.key}"), term.card_bytes, gib_text(term.card_bytes)) for term in sum_.terms]
    ui.draw_stacked_bar(parts, available=available, about=about, key="model_choice_memory")


# ---- check and switch ------------------------------------------------------------------------------------------------


def _draw_apply(
    ui: PageTools, catalogue: Catalogue, choice: ModelChoice, hardware: HardwareProfile, settings: ModelSettings
) -> None:
    """Draw the choice for running analyses, the buttons, and the error of the last attempt."""
    running = len(ui.services.jobs.running())
    if running:
        labels = {False: t("models.page.finish_first"), True: t("models.page.pause_now")}
        label, tip = t("models.page.running", n=running), t("models.page.running_help")
        ui.choose(label, labels, _PAUSING, st.segmented_control, default=False, required=True, help=tip)
    with st.container(horizontal=True, gap="small"):
        label = t(f"models.page.{'use' if choice.folder else 'use_download'}")
        is_blocked = settings.config is None or is_changing(ui)
        ui.button(label, "model_use", _use, ui, settings, kind="primary", disabled=is_blocked)
        label, tip = t("models.page.check"), t("models.page.check_help")
        ui.button(label, "model_check", _check, ui, settings, icon="rule", help=tip, disabled=settings.written is None)
    task = tasks_of(ui.services).preflight
    if task.is_running:
        st.markdown(f":material/progress_activity: {t('models.page.checking')}")
    findings, state = _checked_findings(ui, settings), form_state()
    apply_fix = partial(_apply_fix, settings.model, catalogue, hardware)
    if findings is not None:
        _draw_findings(ui, findings, settings, apply_fix)
    if error := state.error or (task.error if task.state == "failed" and task.subject == settings.model else None):
        ui.show_error(error)


def _checked_findings(ui: PageTools, settings: ModelSettings) -> tuple[CheckFinding, ...] | None:
    """Return the findings for exactly these settings, or None where they weren't checked."""
    checked = tasks_of(ui.services).preflight.result
    return checked[1] if checked and checked[0] == settings else None


def _apply_fix(previous: str, catalogue: Catalogue, hardware: HardwareProfile, settings: ModelSettings) -> None:
    """Put the settings with a fix applied into the form; another model gets the settings that suit it."""
    if settings.model != previous:
        fill_form(settings.model, catalogue, hardware)
        return
    st.session_state[CONFIG], st.session_state[ENGINE] = settings.vllm_config, settings.engine


def _check(ui: PageTools, settings: ModelSettings) -> None:
    with form_state().catching_errors():
        tasks_of(ui.services).start_preflight(settings)


def _use(ui: PageTools, model_settings: ModelSettings) -> None:
    """Check the model in the background, and get it unless the check fails: the running engine would be stopped."""
    with form_state().catching_errors():
        settings = ui.services.model_switch.with_local_model(ui.services.settings, **model_settings.named)
        get = partial(ui.services.model_switch.get, settings, pausing=bool(st.session_state.get(_PAUSING)))
        tasks_of(ui.services).start_preflight(model_settings, then=get)


def _draw_findings(
    ui: PageTools, findings: tuple[CheckFinding, ...], settings: ModelSettings, on_fix: Callable[[ModelSettings], None]
) -> None:
    """Draw the findings, the worst first; a button calls `on_fix` with the fixed settings."""
    if not findings:
        st.success(t("models.page.nothing_found"), icon=":material/check_circle:")
    for index, finding in enumerate(findings):
        show, icon = _DRAWN[finding.severity]
        show(plain(notice_text(finding.notice)), icon=icon)
        if finding.fix:
            label = plain(notice_text(finding.fix.notice))
            ui.button(label, f"model_fix_{index}", on_fix, with_fix(settings, finding.fix), icon="build")
