"""Missing model, shown before a start: engines that run here, the download, whether it fits, and the alternatives.

Nothing is drawn where the model is on this machine or served elsewhere.
"""

import time
from collections.abc import Callable

import streamlit as st

from app.components.controls import button, follow
from app.context import services
from app.panels.menu import model_change
from app.state import page_state
from framelens import registry
from framelens.core.background_task import BackgroundTask
from framelens.core.roles import current_user
from framelens.core.units import human_size
from framelens.engine.installation import EnginePackage
from framelens.engine.running_engines import RunningEngine, RunningModel, running_engines
from framelens.i18n import t
from framelens.jobs.model_switch import ModelSwitch
from framelens.jobs.readiness import ModelCandidate, Readiness, download_text, readiness, with_candidate
from framelens.plugin_page import ButtonKind, Options
from framelens.reports.content.page_text import error_words, joined, plain

_MOST_OFFERED = 3
"""Models with a button of an engine that runs here, those that see first."""
_AGAIN_SECONDS = 15.0
"""An engine that was started meanwhile is found when the page is drawn after so long."""


def ready() -> Readiness:
    """Return whether an analysis would get a model now, and what it would cost."""
    return readiness(services().settings, services().engine)


def draw(
    readiness: Readiness,
    *,
    has_video: bool,
    videos: int,
    on_without: Callable[[], None],
) -> None:
    """Draw the choices if no model is installed: the recommended model, a remote engine, or no model.

    A change that runs or failed takes the place of the button that began it.

    Args:
        readiness: The readiness, which isn't "ready".
        has_video: Whether a video is chosen.
        videos: Number of videos.
        on_without: Called to analyse without a model.
    """
    offer, is_administrator = readiness.offered, current_user().may("administrator")
    is_changing = is_administrator and model_change.is_shown()
    without = on_without if has_video else None
    with st.container(border=True, gap="small", key="model_missing"):
        if is_changing:
            model_change.draw(without=without)
        else:
            st.markdown(f"**{plain(_missing_text(readiness))}**")
        if readiness.model and readiness.model is not offer and services().settings.model_chosen:
            st.caption(plain(_why_not(readiness, readiness.model)))
        if readiness.kind == "none" and readiness.error and is_administrator:
            st.caption(plain(error_words(readiness.error)))
        if is_administrator and not (is_changing and model_change.has_own_buttons()):
            search = engine_search()
            search.begin()
            if not is_changing:
                follow(search, _draw_running)
            sees = any(model.sees for engine in search.engines for model in engine.models)
            draw_get(readiness, key="missing_use", primary=not (is_changing or sees))
        with st.container(horizontal=True, gap="small"):
            if is_administrator and "models" in registry.page_names():
                label, act = t("models.missing.remote"), page_state().go_to_page
                button(label, "missing_remote", act, "models", "remote", icon="lan", kind="tertiary")
            label, tip = t("ui.start_without" if videos < 2 else "ui.start_without_all", n=videos), None
            if not has_video:
                tip = t("ui.start_no_video")
            kind: ButtonKind = "tertiary" if offer and is_administrator else "primary"
            options: Options = {"disabled": not has_video, "help": tip}
            button(label, "start_without", on_without, icon="visibility_off", kind=kind, **options)


def draw_get(readiness: Readiness, *, key: str, primary: bool = True) -> None:
    """Draw the button that gets the offered model, in the background, if a model is offered."""
    if (offer := readiness.offered) is None:
        return
    if readiness.engine is None or readiness.has_room_for(offer):
        label, kind = plain(_offer_text(offer, readiness.engine)), "primary" if primary else "secondary"
        icon = "download" if readiness.engine or offer.download_bytes != 0 else "play_arrow"
        button(label, key, get, offer, icon=icon, kind=kind, width="stretch")  # type: ignore[arg-type]
    if about_engine := readiness.engine_text(offer):
        st.caption(plain(about_engine))


def get(candidate: ModelCandidate) -> None:
    """Begin to use a model, which is downloaded first if it isn't here: pressing the button is the consent."""
    with page_state().catching_errors():
        services().model_switch.get(with_candidate(services().settings, candidate))


def _missing_text(readiness: Readiness) -> str:
    """Name the missing model if the user chose it; the default means nothing to a user who chose none."""
    if readiness.model and services().settings.model_chosen:
        return t("models.missing.absent", model=readiness.model.name)
    return t("models.missing.none")


def _why_not(readiness: Readiness, model: ModelCandidate) -> str:
    """Return why the model of the settings can't be downloaded."""
    if not readiness.has_room:
        return download_text(model.download_bytes, readiness.free_bytes)
    return model.need.description() if model.need else ""


def _offer_text(model: ModelCandidate, engine: EnginePackage | None) -> str:
    """Return the model, and the engine to install, with what to know before: sizes and licence."""
    is_here = model.download_bytes == 0
    text = t(f"models.{'engine' if engine else 'missing'}.{'use' if is_here else 'get'}", model=model.name)
    sizes = [human_size(size) for size in (engine and engine.fetched_bytes, model.download_bytes) if size]
    return joined(text, " + ".join(sizes) or (t("models.missing.here") if is_here else ""), model.licence)


def draw_short(readiness: Readiness, *, key: str) -> None:
    """Draw a note that the model is missing and a button to choose a model, in place of a button that asks it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(_missing_text(readiness)), width="content")
        draw_choose(key=key, primary=True)


def draw_choose(*, key: str = "choose_model", primary: bool = False) -> None:
    """Draw the button that leads an administrator to the Models page, from which one click leads back."""
    if not current_user().may("administrator") or "models" not in registry.page_names():
        return
    kind: ButtonKind = "primary" if primary else "secondary"
    button(t("ui.choose_model"), key, page_state().go_to_page, "models", icon="neurology", kind=kind)


# ---- engines that run here -------------------------------------------------------------------------------------------


class EngineSearch(BackgroundTask[None, None]):
    """The search for engines that run on this machine, which is repeated when the page is drawn later."""

    def __init__(self) -> None:
        super().__init__("running engines")
        self.engines: tuple[RunningEngine, ...] = ()
        self._began = -_AGAIN_SECONDS

    def begin(self) -> None:
        """Search, unless the last search is recent."""
        if time.monotonic() - self._began >= _AGAIN_SECONDS:
            self._began = time.monotonic()
            self.start(lambda *_: self._search())

    def _search(self) -> None:
        self.engines = running_engines()


def engine_search() -> EngineSearch:
    """Return the search for engines of this installation."""
    return services().part("running engines", lambda _: EngineSearch())


def _draw_running() -> None:
    """Draw a button for each model that runs here."""
    for engine in engine_search().engines:
        for model in engine.models[:_MOST_OFFERED]:
            sees = {True: "sees", False: "blind", None: "unknown"}[model.sees]
            use = t("models.running.use", model=model.name, product=engine.product)
            label, kind = plain(joined(use, t(f"models.running.{sees}"))), "primary" if model.sees else "secondary"
            key = f"running_{engine.product}_{model.name}"
            button(label, key, _use, engine, model, icon="play_arrow", kind=kind, width="stretch")  # type: ignore[arg-type]
        if not any(model.sees is not False for model in engine.models):
            st.caption(plain(t("models.running.all_blind", product=engine.product)))


def _use(engine: RunningEngine, model: RunningModel) -> None:
    """Use a model that runs here from now on; the choice is remembered when it has answered."""
    with page_state().catching_errors():
        settings = ModelSwitch.with_remote_engine(
            services().settings, base_url=engine.base_url, api_key="", model=model.name
        )
        services().model_switch.begin(settings)
