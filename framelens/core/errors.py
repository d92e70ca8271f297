"""Error tree of the application.

    AppError                    may be shown to the user: an i18n key and its values
    ├── ConfigError             a setting is wrong                                (exit code 2)
    ├── InputError              a given file, name or id cannot be used           (exit code 6)
    │   └── VideoError          it is the video                                   (exit code 3)
    │       └── DecodeError     the decoder failed on it
    ├── EngineError             the engine can't be started or reached, or died   (exit code 4)
    │   ├── ModelNotFound       neither a folder nor in the cache nor on the hub
    │   ├── EngineBrokeOff      the connection failed or ended in mid-answer
    │   ├── RequestTooLarge     the engine accepts a smaller request (tokens, pictures or bytes)
    │   │   ├── ContextExceeded   it does not fit the model's context
    │   │   └── TooManyPictures   it has more pictures than the engine accepts
    │   ├── ImageRejected       the engine could not read one picture
    │   ├── EngineTimeout       no answer in time
    │   ├── EngineBusy          it asks to retry later
    │   ├── FormatRefused       it refused a schema of its answer, or may have (words describe it instead)
    │   └── PicturesRefused     the model takes no pictures (text mode is used instead)
    ├── StorageError            the disk or the store refused                     (exit code 5)
    └── Cancelled               the user stopped it                               (exit code 130)
        └── Paused              the user will resume it later

Anything that is not an AppError is a bug: its traceback goes to the log and the user reads a sentence about it.
Each key has its text in framelens/i18n: what was given, the problem, and the next step.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framelens.core.domain import Notice


class AppError(Exception):
    """An error whose text the user may read: `t("error." + key, **values)`.

    Attributes:
        text: That text, where the language is known (in the Python API); `str` then gives it instead of the key.
        notices: What was noticed before, such as a file that couldn't be used: said before the text.
    """

    exit_code = 1
    text = ""
    notices: Sequence[Notice] = ()

    def __init__(self, key: str, /, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(key, values)

    @staticmethod
    def of(error: Exception, log: object = "") -> AppError:
        """Return an AppError unchanged; for any other exception, a bug, one that refers to its traceback in `log`."""
        if isinstance(error, AppError):
            return error
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return StorageError("too_many_files")
        if isinstance(error, ModuleNotFoundError):
            from framelens.core.installation import extra_error, extra_of  # which imports this module

            if extra_of(error.name or ""):
                return extra_error(error.name or "")
        return AppError("internal", kind=type(error).__name__, log=str(log or log_path()))

    def __str__(self) -> str:
        if self.text:
            return self.text
        details = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"{self.key} ({details})" if details else self.key


def log_path() -> str:
    """Return the path of the log of this process; its name alone before it is opened."""
    files = (handler for handler in logging.getLogger("framelens").handlers if isinstance(handler, logging.FileHandler))
    return next((file.baseFilename for file in files), "framelens.log")


class ConfigError(AppError):
    """A wrong setting or option."""

    exit_code = 2


class InputError(AppError):
    """A given file, name or id that can't be used: it is unknown, damaged, taken or in use."""

    exit_code = 6


class VideoError(InputError):
    """A video, or a folder or list of videos, that can't be used."""

    exit_code = 3


class DecodeError(VideoError):
    """A video on which the decoder failed."""


class EngineError(AppError):
    """An engine that can't be started or reached, or has died."""

    exit_code = 4


class ModelNotFound(EngineError):
    """A model that is neither a folder nor in the cache nor on the hub."""


class EngineBrokeOff(EngineError):
    """A connection to the engine that failed or ended in mid-answer."""


class RequestTooLarge(EngineError):
    """A request that the engine, or a proxy before it, would accept if it were smaller.

    Attributes:
        share: Part of the request that would be accepted, 0 … 1; None if the engine doesn't say it.
    """

    def __init__(self, key: str, /, *, share: float | None = None, **values: object) -> None:
        super().__init__(key, **values)
        self.share = share


class ContextExceeded(RequestTooLarge):
    """A request that doesn't fit the model's context."""


class TooManyPictures(RequestTooLarge):
    """A request with more pictures than the `limit` (>= 1) of the engine."""

    def __init__(self, limit: int) -> None:
        super().__init__("too_many_pictures", limit=limit)
        self.limit = limit


class ImageRejected(EngineError):
    """A picture that the engine could not read."""


class EngineTimeout(EngineError):
    """An engine that didn't answer in time."""


class EngineBusy(EngineError):
    """An engine that asks to retry later, after `wait_seconds` (None if it didn't say)."""

    def __init__(self, key: str, /, *, wait_seconds: float | None = None, **values: object) -> None:
        super().__init__(key, **values)
        self.wait_seconds = wait_seconds


class FormatRefused(EngineError):
    """An engine that doesn't support a schema for its answer, or refuses a request for no known cause.

    A request with a schema is sent once more without the schema; a refusal of a request without a schema is shown to
    the user.
    """


class PicturesRefused(EngineError):
    """A model that takes no pictures. Handled internally, never shown to the user."""


class StorageError(AppError):
    """A disk or store that refused an operation."""

    exit_code = 5


class Cancelled(AppError):
    """A stop by the user. The message "cancelled" promises that finished work is kept, "stopped" nothing."""

    exit_code = 130

    def __init__(self, key: str = "cancelled") -> None:
        super().__init__(key)


class Paused(Cancelled):
    """A stop by the user who will resume later."""
