"""State shared by the video side of a run, which fills it, and the request threads, which wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from app.analysis.inputs.transcription import cues_between
from app.analysis.task import Control
from app.core import (
    AnalysisEvent,
    Cancelled,
    Cue,
    DecodeSummary,
    FactsMeasured,
    FrameFacts,
    Heard,
    Keyframe,
    KeyframesChosen,
    OpeningChosen,
    Paused,
    Probed,
    Transcript,
    VideoInfo,
)

_POLL_SECONDS = 0.1
Frames = tuple[Keyframe, ...]


class PipelineState:
    """Results of the video side, for threads that wait for them.

    `note`, `add_cues` and `fail` fill it. The getters block until their value is known and raise Cancelled, Paused or
    the error of the video side.
    """

    def __init__(self, control: Control, stop: threading.Event) -> None:
        self._control = control
        self._stop = stop
        self._changed = threading.Condition()
        self._video: VideoInfo | None = None
        self._opening: Frames = ()
        self._chosen: tuple[Frames, DecodeSummary] | None = None
        self._facts: dict[int, FrameFacts] = {}
        self._heard: Heard | None = None
        self._cues: list[Cue] = []
        self._reached_seconds = 0.0
        self._error: BaseException | None = None

    def note(self, event: AnalysisEvent) -> None:
        """Store the result that `event` carries; other events are ignored."""
        with self._changed:
            match event:
                case Probed(video):
                    self._video = video
                case OpeningChosen(keyframes):
                    self._opening = keyframes
                case KeyframesChosen(keyframes, decode):
                    self._chosen = keyframes, decode
                case FactsMeasured(facts):
                    self._facts[facts.number] = facts
                case Heard():
                    self._heard = event
                case _:
                    return
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Raise `error` in all waiting threads: no more results will follow."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def video(self) -> VideoInfo:
        """Return the video's metadata."""
        self._until(lambda: self._video is not None)
        assert self._video
        return self._video

    def opening(self) -> Frames:
        """Return the frames of the opening, chosen before the rest is read; none if all are chosen at once."""
        self._until(lambda: bool(self._opening or self._chosen))
        return self._opening

    @property
    def has_chosen(self) -> bool:
        """Return True if all frames are chosen."""
        return self._chosen is not None

    def chosen(self) -> tuple[Frames, DecodeSummary]:
        """Return all frames and the summary of the decoding."""
        self._until(lambda: self._chosen is not None)
        assert self._chosen
        return self._chosen

    def end_seconds(self) -> float:
        """Return the end of the video as known so far, without waiting."""
        if self._chosen:
            return self._chosen[1].readable_seconds
        return (self._video.duration_seconds_from_header if self._video else None) or 0.0

    def facts(self, frames: Frames) -> dict[int, FrameFacts]:
        """Return the facts of at least these frames, by number."""
        self._until(lambda: all(frame.number in self._facts for frame in frames))
        return self._facts

    def add_cues(self, reached_seconds: float, cues: Sequence[Cue]) -> None:
        """Add new cues; everything up to `reached_seconds` of the video is transcribed."""
        with self._changed:
            self._cues.extend(cues)
            self._reached_seconds = reached_seconds
            self._changed.notify_all()

    def cues(self, start_seconds: float, end_seconds: float) -> tuple[Cue, ...]:
        """Return the cues in [start_seconds, end_seconds) once all of them are transcribed."""
        self._until(lambda: self._heard is not None or self._reached_seconds >= end_seconds)
        if self._heard:
            return cues_between(self._heard.transcript, start_seconds, end_seconds)
        return cues_between(Transcript("speech", "", tuple(self._cues)), start_seconds, end_seconds)

    def check(self) -> None:
        """Raise Cancelled or Paused if the run is to stop."""
        if self._control.cancel.is_set() or self._stop.is_set():
            raise Cancelled
        if self._control.pause.is_set():
            raise Paused

    def _until(self, is_ready: Callable[[], bool]) -> None:
        with self._changed:
            while not is_ready():
                if self._error:
                    raise self._error
                self.check()
                self._changed.wait(_POLL_SECONDS)
