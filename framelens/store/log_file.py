"""The log of `framelens`: a file in the data folder that its owner alone can read, without secrets."""

import logging
import threading
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from framelens.core.errors import StorageError
from framelens.core.files import make_private_folder, private_opener, restrict_to_owner
from framelens.core.redaction import redact
from framelens.store.fs_utils import reason_of

# Files that FrameLens writes to the data folder. Templates and models there are the user's own files.
_KEPT = ("framelens.*", "answers.sqlite*", "*.json", "videos", "surveys", "running", "*engine", "*restor*")
_log = logging.getLogger(__name__)


class _PrivateLog(RotatingFileHandler):
    """A log file that its owner alone can read, also after rotation."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, opener=private_opener)

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop a record that can't be written, as on a full disk, which other code reports to users."""


class _MaskedFormatter(logging.Formatter):
    """Formatter that hides secrets in messages and tracebacks, in which libraries quote requests and answers."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def log_to_terminal() -> None:
    """Also print the log on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_MaskedFormatter("%(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("framelens")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def log_to(data_dir: Path) -> Path:
    """Send the log of `framelens` to a file in the data folder, with a backup, of at most 5 MB each.

    Create the folder if it is missing, and remove the access of other users to files of earlier versions. Also log
    uncaught errors of threads.

    Returns:
        The path of the log.

    Raises:
        StorageError: The folder or the log could not be written.
    """
    path = data_dir / "framelens.log"
    try:
        make_private_folder(data_dir)
        handler = _PrivateLog(path, maxBytes=5_000_000, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise StorageError("data_dir_unwritable", path=str(data_dir), reason=reason_of(error)) from error
    handler.setFormatter(_MaskedFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("framelens")
    for old in [one for one in logger.handlers if isinstance(one, RotatingFileHandler)]:
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    restrict_to_owner(data_dir, _KEPT)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_uncaught
    return path


def _log_uncaught(uncaught: threading.ExceptHookArgs) -> None:
    name = uncaught.thread.name if uncaught.thread else ""
    _log.error("the thread %r failed", name, exc_info=uncaught.exc_value)
    threading.__excepthook__(uncaught)


def end_log(path: Path) -> None:
    """Undo `log_to` in a program that keeps running; do nothing if another log has replaced this log."""
    logger = logging.getLogger("framelens")
    for handler in [one for one in logger.handlers if isinstance(one, _PrivateLog)]:
        if Path(handler.baseFilename) == path.absolute():
            logger.removeHandler(handler)
            handler.close()
            logger.setLevel(logging.NOTSET)
