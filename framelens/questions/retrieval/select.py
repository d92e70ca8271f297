"""Choice of the frames for a question: candidates, their scores within a ceiling of time, and the pictures chosen.

Nothing is asked of a model where that brings nothing: about a global question, about keyframes that are as dense as the
candidates, about what can't be seen.
"""

import logging
import threading
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import ceil

from framelens.analysis.inputs.extraction_cache import ExtractionCache
from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import MOST_FRAMES, Analysis, Keyframe, Language
from framelens.core.errors import AppError, Cancelled, InputError
from framelens.core.images import fitted
from framelens.llm.messages import picture_part, text_part
from framelens.questions.conversation import Look
from framelens.questions.retrieval import scores
from framelens.questions.retrieval.choice import choose
from framelens.questions.retrieval.values import (
    SEARCHED,
    ChosenFrame,
    FrameCandidate,
    FrameSelection,
    Kind,
    Looking,
    MomentFinder,
    Outcome,
    PictureEmbedder,
    ScoreName,
    Sought,
)
from framelens.questions.votes import VoteAsker
from framelens.video.keyframes.options import THUMBNAIL_SIDE
from framelens.video.stills import Stills

_log = logging.getLogger(__name__)
SCORING_SECONDS = 30.0
"""Ceiling of time for embeddings and votes together: hundreds of candidates on a GPU, some sixty with a model of 3
billion parameters on a processor."""
_DENSE_SECONDS = 2.0
"""Mean distance of keyframes from which candidates are no denser."""
_USUAL = 8
"""Frames from a video with fewer keyframes; as many as an analysis has by default."""
_MOST_A_SECOND = 4
"""Frames of a range that the user names."""
_SIDE = 1280
"""Longer side of the chosen pictures in pixels, the same as for keyframes."""
_SAME_SECONDS = 1e-3
Events = Iterator[Looking]


@dataclass(frozen=True)
class RetrievalTools:
    """What the choice of frames needs besides the engine; `embeddings` and `finder` are a plugin's, if any."""

    extractions: ExtractionCache
    stills: Stills
    embeddings: PictureEmbedder | None = None
    finder: MomentFinder | None = None


@dataclass(frozen=True)
class Selected:
    """The frames for a question in time order, video by video, and how they were chosen."""

    frames: tuple[ChosenFrame, ...]
    choice: FrameSelection


@dataclass(frozen=True)
class Scope:
    """What frames are chosen from, and how many.

    Attributes:
        analyses: Analyses of the videos by id.
        frames: Most frames; None for as many as there are keyframes, or as were wanted where little changes.
        look: The range to choose from; with the kind "local", frames are taken densely in it, whatever the question.
        held: (analysis id, seconds) of frames that the model has already.
        seconds: Ceiling of time for scores.
    """

    analyses: Mapping[str, Analysis]
    frames: int | None = None
    look: Look = field(default_factory=Look)
    held: Collection[tuple[str, float]] = ()
    seconds: float = SCORING_SECONDS

    @property
    def is_dense(self) -> bool:
        """Return whether frames are taken densely, whatever the question."""
        return self.look.kind == "local" and self.look.has_range

    @property
    def budget(self) -> int:
        """Return the number of frames to choose."""
        if self.frames is not None:
            return self.frames
        analyses = self.analyses.values()
        return min(
            MOST_FRAMES,
            sum(max(len(analysis.keyframes), min(_USUAL, analysis.request.frames)) for analysis in analyses),
        )

    def range_of(self, analysis: Analysis) -> tuple[float, float]:
        """Return start and end of the part of a video to choose from: the range within the range of the analysis."""
        selection = analysis.request.selection
        ends = (analysis.decode.readable_seconds, selection.end_seconds)
        last = min(end for end in ends if end is not None)
        return overlap(selection.start_seconds, last, self.look.start_seconds, self.look.end_seconds)

    def keyframes_in(self, analysis: Analysis) -> tuple[Keyframe, ...]:
        """Return the keyframes of a video in its range."""
        start, end = self.range_of(analysis)
        return tuple(keyframe for keyframe in analysis.keyframes if start <= keyframe.time_seconds < end)


