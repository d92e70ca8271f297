"""Speech on the Models page: the recogniser, what it costs, and the download of its model."""

from __future__ import annotations

import streamlit as st

from framelens.plugin import t
from framelens.plugin.models import Catalogue
from framelens.plugin.processes import BackgroundTask, install_line
from framelens.plugin.speech import local_diariser, local_recogniser
from framelens.plugin.texts import human_size, phase_text, plain, span
from framelens.plugin_page import PageTools
from framelens.plugins.speech.hub_model import is_installed
from framelens.plugins.speech.installation import SpeechInstallation, start_installation
from framelens.plugins.speech.speaker_models import SpeakerReference

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
            ui.draw_download(local, key="speech")
        elif settings.speech_model_path:
            st.markdown(plain(t("speech.engine", model=settings.speech_model_path)))
        else:
            st.markdown(plain(t("speech.absent")))
            ui.follow(_installation(ui), _draw_installation, ui)
        if is_installed(SpeakerReference.packages) and (speakers := local_diariser(settings)):
            st.markdown(plain(t("speech.speakers", model=speakers.label)))
            ui.draw_download(speakers, key="speakers")


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
