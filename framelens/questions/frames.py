"""Frames that a question adds to its conversation: classified, chosen, stored, and reported in notices."""

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import Analysis, Notice
from framelens.core.errors import PicturesRefused
from framelens.core.events import Noticed
from framelens.core.units import clock
from framelens.questions.conversation import AnswerDraft, AskEvent, FrameRef, Look
from framelens.questions.moments.finder import SHOWN_SIDE, answer_by_search, by_votes
from framelens.questions.repository import ConversationRepository
from framelens.questions.retrieval import classification
from framelens.questions.retrieval.classification import Classification, Part
from framelens.questions.retrieval.openings import kind_by_opening
from framelens.questions.retrieval.select import RetrievalTools, Scope, is_here, needs_no_model, overlap, select
from framelens.questions.retrieval.values import SEARCHED, FrameSelection, Looking, Sought
from framelens.questions.retrieval.written_times import moment_in_text, range_in_text

_MOST_THINGS = 3
"""Most things that are looked for together."""
_DENSE_SECONDS = 60.0
"""Longest part of a video from which frames are taken densely where the question names it by its place."""
_MOST_MIDDLES = 8
"""Frames of found moments that are added for another part of the question."""


def add_frames(
    draft: AnswerDraft,
    analyses: Mapping[str, Analysis],
    connection: EngineConnection,
    repository: ConversationRepository,
    tools: RetrievalTools,
    cancel: threading.Event,
) -> Generator[AskEvent, None, str]:
    """Choose frames for the current question, store their pictures, and yield the events, which are in the draft.

    Frames that earlier turns of the branch have added are not added again. A question for a time, a number or whether
    something is there is answered by a search instead, where the videos are here and the model takes pictures, unless
    the answer is a letter. Of several questions in a text, a search answers the questions that it can.

    Returns:
        What the model has still to answer: the question, a part of it, or "" where a search has answered it.

    Raises:
        AppError: The pictures can't be stored.
        Cancelled: `cancel` was set.
    """
    if not analyses:
        return draft.turn.question
    return (yield from _FrameAdder(draft, analyses, connection, repository, tools, cancel).events())


