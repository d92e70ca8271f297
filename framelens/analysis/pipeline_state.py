"""State of a run, shared by the threads that fill it and those that wait for it, and the queue of its updates."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import TypeVar

from framelens.analysis.inputs.transcription import cues_between
from framelens.analysis.task import Control
from framelens.core.analysis_state import AnalysisState, AnalysisUpdate
from framelens.core.domain import ChunkResult, Cue, DecodeSummary, FrameFacts, Keyframe, Notice, Transcript, VideoInfo
from framelens.core.errors import AppError, Cancelled, Paused
from framelens.core.events import AnalysisEvent, ChunkDone, KeyframesChosen, Noticed, OpeningChosen, Probed

_POLL_SECONDS = 0.1
T = TypeVar("T")
Emit = Callable[[AnalysisEvent], None]
Frames = tuple[Keyframe, ...]


class EngineEnded(Exception):
    """Raised if the engine has died during a run; `error` has the reason."""

    def __init__(self, error: AppError) -> None:
        super().__init__(str(error))
        self.error = error


class PipelineState:
    """The state of the run. Its threads emit events, which are folded into it here and nowhere else, and wait for it.

    It starts as the state of an earlier run, which this run continues. The getters wait until this run knows their
    value, and raise Cancelled, Paused or the error of the video side.
    """

    def __init__(self, control: Control, state: AnalysisState) -> None:
        self._control = control
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._state = state
        self._updates: queue.SimpleQueue[AnalysisUpdate | None] = queue.SimpleQueue()
        self._arrived: set[type[AnalysisEvent]] = set()
        self._answered: set[int] = set()
        self._notices: list[Notice] = []
        self._cues: list[Cue] = []
        self._reached_seconds = 0.0
        self._error: BaseException | None = None

    @property
    def now(self) -> AnalysisState:
        """Return the current state, which includes the results of an earlier run."""
        return self._state

    @property
    def results(self) -> tuple[ChunkResult, ...]:
        """Return the answers of this run, including answers taken over from an earlier run."""
        return tuple(result for result in self._state.results if result.number in self._answered)

    @property
    def stop(self) -> threading.Event:
        """Return what the threads of the run watch; it is set when the run ends in any way."""
        return self._stop

    def emit(self, event: AnalysisEvent) -> None:
        """Fold an event, and queue it with the state after it."""
        self.emit_with_state(lambda _: event)

    def emit_with_state(self, make: Callable[[AnalysisState], AnalysisEvent]) -> None:
        """Emit the event that `make` makes of the state; no other event changes the state meanwhile.

        A notice that this run has emitted, such as each part's notice about the engine, isn't emitted again.
        """
        with self._changed:
            event = make(self._state)
            if isinstance(event, Noticed):
                if event.notice in self._notices:
                    return
                self._notices.append(event.notice)
            self._arrived.add(type(event))
            if isinstance(event, ChunkDone):
                self._answered.add(event.result.number)
            self._state = self._state.apply(event)
            self._updates.put(AnalysisUpdate(event, self._state))
            self._changed.notify_all()

    def updates(
        self, begin: Callable[[], Future[None]], note: Callable[[AnalysisEvent], None] = lambda event: None
    ) -> Iterator[AnalysisUpdate]:
        """Begin the run, yield the updates as they arrive until it ends, and then set `stop`.

        Args:
            begin: Begins the run.
            note: Called with each event before it is yielded.

        Raises:
            Cancelled: Within 0.1 s of a cancel, after the queued updates, so that no finished answer is lost.
            AppError: The run failed.
        """
        run = begin()
        run.add_done_callback(lambda _: self._updates.put(None))
        try:
            while not (self._control.cancel.is_set() and self._updates.empty()):
                try:
                    update = self._updates.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
                if update is None:
                    return run.result()
                note(update.event)
                yield update
            raise Cancelled
        finally:
            self._stop.set()

    def fail(self, error: BaseException) -> None:
        """Raise `error` in all waiting threads: no more results will follow."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def video(self) -> VideoInfo:
        """Return the video's metadata."""
        self._until(lambda: Probed in self._arrived)
        assert self._state.video
        return self._state.video

    def opening(self) -> Frames:
        """Return the frames of the opening, chosen before the rest is read; empty if all frames are chosen at once."""
        self._until(lambda: self.has_chosen or OpeningChosen in self._arrived)
        return self._state.opening

    @property
    def has_chosen(self) -> bool:
        """Return True if all frames are chosen."""
        return KeyframesChosen in self._arrived

    def chosen(self) -> tuple[Frames, DecodeSummary]:
        """Return all frames and the summary of the decoding."""
        self._until(lambda: self.has_chosen)
        assert self._state.decode
        return self._state.keyframes, self._state.decode

    def end_seconds(self) -> float:
        """Return the end of the video as known so far, without waiting."""
        if self.has_chosen and self._state.decode:
            return self._state.decode.readable_seconds
        return (self._state.video.duration_seconds_from_header if self._state.video else None) or 0.0

    def shot_starts(self) -> list[float]:
        """Return the starts of the shots in seconds without waiting; empty until the shots are known."""
        decode = self._state.decode if self.has_chosen else None
        return [shot.start_seconds for shot in decode.shots] if decode else []

    def facts(self, frames: Frames) -> dict[int, FrameFacts]:
        """Return the facts of at least these frames, by number."""
        numbers = {frame.number for frame in frames}
        self._until(lambda: numbers <= {fact.number for fact in self._state.facts})
        return {fact.number: fact for fact in self._state.facts}

    def add_cues(self, reached_seconds: float, cues: Sequence[Cue]) -> None:
        """Add new cues; everything up to `reached_seconds` of the video is transcribed."""
        with self._changed:
            self._cues.extend(cues)
            self._reached_seconds = reached_seconds
            self._changed.notify_all()

    def transcript(self, start_seconds: float, end_seconds: float) -> Transcript:
        """Return the transcript of [start_seconds, end_seconds) once all of it is known."""
        self._until(lambda: self._state.is_heard or self._reached_seconds >= end_seconds)
        transcript = self._state.transcript if self._state.is_heard else None
        transcript = transcript or Transcript("speech", "", () if self._state.is_heard else tuple(self._cues))
        return replace(transcript, cues=cues_between(transcript, start_seconds, end_seconds))

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


def wait_for(future: Future[T], check: Callable[[], None]) -> None:
    """Wait until `future` is done, calling `check`, which may raise to stop waiting, ten times a second."""
    while not future.done():
        check()
        wait([future], timeout=_POLL_SECONDS)
