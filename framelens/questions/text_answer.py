"""Answer from text on the screen and from speech, without a model.

Times of words are found by the same search as times of what is seen, whose voter reads the frames; words that are said
are found in the cues. Nothing is written that was not read or said.
"""

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from framelens.core.domain import Analysis, Cue, Notice, times_of
from framelens.core.errors import Cancelled, InputError
from framelens.core.events import Noticed
from framelens.core.evidence import Interval, Moments, Point, VoteSample
from framelens.core.files import single_line
from framelens.core.units import clock
from framelens.i18n import in_language, t
from framelens.i18n.formatting import attributed
from framelens.questions.context import Measured
from framelens.questions.conversation import AnswerDraft, AnswerText, AskEvent, Conversation, FrameRef, MomentsSearched
from framelens.questions.frames import look_at
from framelens.questions.moments.finder import (
    SHOWN_SIDE,
    SearchMethod,
    answer_by_search,
    report_findings,
    stored_frames,
)
from framelens.questions.moments.text_voter import FrameTextReader, Texts, TextVoter, vote_of
from framelens.questions.repository import ConversationRepository
from framelens.questions.retrieval.openings import kind_by_opening, parts_in_words
from framelens.questions.retrieval.select import RetrievalTools, Scope, is_here
from framelens.questions.retrieval.text_matching import TextMatcher, plain
from framelens.questions.retrieval.text_question import TextQuestion, is_about_text, names_object, text_question
from framelens.questions.retrieval.values import Kind, Looking, Sought
from framelens.questions.retrieval.written_times import AROUND_SECONDS, moment_in_text
from framelens.video.features.text_recognition import TextReading

_SECONDS = 120.0
"""Ceiling of a search that reads, which takes a second a frame on two slow cores; asking again continues it."""
_LISTED = 12
"""Most frames or cues in an answer that lists what is written or said."""
_READ = 48
"""Most frames that are read for such a list, besides the keyframes."""
_RANGE_FRAMES = 8
"""Frames of a range that are read at least."""


@dataclass(frozen=True)
class _Part:
    """A part of a question, and what it asks of text or speech where these answer it."""

    text: str
    query: TextQuestion | None


def answers_from_text(conversation: Conversation, analyses: Mapping[str, Analysis]) -> bool:
    """Return whether text or speech answers the current question of a conversation, without a model.

    Args:
        conversation: The conversation.
        analyses: What it is about, by id, with all facts.
    """
    return bool(_parts(conversation, Scope(analyses), has_model=False))


def answer_from_text(
    draft: AnswerDraft,
    analyses: Mapping[str, Analysis],
    measured: Measured,
    repository: ConversationRepository,
    tools: RetrievalTools,
    cancel: threading.Event,
    *,
    has_model: bool,
) -> Generator[AskEvent, None, bool]:
    """Answer the current question where text and speech do, and yield the events, which are applied to the draft.

    With a model this is done only for the times of words that are known to be there.

    Args:
        draft: The conversation; its current turn is the question.
        analyses: What it is about, by id.
        measured: Waits for their facts.
        repository: Where pictures are stored.
        tools: Where frames come from.
        cancel: Ends the search.
        has_model: Whether a model answers what text and speech don't.

    Returns:
        Whether it is answered.

    Raises:
        AppError: A video can't be read, or text can't be recognised.
        Cancelled: `cancel` was set.
    """
    turn = draft.turn
    is_apart = bool(turn.images or turn.settings.letters) or (has_model and turn.look.kind != "auto")
    if not analyses or is_apart or not is_about_text(turn.question):
        return False
    measured_analyses = measured()
    whole = list(map(Scope(measured_analyses).range_of, measured_analyses.values()))
    scope = Scope(measured_analyses, look=look_at(turn.question, turn.look, whole))
    parts = _parts(draft.conversation, scope, has_model=has_model)
    answer = _TextAnswer(draft, scope, repository, tools, cancel)
    for part in parts:
        if part.query:
            yield from answer.events(part.text, part.query)
        else:
            yield draft.applied(Noticed(Notice("ask_part_needs_model", {"question": part.text}, "info")))
    return bool(parts)


def _parts(conversation: Conversation, scope: Scope, *, has_model: bool) -> list[_Part]:
    """Return the parts of the current question; empty if text and speech don't answer it."""
    parts = []
    for part in parts_in_words(conversation.last.question):
        query = text_question(part)
        is_answered = query is not None and _is_answered(query, scope, has_model=has_model)
        parts.append(_Part(part, query if is_answered else None))
    is_enough = all if has_model else any
    return parts if is_enough(part.query for part in parts) else []