@dataclass
class _FrameAdder:
    draft: AnswerDraft
    analyses: Mapping[str, Analysis]
    connection: EngineConnection
    repository: ConversationRepository
    tools: RetrievalTools
    cancel: threading.Event

    def __post_init__(self) -> None:
        *before, turn = self.draft.conversation.branch()
        self.earlier = [previous.question for previous in before]
        self.held = {(frame.analysis_id, frame.time_seconds) for previous in before for frame in previous.frames}
        self.whole = list(map(Scope(self.analyses).range_of, self.analyses.values()))
        self.look, self.letters = look_at(turn.question, turn.look, self.whole), turn.settings.letters
        moments = turn.evidence.moments if turn.evidence else ()
        self.searched = list(dict.fromkeys(moment.thing for moment in moments if moment.by == "votes"))
        self.scope = Scope(self.analyses, look=self.look, held=self.held)

    def events(self) -> Generator[AskEvent, None, str]:
        """Yield the events, and return what the model has still to answer."""
        question = self.draft.turn.question
        classified = yield from self._classify(question)
        self._narrow(classified)
        in_range = (
            is_here(analysis, self.tools) or self.scope.keyframes_in(analysis) for analysis in self.analyses.values()
        )
        if self.look != self.draft.turn.look and any(in_range):
            yield from self._apply_events([Noticed(_range_notice(self.look))])
        rest: list[Part] = []
        for part in classified.parts:
            is_searched = len(classified.parts) == 1 or part.sought.kind in SEARCHED
            if is_searched and (yield from self._search(part.sought)):
                continue
            rest.append(part)
        if len(rest) == len(classified.parts):
            yield from self._apply_events(self._select_frames(question, _whole(rest)))
            return question
        if rest:
            yield from self._for_the_rest(" ".join(part.question for part in rest), _whole(rest))
        return " ".join(part.question for part in rest)

    def _apply_events(self, events: Iterable[AskEvent]) -> Iterator[AskEvent]:
        """Yield the events, which are applied to the draft."""
        return map(self.draft.applied, events)

    def _classify(self, question: str) -> Generator[AskEvent, None, Classification]:
        """Return what a question asks for; the model is asked where its words leave that open."""
        by_words = classification.by_words(question)
        classified = self._with_look_kind(question, by_words)
        is_continued = bool(self.searched) and len(classified.parts) == 1
        if not (is_continued or classification.is_decided(question) or self._needs_no_model(by_words, classified)):
            yield Looking("question")
            seconds = self.whole[0][1] if len(self.whole) == 1 else 0.0
            language = self.draft.conversation.language
            by_model = classification.by_model(question, self.earlier, seconds, self.connection, language, self.cancel)
            classified = self._with_look_kind(question, by_model)
        return replace(classified, parts=tuple(map(self._continued_part, classified.parts)))

    def _with_look_kind(self, question: str, classified: Classification) -> Classification:
        """Return what is asked for as a whole unless a search answers a part of it, in the kind that the user wants."""
        kind = self.look.kind
        is_divided = (
            kind == "auto" and not self.letters and any(part.sought.kind in SEARCHED for part in classified.parts)
        )
        if is_divided:
            return classified
        whole = _whole(classified.parts)
        return replace(classified, parts=(Part(question, whole if kind == "auto" else replace(whole, kind=kind)),))

    def _needs_no_model(self, by_words: Classification, classified: Classification) -> bool:
        """Return whether the frames depend on nothing that the model could say about the question."""
        sought = _whole(classified.parts)
        why = needs_no_model(self.scope, sought, self.connection, self.tools)
        if self.look.kind == "auto":
            # Questions of the other kinds may name a part of the video.
            open_kinds = (None,) if self.look.has_range else (None, "local", "global", "spoken")
            is_known = all(kind_by_opening(part.question) not in open_kinds for part in by_words.parts)
        else:
            is_known = True
        return why in ("unseen", "no_video") or (is_known and bool(why or sought.kind == "spoken"))

    def _continued_part(self, part: Part) -> Part:
        """Return a part with the thing of the search that it continues."""
        if not self.searched or (self.look.kind != "auto" and part.sought.kind not in SEARCHED):
            return part
        kind = part.sought.kind if part.sought.kind in SEARCHED else "when"
        return replace(part, sought=Sought(kind, (self.searched.pop(0),)))

    def _narrow(self, classified: Classification) -> None:
        """Look at the part of the video that the model has read from the question, unless a range is given."""
        if self.look.has_range or len(self.whole) != 1 or not classified.range_seconds:
            return
        start, end = classified.range_seconds
        is_dense = (
            self.look.kind == "auto" and end - start <= _DENSE_SECONDS and _whole(classified.parts).kind == "local"
        )
        kind = "local" if is_dense else self.look.kind
        if overlap(*self.whole[0], start, end) != self.whole[0]:
            self.look = Look(kind, start, end)
            self.scope = replace(self.scope, look=self.look)

    def _search(self, sought: Sought) -> Generator[AskEvent, None, bool]:
        """Search for what a question asks for; return whether that answers it."""
        is_searched = sought.kind in SEARCHED and sought.look_for and not self.letters
        if not is_searched or needs_no_model(self.scope, sought, self.connection, self.tools):
            return False
        here = {id_: analysis for id_, analysis in self.analyses.items() if is_here(analysis, self.tools)}
        if len(here) < len(self.analyses):
            yield from self._apply_events([Noticed(Notice("ask_frames_no_video"))])
        videos = replace(self.scope, analyses=here)
        conversation = self.draft.conversation
        method = by_votes(sought.look_for[0], self.connection, conversation.language, self.cancel)
        search = answer_by_search(conversation, videos, sought, method, self.repository, self.tools, self.cancel)
        try:
            yield from self._apply_events(search)
        except PicturesRefused:  # an engine that doesn't count tokens says so only now
            return False
        return True

    def _select_frames(self, question: str, sought: Sought) -> Iterator[AskEvent]:
        language = self.draft.conversation.language
        selected = yield from select(question, sought, self.scope, self.tools, self.connection, language, self.cancel)
        new = [frame for frame in selected.frames if (frame.analysis_id, frame.time_seconds) not in self.held]
        pictures = iter(self.repository.keep_pictures(frame.jpeg for frame in new if frame.jpeg))
        refs = [
            FrameRef(0, frame.time_seconds, frame.analysis_id, next(pictures) if frame.jpeg else "") for frame in new
        ]
        yield self.draft.turn.with_frames(self.draft.conversation.numbered(refs), selected.choice)
        for notice in _notices(selected.choice, len(selected.frames)):
            yield Noticed(notice)

    def _for_the_rest(self, rest: str, sought: Sought) -> Iterator[AskEvent]:
        """Add frames for what a search hasn't answered: from the middle of what it has found, or as for any question.

        Those at both ends are there already.
        """
        moments = self.draft.turn.evidence.moments if self.draft.turn.evidence else ()
        middles = [
            (moment.analysis_id, (interval.first.time_seconds + interval.last.time_seconds) / 2)
            for moment in moments
            for interval in moment.intervals
        ]
        if not middles or sought.kind == "global":
            yield from self._apply_events(self._select_frames(rest, sought))
            return
        yield Looking("frames")
        stills = [
            (id_, self.tools.stills.at(self.analyses[id_].video.path, seconds, SHOWN_SIDE, cancel=self.cancel))
            for id_, seconds in middles[:_MOST_MIDDLES]
        ]
        pictures = self.repository.keep_pictures(still.jpeg for _, still in stills)
        refs = [
            FrameRef(0, still.time_seconds, id_, picture)
            for (id_, still), picture in zip(stills, pictures, strict=True)
        ]
        yield from self._apply_events([self.draft.turn.with_frames(self.draft.conversation.numbered(refs))])


