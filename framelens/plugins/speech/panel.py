"""Speech on the Models page: the recogniser, what it costs, and the download of its model."""

from __future__ import annotations

import streamlit as st

from app.components.controls import button, follow, show_error
from app.context import services
from app.panels.menu.engine import draw_phase
from app.state import page_state
from framelens import EngineProgress
from framelens.plugin import (
    BackgroundTask,
    Catalogue,
    LocalModel,
    human_size,
    install_line,
    local_diariser,
    local_recogniser,
    phase_text,
    plain,
    requires,
    span,
    t,
)
from framelens.plugins.speech.hub_model import is_installed
from framelens.plugins.speech.installation import SpeechInstallation, start_installation
from framelens.plugins.speech.speaker_models import SpeakerReference

SpeechDownload = BackgroundTask[EngineProgress, object]
_HOUR = 3600.0
_INSTALLED_BYTES = 200_000_000
"""Size of faster-whisper, CTranslate2 and sherpa-onnx on the disk, as installed on Linux."""


def draw(_: Catalogue) -> None:
    """Draw the state, folded."""
    settings = services().settings
    with st.expander(t("speech.page"), icon=":material/graphic_eq:"):
        if settings.speech_base_url:
            st.markdown(plain(t("speech.server", address=settings.speech_base_url)))
        elif local := local_recogniser(settings):
            st.markdown(plain(t("speech.model", model=local.label)))
            if (pace := local.pace()) is not None:
                st.caption(plain(t("speech.pace", time=span(pace * _HOUR, pace * _HOUR))))
            follow(_download("speech"), _draw_download, "speech", local)
        elif settings.speech_model_path:
            st.markdown(plain(t("speech.engine", model=settings.speech_model_path)))
        else:
            st.markdown(plain(t("speech.absent")))
            follow(_installation(), _draw_installation)
        if is_installed(SpeakerReference.packages) and (speakers := local_diariser(settings)):
            st.markdown(plain(t("speech.speakers", model=speakers.label)))
            follow(_download("speakers"), _draw_download, "speakers", speakers)


def _installation() -> SpeechInstallation:
    return services().part("speech installation", lambda _: BackgroundTask("speech installation"))


def _draw_installation() -> None:
    """Draw the button that installs what speech models need, its progress or outcome, and the same as a line."""
    task = _installation()
    if task.is_running:
        if task.progress:
            st.markdown(f":material/progress_activity: {plain(phase_text(task.progress))}")
        button(t("speech.install_stop"), "speech_install_stop", task.cancel, icon="close")
        return
    if task.state == "failed" and task.error:
        show_error(task.error)
    if task.state == "done":
        st.success(t("speech.installed"), icon=":material/check_circle:")
        return
    words = t("speech.install", size=human_size(_INSTALLED_BYTES))
    button(words, "speech_install", _on_install, icon="download")
    st.caption(t("speech.install_line"))
    st.code(install_line("speech"), language="bash")


def _on_install() -> None:
    with page_state().catching_errors():
        start_installation(_installation())


def _download(part: str) -> SpeechDownload:
    return services().part(part, lambda _: BackgroundTask(f"{part} download"))


def _draw_download(part: str, local: LocalModel) -> None:
    """Draw whether a model is here, and the button that downloads it."""
    download, size = _download(part), local.download_bytes()
    if download.is_running and download.progress:
        draw_phase(download.progress)
        button(t("speech.stop"), f"{part}_stop", _on_stop, part, icon="close")
        return
    if download.error:
        show_error(download.error)
    if size == 0:
        st.caption(plain(t("speech.here")))
        return
    words = t("speech.download", size=human_size(size)) if size else t("speech.download_unknown")
    button(words, f"{part}_download", _on_download, part, local, icon="download")


def _on_download(part: str, local: LocalModel) -> None:
    with page_state().catching_errors():
        _begin(part, local)


@requires("administrator")
def _begin(part: str, local: LocalModel) -> None:
    """Download the model in the background: pressing the button is the consent."""
    local.confirm_download()
    first = EngineProgress("checking", {"model": local.name})
    _download(part).start(local.fetch, subject=local.name, progress=first)


def _on_stop(part: str) -> None:
    with page_state().catching_errors():
        _stop(part)


@requires("administrator")
def _stop(part: str) -> None:
    _download(part).cancel()
