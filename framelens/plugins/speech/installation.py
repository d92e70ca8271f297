"""Installation of the packages of speech models, as a background task of the page."""

import importlib
import os
import tempfile
import threading
from pathlib import Path

from framelens import Cancelled, EngineError, EngineProgress
from framelens.plugin import (
    BackgroundTask,
    ChildProcess,
    LogReader,
    ProgressListener,
    install_command,
    install_line,
    redact,
    requires,
)

SpeechInstallation = BackgroundTask[EngineProgress, None]
_POLL_SECONDS = 0.5
_EXTRA = "speech"


@requires("administrator")
def start_installation(task: SpeechInstallation) -> None:
    """Start the installation, whose progress is the last line of its output; pressing the button is the consent."""
    task.start(_install, progress=EngineProgress("installing", {"line": install_line(_EXTRA)}))


def _install(on_progress: ProgressListener, cancel: threading.Event) -> None:
    """Run the command that installs the extra.

    Raises:
        EngineError: "speech_install_failed", with the last line of the command's output.
        Cancelled: `cancel` was set.
    """
    last = ""
    with tempfile.TemporaryDirectory(prefix="framelens-install-") as folder:
        log = Path(folder) / "install.log"
        child = ChildProcess.start(install_command(_EXTRA), environment=dict(os.environ), log_path=log)
        reader = LogReader(log)
        try:
            while True:
                has_ended = child.exit_status is not None  # checked before reading, so that no last line is missed
                for line in filter(str.strip, reader.new_lines()):
                    last = redact(line.strip())
                    on_progress(EngineProgress("installing", {"line": last}))
                if has_ended:
                    break
                if cancel.wait(_POLL_SECONDS):
                    raise Cancelled
        finally:
            child.stop()
        if child.exit_status:
            raise EngineError("speech_install_failed", reason=last or str(child.exit_status), line=install_line(_EXTRA))
    importlib.invalidate_caches()
