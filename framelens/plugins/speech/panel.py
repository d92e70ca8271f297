"""Speech on the Models page: the recogniser, what it costs, and the download of its model."""

from __future__ import annotations

import streamlit as st

from framelens import EngineProgress
from framelens.plugin import requires, t
from framelens.plugin.models import Catalogue
from framelens.plugin.processes import BackgroundTask, install_line
from framelens.plugin.speech import LocalModel, local_diariser, local_recogniser
from framelens.plugin.texts import human_size, phase_text, plain, span
from framelens.plugin_page import PageTools
from framelens.plugins.speech.hub_model import is_installed
from framelens.plugins.speech.installation import SpeechInstallation, start_installation
from framelens.plugins.speech.speaker_models import SpeakerReference

SpeechDownload = BackgroundTask[EngineProgress, object]
_HOUR = 3600.0
_INSTALLED_BYTES = 200_000_000
"""Size of faster-whisper, CTranslate2 and sherpa-onnx on the disk, as installed on Linux."""


def draw(ui: PageTools, _: Catalogue) -> None:
    """Draw the state, folded."""
    settings = ui.services.settings
    with st.expander(t("speech.page"), icon=":material/graphic_eq:"):
        if settings.speech_base_url:
            st.markdown(plain(t("speech.server", address=settings.speech_base_url)))
        elif local := local_recogniser(settings):
            st.markdown(plain(t("speech.model", model=local.label)))
            if (pace := local.pace()) is not None:
                st.caption(plain(t("speech.pace", time=span(pace * _HOUR, pace * _HOUR))))
            ui.follow(_download(ui, "speech"), _draw_download, ui, "speech", local)
        elif settings.speech_model_path:
            st.markdown(plain(t("speech.engine", model=settings.speech_model_path)))
        else:
            st.markdown(plain(t("speech.absent")))
            ui.follow(_installation(ui), _draw_installation, ui)
        if is_installed(SpeakerReference.packages) and (speakers := local_diariser(settings)):
            st.markdown(plain(t("speech.speakers", model=speakers.label)))
            ui.follow(_download(ui, "speakers"), _draw_download, ui, "speakers", speakers)


def _installation(ui: PageTools) -> SpeechInstallation:
    return ui.services.part("speech installation", lambda _: BackgroundTask("speech installation"))


def _draw_installation(ui: PageTools) -> None:
    """Draw the button that installs what speech models need, its progress or outcome, and the same as a line."""
    task = _installation(ui)
    if task.is_running:
        if task.progress:
            st.markdown(f":material/progress_activity: {plain(phase_text(task.progress))}")
        ui.button(t("speech.install_stop"), "speech_install_stop", task.cancel, icon="close")
        return
    if task.state == "failed" and task.error:
        ui.show_error(task.error)
    if task.state == "done":
        st.success(t("speech.installed"), icon=":material/check_circle:")
        return
    label = t("speech.install", size=human_size(_INSTALLED_BYTES))
    ui.button(label, "speech_install", _on_install, ui, icon="download")
    st.caption(t("speech.install_line"))
    st.code(install_line("speech"), language="bash")


def _on_install(ui: PageTools) -> None:
    with ui.view.catching_errors():
        start_installation(_installation(ui), ui.services.settings.data_dir)


def _download(ui: PageTools, part: str) -> SpeechDownload:
    return ui.services.part(part, lambda _: BackgroundTask(f"{part} download"))


def _draw_download(ui: PageTools, part: str, local: LocalModel) -> None:
    """Draw whether a model is here, and the button that downloads it."""
    download, size = _download(ui, part), local.download_bytes()
    if download.is_running and download.progress:
        ui.draw_engine_phase(download.progress)
        ui.button(t("speech.stop"), f"{part}_stop", _on_stop, ui, part, icon="close")
        return
    if download.error:
        ui.show_error(download.error)
    if size == 0:
        st.caption(plain(t("speech.here")))
        return
    label = t("speech.download", size=human_size(size)) if size else t("speech.download_unknown")
    ui.button(label, f"{part}_download", _on_download, ui, part, local, icon="download")


def _on_download(ui: PageTools, part: str, local: LocalModel) -> None:
    with ui.view.catching_errors():
        _begin(ui, part, local)


@requires("administrator")
def _begin(ui: PageTools, part: str, local: LocalModel) -> None:
    """Download the model in the background: pressing the button is the consent."""
    local.confirm_download()
    first = EngineProgress("checking", {"model": local.name})
    _download(ui, part).start(local.fetch, subject=local.name, progress=first)


def _on_stop(ui: PageTools, part: str) -> None:
    with ui.view.catching_errors():
        _stop(ui, part)


@requires("administrator")
def _stop(ui: PageTools, part: str) -> None:
    _download(ui, part).cancel()