def overlap(start: float, end: float, first: float | None, last: float | None) -> tuple[float, float]:
    """Return the part of [start, end) within [first, last), in seconds; None for no limit.

    >>> overlap(0.0, 60.0, 50.0, 70.0), overlap(0.0, 60.0, None, None), overlap(0.0, 60.0, 70.0, None)
    ((50.0, 60.0), (0.0, 60.0), (70.0, 70.0))
    """
    start = max(start, first or 0.0)
    return start, max(start, end if last is None else min(end, last))


def num_dense_frames(seconds: float, most: int) -> int:
    """Return how many frames are taken densely from a range: four a second, at most `most`."""
    return min(most, ceil(_MOST_A_SECOND * seconds))


def needs_no_model(scope: Scope, sought: Sought, connection: EngineConnection, tools: RetrievalTools) -> Outcome | None:
    """Return why the frames of a question don't depend on what it looks for, or None if they do."""
    here = [analysis for analysis in scope.analyses.values() if is_here(analysis, tools)]
    seconds = sum(end - start for start, end in map(scope.range_of, here))
    is_covered = sought.kind != "spoken" and is_dense(sought.kind, seconds, scope.budget)
    if here and scope.look.has_range and (scope.is_dense or sought.kind == "global" or is_covered):
        return "range"
    if sought.kind == "global":
        return "global"
    if connection.sight.needs_text:
        return "unseen"
    if not here:
        return "no_video"
    frames = sum(len(scope.keyframes_in(analysis)) for analysis in here) if scope.frames is None else scope.frames
    return "dense" if is_dense(sought.kind, seconds, frames) else None


def is_dense(kind: Kind, seconds: float, frames: int) -> bool:
    """Return whether so many keyframes of so many seconds are as dense as candidates; a search looks at all."""
    return seconds <= _DENSE_SECONDS * frames and kind not in SEARCHED


def select(
    question: str,
    sought: Sought,
    scope: Scope,
    tools: RetrievalTools,
    connection: EngineConnection,
    language: Language,
    cancel: threading.Event,
) -> Generator[Looking, None, Selected]:
    """Choose the frames for a question, and yield the progress; the result is the generator's value.

    Args:
        question: The question.
        sought: What it asks for.
        scope: What to choose from.
        tools: Where pictures and embeddings come from.
        connection: The engine, which votes.
        language: Language of the votes' question.
        cancel: Ends the choice.

    Raises:
        AppError: A frame can't be decoded.
        Cancelled: `cancel` was set.
    """
    started = time.monotonic()
    choosing = _Choosing(question, sought, scope, tools, connection, language, cancel)
    outcome = needs_no_model(scope, sought, connection, tools)
    if outcome == "range":
        frames = yield from choosing.densely()
        choice = FrameSelection(sought.kind, sought.look_for, "range", candidates=len(frames))
    elif outcome:
        quotes = scores.quotes_of(choosing.matches()) if outcome == "unseen" else ()
        frames, choice = choosing.keyframes(), FrameSelection(sought.kind, sought.look_for, outcome, quotes=quotes)
        if scope.look.has_range and not frames:
            frames = yield from choosing.densely()
    else:
        frames, choice = yield from choosing.by_relevance()
    return Selected(tuple(frames), replace(choice, seconds=round(time.monotonic() - started, 3)))


