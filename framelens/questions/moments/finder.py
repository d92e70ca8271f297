"""Answer to "when" and "how often": a search in each video, and what it found in words, with frames as evidence."""

import re
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from math import inf
from pathlib import Path

from PIL import Image, ImageEnhance

from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import Analysis, Keyframe, Language
from framelens.core.errors import AppError
from framelens.core.evidence import Interval, Moments, SearchBy
from framelens.core.files import single_line
from framelens.core.images import fitted_size
from framelens.core.units import clock
from framelens.i18n import error_text, in_language, t
from framelens.i18n.formatting import exactly, length_text
from framelens.questions import conversation as values
from framelens.questions.conversation import AskEvent, Conversation, FrameRef
from framelens.questions.moments.lookalikes import lookalikes
from framelens.questions.moments.search import SearchLimits, search
from framelens.questions.moments.timeline import doubt_of, unread_between
from framelens.questions.repository import ConversationRepository
from framelens.questions.retrieval.select import RetrievalTools, Scope
from framelens.questions.retrieval.values import Kind, Looking, MomentFinder, Sought
from framelens.questions.votes import VoteAsker, Voter
from framelens.video.stills import Still, Stills

SIDE = 640
"""Longer side of the pictures that are voted on, in pixels; a picture of 16:9 takes about 300 tokens."""
_MARGIN, _LIGHT, _QUALITY = 0.05, 0.2, 90
"""Changes of a picture that its content survives: the share cut off at each margin, and the share by which it gets
darker or brighter; and the JPEG quality of the changed picture."""
SHOWN_SIDE = 1280
"""Longer side of the pictures that the answer cites, the same as for keyframes."""
_EVERY_FRAME_SECONDS = 180.0
"""Longest part of a video of which all frames are looked at for text: a frame that shows what another showed isn't read
but compared, in a hundredth of a second."""
_MOST_OTHERS = 10
"""Conversations whose readings a search takes over."""
_FINDER_SIDE = 448
"""Longer side of the pictures that a finder gets, in pixels; one of 16:9 takes some 110 tokens."""
_LOOKS_IN_SPAN = 5
"""Frames that are looked at first in a span that a finder proposes, its ends included."""
_SHOWN = 12
"""Intervals whose first and last frames are cited; the others have their times only."""


@dataclass(frozen=True)
class SearchMethod:
    """Way in which a search decides which frames have the wanted thing.

    Attributes:
        by: What says so.
        voter: The engine, or a reader of text.
        model: The engine's model; "" without an engine.
        side: Longer side of the pictures that it gets; None for the usual side.
        seconds: Ceiling of time, besides that of the settings.
        name_lookalikes: Names things that look like the wanted thing.
        begin: Adds what the analysis knows already to the findings of a search that begins.
    """

    by: SearchBy
    voter: Voter
    model: str = ""
    side: int | None = None
    seconds: float = inf
    name_lookalikes: Callable[[], Sequence[str]] = tuple
    begin: Callable[[Moments, Analysis], Moments] = lambda moments, _: moments


def by_votes(thing: str, connection: EngineConnection, language: Language, cancel: threading.Event) -> SearchMethod:
    """Return the search for something that the engine has to see."""
    return SearchMethod(
        "votes",
        VoteAsker(connection, language),
        connection.endpoint.model,
        connection.side,
        name_lookalikes=cache(partial(lookalikes, thing, connection, language, cancel)),  # the same for all videos
    )


@dataclass(frozen=True)
class VideoFrames:
    """Frames of a video by time, for a search."""

    stills: Stills
    path: Path
    side: int

    def at(self, seconds: float, cancel: threading.Event) -> Still:
        """Return the frame shown at this time; see `Stills.at`."""
        return self.stills.at(self.path, seconds, self.side, cancel=cancel)

    def changed(self, jpeg: bytes, change: int) -> bytes:
        """Return a picture without its margins, darker, or brighter."""
        with Image.open(BytesIO(jpeg)) as picture:
            width, height = picture.size
            left, top = round(_MARGIN * width), round(_MARGIN * height)
            if change == 0:
                changed = picture.crop((left, top, width - left, height - top))
            else:
                changed = ImageEnhance.Brightness(picture).enhance(1 + (_LIGHT if change == 1 else -_LIGHT))
            out = BytesIO()
            changed.save(out, "JPEG", quality=_QUALITY)
        return out.getvalue()


