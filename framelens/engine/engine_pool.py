"""Several remote engines as one: each video stays on a single engine, and an engine that fails is left out for a while.

The engine keeps what it made of a video's pictures and of the beginning of its requests, so all requests about a video
go to the same engine. A new video goes to an engine with the fewest videos at work; a rendezvous hash of its content
decides between several, so that the choice is the same after a restart. When an engine fails, its videos continue
elsewhere and stay there; it is asked again in the background, and gets new videos once it answers.
"""

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import replace
from functools import partial

from framelens.core.background_task import BackgroundTask, in_thread
from framelens.core.domain import Notice
from framelens.core.errors import AppError, Cancelled, EngineBrokeOff, EngineError
from framelens.core.events import EngineProgress, ProgressListener
from framelens.engine.base import Endpoint, Engine, EngineStatus
from framelens.engine.remote_engine import RemoteEngine, model_conflict
from framelens.i18n import as_notice

log = logging.getLogger(__name__)
PROBE_SECONDS = 5.0
"""Time between two attempts to reach an engine that was left out."""
_POLL_SECONDS = 0.1
_MOST_PLACED = 10_000
"""Number of videos whose engine is remembered; the hash decides about older videos."""


class EnginePool(Engine):
    """Remote engines that serve the same model.

    An engine is left out while its status is "failed": at first, or later, it didn't answer or serves another model.

    Args:
        engines: At least one engine.
        probe_seconds: Time between two attempts to reach an engine that was left out.
    """

    is_pooled = True

    def __init__(self, engines: Sequence[RemoteEngine], *, probe_seconds: float = PROBE_SECONDS) -> None:
        self._engines = tuple(engines)
        self._probe_seconds = probe_seconds
        self._lock = threading.Lock()
        self._asking = threading.Lock()  # all engines are asked once, however many callers wait for them
        self._unnamed = [engine for engine in self._engines if not engine.model]
        self._conflict: EngineError | None = None
        self._placed: dict[str, RemoteEngine] = {}
        self._at_work: Counter[RemoteEngine] = Counter()
        self._left_out: set[RemoteEngine] = set()
        self._probing: BackgroundTask[None, None] = BackgroundTask("engine-probe")

    # ---- the interface of an engine

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        """Ask the engines for their models and return the endpoint of a usable engine.

        Raises:
            EngineError: No engine can be used, or they serve different models and no model was named.
            Cancelled: `cancel` was set.
        """
        engine = self.for_video(lambda: "")
        try:
            return engine.ensure_ready(on_progress, cancel)
        finally:
            engine.leave()

    def status(self) -> EngineStatus:
        """Return "ready" if any engine is; the context length is the shortest of those, and notices name the others."""
        statuses = self.statuses()
        name = statuses[0].model
        infos = [status.info for status in statuses if status.info]
        if self._conflict:
            return EngineStatus("failed", "remote", name, error=self._conflict)
        if infos:
            lengths = [info.max_model_len for info in infos if info.max_model_len]
            info = replace(infos[0], max_model_len=min(lengths, default=None))
            return EngineStatus("ready", "remote", info.model, info=info, notices=self._notices(statuses))
        if all(status.error for status in statuses):
            return EngineStatus("failed", "remote", name, error=self._failure())
        return EngineStatus("stopped", "remote", name)

    def statuses(self) -> tuple[EngineStatus, ...]:
        """Return the status of each engine."""
        return tuple(engine.status() for engine in self._engines)

    def for_video(self, content: Callable[[], str]) -> Engine:
        """Return the engine for a video; its `ensure_ready` chooses an engine of the pool at each call."""
        return _PooledEngine(self, content)

    def note_sight(self, sees: bool | None) -> None:
        """Store in the status of each engine whether it processes images."""
        for engine in self._engines:
            engine.note_sight(sees)

    def stop(self) -> None:
        """Stop asking engines that were left out."""
        self._probing.cancel()

    # ---- for the engines of the pool

    def place(self, content: str, cancel: threading.Event) -> tuple[RemoteEngine, Endpoint]:
        """Choose the engine for a video and connect to it; the video counts as at work there until `release`.

        Raises:
            EngineError: No engine can be used.
            Cancelled: `cancel` was set.
        """
        for _ in range(2 * len(self._engines)):
            engine = self._choose(content, self._ready(cancel))
            try:
                return engine, engine.ensure_ready(lambda _: None, cancel)
            except BaseException as error:
                self.release(engine)
                if not isinstance(error, EngineError):
                    raise
                self._watch()  # its status says why; there are others
        raise self._failure()

    def release(self, engine: RemoteEngine) -> None:
        """Note that a video is no longer at work on an engine."""
        with self._lock:
            self._at_work[engine] -= 1

    def leave_out_if_unwell(self, engine: RemoteEngine) -> EngineError | None:
        """Ask an engine that failed whether it works; if not, leave it out and return why."""
        error = engine.end_if_unwell()
        self._watch()
        return error

    @property
    def addresses(self) -> str:
        """Return the addresses of all engines."""
        return ", ".join(engine.base_url for engine in self._engines)

    def _choose(self, content: str, ready: Sequence[RemoteEngine]) -> RemoteEngine:
        with self._lock:
            engine = self._placed.pop(content, None)
            if engine is None or engine not in ready:
                fewest = min(self._at_work[candidate] for candidate in ready)
                engine = max(
                    (candidate for candidate in ready if self._at_work[candidate] == fewest),
                    key=partial(_score, content),
                )
            self._placed[content] = engine  # the video that was placed last comes last
            if len(self._placed) > _MOST_PLACED:
                del self._placed[next(iter(self._placed))]
            self._at_work[engine] += 1
            return engine

    # ---- which engines work

    def _ready(self, cancel: threading.Event) -> list[RemoteEngine]:
        """Return the engines that work, at least one; ask all of them if that isn't known."""
        while not self._asking.acquire(timeout=_POLL_SECONDS):
            if cancel.is_set():
                raise Cancelled
        try:
            is_unknown = any(status.state == "stopped" for status in self.statuses())
            if is_unknown or self._conflict or not self._working():
                self._ask_all(cancel)
            if working := self._working():
                return working
        finally:
            self._asking.release()
            self._watch()
        raise self._failure()

    def _working(self) -> list[RemoteEngine]:
        return [engine for engine in self._engines if engine.status().state == "ready"]

    def _ask_all(self, cancel: threading.Event) -> None:
        """Ask all engines at once. Raises EngineError if they serve different models and no model was named."""
        for engine in self._unnamed:
            engine.model = ""
        _ask(self._engines, cancel)
        served = {engine.base_url: engine.status().model for engine in self._working()}
        self._conflict = model_conflict(served)
        if self._conflict:
            raise self._conflict
        if not served:
            return
        for engine in self._unnamed:
            engine.model = next(iter(served.values()))
        _ask([engine for engine in self._unnamed if engine.base_url not in served], cancel)  # several models there

    def _failure(self) -> EngineError:
        """Return why no engine can be used."""
        errors = [status.error for status in self.statuses() if status.error]
        reason = as_notice(errors[0]) if errors else ""
        kind = EngineBrokeOff if errors and all(isinstance(error, EngineBrokeOff) for error in errors) else EngineError
        return kind("engines_unusable", count=len(self._engines), addresses=self.addresses, reason=reason)

    def _notices(self, statuses: Sequence[EngineStatus]) -> tuple[Notice, ...]:
        return tuple(
            Notice("engine_left_out", {"base_url": engine.base_url, "reason": as_notice(status.error)})
            for engine, status in zip(self._engines, statuses, strict=True)
            if status.error
        )

    def _watch(self) -> None:
        """Log which engines were left out and which are back; ask the former again in the background."""
        failed = {engine: status.error for engine in self._engines if (status := engine.status()).error}
        with self._lock:
            fresh, back = failed.keys() - self._left_out, self._left_out - failed.keys()
            self._left_out = set(failed)
        for engine in fresh:
            log.warning("the engine at %s is left out: %s", engine.base_url, failed[engine])
        for engine in back:
            log.info("the engine at %s is used again", engine.base_url)
        if failed:
            self._probing.start(self._probe)

    def _probe(self, _: Callable[[None], None], cancel: threading.Event) -> None:
        """Ask the engines that were left out until all of them answer."""
        while failed := [engine for engine in self._engines if engine.status().state == "failed"]:
            if cancel.wait(self._probe_seconds):
                raise Cancelled
            _ask(failed, cancel)
            self._watch()


