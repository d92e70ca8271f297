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
from framelens.questions.retrieval.classification import kind_in_words, searched_parts
from framelens.questions.retrieval.named_parts import part_in_text
from framelens.questions.retrieval.named_times import moment_in_text, range_in_text
from framelens.questions.retrieval.select import RetrievalTools, Scope, is_here, needs_no_model, overlap, select
from framelens.questions.retrieval.values import SEARCHED, FrameSelection, Looking, Sought

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
        self.earlier = [one.question for one in before]
        self.known = {(frame.analysis_id, frame.time_seconds) for one in before for frame in one.frames}
        whole = list(map(Scope(self.analyses).range_of, self.analyses.values()))
        self.look, self.letters = look_at(turn.question, turn.look, whole), turn.settings.letters
        found = turn.evidence.moments if turn.evidence else ()
        self.searched = [one.thing for one in found if one.by == "votes"]
        self.scope = Scope(self.analyses, look=self.look, known=self.known)

    def events(self) -> Generator[AskEvent, None, str]:
        """Yield the events, and return what the model has still to answer."""
        question = self.draft.turn.question
        in_range = (is_here(one, self.tools) or self.scope.keyframes_in(one) for one in self.analyses.values())
        if self.look != self.draft.turn.look and any(in_range):
            yield from self._applied([Noticed(_range_notice(self.look))])
        parts = self._parts(question)
        left = []
        for part in parts:
            if len(parts) > 1 and kind_in_words(part) not in SEARCHED:
                left.append(part)
                continue
            sought = yield from self._classified(part)
            if (yield from self._search(sought)):
                continue
            left.append(part)
            if len(parts) == 1:
                yield from self._applied(self._selected(question, sought))
        if len(parts) > 1 and left:
            yield from self._for_the_rest(" ".join(left))
        return question if len(left) == len(parts) else " ".join(left)

    def _parts(self, question: str) -> tuple[str, ...]:
        """Return the parts of a question if a search answers any of them, else the question."""
        return (question,) if self.look.kind != "auto" or self.letters else searched_parts(question)

    def _applied(self, events: Iterable[AskEvent]) -> Iterator[AskEvent]:
        """Yield the events, which are applied to the draft."""
        return map(self.draft.applied, events)

    def _classified(self, part: str) -> Generator[AskEvent, None, Sought]:
        """Return what a question asks for; the model is asked where the frames depend on it."""
        whole = self.draft.turn.question
        earlier = self.earlier if part == whole else [*self.earlier, whole]
        sought = classification.by_words(part, earlier)
        kind = sought.kind if self.look.kind == "auto" else self.look.kind
        sought = replace(sought, kind=kind)
        if self.searched:  # a search that continues
            thing = self.searched.pop(0)
            self.searched = [one for one in self.searched if one != thing]
            return Sought(kind if kind in SEARCHED else "when", (thing,))
        if kind == "spoken" or needs_no_model(self.scope, sought, self.connection, self.tools):
            return sought
        yield Looking("question")
        asked = classification.by_model(part, earlier, self.connection, self.draft.conversation.language, self.cancel)
        return asked if self.look.kind == "auto" else replace(asked, kind=kind)

    def _search(self, sought: Sought) -> Generator[AskEvent, None, bool]:
        """Search for what a question asks for; return whether that answers it."""
        is_searched = sought.kind in SEARCHED and sought.look_for and not self.letters
        if not is_searched or needs_no_model(self.scope, sought, self.connection, self.tools):
            return False
        here = {id_: one for id_, one in self.analyses.items() if is_here(one, self.tools)}
        if len(here) < len(self.analyses):
            yield from self._applied([Noticed(Notice("ask_frames_no_video"))])
        videos = replace(self.scope, analyses=here)
        conversation = self.draft.conversation
        method = by_votes(sought.look_for[0], self.connection, conversation.language, self.cancel)
        search = answer_by_search(conversation, videos, sought, method, self.repository, self.tools, self.cancel)
        try:
            yield from self._applied(search)
        except PicturesRefused:  # an engine that doesn't count tokens says so only now
            return False
        return True

    def _selected(self, question: str, sought: Sought) -> Iterator[AskEvent]:
        language = self.draft.conversation.language
        selected = yield from select(question, sought, self.scope, self.tools, self.connection, language, self.cancel)
        new = [one for one in selected.frames if (one.analysis_id, one.time_seconds) not in self.known]
        pictures = iter(self.repository.keep_pictures(one.jpeg for one in new if one.jpeg))
        refs = [FrameRef(0, one.time_seconds, one.analysis_id, next(pictures) if one.jpeg else "") for one in new]
        yield self.draft.turn.with_frames(self.draft.conversation.numbered(refs), selected.choice)
        for notice in _notices(selected.choice, len(selected.frames)):
            yield Noticed(notice)

    def _for_the_rest(self, rest: str) -> Iterator[AskEvent]:
        """Add frames for what a search hasn't answered: from the middle of what it has found, or as for any question.

        Those at both ends are there already.
        """
        moments = self.draft.turn.evidence.moments if self.draft.turn.evidence else ()
        middles = [
            (one.analysis_id, (interval.first.time_seconds + interval.last.time_seconds) / 2)
            for one in moments
            for interval in one.intervals
        ]
        if not middles or kind_in_words(rest) == "global":
            sought = yield from self._classified(rest)
            yield from self._applied(self._selected(rest, sought))
            return
        yield Looking("frames")
        stills = [
            (id_, self.tools.stills.at(self.analyses[id_].video.path, seconds, SHOWN_SIDE, cancel=self.cancel))
            for id_, seconds in middles[:_MOST_MIDDLES]
        ]
        pictures = self.repository.keep_pictures(one.jpeg for _, one in stills)
        refs = [FrameRef(0, one.time_seconds, id_, kept) for (id_, one), kept in zip(stills, pictures, strict=True)]
        yield from self._applied([self.draft.turn.with_frames(self.draft.conversation.numbered(refs))])


def look_at(question: str, given: Look, whole: Sequence[tuple[float, float]]) -> Look:
    """Return what to look at: in the range that the question names, if the user has given no range.

    A range that isn't in the videos, or covers them all, is ignored.

    Args:
        question: The question.
        given: What the user wants.
        whole: Start and end of each video in seconds.
    """
    named = _named_look(question, whole)
    if not named or given.has_range:
        return given
    ranges = [overlap(*one, named.start_seconds, named.end_seconds) for one in whole]
    if all(first >= last for first, last in ranges) or ranges == whole:
        return given
    end = named.end_seconds and min(named.end_seconds, max(last for _, last in ranges))
    return replace(named, kind=named.kind if given.kind == "auto" else given.kind, end_seconds=end)


def _named_look(question: str, whole: Sequence[tuple[float, float]]) -> Look | None:
    """Return the range that a question names, or the range around its moment; None without a range or a moment.

    A search for all moments of a thing isn't limited to the moment that the question mentions. A part such as the end
    is a range of its own in each video, and is used only with a single video.

    Args:
        question: The question.
        whole: Start and end of each video in seconds.
    """
    if found := range_in_text(question):
        return Look(start_seconds=found[0], end_seconds=found[1])
    kind = kind_in_words(question)
    if kind not in ("when", "count") and (moment := moment_in_text(question)):
        return Look("auto" if kind else "local", moment[0], moment[1])
    part = part_in_text(question) if len(whole) == 1 else None
    return Look("local" if part.is_edge and not kind else "auto", *part.place(*whole[0])) if part else None


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
