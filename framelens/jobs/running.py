"""The running command or call: its options, its cancel event, and the files fetched from its links."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framelens.config import Settings


@dataclass
class RunningCommand:
    """State of the running command for the sources of videos that it names.

    Attributes:
        quiet: Print no progress.
        cancel: Set by a signal, once the command handles signals.
        fetched: Files that were fetched from links, by the link as it was typed.
        settings: Settings of a program's call; None for the environment's.
    """

    quiet: bool = False
    cancel: threading.Event = field(default_factory=threading.Event)
    fetched: dict[str, Path] = field(default_factory=dict)
    settings: Settings | None = None


_running: ContextVar[RunningCommand | None] = ContextVar("running", default=None)


def begin(*, quiet: bool) -> None:
    """Note that a command begins."""
    _running.set(RunningCommand(quiet))


@contextmanager
def in_call(settings: Settings, cancel: threading.Event | None) -> Iterator[None]:
    """Within the context, read sources for a program's call, without printing their progress."""
    token = _running.set(RunningCommand(quiet=True, cancel=cancel or threading.Event(), settings=settings))
    try:
        yield
    finally:
        _running.reset(token)


def running() -> RunningCommand:
    """Return the state of the running command or call; a new state if no command or call is running."""
    return _running.get() or RunningCommand()