def answer_by_search(
    conversation: Conversation,
    scope: Scope,
    sought: Sought,
    method: SearchMethod,
    repository: ConversationRepository,
    tools: RetrievalTools,
    cancel: threading.Event,
) -> Generator[AskEvent, None, None]:
    """Search each video for all moments at which something is visible, and yield the events, the answer last.

    A search that was interrupted, or that an earlier question about the same thing began, continues where it ended. An
    interrupted search answers with what it has found.

    Args:
        conversation: Its current turn is the question.
        scope: The videos, all of which can be read, and the range to search.
        sought: What the question asks for; its first thing is looked for.
        method: How frames are looked at.
        repository: Where pictures are stored.
        tools: Where frames come from.
        cancel: Ends the search.

    Raises:
        AppError: A video can't be read, or the engine or the reader of text fails.
        Cancelled: `cancel` was set.
    """
    turn, analyses, thing = conversation.last, scope.analyses, sought.look_for[0]
    settings = turn.settings
    yield values.ContextChosen(values.ContextUse(), (), method.model)
    previous = _known_votes(conversation, scope, thing, method, repository)
    limits = SearchLimits(
        frames=max(1, settings.search_frames // len(analyses)),
        seconds=min(settings.search_seconds, method.seconds) / len(analyses),
    )
    moments: dict[str, Moments] = {}
    notes: list[str] = []
    failure: AppError | None = None
    try:
        for id_, analysis in analyses.items():
            new = Moments(id_, thing, *scope.range_of(analysis), by=method.by)
            moments[id_] = previous.get(id_) or method.begin(new, analysis)
            proposed: list[float] = []
            if method.by == "votes" and tools.finder and id_ not in previous:
                proposed, note = yield from _proposed_times(tools.finder, new, analysis, cancel)
                with in_language(conversation.language):
                    notes.append(note())
            candidates = [*proposed, *(yield from _candidates(analysis, tools, cancel))]
            if method.by == "text":
                yield Looking("frames")
            is_short = new.end_seconds - new.start_seconds <= _EVERY_FRAME_SECONDS
            with closing(Stills()) as stills:  # the player's serve one video at a time
                side = max(fitted_size(analysis.video.width, analysis.video.height, method.side or SIDE))
                frames = VideoFrames(stills, analysis.video.path, side)
                for latest in search(
                    moments[id_],
                    frames,
                    method.voter,
                    candidates=candidates,
                    lookalikes=method.name_lookalikes,
                    limits=limits,
                    every_frame=method.by == "text" and is_short,
                    cancel=cancel,
                ):
                    moments[id_] = latest
                    yield values.MomentsSearched(latest)
    except AppError as error:
        failure = error
    if any(result.samples for result in moments.values()):
        refs = stored_frames(conversation, moments, analyses, repository, tools) if not cancel.is_set() else ()
        yield from report_findings(conversation, moments, analyses, refs, sought.kind, notes)
    if failure:
        raise failure


def report_findings(
    conversation: Conversation,
    moments: Mapping[str, Moments],
    analyses: Mapping[str, Analysis],
    refs: Sequence[FrameRef],
    kind: Kind,
    notes: Sequence[str] = (),
) -> Iterator[AskEvent]:
    """Yield the frames and the text that answer a question with findings, video by video, then the notes."""
    turn = conversation.last
    yield turn.with_frames(refs)
    names = {id_: analysis.video.name for id_, analysis in analyses.items()}
    with in_language(conversation.language):
        texts = [
            _result_text(result, refs, names[id_] if len(names) > 1 else "", kind) for id_, result in moments.items()
        ]
    yield values.AnswerText("\n\n".join([*([""] if turn.answer else []), *texts, *dict.fromkeys(notes)]))


def _known_votes(
    conversation: Conversation, scope: Scope, thing: str, method: SearchMethod, repository: ConversationRepository
) -> dict[str, Moments]:
    """Return the findings of the latest such search for the same thing in the same range, by analysis.

    Searched are the report of the analysis and the conversation; for what was read, which is the same for everybody,
    other conversations about these videos, too.
    """
    reported = (
        (answer.model, search.moments)
        for analysis in scope.analyses.values()
        for answer in (analysis.answer.answers if analysis.answer else ())
        for search in answer.searches
    )
    others = repository.find(analysis_ids=list(scope.analyses), limit=_MOST_OTHERS) if method.by == "text" else []
    read = (turn for other in reversed(others) for turn in repository.get(other.id).turns)
    turns = (turn for turn in (*read, *conversation.branch()) if turn.evidence)
    from_turns = ((turn.model, moment) for turn in turns for moment in (turn.evidence or values.Evidence()).moments)
    latest = {}
    for by, prior in (*reported, *from_turns):
        analysis = scope.analyses.get(prior.analysis_id)
        is_same = prior.by == method.by and by in ("", method.model) and _is_sought(prior, thing)
        is_proof = prior.ended not in ("says_yes", "says_nothing")
        if analysis and is_same and is_proof and (prior.start_seconds, prior.end_seconds) == scope.range_of(analysis):
            latest[prior.analysis_id] = prior
    return latest


def _is_sought(moments: Moments, thing: str) -> bool:
    """Return whether findings are about this thing; words that are read have to be the same."""
    if moments.by == "text":
        return moments.thing.casefold() == thing.casefold()
    return is_same_thing(moments.thing, thing)


def is_same_thing(name: str, other: str) -> bool:
    """Return whether two names mean the same thing: "a red card" and "the red cards"."""
    return bool(_bare_words(name)) and _bare_words(name) == _bare_words(other)


def _bare_words(thing: str) -> list[str]:
    """Return the words of a name without articles and plurals, single Chinese characters without 的."""
    words = re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", thing.lower())
    return [re.sub(r"(?<=..)(?<!s)s$", "", word) for word in words if word not in ("a", "an", "the", "的")]


def _proposed_times(
    finder: MomentFinder, moments: Moments, analysis: Analysis, cancel: threading.Event
) -> Generator[Looking, None, tuple[list[float], Callable[[], str]]]:
    """Return the times to look at in the spans that a finder proposes, and what says it in the user's language.

    A finder that fails leaves the search as it is without one.
    """
    video, end = analysis.video, moments.end_seconds
    try:
        with closing(Stills()) as stills:
            side = max(fitted_size(video.width, video.height, _FINDER_SIDE))
            spans = yield from finder.spans(
                moments.thing,
                lambda seconds: stills.at(video.path, seconds, side, cancel=cancel).jpeg,
                moments.start_seconds,
                end,
                cancel=cancel,
            )
    except AppError as error:
        reason = error
        return [], lambda: t("ask.moments.finder_failed", model=finder.model, reason=error_text(reason))
    times = [
        min(start + (stop - start) * step / (_LOOKS_IN_SPAN - 1), end)
        for start, stop in spans
        for step in range(_LOOKS_IN_SPAN)
    ]
    return times, lambda: t("ask.moments.finder", model=finder.model, n=len(spans))


def _candidates(
    analysis: Analysis, tools: RetrievalTools, cancel: threading.Event
) -> Generator[Looking, None, list[float]]:
    """Return the times of the candidates: the keyframes first, then the survey's thumbnails."""
    pictures = tools.extractions.thumbnails(analysis.video.path, analysis.request.selection, cancel)
    small: Sequence[Keyframe] = ()
    with closing(pictures):
        while True:
            try:
                progress = next(pictures)
            except StopIteration as end:
                small = end.value
                break
            yield Looking("thumbnails", int(progress.time_seconds), int(progress.duration_seconds or 0))
    return [frame.time_seconds for frame in (*analysis.keyframes, *small)]


def _shown(intervals: Sequence[Interval]) -> list[float]:
    """Return the times of the frames that are cited."""
    return sorted({point.time_seconds for interval in intervals[:_SHOWN] for point in (interval.first, interval.last)})


def stored_frames(
    conversation: Conversation,
    moments: Mapping[str, Moments],
    analyses: Mapping[str, Analysis],
    repository: ConversationRepository,
    tools: RetrievalTools,
) -> tuple[FrameRef, ...]:
    """Store the pictures of the cited frames, and return these with their numbers."""
    times = [(id_, seconds) for id_, result in moments.items() for seconds in _shown(result.intervals)]
    jpegs = (tools.stills.at(analyses[id_].video.path, seconds, SHOWN_SIDE).jpeg for id_, seconds in times)
    pictures = repository.keep_pictures(jpegs)
    return conversation.numbered(
        FrameRef(0, seconds, id_, picture) for (id_, seconds), picture in zip(times, pictures, strict=True)
    )


def _result_text(moments: Moments, refs: Sequence[FrameRef], name: str, kind: Kind) -> str:
    """Say what a search has found, in the language of the context."""
    numbers = {ref.time_seconds: ref.number for ref in refs if ref.analysis_id == moments.analysis_id}
    count, frames = len(moments.intervals), len(moments.samples)
    table, gap = (
        f"ask.moments.{'' if moments.by == 'votes' else f'{moments.by}_'}",
        exactly(moments.widest_gap_seconds, digits=2),
    )
    lines = [f"{name}:"] if name else []
    if moments.ended in ("says_yes", "says_nothing"):
        return "\n".join([*lines, t(f"ask.moments.{moments.ended}", thing=moments.thing)])
    key = "none" if not count else "one" if count == 1 else "several"
    end = "" if moments.ended == "complete" else "_yet"
    sentence = t(f"{table}{key}{end}", thing=moments.thing, n=count, frames=frames, gap=gap)
    is_absent = moments.by == "votes" and moments.ended == "complete" and not moments.doubted
    if kind == "exists" and (count or is_absent):
        sentence = t("ask.moments.yes" if count else "ask.moments.no", found=sentence)
    lines.append(sentence)
    for number, interval in enumerate(moments.intervals, 1):
        lines.append(f"{number}. {_interval_line(interval, numbers, moments)}")
    unread = [f"{clock(start)}–{clock(end)}" for start, end in unread_between(moments.intervals)]
    if unread and moments.by == "text":
        lines.append(t("ask.moments.text_unread", spans=t("facts.list").join(unread)))
    lines += _doubt_lines(moments.doubted)
    if moments.by == "votes" or (moments.by == "text" and count):
        lines.append(t(f"{table}looked" if count else "ask.moments.looked_none", frames=frames, gap=gap))
    if moments.ended in ("rounds", "frames", "seconds"):
        lines.append(t(f"ask.moments.ended_{moments.ended}"))
    elif not moments.ended:
        lines.append(t("ask.moments.interrupted"))
    return "\n".join(lines)


def _doubt_lines(doubted: Sequence[Interval]) -> Iterator[str]:
    """Yield a line for each reason why intervals don't count, with their times."""
    spans: dict[tuple[str, str], list[str]] = {}
    for interval in doubted:
        doubt = doubt_of(interval)
        alike = interval.lookalike.thing if interval.lookalike and doubt == "lookalike" else ""
        spans.setdefault((doubt, alike), []).append(interval.times)
    for (reason, alike), times in spans.items():
        yield t(f"ask.moments.doubt_{reason}", alike=alike, spans=t("facts.list").join(times))


def _interval_line(interval: Interval, numbers: Mapping[float, int], moments: Moments) -> str:
    table = "ask.moments.interval" if moments.by == "votes" else f"ask.moments.{moments.by}_interval"
    values = {
        "times": interval.times,
        "first": numbers.get(interval.first.time_seconds, 0),
        "last": numbers.get(interval.last.time_seconds, 0),
        "seconds": length_text(interval.length_seconds),
        "text": single_line(moments.texts.get(interval.best.frame_index, "")),
        "votes": t(
            "ask.moments.votes" if interval.no else "ask.moments.votes_all",
            yes=interval.yes,
            looked=interval.yes + interval.no,
            percent=round(100 * interval.probability),
        ),
    }
    line = t(table if values["first"] and values["last"] else f"{table}_bare", **values)
    alike = interval.lookalike.thing if interval.lookalike else ""
    issues = t("facts.list").join(t(f"ask.moments.issue_{issue}", alike=alike) for issue in interval.issues)
    return line + (t("ask.moments.uncertain", issues=issues) if issues else "")
