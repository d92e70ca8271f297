"""Search for all moments at which something is visible: find, verify, bound, in rounds that can be resumed.

The frames of a round depend on the votes until now alone, so that an interrupted search continues from the stored
votes. First come frames spread evenly, then whatever a vote leaves open: frames around a frame that says yes, until two
agree; the middle between the last no and the first yes, until they are neighbours; a frame further out on either side,
since a single mistake on the way would have led to a wrong border. Then come the candidates of the survey, frames
around the best rejected frames, and the middle of the widest gaps, as long as the ceilings allow.

Guards against a model that says yes too often are two pictures that can't show the wanted thing, and questions about
some frames of each interval: the contrary question, the same question about the picture slightly changed, and whether
something is there that looks alike. A video has hours without the wanted thing, and something in them looks most like
it: a vote alone says little. A voter that reads text needs none of them.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from statistics import fmean
from typing import Protocol

from framelens.core.errors import AppError, InputError
from framelens.core.evidence import Moments, SearchEnd, VoteSample
from framelens.llm.vision_check import VisionCard
from framelens.questions.moments import timeline
from framelens.questions.moments.bisection import further_times, open_times
from framelens.questions.votes import UNDECIDED, Vote, Voter
from framelens.video.stills import Still

CHANGES = 3
"""Ways to change a picture slightly."""


@dataclass(frozen=True)
class SearchLimits:
    """Ceilings of a search; a search that is resumed has them again.

    The default of 7,200 frames is two a second for an hour.
    """

    rounds: int = 600
    frames: int = 7200
    seconds: float = 300.0


class FrameSource(Protocol):
    """Frames of a video by time."""

    def at(self, seconds: float, cancel: threading.Event) -> Still:
        """Return the frame that is shown at this time.

        Raises:
            InputError: "still_missing": it can't be decoded.
            Cancelled: `cancel` was set.
        """

    def changed(self, jpeg: bytes, change: int) -> bytes:
        """Return a picture with a slight change, one of `CHANGES`, that leaves what is in it."""


def search(
    moments: Moments,
    source: FrameSource,
    voter: Voter,
    *,
    candidates: Sequence[float] = (),
    lookalikes: Callable[[], Sequence[str]] = tuple,
    limits: SearchLimits | None = None,
    every_frame: bool = False,
    cancel: threading.Event,
) -> Iterator[Moments]:
    """Search from where `moments` ended, and yield what was found after each round; the last value says why it ended.

    A round that is interrupted is yielded with the votes that it got, before its error is raised.

    Args:
        moments: The wanted thing, and the findings of an earlier search.
        source: The video.
        voter: The engine, or a reader of text.
        candidates: Times of frames that probably differ from those around them, the best first.
        lookalikes: Names things that look like the wanted thing; called once the first interval is found.
        limits: Ceilings.
        every_frame: Look at all frames, not only at one in each half second.
        cancel: Ends the search.

    Raises:
        AppError: The video can't be read, or the engine doesn't answer.
        Cancelled: `cancel` was set.
    """
    return _Search(
        moments, source, voter, candidates, lookalikes, limits or SearchLimits(), cancel, every_frame
    ).rounds()


@dataclass
class _Search:
    before: Moments
    source: FrameSource
    voter: Voter
    candidates: Sequence[float]
    name_lookalikes: Callable[[], Sequence[str]]
    limits: SearchLimits
    cancel: threading.Event
    every_frame: bool
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.moments = replace(self.before, ended="")

    def rounds(self) -> Iterator[Moments]:
        """Yield what was found after each round."""
        ended: SearchEnd = ""
        checks = self.voter.can_mislead
        while not ended:
            moments = self.moments
            ended = self._search_end()
            if ended:
                pass
            elif checks and not moments.controls and any(sample.says_yes for sample in moments.samples):
                self._check_controls()
            elif times := open_times(moments):
                yield from self._look(times)
            elif checks and (unchecked := timeline.unchecked(moments, moments.contrary)):
                self._ask_contrary([sample for samples in unchecked for sample in samples])
            elif checks and (unchecked := timeline.unchecked(moments, moments.changed)):
                self._ask_changed(unchecked)
            elif checks and moments.intervals and moments.lookalikes is None:
                self.moments = replace(moments, lookalikes={thing: {} for thing in self.name_lookalikes()})
            elif samples_by_thing := timeline.open_lookalikes(moments):
                self._ask_lookalikes(samples_by_thing)
            elif times := further_times(moments, self.candidates, self._affordable, every_frame=self.every_frame):
                yield from self._look(times)
            else:
                ended = "complete"
            yield self._settle(ended)

    @property
    def _left(self) -> float:
        return self.limits.seconds - (time.monotonic() - self.started)

    @property
    def _num_frames(self) -> int:
        return len(self.moments.samples) - len(self.before.samples)

    @property
    def _affordable(self) -> int:
        """Return how many more frames the ceilings allow, at the pace until now."""
        by_time = self._left * self._num_frames / max(time.monotonic() - self.started, 1e-6)
        return int(min(self.limits.frames - self._num_frames, by_time))

    def _search_end(self) -> SearchEnd:
        moments = self.moments
        if moments.controls and min(moments.controls) > 0.5:
            return "says_yes"
        if moments.samples and all(sample.probability == UNDECIDED for sample in moments.samples):
            return "says_nothing"
        if self._left <= 0:
            return "seconds"
        if self._num_frames >= self.limits.frames:
            return "frames"
        return "rounds" if moments.rounds - self.before.rounds >= self.limits.rounds else ""

    def _settle(self, ended: SearchEnd) -> Moments:
        """Return what was found, with the intervals that follow from it."""
        moments = self.moments
        intervals = () if ended == "says_yes" else timeline.intervals_of(moments)
        self.moments = replace(
            moments,
            intervals=tuple(interval for interval in intervals if not timeline.doubt_of(interval)),
            doubted=tuple(interval for interval in intervals if timeline.doubt_of(interval)),
            widest_gap_seconds=round(
                timeline.widest_gap(moments.samples, moments.start_seconds, moments.end_seconds), 6
            ),
            rounds=moments.rounds + (not ended),
            seconds=round(self.before.seconds + time.monotonic() - self.started, 3),
            ended=ended,
        )
        return self.moments

    def _look(self, times: Sequence[float]) -> Iterator[Moments]:
        """Decode the frames at these times and ask about those that are new; yield only what an error leaves."""
        samples = {sample.frame_index: sample for sample in self.moments.samples}
        again: list[VoteSample] = []
        new: dict[int, tuple[Still, float]] = {}
        for seconds in times[: self.limits.frames - self._num_frames]:
            if self._left <= 0:
                break
            try:
                frame = self.source.at(seconds, self.cancel)
            except InputError as error:
                if not samples and not new and (error.key != "still_missing" or seconds == times[-1]):
                    raise  # the file itself can't be read
                self.moments = replace(self.moments, unreadable=(*self.moments.unreadable, seconds))
                continue
            until = max(seconds, frame.time_seconds)
            if frame.frame_index in samples:
                again.append(samples[frame.frame_index]._replace(until_seconds=until))
            else:
                new[frame.frame_index] = frame, until
        pending = list(new.values())
        number = self.moments.rounds + 1
        texts = dict(self.moments.texts)
        failure: AppError | None = None
        try:
            for vote in self._votes([frame.jpeg for frame, _ in pending]):
                frame, until = pending[vote.index]
                again.append(VoteSample(frame.frame_index, frame.time_seconds, until, vote.probability, number))
                texts |= {frame.frame_index: vote.text} if vote.text else {}
        except AppError as error:
            failure = error
        self.moments = replace(self.moments, samples=timeline.added(self.moments.samples, again), texts=texts)
        if failure:
            if again:
                yield self._settle("")
            raise failure

    def _votes(self, jpegs: Sequence[bytes], *, thing: str = "", absent: bool = False) -> Iterator[Vote]:
        seconds, thing = max(self._left, 0.0), thing or self.moments.thing
        with closing(self.voter.ask(thing, jpegs, seconds=seconds, cancel=self.cancel, absent=absent)) as votes:
            for vote in votes:
                yield replace(vote, probability=round(vote.probability, 4))

    def _check_controls(self) -> None:
        controls = {vote.index: vote.probability for vote in self._votes(_controls())}
        self.moments = replace(self.moments, controls=tuple(controls.values()))

    def _ask_contrary(self, samples: Sequence[VoteSample]) -> None:
        jpegs = [self._jpeg(sample) for sample in samples]
        votes = {samples[vote.index].frame_index: vote.probability for vote in self._votes(jpegs, absent=True)}
        self.moments = replace(self.moments, contrary={**self.moments.contrary, **votes})

    def _ask_changed(self, intervals: Sequence[Sequence[VoteSample]]) -> None:
        """Ask about frames of each interval again, each changed in another way; a lone frame is changed in all ways."""
        variants = [(samples[change % len(samples)], change) for samples in intervals for change in range(CHANGES)]
        jpegs = [self.source.changed(self._jpeg(sample), change) for sample, change in variants]
        votes: dict[int, list[float]] = {}
        for vote in self._votes(jpegs):
            votes.setdefault(variants[vote.index][0].frame_index, []).append(vote.probability)
        means = {index: round(fmean(probabilities), 4) for index, probabilities in votes.items()}
        self.moments = replace(self.moments, changed={**self.moments.changed, **means})

    def _ask_lookalikes(self, samples_by_thing: Mapping[str, Sequence[VoteSample]]) -> None:
        frames = {sample.frame_index: sample for samples in samples_by_thing.values() for sample in samples}
        jpegs = {index: self._jpeg(sample) for index, sample in frames.items()}
        by_thing = dict(self.moments.lookalikes or {})
        for thing, samples in samples_by_thing.items():
            votes = self._votes([jpegs[sample.frame_index] for sample in samples], thing=thing)
            by_thing[thing] = {
                **by_thing[thing],
                **{samples[vote.index].frame_index: vote.probability for vote in votes},
            }
        self.moments = replace(self.moments, lookalikes=by_thing)

    def _jpeg(self, sample: VoteSample) -> bytes:
        return self.source.at(sample.time_seconds, self.cancel).jpeg


@cache
def _controls() -> tuple[bytes, bytes]:
    """Return two pictures that have nothing in common: whatever is looked for, at least one can't show it."""
    cards = VisionCard("blue", "circle", 4), VisionCard("white", "triangle", 7)
    return cards[0].draw(448, 252), cards[1].draw(448, 252)
