"""Survey: shots, keyframe candidates and a decoding summary from one pass over the frames.

Memory does not grow with the length of the video: apart from candidates, only shot boundaries and measurements in steps
are kept. `selector` decides which candidates become keyframes. Decoding releases the interpreter's lock, so the next
frames are decoded in a thread while the last frames are examined.
"""

import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from framelens.core.domain import UNMAPPED_RANGE, Boundary, DecodeSummary, Keyframe, Notice, Reason, Shot
from framelens.core.events import KeyframeFound, SurveyProgress
from framelens.core.units import clock
from framelens.video.corruption import Suspects
from framelens.video.features.frame_signature import ALIKE, Glance, distance, glance_at, look_at
from framelens.video.features.timeline_metrics import TimelineMeter
from framelens.video.keyframes.candidates import Candidate, CandidateCollector
from framelens.video.keyframes.clarity import Which
from framelens.video.keyframes.strategies import LONG_SECONDS
from framelens.video.readers import FIRST_READER, track_header
from framelens.video.readers.ahead import ahead
from framelens.video.readers.base import FrameReader, Picture, ends_in_zeros, held_end
from framelens.video.shots.cut_detector import CutDetector, Settled
from framelens.video.shots.dissolve_ranges import DissolveRanges
from framelens.video.shots.gradual_transitions import Gradual, GradualDetector
from framelens.video.shots.shot_list import Between, first_frames, first_of, joined, shots_between, with_pages

_PROGRESS_SECONDS = 0.3  # between progress events.
# A file is reported as truncated if it lacks more than both of these, in seconds and as a share of its declared length.
_MISSING_SECONDS = 0.5
_MISSING_SHARE = 0.02
_LONG_SHARE = 8.0
"""A frame that is shown this many times as long as usual is a still picture."""
_MOST_LOOSE = 256  # bounds memory.
_REST_SECONDS, _REST_STEP = 2.5, 0.25
"""Time for which detectors look at a picture that stays, at either end, and the distance of the times at which they do:
a page is one after two seconds, a cut is compared with the half second before it."""
_BATCH_FRAMES, _BATCH_BYTES = 4, 8 << 20
"""Most frames of a batch, and their decoded bytes: few compared with those that the decoder holds."""


@dataclass(frozen=True)
class OpeningRead:
    """Event: all candidates before `opening_until` have been decided."""


