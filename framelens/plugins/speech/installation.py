"""Installation of the packages of speech models, as a background task of the page."""

from pathlib import Path

from framelens import EngineProgress
from framelens.plugin import requires
from framelens.plugin.processes import BackgroundTask, install, install_log

SpeechInstallation = BackgroundTask[EngineProgress, None]


@requires("administrator")
def start_installation(task: SpeechInstallation, data_dir: Path) -> None:
    """Start the installation, whose progress is the last line of its output; pressing the button is the consent."""
    task.start(lambda progress, cancel: install("speech", progress, cancel, log_path=install_log(data_dir)))