def _is_answered(query: TextQuestion, scope: Scope, *, has_model: bool) -> bool:
    if has_model:
        return query.is_certain and _knows(query, scope)
    return query.is_certain or not query.words or _knows(query, scope)


def _knows(query: TextQuestion, scope: Scope) -> bool:
    """Return whether the words are known to stand or to be said in one of the videos."""
    matcher = TextMatcher(query.words)
    if query.source == "speech":
        return any(matcher.in_text(cue.text) for analysis in scope.analyses.values() for cue in _cues(analysis, scope))
    return any(
        matcher.in_lines(texts) for analysis in scope.analyses.values() for _, texts in _keyframe_texts(analysis, scope)
    )


def _cues(analysis: Analysis, scope: Scope) -> list[Cue]:
    """Return the cues in the range."""
    start, end = scope.range_of(analysis)
    cues = attributed(analysis.transcript, only_named=True)
    return [cue for cue in cues if cue.start_seconds < end and cue.end_seconds > start]


def _keyframe_texts(analysis: Analysis, scope: Scope) -> Iterator[tuple[float, Texts]]:
    """Yield the keyframes in the range with the text that was read on them."""
    times = times_of(scope.keyframes_in(analysis))
    yield from ((times[facts.number], facts.texts) for facts in analysis.facts if facts.number in times)