class Survey:
    """One pass over a reader: iterate `events` to the end, then call the other methods and read `collector`.

    An OpeningRead is yielded at `opening_until` seconds, if the video is longer; calling the other methods at that
    moment does not affect later results. Unless it `shows` pictures, no KeyframeFound is yielded.
    """

    def __init__(
        self, reader: FrameReader, *, frames: int, max_side: int, opening_until: float = inf, shows: bool = True
    ) -> None:
        self._reader = reader
        self._frames = frames
        self._max_side = max_side
        self._duration = reader.info.duration_seconds_from_header
        self._detector = CutDetector()
        self.collector = CandidateCollector(frames=frames, max_side=max_side, duration_seconds=self._duration)
        self._meter = TimelineMeter()
        self.suspects = Suspects(reader.info.codec)
        self._cuts: list[Boundary] = []
        self._loose: list[Between] = []
        self._exact: dict[float, float] = {}  # for the seconds of a cut, the seconds of its shot's first frame
        self._whole: set[int] = set()  # suspects that the codec stored whole
        self._gradual_detector = GradualDetector()
        self._graduals: list[Boundary] = []
        self._ranges = DissolveRanges()
        self._times = array("d")  # of the frames that were looked at: half a megabyte an hour
        self._num_frames = 0
        self._end_seconds = 0.0
        self._held_seconds = 0.0
        self._shown: tuple[Picture, Glance] | None = None
        self._damaged: Picture | None = None
        self._num_damaged_parts = 0
        self._was_damaged = False
        self._is_any_clean = False
        self._num_shown = 0
        self._latest_shown: Candidate | None = None
        self._opening_until = opening_until
        self._shows = shows

    def events(self) -> Iterator[SurveyProgress | KeyframeFound | OpeningRead]:
        """Decode everything; yield progress a few times a second, and pictures to show meanwhile."""
        reported = float("-inf")
        for picture, glance in self._glances():
            yield from self._provisional_events(self._take(picture, glance))
            if picture.time_seconds >= self._opening_until:
                self._opening_until = inf
                yield OpeningRead()
            if time.monotonic() - reported >= _PROGRESS_SECONDS:
                reported = time.monotonic()
                yield SurveyProgress(picture.time_seconds, self._duration)
        if self._damaged is not None and not self._is_any_clean:  # the file has nothing better
            yield from self._provisional_events(self._look(self._damaged, glance_at(self._damaged.levels())))
        num_after, seconds_after = self._reader.tail
        self._num_frames += num_after
        self._end_seconds += seconds_after
        self._hold()
        self._record(self._gradual_detector.flush())
        fresh = self._settle(self._detector.flush())
        yield from self._provisional_events([*fresh, *self.collector.finish()])
        yield SurveyProgress(self._end_seconds, self._duration)

    def _glances(self) -> Iterator[tuple[Picture, Glance]]:
        """Yield the frames with their glances, computed for a batch at a time: repeated code runs faster."""
        for pictures in ahead(_batches(self._reader.frames())):
            yield from zip(pictures, [glance_at(picture.levels()) for picture in pictures], strict=True)

    def _hold(self) -> None:
        """Show the last frame until the sound or the range ends."""
        end = held_end(self._end_seconds, self._reader.held_until_seconds)
        self._held_seconds, self._end_seconds = end - self._end_seconds, end
        self._meter_still(self._end_seconds)

    def thumbnails(self) -> tuple[Keyframe, ...]:
        """Return small pictures of candidates in time order, numbered from 1; their shots are not set."""
        return tuple(
            Keyframe(
                number,
                candidate.index,
                candidate.time_seconds,
                _reason(candidate.index, candidate.opens),
                1,
                candidate.width,
                candidate.height,
                candidate.jpeg,
            )
            for number, candidate in enumerate(self.collector.thumbnails(), 1)
        )

    def shots_until(self, end_seconds: float) -> tuple[Shot, ...]:
        """Return the shots of [0, end_seconds) that are known by now."""
        boundaries = self._join()
        return shots_between(
            [boundary for boundary in boundaries if boundary.time_seconds < end_seconds], end_seconds, self._times
        )

    def unclear(self, candidates: Sequence[Candidate]) -> Which:
        """Return which candidates are blurred by a sweep, or within a gradual transition that is known by now."""
        return self.collector.unclear(candidates, self._join())

    def _join(self) -> tuple[Boundary, ...]:
        return with_pages(self._ranges.whole(joined(self._cuts, self._graduals)), self.collector.pages.boundaries())

    def summary(self) -> DecodeSummary:
        """Return the results for the whole range, with notices; call after `events`."""
        self._ranges.finish()
        boundaries = self._cut_exactly(self._join())
        measures, stretches = self._meter.finish(self._end_seconds)
        return DecodeSummary(
            frames_decoded=self._num_frames,
            readable_seconds=self._end_seconds,
            is_variable_frame_rate=self._reader.is_variable_frame_rate,
            reader=self._reader.name,
            shots=shots_between(boundaries, self._end_seconds, self._times),
            boundaries=boundaries,
            notices=tuple(self._notices()),
            measures=measures,
            stretches=stretches,
            held_seconds=round(self._held_seconds, 6),
            is_deinterlaced=self._reader.changes.is_deinterlaced,
            is_composited=self._reader.changes.is_composited,
            decoded_share=self._reader.decoded_share,
        )

    def _take(self, picture: Picture, glance: Glance) -> list[Candidate]:
        if picture.gap == "skipped":
            self._meter.skip(self._end_seconds, picture.time_seconds)
        self._num_frames = picture.index + 1
        self._end_seconds = picture.time_seconds + picture.duration_seconds
        self._num_damaged_parts += picture.is_damaged and not self._was_damaged
        self._was_damaged = picture.is_damaged
        if picture.is_damaged:  # half a picture, or the previous picture again
            self._damaged = self._damaged or picture
            self._shown = None
            return []
        self._is_any_clean = True
        return self._look(picture, glance)

    def _meter_still(self, until_seconds: float) -> None:
        """Measure the last frame as a still picture if no other follows for long."""
        if self._shown is None:
            return
        picture, glance = self._shown
        usual = picture.time_seconds / max(1, picture.index)
        if until_seconds - picture.time_seconds > max(LONG_SECONDS, _LONG_SHARE * usual):
            self._meter.still(picture.time_seconds, until_seconds, look_at(glance, picture.luma()))

    def _look(self, picture: Picture, glance: Glance) -> list[Candidate]:
        self._times.append(picture.time_seconds)
        fresh = self._rest(picture) if picture.gap == "still" else []
        if not picture.gap:
            self._meter_still(picture.time_seconds)
        self._shown = picture, glance
        self.suspects.push(picture, glance)
        self._ranges.push(picture.time_seconds, glance)
        self._record(self._gradual_detector.push(picture.time_seconds, glance))
        verdicts = self._detector.push(picture.index, picture.time_seconds, glance)
        if self._detector.is_suspect and picture.is_whole:
            self._whole.add(picture.index)
        fresh += self.collector.take(picture, glance, may_open=self._detector.is_suspect)
        self._meter.light(picture.time_seconds, glance.brightness)
        if self.collector.sample is not None:
            look, burst = self.collector.sample
            self._gradual_detector.push_detailed(picture.time_seconds, look)
            self._meter.take(picture.time_seconds, look, burst=burst)
        return [*fresh, *self._settle(verdicts)]

    def _rest(self, until: Picture) -> list[Candidate]:
        """Show the last picture again and again until the next: the frames that were left out look like it."""
        if self._shown is None:
            return []
        picture, glance = self._shown
        self._meter.leave_out(picture.time_seconds)
        look = look_at(glance, picture.luma())
        fresh = []
        for seconds in _rest_seconds(picture.time_seconds, until.time_seconds):
            self._ranges.push(seconds, glance)
            self._record(self._gradual_detector.push(seconds, glance))
            self._gradual_detector.push_detailed(seconds, look)
            fresh += self._settle(self._detector.push(picture.index, seconds, glance))
            fresh += self.collector.rest(seconds, look)
        return fresh

    def _record(self, gradual: Gradual | None) -> None:
        if gradual is not None:
            reading = Boundary(gradual.start_seconds, gradual.end_seconds, gradual.type)
            self._graduals.append(reading)
            if gradual.type == "dissolve":
                self._ranges.add(reading)
            self.collector.settle_gradual(gradual.end_seconds)

    def _settle(self, verdicts: Iterable[Settled]) -> list[Candidate]:
        fresh = []
        for verdict in verdicts:
            step = verdict.step
            if verdict.is_cut:
                dark = verdict.dark_since_seconds
                start = step.time_seconds if dark is None else dark
                self._cuts.append(Boundary(start, step.time_seconds, "cut" if dark is None else "fade"))
                self._ranges.cut(step.time_seconds)
                self._record_loose_cut(verdict)
            self._whole.discard(step.index)
            fresh += self.collector.settle(step.index, verdict.is_cut)
        return fresh

    def _record_loose_cut(self, verdict: Settled) -> None:
        """Record a cut before which frames were skipped, so that its exact frame is not known.

        It is known if the shot begins with a frame stored whole, and computed if the reader kept the skipped frames.
        """
        before, step = verdict.before, verdict.step
        if before is None or step.index - before.index < 2 or step.index in self._whole:
            return
        if verdict.dark_since_seconds is not None:
            return
        ends = [(side.index, side.time_seconds, side.glance) for side in (before, step)]
        cut = Between(ends[0], ends[1])
        skipped = self._reader.passed_over(before.time_seconds, step.time_seconds)
        if len(skipped) == step.index - before.index - 1:
            self._exact[step.time_seconds] = first_of(cut, skipped)
        elif len(self._loose) < _MOST_LOOSE:
            self._loose.append(cut)

    def _cut_exactly(self, boundaries: Iterable[Boundary]) -> tuple[Boundary, ...]:
        """Return the boundaries, each cut at the first frame of its shot where that is cheap to find."""
        exact = {**self._exact, **first_frames(self._reader.info, self._loose, self._num_frames)}
        times = (
            (boundary, exact.get(boundary.end_seconds) if boundary.type == "cut" else None) for boundary in boundaries
        )
        return tuple(boundary if time is None else Boundary(time, time, boundary.type) for boundary, time in times)

    def _provisional_events(self, fresh: Iterable[Candidate]) -> Iterator[KeyframeFound]:
        """Yield new candidates to show, limited so that some remain to be shown for the rest of the video."""
        for candidate in fresh if self._shows else ():
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
        shot = 1 + sum(cut.end_seconds <= candidate.time_seconds for cut in self._cuts)
        jpeg, width, height = candidate.jpeg(self._max_side)
        reason = _reason(candidate.index, candidate.opens)
        return Keyframe(0, candidate.index, candidate.time_seconds, reason, shot, width, height, jpeg)

    def _notices(self) -> Iterator[Notice]:
        reader, start = self._reader, self._reader.info.start_seconds
        declared, reached = reader.declared_seconds, reader.reached_seconds
        if reader.num_damaged and ends_in_zeros(reader.info.path):
            reached = min(reached, start + self._end_seconds)
        early = reader.ended_early_seconds
        if not early and declared and declared - reached > max(_MISSING_SECONDS, _MISSING_SHARE * declared):
            readable, whole = clock(self._end_seconds, digits=1, form="m"), clock(declared - start, digits=1, form="m")
            yield Notice("truncated", {"readable": readable, "declared": whole})
        if reader.num_damaged:
            yield Notice("damaged_frames", {"count": max(1, self._num_damaged_parts)})
        if reader.changes.is_followed:
            yield Notice("second_video", {"time": clock(self._end_seconds, digits=1, form="m")})
        if reader.info.container.startswith("mov") and track_header.read(reader.info.path).has_other_speeds:
            yield Notice("edit_speeds")
        if reader.info.has_guessed_times:
            yield Notice("times_guessed", {"container": reader.info.container.split(",")[0]}, "info")
        if places := reader.changes.outliers_seconds:
            first = clock(max(0.0, min(places) - start), digits=3, form="m")
            yield Notice("time_outliers", {"count": len(places), "time": first})
        if reader.changes.has_late_frames:
            yield Notice("late_frames", level="info")
        if reader.changes.has_continued_clock:
            yield Notice("clock_continued", level="info")
        if reader.info.dynamic_range == UNMAPPED_RANGE:
            yield Notice("colours_lost", {"name": UNMAPPED_RANGE})
        if reader.mapped_colours:
            yield Notice("tone_mapped", {"colours": reader.mapped_colours}, "info")
        if reader.changes.is_deinterlaced:
            yield Notice("deinterlaced", level="info")
        if reader.changes.is_composited:
            yield Notice("composited", level="info")
        if reader.loses_alpha:
            yield Notice("alpha_lost")
        percent = f"{100 * reader.decoded_share:.0f}"
        if early:
            length = max(early, reader.info.duration_seconds_from_header or 0.0)
            yield Notice("ended_early", {"time": clock(early, digits=0), "whole": clock(length, digits=0)})
        elif self._meter.skipped_seconds:
            yield Notice("time_limited", {"percent": percent, "time": clock(self._meter.skipped_seconds, digits=0)})
        elif reader.decoded_share < 1:
            yield Notice("surveyed_fast", {"percent": percent}, "info")
        if reader.name != FIRST_READER:
            yield Notice("second_reader", {"reader": reader.name}, "info")


def _rest_seconds(start: float, end: float) -> list[float]:
    """Return times between two frames, as many as tell detectors that nothing changes: near both, fewer between."""
    steps = [_REST_STEP * number for number in range(1, round(_REST_SECONDS / _REST_STEP) + 1)]
    times = {*(start + step for step in steps), *(end - step for step in steps)}
    return sorted(time for time in times if start + _REST_STEP / 2 < time < end - _REST_STEP / 2)


def _reason(index: int, opens: int | None) -> Reason:
    return "first" if index == 0 else "even" if opens is None else "shot"


def _batches(pictures: Iterator[Picture]) -> Iterator[list[Picture]]:
    """Yield the pictures in lists, the first picture alone, so that it is shown at once."""
    most, batch = 1, list[Picture]()
    for picture in pictures:
        batch.append(picture)
        if len(batch) >= most:
            yield batch
            most = max(1, min(_BATCH_FRAMES, _BATCH_BYTES // max(1, picture.num_bytes)))
            batch = []
    if batch:
        yield batch
