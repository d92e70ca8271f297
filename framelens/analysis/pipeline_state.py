"""State of a run, shared by the threads that fill it and those that wait for it, and the queue of their events."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, TypeVar

from framelens.analysis.inputs.transcription import cues_between
from framelens.analysis.task import Control
from framelens.core.analysis_state import AnalysisState
from framelens.core.background_task import in_thread
from framelens.core.domain import AnalysisEvent, Cue, DecodeSummary, FrameFacts, Keyframe, Transcript, VideoInfo
from framelens.core.errors import Cancelled, Paused

_POLL_SECONDS = 0.1
T = TypeVar("T")
Emit = Callable[[AnalysisEvent], None]
Frames = tuple[Keyframe, ...]


class PipelineState:
    """The state of the run, which all its threads fold their events into and wait for.

    The getters block until their value is known and raise Cancelled, Paused or the error of the video side.
    """

    def __init__(self, control: Control, stop: threading.Event, seconds_by_stage: Mapping[str, float]) -> None:
        self._control = control
        self._stop = stop
        self._changed = threading.Condition()
        self._state = AnalysisState(seconds_by_stage=dict(seconds_by_stage))
        self._cues: list[Cue] = []
        self._reached_seconds = 0.0
        self._error: BaseException | None = None

    @property
    def now(self) -> AnalysisState:
        """Return what is known now."""
        return self._state

    def apply(self, event: AnalysisEvent) -> None:
        """Fold one more event."""
        with self._changed:
            self._state = self._state.apply(event)
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Raise `error` in all waiting threads: no more results will follow."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def video(self) -> VideoInfo:
        """Return the video's metadata."""
        self._until(lambda: self._state.video is not None)
        assert self._state.video
        return self._state.video

    def opening(self) -> Frames:
        """Return the frames of the opening, chosen before the rest is read; none if all are chosen at once."""
        self._until(lambda: bool(self._state.keyframes))
        return self._state.opening

    @property
    def has_chosen(self) -> bool:
        """Return True if all frames are chosen."""
        return self._state.decode is not None

    def chosen(self) -> tuple[Frames, DecodeSummary]:
        """Return all frames and the summary of the decoding."""
        self._until(lambda: self._state.decode is not None)
        assert self._state.decode
        return self._state.keyframes, self._state.decode

    def end_seconds(self) -> float:
        """Return the end of the video as known so far, without waiting."""
        if self._state.decode:
            return self._state.decode.readable_seconds
        return (self._state.video.duration_seconds_from_header if self._state.video else None) or 0.0

    def shot_starts(self) -> list[float]:
        """Return the starts of the shots in seconds, none before they are known, without waiting."""
        return [shot.start_seconds for shot in self._state.decode.shots] if self._state.decode else []

    def facts(self, frames: Frames) -> dict[int, FrameFacts]:
        """Return the facts of at least these frames, by number."""
        wanted = {frame.number for frame in frames}
        self._until(lambda: wanted <= {one.number for one in self._state.facts})
        return {one.number: one for one in self._state.facts}

    def add_cues(self, reached_seconds: float, cues: Sequence[Cue]) -> None:
        """Add new cues; everything up to `reached_seconds` of the video is transcribed."""
        with self._changed:
            self._cues.extend(cues)
            self._reached_seconds = reached_seconds
            self._changed.notify_all()

    def cues(self, start_seconds: float, end_seconds: float) -> tuple[Cue, ...]:
        """Return the cues in [start_seconds, end_seconds) once all of them are transcribed."""
        self._until(lambda: self._state.is_heard or self._reached_seconds >= end_seconds)
        if self._state.is_heard:
            return cues_between(self._state.transcript, start_seconds, end_seconds)
        return cues_between(Transcript("speech", "", tuple(self._cues)), start_seconds, end_seconds)

    @property
    def is_paused(self) -> bool:
        """Return True if no more requests are to be sent."""
        return self._control.pause.is_set()

    def check_cancelled(self) -> None:
        """Raise Cancelled if the run is cancelled or over."""
        if self._control.cancel.is_set() or self._stop.is_set():
            raise Cancelled

    def check(self) -> None:
        """Raise Cancelled or Paused if the run is to stop."""
        self.check_cancelled()
        if self.is_paused:
            raise Paused

    def _until(self, is_ready: Callable[[], bool]) -> None:
        with self._changed:
            while not is_ready():
                if self._error:
                    raise self._error
                self.check()
                self._changed.wait(_POLL_SECONDS)


class ConcurrentEvents:
    """Context manager for daemon threads that share one event queue.

    Attributes:
        cancel: Set by the user.
        stop: Watched by the threads; set when the `with` block ends in any way.
        apply: Called with each event, in the thread that emits it.
    """

    def __init__(self, cancel: threading.Event) -> None:
        self.cancel = cancel
        self.apply: Emit = lambda event: None
        self.stop = threading.Event()
        self._events: queue.SimpleQueue[AnalysisEvent] = queue.SimpleQueue()

    def __enter__(self) -> ConcurrentEvents:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()

    def start(self, name: str, work: Callable[[Emit], T]) -> Future[T]:
        """Run `work(emit)` in a daemon thread and return a Future with its result or exception."""
        return in_thread(f"analysis-{name}", partial(work, self._emit))

    def _emit(self, event: AnalysisEvent) -> None:
        self.apply(event)
        self._events.put(event)

    def drain(self) -> Iterator[AnalysisEvent]:
        """Yield the queued events without waiting."""
        while not self._events.empty():
            yield self._events.get()

    def until(self, future: Future[Any]) -> Iterator[AnalysisEvent]:
        """Yield events as they arrive until `future` is done.

        Raises:
            Cancelled: Within 0.1 s of a cancel, after the queued events, so that no finished answer is lost.
        """
        while not future.done():
            if self.cancel.is_set():
                yield from self.drain()
                raise Cancelled
            try:
                yield self._events.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
        yield from self.drain()


def wait_for(future: Future[T], check: Callable[[], None]) -> None:
    """Wait until `future` is done, calling `check`, which may raise to stop waiting, ten times a second."""
    while not future.done():
        check()
        wait([future], timeout=_POLL_SECONDS)
