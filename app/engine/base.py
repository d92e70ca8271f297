"""What an engine is to everybody else: where it answers, how it is, and the four things one can ask of it.

An engine is a server that speaks OpenAI chat completions. Whether it is a child process of ours or somebody else's
machine is decided in `app.services.container`; nothing below this interface asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from app.domain import EngineInfo, EngineProgress, Notice
from app.errors import AppError

EngineKind = Literal["vllm", "transformers", "remote"]
EngineState = Literal["stopped", "starting", "ready", "failed"]
ProgressListener = Callable[[EngineProgress], None]


@dataclass(frozen=True)
class Endpoint:
    """Where a ready engine answers. `base_url` ends in its version, "/v1"; the key never shows in a repr."""

    kind: EngineKind
    model: str
    base_url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class EngineStatus:
    """One look at an engine. `phase` while starting, `error` when failed, `info` when ready.

    `notices`: what was found out about its settings when it was started last.
    """

    state: EngineState
    kind: EngineKind
    model: str
    phase: EngineProgress | None = None
    error: AppError | None = None
    started_seconds_ago: float | None = None
    info: EngineInfo | None = None
    notices: tuple[Notice, ...] = ()


class Engine(Protocol):
    """One engine, shared by all threads.

    `ensure_ready` starts it where that is needed, calls `on_progress` in the caller's own thread, and raises Cancelled
    within a second of `cancel` being set, or the EngineError that says why it cannot be used. `note_sight` keeps in the
    status what was proven about the running engine's sight. `end_if_unwell` ends an engine of ours that
    has broken down or gives no answer any more, and tells what became of it; None where it is well, or not ours.
    """

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint: ...

    def status(self) -> EngineStatus: ...

    def note_sight(self, sees: bool | None) -> None: ...

    def end_if_unwell(self) -> AppError | None: ...

    def log_tail(self, lines: int = 200) -> str: ...

    def stop(self) -> None: ...


def _nothing_to_say(_: Path) -> tuple[Notice, ...]:
    return ()


@dataclass(frozen=True)
class Launcher:
    """How one kind of local engine is started and read; `app.engine.local_engine` does the starting.

    model: its name for people. fetch: makes the model a folder on this machine, downloading where needed. command: the
    child's argument list for (model folder, port). environment: what the child gets beside `engine_environment`, for an
    API key. served_name: what requests must call the model of that folder. describe: what a ready engine is.
    read_phase: what one line of the child's log says about its start, or None. port: None takes a free one. notices:
    what was changed in the user's settings. inspect: what is to be said of a start with the model's folder; it raises
    the EngineError of one that would fail.
    """

    kind: Literal["vllm", "transformers"]
    model: str
    fetch: Callable[[ProgressListener, threading.Event], Path]
    command: Callable[[Path, int], list[str]]
    environment: Callable[[str], dict[str, str]]
    served_name: Callable[[Path], str]
    describe: Callable[[Endpoint, Path], EngineInfo]
    read_phase: Callable[[str], EngineProgress | None]
    port: int | None = None
    notices: tuple[Notice, ...] = ()
    inspect: Callable[[Path], tuple[Notice, ...]] = _nothing_to_say


class AbsentEngine:
    """Every attempt to use it raises `error`."""

    def __init__(self, model: str, error: AppError) -> None:
        self._model = model
        self._error = error

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        raise self._error

    def status(self) -> EngineStatus:
        return EngineStatus("failed", "vllm", self._model, error=self._error)

    def note_sight(self, sees: bool | None) -> None:
        """Nothing runs that could see."""

    def end_if_unwell(self) -> AppError | None:
        """Nothing runs."""
        return None

    def log_tail(self, lines: int = 200) -> str:
        """Always "": nothing was started."""
        return ""

    def stop(self) -> None:
        """Nothing to do."""