class _PooledEngine(Engine):
    """The engine of a pool that answers about a video."""

    is_pooled = True

    def __init__(self, pool: EnginePool, content: Callable[[], str]) -> None:
        self._pool = pool
        self._content = content
        self._engine: RemoteEngine | None = None
        self._is_at_work = False

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        """Connect to the video's engine, or to another engine if that fails.

        Raises:
            EngineError: No engine of the pool can be used.
            Cancelled: `cancel` was set.
        """
        self.leave()
        on_progress(EngineProgress("connecting", {"base_url": self._pool.addresses}))
        self._engine, endpoint = self._pool.place(self._content(), cancel)
        self._is_at_work = True
        on_progress(EngineProgress("ready", {"model": endpoint.model}))
        return endpoint

    def status(self) -> EngineStatus:
        """Return the status of the video's engine, or of the pool before an engine is chosen."""
        return (self._engine or self._pool).status()

    def note_sight(self, sees: bool | None) -> None:
        """Store in the status of the video's engine whether it processes images."""
        (self._engine or self._pool).note_sight(sees)

    def end_if_unwell(self) -> AppError | None:
        """Take the video's engine out of the pool if it doesn't answer, and return why."""
        return self._pool.leave_out_if_unwell(self._engine) if self._engine else None

    def leave(self) -> None:
        """Note that the video's analysis is over."""
        if self._is_at_work and self._engine:
            self._is_at_work = False
            self._pool.release(self._engine)


def _score(content: str, engine: RemoteEngine) -> bytes:
    return hashlib.sha256(f"{content} {engine.base_url}".encode()).digest()


def _ask(engines: Sequence[RemoteEngine], cancel: threading.Event) -> None:
    """Connect to the engines at the same time and wait; the status of each has the outcome. Raises Cancelled."""

    def ask(engine: RemoteEngine) -> None:
        with suppress(EngineError):
            engine.ensure_ready(lambda _: None, cancel)

    probes = [in_thread("engine-probe", partial(ask, engine)) for engine in engines]
    wait(probes)  # each ends soon after `cancel` is set
    for probe in probes:
        probe.result()
