"""The command that runs: whether it is quiet, what stops it, and what its links gave."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from framelens.core.domain import Notice
from framelens.i18n import notice_text


@dataclass
class RunningCommand:
    """What a source of videos needs to know of the command that names one.

    Attributes:
        quiet: Print no progress.
        overview: Read links in parts.
        cancel: Set by a signal, once the command handles those.
        fetched: Files of the links that were fetched, by what was typed.
        said: Sentences that were printed of them, which the command needn't print again.
    """

    quiet: bool = False
    overview: bool = False
    cancel: threading.Event = field(default_factory=threading.Event)
    fetched: dict[str, Path] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)


_running: ContextVar[RunningCommand | None] = ContextVar("running", default=None)


def begin(*, quiet: bool, overview: bool) -> None:
    """Note that a command begins."""
    _running.set(RunningCommand(quiet, overview))


def running() -> RunningCommand:
    """Return the command that runs; a new value outside of one."""
    return _running.get() or RunningCommand()


def unsaid(notice: Notice) -> str:
    """Return the text of a notice, "" if it was printed when a link was fetched, or is an error, printed at the end."""
    words = notice_text(notice)
    return "" if notice.level == "error" or words in running().said else words
