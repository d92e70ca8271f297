"""Installation of the packages of speech models, as a background task of the page."""

import threading
from pathlib import Path

from framelens import EngineError, EngineProgress
from framelens.plugin import requires
from framelens.plugin.processes import BackgroundTask, ProgressListener, install, install_log

SpeechInstallation = BackgroundTask[EngineProgress, None]


@requires("administrator")
def start_installation(task: SpeechInstallation, data_dir: Path) -> None:
    """Start the installation, whose progress is the last line of its output; pressing the button is the consent."""

    def work(on_progress: ProgressListener, cancel: threading.Event) -> None:
        if replaced := install("speech", on_progress, cancel, log_path=install_log(data_dir)):
            raise EngineError("restart_needed", model="framelens[speech]", packages=", ".join(replaced))

    task.start(work)
