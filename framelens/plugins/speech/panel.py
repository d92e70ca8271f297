"""Speech on the Models page: what transcribes, what it costs, and the download of its model."""

from __future__ import annotations

import streamlit as st

from app.components.controls import button, follow, show_error
from app.context import services
from app.formatting import plain
from app.panels.menu.engine import draw_phase
from app.state import page_state
from framelens.core.background_task import BackgroundTask
from framelens.core.domain import EngineProgress
from framelens.core.roles import requires
from framelens.core.units import human_size
from framelens.i18n import t
from framelens.i18n.formatting import span
from framelens.models.catalogue import Catalogue
from framelens.services.recognition import LocalRecogniser, local_recogniser

SpeechDownload = BackgroundTask[EngineProgress, object]
_HOUR = 3600.0


def draw(_: Catalogue) -> None:
    """Draw the state, folded."""
    settings = services().settings
    with st.expander(t("speech.page"), icon=":material/graphic_eq:"):
        if settings.speech_base_url:
            st.markdown(plain(t("speech.server", address=settings.speech_base_url)))
        elif local := local_recogniser(settings):
            follow(_download(), _draw_model, local)
        elif settings.speech_model_path:
            st.markdown(plain(t("speech.engine", model=settings.speech_model_path)))
        else:
            st.markdown(plain(t("speech.absent")))
            st.code('pip install "framelens[speech]"', language="bash")


def _download() -> SpeechDownload:
    return services().part("speech", lambda _: BackgroundTask("speech download"))


def _draw_model(local: LocalRecogniser) -> None:
    download, size = _download(), local.download_bytes()
    st.markdown(plain(t("speech.model", model=local.label)))
    if (pace := local.pace()) is not None:
        st.caption(plain(t("speech.pace", time=span(pace * _HOUR, pace * _HOUR))))
    if download.is_running and download.progress:
        draw_phase(download.progress)
        button(t("speech.stop"), "speech_stop", _on_stop, icon="close")
        return
    if download.error:
        show_error(download.error)
    if size == 0:
        st.caption(plain(t("speech.here")))
        return
    words = t("speech.download", size=human_size(size)) if size else t("speech.download_unknown")
    button(words, "speech_download", _on_download, local, icon="download")


def _on_download(local: LocalRecogniser) -> None:
    with page_state().catching_errors():
        _begin(local)


@requires("administrator")
def _begin(local: LocalRecogniser) -> None:
    """Download the model in the background: pressing the button is the consent."""
    local.confirm_download()
    first = EngineProgress("checking", {"model": local.name})
    _download().start(local.fetch, subject=local.name, progress=first)


def _on_stop() -> None:
    with page_state().catching_errors():
        _stop()


@requires("administrator")
def _stop() -> None:
    _download().cancel()
