"""Downloads of models that run beside the engine: their progress, and the buttons that begin and stop them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.components.controls import button, follow, show_error
from app.context import services
from app.panels.menu.engine import draw_phase
from app.state import page_state
from framelens.core.background_task import BackgroundTask
from framelens.core.events import EngineProgress
from framelens.core.roles import requires
from framelens.core.units import human_size
from framelens.i18n import t
from framelens.reports.content.page_text import plain

if TYPE_CHECKING:
    from framelens.engine.recognisers import LocalModel


def draw(local: LocalModel, *, key: str) -> None:
    """Draw whether a model is here, and the button that downloads it, or the running download."""
    follow(_task(key), _draw, local, key)


def _task(key: str) -> BackgroundTask[EngineProgress, object]:
    return services().part(f"{key} download", lambda _: BackgroundTask(f"{key} download"))


def _draw(local: LocalModel, key: str) -> None:
    download, size = _task(key), local.download_bytes()
    if download.is_running and download.progress:
        draw_phase(download.progress)
        button(t("ui.local_model_stop"), f"{key}_stop", _on_stop, key, icon="close")
        return
    if download.error:
        show_error(download.error)
    if size == 0:
        st.caption(plain(t("ui.local_model_here")))
        return
    label = t("ui.local_model_download", size=human_size(size)) if size else t("ui.local_model_download_unknown")
    button(label, f"{key}_download", _on_download, local, key, icon="download")


def _on_download(local: LocalModel, key: str) -> None:
    with page_state().catching_errors():
        _begin(local, key)


@requires("administrator")
def _begin(local: LocalModel, key: str) -> None:
    """Download the model in the background: pressing the button is the consent."""
    local.confirm_download()
    _task(key).start(local.fetch, subject=local.name, progress=EngineProgress("checking", {"model": local.name}))


def _on_stop(key: str) -> None:
    with page_state().catching_errors():
        _stop(key)


@requires("administrator")
def _stop(key: str) -> None:
    _task(key).cancel()
