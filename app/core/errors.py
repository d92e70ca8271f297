"""One tree of errors.

    AppError                    may be shown to the user: an i18n key and its values
    ├── ConfigError             a setting is wrong                                (exit code 2)
    ├── InputError              the given file cannot be used                     (exit code 3)
    │   └── DecodeError         it is a video, but the decoder failed on it
    ├── EngineError             the engine cannot be started, reached or is dead  (exit code 4)
    │   ├── ModelNotFound       neither a folder nor in the cache nor on the hub
    │   ├── EngineBrokeOff      the connection to it failed or ended in mid-answer
    │   ├── ContextExceeded     the request does not fit the model's context
    │   ├── ImageRejected       one picture could not be read by the engine
    │   ├── EngineTimeout       no answer in time
    │   ├── EngineBusy          it asks to come back later
    │   ├── FormatRefused       it takes no schema for its answer (leads to the schema in words, never to the user)
    │   └── PicturesRefused     the model takes no pictures (leads to text mode, never to the user)
    ├── StorageError            the disk or the store refused                     (exit code 5)
    └── Cancelled               the user stopped it                               (exit code 130)
        └── Paused              the user will go on later

Anything that is not an AppError is a bug: its traceback goes to the log and the user reads a sentence about it.
Each key has its text in app/i18n: what was given, what is wrong, what to do next.
"""

from __future__ import annotations


class AppError(Exception):
    """An error whose text the user may read: `t("error." + key, language, **values)`."""

    exit_code = 1

    def __init__(self, key: str, /, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(key, values)

    def __str__(self) -> str:
        details = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"{self.key} ({details})" if details else self.key


class ConfigError(AppError):
    exit_code = 2


class InputError(AppError):
    exit_code = 3


class DecodeError(InputError):
    pass


class EngineError(AppError):
    exit_code = 4


class ModelNotFound(EngineError):
    pass


class EngineBrokeOff(EngineError):
    pass


class ContextExceeded(EngineError):
    pass


class ImageRejected(EngineError):
    pass


class EngineTimeout(EngineError):
    pass


class EngineBusy(EngineError):
    """`wait_seconds` is how long the engine asked to be left alone, None where it did not say."""

    def __init__(self, key: str, /, *, wait_seconds: float | None = None, **values: object) -> None:
        super().__init__(key, **values)
        self.wait_seconds = wait_seconds


class FormatRefused(EngineError):
    pass


class PicturesRefused(EngineError):
    pass


class StorageError(AppError):
    exit_code = 5


class Cancelled(AppError):
    exit_code = 130

    def __init__(self) -> None:
        super().__init__("cancelled")


class Paused(Cancelled):
    pass
