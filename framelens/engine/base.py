"""Interface of an engine: its endpoint, its status, and the protocol that local and remote engines implement.

An engine is a server that speaks OpenAI chat completions. Whether it is a child process or a remote server is decided
in `framelens.composition`; no caller of this interface needs to know.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from framelens.core.domain import EngineInfo, Notice
from framelens.core.errors import AppError
from framelens.core.events import EngineProgress, ProgressListener

EngineKind = Literal["vllm", "transformers", "remote"]
EngineState = Literal["stopped", "starting", "ready", "failed"]


@dataclass(frozen=True)
class Endpoint:
    """Address of a ready engine. `base_url` ends in the API version, "/v1"; the key is left out of the repr.

    `is_vllm` is known of local engines, and of remote engines by how they list their models. `rank` numbers one of
    several copies of the model behind the address (data parallelism); None lets the engine choose. `session` is the
    same for all requests about a video, for a router behind the address; "" without a session.
    """

    kind: EngineKind
    model: str
    base_url: str
    api_key: str = field(repr=False)
    is_vllm: bool = False
    rank: int | None = None
    session: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of every request, by which vLLM and routers before it send a video to the same place."""
        rank = {} if self.rank is None else {"X-data-parallel-rank": str(self.rank)}
        return {**rank, "X-Session-ID": self.session} if self.session else rank


@dataclass(frozen=True)
class EngineStatus:
    """Snapshot of an engine's state.

    Attributes:
        phase: Set while starting.
        error: Set when failed.
        info: Set when ready.
        notices: Findings about the settings from the last start.
        base_url: Address of a remote engine, known before it was asked.
        api_key: The key of a local engine that is ready.
    """

    state: EngineState
    kind: EngineKind
    model: str
    phase: EngineProgress | None = None
    error: AppError | None = None
    info: EngineInfo | None = None
    notices: tuple[Notice, ...] = ()
    base_url: str = ""
    api_key: str = field(default="", repr=False)


class Engine(Protocol):
    """An engine, shared by all threads; the bodies here are for engines that run elsewhere.

    Attributes:
        is_pooled: Whether others can answer in its place.
    """

    is_pooled: bool = False

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        """Start the engine if needed and return its endpoint.

        Args:
            on_progress: Called in the caller's own thread.
            cancel: Ends the wait within a second of being set.

        Raises:
            Cancelled: `cancel` was set.
            EngineError: The engine cannot be used; the error gives the cause.
        """

    def status(self) -> EngineStatus:
        """Return the current status without waiting for the engine."""

    def statuses(self) -> tuple[EngineStatus, ...]:
        """Return the status of each engine behind this engine, without waiting."""
        return (self.status(),)

    def for_video(self, content: Callable[[], str]) -> Engine:
        """Return the engine that answers about a video; `content` returns the key of its content, or waits for it."""
        return self

    def leave(self) -> None:
        """Note that the video for which `for_video` returned this engine needs it no longer."""
        return

    def note_sight(self, sees: bool | None) -> None:
        """Store in the status whether the running engine was proven to process images."""
        return

    def end_if_unwell(self) -> AppError | None:
        """Stop a local engine that has crashed or no longer responds; take a pooled engine out of its pool.

        Returns:
            The error that explains it, or None if the engine is healthy.
        """
        return None

    def log_tail(self, lines: int = 200) -> str:
        """Return the last lines of the engine's log with secrets redacted, "" before the first start or if remote."""
        return ""

    def stop(self) -> None:
        """Stop a local engine and return when all its processes have ended; do nothing for a remote engine."""
        return


"""Checks the model's folder right before a start, and returns variables that the engine is started with."""


def _no_notices(_: Path) -> tuple[Notice, ...]:
    return ()


@dataclass(frozen=True)
class Launcher:
    """Recipe for starting a kind of local engine and reading its log; `framelens.engine.local.local_engine` runs it.

    Attributes:
        model: Display name of the model.
        fetch: Returns the model's folder on this machine, downloading it if needed.
        command: Builds the child's argument list from (model folder, port).
        environment: Builds the child's variables in addition to `engine_environment` from an API key.
        served_name: Returns the name by which requests must call the model of that folder.
        describe: Returns the EngineInfo of a ready engine.
        read_phase: Returns the start phase that a line of the child's log reports, or None.
        notices: Changes that were made to the user's settings.
        inspect: Returns notices about a start with the model's folder; raises EngineError if it would fail.
    """

    kind: Literal["vllm", "transformers"]
    model: str
    fetch: Callable[[ProgressListener, threading.Event], Path]
    command: Callable[[Path, int], list[str]]
    environment: Callable[[str], dict[str, str]]
    served_name: Callable[[Path], str]
    describe: Callable[[Endpoint, Path], EngineInfo]
    read_phase: Callable[[str], EngineProgress | None]
    notices: tuple[Notice, ...] = ()
    inspect: Callable[[Path], tuple[Notice, ...]] = _no_notices


class NullEngine(Engine):
    """Null engine: every attempt to use it raises `error`."""

    def __init__(self, model: str, error: AppError) -> None:
        self._model = model
        self._error = error

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        """Raise the error that was given."""
        raise self._error

    def status(self) -> EngineStatus:
        """Return a failed status with the error."""
        return EngineStatus("failed", "vllm", self._model, error=self._error)