@dataclass
class _TextAnswer:
    draft: AnswerDraft
    scope: Scope
    repository: ConversationRepository
    tools: RetrievalTools
    cancel: threading.Event

    @property
    def analyses(self) -> Mapping[str, Analysis]:
        return self.scope.analyses

    def events(self, part: str, query: TextQuestion) -> Iterator[AskEvent]:
        """Yield the answer to a part of the question."""
        kind = kind_by_opening(part) or "when"
        if query.source == "speech":
            events = self._heard(kind, query)
        elif query.words:
            events = self._search_events(kind, query)
        else:
            events = self._text_events(part)
        yield from map(self.draft.applied, events)
        if query.words and not query.is_certain:
            yield self.draft.applied(Noticed(Notice("ask_text_alone", {"words": query.words}, "info")))

    # ---- times of words

    def _search_events(self, kind: Kind, query: TextQuestion) -> Iterator[AskEvent]:
        """Yield the search for words on the frames; videos that aren't here have their keyframes alone."""
        matcher = TextMatcher(query.words)
        here = {id_: analysis for id_, analysis in self.analyses.items() if is_here(analysis, self.tools)}
        if len(here) < len(self.analyses):
            yield Noticed(Notice("ask_frames_no_video"))
        if here:
            with closing(TextReading(is_quiet=True)) as reading:
                reader = FrameTextReader(reading)
                for analysis in here.values():
                    reader.learn(analysis)
                voter = TextVoter(matcher, reader)
                method = SearchMethod(
                    "text", voter, side=SHOWN_SIDE, seconds=_SECONDS, begin=partial(self._begun, matcher)
                )
                scope, sought = replace(self.scope, analyses=here), Sought(kind, (query.words,))
                conversation = self.draft.conversation
                yield from answer_by_search(
                    conversation, scope, sought, method, self.repository, self.tools, self.cancel
                )
        if gone := {id_: analysis for id_, analysis in self.analyses.items() if id_ not in here}:
            texts = {id_: _keyframe_texts(analysis, self.scope) for id_, analysis in gone.items()}
            read = {id_: [pair for pair in pairs if matcher.in_lines(pair[1])] for id_, pairs in texts.items()}
            yield from self._list_texts(gone, read)

    def _begun(self, matcher: TextMatcher, moments: Moments, analysis: Analysis) -> Moments:
        """Return the findings of a search with what was read on the keyframes already."""
        frames = {frame.number: frame for frame in self.scope.keyframes_in(analysis)}
        votes = [
            (frames[facts.number], vote_of(0, matcher, facts.texts))
            for facts in analysis.facts
            if facts.number in frames
        ]
        samples = (
            VoteSample(frame.frame_index, frame.time_seconds, frame.time_seconds, vote.probability, 0)
            for frame, vote in votes
        )
        texts = {frame.frame_index: vote.text for frame, vote in votes if vote.text}
        return replace(moments, samples=tuple(sorted(samples, key=lambda sample: sample.time_seconds)), texts=texts)

    def _heard(self, kind: Kind, query: TextQuestion) -> Iterator[AskEvent]:
        """Yield when words are said, or what is said."""
        if not any(analysis.transcript for analysis in self.analyses.values()):
            yield self._sentence("ask.text.no_speech")
        elif not query.words:
            yield from self._speech_events()
        else:
            moments = {id_: self._heard_in(id_, analysis, query.words) for id_, analysis in self.analyses.items()}
            yield from map(MomentsSearched, moments.values())
            here = {id_: matched for id_, matched in moments.items() if is_here(self.analyses[id_], self.tools)}
            refs = stored_frames(self.draft.conversation, here, self.analyses, self.repository, self.tools)
            yield from report_findings(self.draft.conversation, moments, self.analyses, refs, kind)

    def _heard_in(self, analysis_id: str, analysis: Analysis, phrase: str) -> Moments:
        """Return the cues of a video with this phrase, which may be said across two cues."""
        matcher, matched = TextMatcher(phrase), dict[float, Cue]()
        cues = _cues(analysis, self.scope)
        for cue, after in zip(cues, [*cues[1:], None], strict=True):
            if matcher.in_text(cue.text):
                matched[cue.start_seconds] = cue
            elif after and not matcher.in_text(after.text) and matcher.in_text(f"{cue.text} {after.text}"):
                both = replace(cue, end_seconds=after.end_seconds, text=f"{cue.text} {after.text}")
                matched[cue.start_seconds] = both
        samples, texts = [], dict[int, str]()
        for cue in matched.values():
            index = self._index_at(analysis, cue.start_seconds)
            samples.append(VoteSample(index, cue.start_seconds, cue.end_seconds, 1.0, 0))
            texts[index] = cue.text
        return Moments(
            analysis_id,
            phrase,
            *self.scope.range_of(analysis),
            samples=tuple(samples),
            intervals=tuple(map(_interval, samples)),
            ended="complete",
            by="speech",
            texts=texts,
        )

    def _index_at(self, analysis: Analysis, seconds: float) -> int:
        """Return the index of the frame shown at a time, of the keyframe before it where the video isn't here."""
        if is_here(analysis, self.tools):
            return self.tools.stills.at(analysis.video.path, seconds, SHOWN_SIDE, cancel=self.cancel).frame_index
        before = [keyframe.frame_index for keyframe in analysis.keyframes if keyframe.time_seconds <= seconds]
        return max(before, default=0)

    # ---- what is written or said

    def _speech_events(self) -> Iterator[AskEvent]:
        cues = [(id_, cue) for id_, analysis in self.analyses.items() for cue in _cues(analysis, self.scope)]
        if not cues:
            yield self._sentence("ask.text.nothing_said")
            return
        here = {id_ for id_, analysis in self.analyses.items() if is_here(analysis, self.tools)}
        shown = [self._ref(id_, cue.start_seconds) for id_, cue in cues[:_LISTED] if id_ in here]
        refs = self.draft.conversation.numbered(shown)
        yield self.draft.turn.with_frames(refs)
        numbers = {(ref.analysis_id, ref.time_seconds): ref.number for ref in refs}
        lines = [
            self._t(
                "ask.text.cue",
                start=clock(cue.start_seconds),
                end=clock(cue.end_seconds),
                frame=_mark(numbers.get((id_, cue.start_seconds))),
                text=single_line(cue.text),
            )
            for id_, cue in cues[:_LISTED]
        ]
        yield self._text([self._t("ask.text.said"), *lines, *self._more_lines(len(cues))])

    def _text_events(self, part: str) -> Iterator[AskEvent]:
        """Yield the text of frames: of the moment that the question names, else of the keyframes and of all shots."""
        moment = moment_in_text(part)
        read: dict[str, list[tuple[float, Texts]]] = {}
        with closing(TextReading(is_quiet=True)) as reading:
            reader = FrameTextReader(reading)
            for id_, analysis in self.analyses.items():
                frame_texts = [] if moment else list(_keyframe_texts(analysis, self.scope))
                named = [moment[1] - AROUND_SECONDS] if moment else []  # in the middle of the range around it
                times = named or self._times_to_read(analysis, [at for at, _ in frame_texts])
                for done, seconds in enumerate(times):
                    yield Looking("frames", done, len(times))
                    if self.cancel.is_set():
                        raise Cancelled
                    frame_texts += self._read_at(analysis, seconds, reader)
                read[id_] = sorted(frame_texts, key=lambda pair: pair[0])
        yield from self._list_texts(self.analyses, read, is_of_object=names_object(part))

    def _read_at(self, analysis: Analysis, seconds: float, reader: FrameTextReader) -> Iterator[tuple[float, Texts]]:
        if not is_here(analysis, self.tools):
            near = min(_keyframe_texts(analysis, self.scope), key=lambda pair: abs(pair[0] - seconds), default=None)
            yield from [near] if near else []
            return
        try:
            still = self.tools.stills.at(analysis.video.path, seconds, SHOWN_SIDE, cancel=self.cancel)
        except InputError as error:
            if error.key != "still_missing":
                raise
            return
        yield still.time_seconds, reader.texts(still.jpeg)

    def _times_to_read(self, analysis: Analysis, read: Sequence[float]) -> list[float]:
        """Return the times of frames to read: in the middle of shots without a read frame, and spread over a range."""
        start, end = self.scope.range_of(analysis)
        if not is_here(analysis, self.tools):
            return []
        shots = ((max(start, shot.start_seconds), min(end, shot.end_seconds)) for shot in analysis.decode.shots)
        times = [
            (first + last) / 2 for first, last in shots if first < last and not any(first <= at < last for at in read)
        ]
        if self.scope.look.has_range:
            times += [start + (index + 0.5) * (end - start) / _RANGE_FRAMES for index in range(_RANGE_FRAMES)]
        return sorted(times[:_READ])

    def _list_texts(
        self,
        analyses: Mapping[str, Analysis],
        read: Mapping[str, Sequence[tuple[float, Texts]]],
        *,
        is_of_object: bool = False,
    ) -> Iterator[AskEvent]:
        """Yield the text of frames in time order, without frames that repeat the text of the frame before."""
        new = [(id_, at, texts) for id_ in analyses for at, texts in _changing(read[id_])]
        frames = sum(map(len, read.values()))
        if not new:
            yield self._sentence("ask.text.nothing_written", frames=frames)
            return
        refs = self.draft.conversation.numbered(self._ref(id_, at) for id_, at, _ in new[:_LISTED])
        yield self.draft.turn.with_frames(refs)
        numbers = {(ref.analysis_id, ref.time_seconds): ref.number for ref in refs}
        lines = [
            self._t(
                "ask.text.frame",
                time=clock(at),
                frame=_mark(numbers.get((id_, at))),
                text=self._t("ask.text.lines").join(single_line(text.text) for text in texts),
            )
            for id_, at, texts in new[:_LISTED]
        ]
        which = [self._t("ask.text.which")] if is_of_object else []
        yield self._text([self._t("ask.text.written", frames=frames), *lines, *self._more_lines(len(new)), *which])

    # ---- pieces

    def _ref(self, analysis_id: str, seconds: float) -> FrameRef:
        """Return the frame shown at a time; a keyframe has its picture already."""
        analysis = self.analyses[analysis_id]
        if any(keyframe.time_seconds == seconds for keyframe in analysis.keyframes):
            return FrameRef(0, seconds, analysis_id)
        still = self.tools.stills.at(analysis.video.path, seconds, SHOWN_SIDE, cancel=self.cancel)
        (picture,) = self.repository.keep_pictures([still.jpeg])
        return FrameRef(0, seconds, analysis_id, picture)

    def _more_lines(self, number: int) -> list[str]:
        return [self._t("ask.text.more", n=number - _LISTED)] if number > _LISTED else []

    def _sentence(self, key: str, **values: str | int) -> AnswerText:
        return self._text([self._t(key, **values)])

    def _text(self, lines: Sequence[str]) -> AnswerText:
        return AnswerText("\n".join([*(["\n"] if self.draft.turn.answer else []), *lines]))

    def _t(self, key: str, **values: str | int) -> str:
        with in_language(self.draft.conversation.language):
            return t(key, **values)


def _mark(number: int | None) -> str:
    return f" [{number}]" if number else ""


def _changing(read: Sequence[tuple[float, Texts]]) -> Iterator[tuple[float, Texts]]:
    """Yield the frames with a line that the frame before doesn't have."""
    before = set[str]()
    for seconds, texts in read:
        lines = {plain(text.text) for text in texts}
        if lines - before:
            yield seconds, texts
        before = lines


def _interval(sample: VoteSample) -> Interval:
    """Return a cue as an interval, with the frame at its start."""
    first = Point(sample.frame_index, sample.time_seconds)
    return Interval(first, first, None, None, first, 1, 0, 1.0, gone_seconds=sample.until_seconds)
