"""From a reader to shots, candidates and a summary of the decoding, in one pass over the frames.

Memory does not grow with the length of the video: of what is not a candidate, only shot boundaries and a histogram
of frame durations are kept. Which candidates become keyframes is decided in app.video.choice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from app.domain import Boundary, DecodeSummary, Keyframe, KeyframeFound, Notice, Reason, SurveyProgress
from app.video.arrivals import Cells
from app.video.boundaries import joined, shots_between
from app.video.candidates import Candidate
from app.video.dissolves import Dissolve, DissolveDetector
from app.video.gathering import Gatherer
from app.video.looks import ALIKE, distance, look_at
from app.video.readers import FIRST_READER
from app.video.readers.base import FrameReader, Picture
from app.video.shots import CutDetector, Settled

_PROGRESS_SECONDS = 0.3
_MISSING_SECONDS = 0.5
_MISSING_SHARE = 0.02


class Survey:
    """One pass over a reader: walk `events` to the end, then ask for the rest."""

    def __init__(self, reader: FrameReader, *, frames: int, max_side: int) -> None:
        self._reader = reader
        self._frames = frames
        self._max_side = max_side
        self._duration = reader.info.duration_seconds_from_header
        self._detector = CutDetector()
        self._gatherer = Gatherer(frames=frames, max_side=max_side, duration_seconds=self._duration)
        self._cuts: list[Boundary] = []
        self._dissolve_detector = DissolveDetector()
        self._dissolves: list[Boundary] = []
        self._steps_ms: Counter[int] = Counter()
        self._num_frames = 0
        self._last_seconds = 0.0
        self._end_seconds = 0.0
        self._num_shown = 0
        self._latest_shown: Candidate | None = None

    def events(self) -> Iterator[SurveyProgress | KeyframeFound]:
        """Decodes everything; tells progress a few times a second and pictures worth showing meanwhile."""
        told = float("-inf")
        for picture in self._reader.frames():
            yield from self._shown(self._take(picture))
            if time.monotonic() - told >= _PROGRESS_SECONDS:
                told = time.monotonic()
                yield SurveyProgress(picture.time_seconds, self._duration)
        self._note(self._dissolve_detector.flush())
        fresh = self._settle(self._detector.flush())
        yield from self._shown([*fresh, *self._gatherer.finish()])
        yield SurveyProgress(self._end_seconds, self._duration)

    def candidates(self) -> list[Candidate]:
        return self._gatherer.candidates()

    def worths(self, candidates: Sequence[Candidate]) -> list[Cells]:
        """For each candidate, what each cell of it is worth telling."""
        return self._gatherer.worths(candidates)

    def summary(self) -> DecodeSummary:
        boundaries = joined(self._cuts, self._dissolves)
        return DecodeSummary(
            frames_decoded=self._num_frames,
            readable_seconds=self._end_seconds,
            is_variable_frame_rate=self._is_variable(),
            reader=self._reader.name,
            shots=shots_between(boundaries, self._end_seconds),
            boundaries=boundaries,
            notices=tuple(self._notices()),
        )

    def _take(self, picture: Picture) -> list[Candidate]:
        look = look_at(picture.thumb())
        if self._num_frames:
            self._steps_ms[round(1000 * (picture.time_seconds - self._last_seconds))] += 1
        self._num_frames += 1
        self._last_seconds = picture.time_seconds
        self._end_seconds = picture.time_seconds + picture.duration_seconds
        self._note(self._dissolve_detector.push(picture.time_seconds, look))
        verdicts = self._detector.push(picture.index, picture.time_seconds, look)
        change, may_open = self._detector.last_change, self._detector.is_suspect
        fresh = self._gatherer.take(picture, look, change=change, may_open=may_open)
        return [*fresh, *self._settle(verdicts)]

    def _note(self, found: Dissolve | None) -> None:
        if found is not None:
            self._dissolves.append(Boundary(found.start_seconds, found.end_seconds, "dissolve"))

    def _settle(self, verdicts: Iterable[Settled]) -> list[Candidate]:
        fresh = []
        for verdict in verdicts:
            if verdict.is_cut:
                dark = verdict.dark_since_seconds
                start = verdict.time_seconds if dark is None else dark
                self._cuts.append(Boundary(start, verdict.time_seconds, "cut" if dark is None else "fade"))
            fresh += self._gatherer.settle(verdict.index, verdict.is_cut)
        return fresh

    def _shown(self, fresh: Iterable[Candidate]) -> Iterator[KeyframeFound]:
        """Of what was newly kept, as much as leaves the page pictures for the rest of the video."""
        for candidate in fresh:
            share = candidate.time_seconds / self._duration if self._duration else self._num_shown / self._frames
            allowed = self._frames * share + (0 if candidate.opens is None else 2)
            if self._num_shown >= min(self._frames, allowed) or self._is_repeat(candidate):
                continue
            self._num_shown += 1
            self._latest_shown = candidate
            yield KeyframeFound(self._provisional(candidate))

    def _is_repeat(self, candidate: Candidate) -> bool:
        latest = self._latest_shown
        return latest is not None and distance(latest.look, candidate.look) <= ALIKE

    def _provisional(self, candidate: Candidate) -> Keyframe:
        reason: Reason = "first" if candidate.index == 0 else "even" if candidate.opens is None else "shot"
        shot = 1 + sum(cut.end_seconds <= candidate.time_seconds for cut in self._cuts)
        jpeg, width, height = candidate.jpeg(self._max_side)
        return Keyframe(0, candidate.index, candidate.time_seconds, reason, shot, width, height, jpeg)

    def _is_variable(self) -> bool:
        if not self._steps_ms:
            return False
        usual = median(self._steps_ms.elements())
        odd = sum(count for step, count in self._steps_ms.items() if abs(step - usual) > max(2, 0.1 * usual))
        return odd >= 2 and odd > 0.02 * self._num_frames

    def _notices(self) -> Iterator[Notice]:
        reader, start = self._reader, self._reader.info.start_seconds
        declared = reader.declared_seconds
        if declared and declared - reader.reached_seconds > max(_MISSING_SECONDS, _MISSING_SHARE * declared):
            readable, whole = clock_text(self._end_seconds), clock_text(declared - start)
            yield Notice("truncated", {"readable": readable, "declared": whole})
        if reader.num_damaged:
            yield Notice("damaged_frames", {"count": reader.num_damaged})
        if reader.name != FIRST_READER:
            yield Notice("second_reader", {"reader": reader.name}, "info")


def clock_text(seconds: float) -> str:
    """A length as people write it: 0:07.4, 12:05.0, 1:02:03.0."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
