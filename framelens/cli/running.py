"""The command that runs: whether it is quiet, what stops it, and what its links gave."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class RunningCommand:
    """What a source of videos needs to know of the command that names one.

    Attributes:
        quiet: Print no progress.
        overview: Read links in parts.
        cancel: Set by a signal, once the command handles those.
        fetched: Files of the links that were fetched, by what was typed.
    """

    quiet: bool = False
    overview: bool = False
    cancel: threading.Event = field(default_factory=threading.Event)
    fetched: dict[str, Path] = field(default_factory=dict)


_running: ContextVar[RunningCommand | None] = ContextVar("running", default=None)


def begin(*, quiet: bool, overview: bool) -> None:
    """Note that a command begins."""
    _running.set(RunningCommand(quiet, overview))


def running() -> RunningCommand:
    """Return the command that runs; a new value outside of one."""
    return _running.get() or RunningCommand()
