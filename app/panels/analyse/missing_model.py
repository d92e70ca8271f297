"""Missing model, shown before a start: the download that it needs, whether it fits, and the alternatives.

Nothing is drawn where the model is on this machine or served elsewhere.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import streamlit as st

from app.components.controls import ButtonKind, Options, button
from app.context import services
from app.formatting import joined, plain
from app.state import page_state
from framelens import registry
from framelens.core.domain import AnalysisRequest, VideoInfo
from framelens.core.engines.vllm_arguments import config_text
from framelens.core.roles import current_user, require
from framelens.core.units import human_size
from framelens.i18n import t
from framelens.i18n.formatting import span
from framelens.services.engines.model_speed import measured_run
from framelens.services.readiness import ModelCandidate, Readiness, download_text, need_text, readiness
from framelens.store.model_records import KnownTimings, confirm_download


def ready() -> Readiness:
    """Return whether an analysis would get a model now, and what it would cost."""
    return readiness(services().settings, services().engine)


def draw(
    now: Readiness,
    *,
    video: VideoInfo | None,
    request: AnalysisRequest | None,
    videos: int,
    on_start: Callable[[Readiness | None, bool], None],
) -> None:
    """Draw the choices if no model is installed: the best model that fits, a remote engine, or no model.

    Args:
        now: The readiness, which isn't "ready".
        video: The video, or None before a video is chosen: then a model is only chosen.
        request: The request about it, or None if the form has a mistake.
        videos: Number of videos.
        on_start: Called with the readiness that is to be confirmed and whether a model is asked.
    """
    wanted = now.model if now.model and fits(now) else None
    offer = wanted or next(iter(now.offers), None)
    is_administrator = current_user().may("administrator")
    with st.container(border=True, gap="small", key="model_missing"):
        st.markdown(f"**{plain(_what_is_missing(now))}**")
        if now.model and not wanted and services().settings.model_chosen:
            st.caption(plain(_why_not(now, now.model)))
        if offer and is_administrator:
            words = plain(_offer_words(offer, video, request))
            use = partial(_use, now if wanted else None, offer, video, on_start)
            is_switching = services().switcher.switch.is_running
            button(words, "missing_use", use, icon="download", kind="primary", width="stretch", disabled=is_switching)
        with st.container(horizontal=True, gap="small"):
            if is_administrator and registry.has_page("models"):
                words, act = t("models.missing.remote"), page_state().go_to_page
                button(words, "missing_remote", act, "models", "remote", icon="lan")
            words = t("ui.start_without" if videos < 2 else "ui.start_without_all", n=videos)
            kind: ButtonKind = "secondary" if offer and is_administrator else "primary"
            options: Options = {"disabled": video is None, "help": None if video else t("ui.start_no_video")}
            button(words, "start_without", on_start, None, False, icon="visibility_off", kind=kind, **options)


def _what_is_missing(now: Readiness) -> str:
    """Name the missing model if the user chose it; the default means nothing to a user who chose none."""
    if now.model and services().settings.model_chosen:
        return t("models.missing.absent", model=now.model.name)
    return t("models.missing.none")


def _why_not(now: Readiness, model: ModelCandidate) -> str:
    """Return why the model of the settings can't be downloaded."""
    if not now.has_room:
        return download_text(model.download_bytes, now.free_bytes)
    return need_text(model.need) if model.need else ""


def _offer_words(one: ModelCandidate, video: VideoInfo | None, request: AnalysisRequest | None) -> str:
    """Return the model with what to know before it is chosen: size, licence, and the time for the video."""
    size = human_size(one.download_bytes or 0)
    place = t("models.missing.here") if one.download_bytes == 0 else t("models.missing.size", size=size)
    seconds = _seconds_of(one, video, request) if video and request else None
    time = t("models.missing.time", time=span(*seconds)) if seconds else ""
    return joined(t("models.missing.use", model=one.name), place, one.licence, time)


def _seconds_of(one: ModelCandidate, video: VideoInfo, request: AnalysisRequest) -> tuple[float, float] | None:
    """Return the shortest and longest time of the request with this model, by the planner; None if unknown."""
    run, template = measured_run(services().settings, one.model), services().templates.find(request.template)
    if not run:
        return None
    planner = replace(services().planner, measure=lambda *_: None, known=KnownTimings, guess=lambda: run)
    return planner(video, replace(request, use_model=True), template).whole_seconds


def _use(
    now: Readiness | None,
    one: ModelCandidate,
    video: VideoInfo | None,
    on_start: Callable[[Readiness | None, bool], None],
) -> None:
    """Choose the model, unless the settings name it, and start the analysis of the chosen video with it."""
    with page_state().catching_errors():
        if now is None:
            services().model_switch.choose_local(one.model, config_text(one.config or {}))
        if video:
            on_start(now or ready(), True)


def draw_short(now: Readiness, *, key: str, primary: bool = True) -> None:
    """Draw a note that the model is missing and a button to choose a model, in place of a button that asks it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(_what_is_missing(now)), width="content")
        draw_choose(key=key, primary=primary)


def fits(now: Readiness) -> bool:
    """Return whether the model that would be downloaded fits on this machine; True if its size is unknown."""
    return now.has_room and (now.model is None or now.model.need is None or now.model.need.fits)


def confirm(now: Readiness) -> None:
    """Allow the analysis that is about to start to download the model.

    Raises:
        InputError: "role_administrator": the reader may not download models.
        StorageError: The consent can't be stored.
    """
    if now.kind == "download" and now.model:
        require("administrator")
        confirm_download(services().settings.data_dir, now.model.model)


def draw_choose(*, key: str = "choose_model", primary: bool = False) -> None:
    """Draw the button that leads an administrator to the Models page, from which one click leads back."""
    if not current_user().may("administrator") or not registry.has_page("models"):
        return
    kind: ButtonKind = "primary" if primary else "secondary"
    button(t("ui.choose_model"), key, page_state().go_to_page, "models", icon="neurology", kind=kind)
