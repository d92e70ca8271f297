"""Engines that already run on this machine, offered where no model is here: one click uses a model of theirs."""

import time

import streamlit as st

from app.components.controls import button, follow
from app.context import services
from app.state import page_state
from framelens.core.background_task import BackgroundTask
from framelens.engine.running_engines import RunningEngine, RunningModel, running_engines
from framelens.i18n import t
from framelens.jobs.model_switch import with_remote_engine
from framelens.reports.content.page_text import joined, plain

_MOST_OFFERED = 3
"""Models of an engine with a button, those that see first."""
_AGAIN_SECONDS = 15.0
"""An engine that was started meanwhile is found when the page is drawn after so long."""


class EngineSearch(BackgroundTask[None, tuple[RunningEngine, ...]]):
    """The search for engines on this machine, which is repeated when the page is drawn later."""

    def __init__(self) -> None:
        super().__init__("running engines")
        self._began = -_AGAIN_SECONDS

    def begin(self) -> None:
        """Search, unless the last search is recent."""
        if time.monotonic() - self._began >= _AGAIN_SECONDS:
            self._began = time.monotonic()
            self.start(lambda _, cancel: running_engines(cancel))


def draw() -> bool:
    """Draw a button for each model that runs here, and return whether there is one that sees."""
    search = services().part("running engines", lambda _: EngineSearch())
    before = search.result
    search.begin()
    if before is None:
        follow(search, _draw_found)
    else:
        _draw(before)
    return any(model.sees for engine in search.result or () for model in engine.models)


def _draw_found() -> None:
    search = services().part("running engines", lambda _: EngineSearch())
    _draw(search.result or ())


def _draw(engines: tuple[RunningEngine, ...]) -> None:
    for engine in engines:
        for model in engine.models[:_MOST_OFFERED]:
            sees = {True: "sees", False: "blind", None: "unknown"}[model.sees]
            words = joined(
                t("models.running.use", model=model.name, product=engine.product), t(f"models.running.{sees}")
            )
            key, kind = f"running_{engine.product}_{model.name}", "primary" if model.sees else "secondary"
            button(plain(words), key, _use, engine, model, icon="play_arrow", kind=kind, width="stretch")  # type: ignore[arg-type]
        if not any(model.sees is not False for model in engine.models):
            st.caption(plain(t("models.running.all_blind", product=engine.product)))


def _use(engine: RunningEngine, model: RunningModel) -> None:
    """Use a model that runs here from now on; the choice is remembered when it has answered."""
    with page_state().catching_errors():
        settings = with_remote_engine(services().settings, base_url=engine.base_url, api_key="", model=model.name)
        services().model_switch.begin(settings)