@dataclass
class _Choosing:
    question: str
    sought: Sought
    scope: Scope
    tools: RetrievalTools
    connection: EngineConnection
    language: Language
    cancel: threading.Event
    scores_by_name: dict[ScoreName, Sequence[float | None]] = field(default_factory=dict)

    def keyframes(self) -> list[ChosenFrame]:
        """Return the keyframes, as they were chosen for the analysis; at most the budget of them, spread evenly."""
        pool = [
            keyframe for id_, analysis in self.scope.analyses.items() for keyframe in self._keyframes(id_, analysis)
        ]
        indices, _ = choose(pool, [0.0] * len(pool), self.scope.budget)
        return [_chosen_frame(pool[index]) for index in indices]

    def densely(self) -> Generator[Looking, None, list[ChosenFrame]]:
        """Return frames spread evenly over the range of the user in each video, at most four a second."""
        frames: list[ChosenFrame] = []
        share = max(1, self.scope.budget // max(1, len(self.scope.analyses)))
        for id_, analysis in self.scope.analyses.items():
            if not is_here(analysis, self.tools):
                continue
            start, end = self.scope.range_of(analysis)
            count = num_dense_frames(end - start, share)
            times = [start + (index + 0.5) * (end - start) / count for index in range(count)]
            frames += yield from self._pictures(id_, analysis, times)
        return frames

    def by_relevance(self) -> Generator[Looking, None, tuple[list[ChosenFrame], FrameSelection]]:
        """Return frames chosen by scores of candidates."""
        pool = yield from self._pool()
        matches = self.matches()
        self.scores_by_name["text"] = scores.text_scores(pool, matches)
        if self.sought.kind != "spoken" and self.sought.look_for:
            deadline = time.monotonic() + self.scope.seconds
            yield from self._embed(pool, deadline)
            yield from self._vote(pool, deadline)
        relevance, used = scores.combined(self.scores_by_name, len(pool))
        shown = [index for index, candidate in enumerate(pool) if _is_known(candidate, self.scope.held)]
        indices, relevant = choose(pool, relevance, self.scope.budget, held=shown, fills=self.scope.look.has_range)
        is_covered = self.scope.look.has_range and not relevant
        frames = yield from self.densely() if is_covered else self._decode_frames([pool[index] for index in indices])
        choice = FrameSelection(
            self.sought.kind,
            self.sought.look_for,
            "chosen" if relevant else "range" if is_covered else "flat",
            used,
            tuple(name for name in self.scores_by_name if name not in used),
            len(pool),
            sum(vote is not None for vote in self.scores_by_name.get("votes", ())),
            relevant,
            quotes=scores.quotes_of(matches),
        )
        return frames, choice

    def matches(self) -> list[tuple[scores.TimedText, float]]:
        """Return the texts of the videos with words of the question, with their scores."""
        passages = (
            passage for id_, analysis in self.scope.analyses.items() for passage in scores.passages_of(id_, analysis)
        )
        return scores.matches(passages, (self.question, *self.sought.look_for))

    # ---- candidates

    def _pool(self) -> Generator[Looking, None, list[FrameCandidate]]:
        """Return keyframes and thumbnails of all videos, each video in time order."""
        pool = []
        for id_, analysis in self.scope.analyses.items():
            own = self._keyframes(id_, analysis)
            start, end = self.scope.range_of(analysis)
            if is_here(analysis, self.tools):
                small = yield from self._thumbnails(analysis)
                own += [
                    FrameCandidate(id_, thumbnail.time_seconds, thumbnail.shot, thumbnail.jpeg, is_keyframe=False)
                    for thumbnail in small
                    if start <= thumbnail.time_seconds < end
                    and not any(abs(thumbnail.time_seconds - other.time_seconds) < _SAME_SECONDS for other in own)
                ]
            pool += sorted(own, key=lambda candidate: candidate.time_seconds)
        return pool

    def _thumbnails(self, analysis: Analysis) -> Generator[Looking, None, tuple[Keyframe, ...]]:
        """Return the small pictures of a video; empty if it can't be read any more."""
        yield Looking("thumbnails")
        events = self.tools.extractions.thumbnails(analysis.video.path, analysis.request.selection, self.cancel)
        try:
            with closing(events):
                while True:
                    progress = next(events)
                    yield Looking("thumbnails", int(progress.time_seconds), int(progress.duration_seconds or 0))
        except StopIteration as end:
            thumbnails: tuple[Keyframe, ...] = end.value
            return thumbnails
        except Cancelled:
            raise
        except AppError as error:
            _log.warning("candidates of a video could not be read: %s", error)
            return ()

    def _keyframes(self, analysis_id: str, analysis: Analysis) -> list[FrameCandidate]:
        """Return the keyframes in the range; all keyframes if it is empty and the video isn't here any more."""
        frames = self.scope.keyframes_in(analysis)
        if not frames and not is_here(analysis, self.tools):
            frames = analysis.keyframes
        return [
            FrameCandidate(analysis_id, frame.time_seconds, frame.shot, frame.jpeg, is_keyframe=True)
            for frame in frames
        ]

    # ---- scores

    def _embed(self, pool: Sequence[FrameCandidate], deadline: float) -> Events:
        if self.tools.embeddings is None:
            return
        yield Looking("embeddings", 0, len(pool))
        text = text_part(", ".join(self.sought.look_for))
        parts: list[Mapping[str, object]] = [
            text,
            *(picture_part(candidate.jpeg, THUMBNAIL_SIDE) for candidate in pool),
        ]
        try:
            vectors = self.tools.embeddings.of_parts(parts, seconds=deadline - time.monotonic(), cancel=self.cancel)
        except Cancelled:
            raise
        except AppError as error:  # a model of texts alone refuses pictures
            _log.warning("pictures could not be embedded: %s", error)
            return
        if vectors[0] is not None:
            present = [vector for vector in vectors[1:] if vector is not None]
            cosines = iter(scores.cosines(vectors[0], present) if present else ())
            self.scores_by_name["embeddings"] = [None if vector is None else next(cosines) for vector in vectors[1:]]

    def _vote(self, pool: Sequence[FrameCandidate], deadline: float) -> Events:
        order = self._order(pool)
        votes: list[float | None] = [None] * len(pool)
        answers = VoteAsker(self.connection, self.language).ask(
            self.sought.look_for[0],
            [fitted(pool[index].jpeg, THUMBNAIL_SIDE) for index in order],
            seconds=max(0.0, deadline - time.monotonic()),
            cancel=self.cancel,
        )
        self.scores_by_name["votes"] = votes
        try:
            with closing(answers):
                for done, vote in enumerate(answers, 1):
                    votes[order[vote.index]] = vote.probability
                    yield Looking("votes", done, len(pool))
        except Cancelled:
            raise
        except AppError as error:  # the answer's own request decides what becomes of it
            _log.warning("the model could not vote: %s", error)

    def _order(self, pool: Sequence[FrameCandidate]) -> list[int]:
        """Return the order in which candidates are voted on; time may run out before the last.

        The best by other scores come first, then the middle candidate of each shot, then the others, all of them spread
        over the videos.
        """
        prior, used = scores.combined(self.scores_by_name, len(pool))
        best = sorted(range(len(pool)), key=lambda index: -prior[index])[: self.scope.budget] if used else []
        shots: dict[tuple[str, int], list[int]] = {}
        for index, candidate in enumerate(pool):
            shots.setdefault((candidate.analysis_id, candidate.shot), []).append(index)
        middles = [indices[len(indices) // 2] for indices in shots.values()]
        one_each = [middles[index] for index in scores.spread_order(len(middles))]
        return list(dict.fromkeys([*best, *one_each, *scores.spread_order(len(pool))]))

    # ---- pictures

    def _decode_frames(self, chosen: Sequence[FrameCandidate]) -> Generator[Looking, None, list[ChosenFrame]]:
        frames = [_chosen_frame(frame) for frame in chosen if frame.is_keyframe]
        for id_, analysis in self.scope.analyses.items():
            times = [frame.time_seconds for frame in chosen if frame.analysis_id == id_ and not frame.is_keyframe]
            frames += yield from self._pictures(id_, analysis, times)
        order = list(self.scope.analyses)
        return sorted(frames, key=lambda frame: (order.index(frame.analysis_id), frame.time_seconds))

    def _pictures(
        self, analysis_id: str, analysis: Analysis, times: Sequence[float]
    ) -> Generator[Looking, None, list[ChosenFrame]]:
        """Return the frames that are shown at these times, each once and without those that can't be decoded."""
        frames: dict[float, ChosenFrame] = {}
        for done, seconds in enumerate(times):
            if self.cancel.is_set():
                raise Cancelled
            yield Looking("frames", done, len(times))
            try:
                still = self.tools.stills.at(analysis.video.path, seconds, _SIDE)
            except InputError as error:
                if error.key != "still_missing":
                    raise
                continue
            frames[still.time_seconds] = ChosenFrame(analysis_id, still.time_seconds, still.jpeg)
        return list(frames.values())


def _chosen_frame(candidate: FrameCandidate) -> ChosenFrame:
    return ChosenFrame(candidate.analysis_id, candidate.time_seconds, b"" if candidate.is_keyframe else candidate.jpeg)


def _is_known(frame: FrameCandidate, shown: Collection[tuple[str, float]]) -> bool:
    return any(id_ == frame.analysis_id and abs(seconds - frame.time_seconds) < _SAME_SECONDS for id_, seconds in shown)


def is_here(analysis: Analysis, tools: RetrievalTools) -> bool:
    """Return whether the video of an analysis is where it was, and still the same."""
    path = analysis.video.path
    try:
        return path.exists() and tools.extractions.sha256(path) == analysis.sha256
    except (AppError, OSError):
        return False