def look_at(question: str, look: Look, whole: Sequence[tuple[float, float]]) -> Look:
    """Return what to look at: in the range that the question names, if the user has given no range.

    A range that isn't in the videos, or covers them all, is ignored.

    Args:
        question: The question.
        look: What the user wants.
        whole: Start and end of each video in seconds.
    """
    written = _written_look(question, whole)
    if not written or look.has_range:
        return look
    ranges = [overlap(*span, written.start_seconds, written.end_seconds) for span in whole]
    if all(first >= last for first, last in ranges) or ranges == whole:
        return look
    end = written.end_seconds and min(written.end_seconds, max(last for _, last in ranges))
    return replace(written, kind=written.kind if look.kind == "auto" else look.kind, end_seconds=end)


def _written_look(question: str, whole: Sequence[tuple[float, float]]) -> Look | None:
    """Return the range that is written in a question, or the range around its moment; None without either.

    A search for all moments of a thing isn't limited to the moment that the question mentions. The last seconds are
    others in each video, and count only with a single video.

    Args:
        question: The question.
        whole: Start and end of each video in seconds.
    """
    if written := range_in_text(question):
        start, end, _ = written
        if start >= 0:
            return Look(start_seconds=start, end_seconds=end)
        return Look(start_seconds=max(0.0, whole[0][1] + start), end_seconds=whole[0][1]) if len(whole) == 1 else None
    kind = kind_by_opening(question)
    if kind not in ("when", "count") and (moment := moment_in_text(question)):
        return Look("local" if kind in (None, "local") else "auto", moment[0], moment[1])
    return None


def _whole(parts: Sequence[Part]) -> Sought:
    """Return what several questions ask for together."""
    kinds = {part.sought.kind for part in parts}
    things = dict.fromkeys(thing for part in parts for thing in part.sought.look_for)
    return Sought(kinds.pop() if len(kinds) == 1 else "local", tuple(things)[:_MOST_THINGS])


def _range_notice(look: Look) -> Notice:
    start = clock(look.start_seconds or 0.0)
    if look.end_seconds is None:
        return Notice("ask_range_from", {"start": start}, "info")
    return Notice("ask_range", {"start": start, "end": clock(look.end_seconds)}, "info")


def _notices(choice: FrameSelection, frames: int) -> Iterator[Notice]:
    """Yield what the reader should know about the choice; nothing where the keyframes are wanted."""
    values: dict[str, str | int] = {"thing": ", ".join(choice.look_for), "frames": frames, "relevant": choice.relevant}
    if choice.outcome == "no_video":
        yield Notice("ask_frames_no_video")
    elif choice.outcome == "range":
        yield Notice("ask_frames_range", {"frames": frames}, "info")
    elif choice.outcome == "flat" and choice.look_for:
        yield Notice("ask_frames_flat", values, "info")
    elif choice.outcome == "chosen":
        yield Notice("ask_frames_chosen", values, "info")
    for name in choice.scores:
        yield Notice(
            f"ask_scored_{name}",
            {"voted": choice.voted, "candidates": choice.candidates} if name == "votes" else {},
            "info",
        )
