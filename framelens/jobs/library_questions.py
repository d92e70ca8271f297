"""Questions over many videos: a search for moments chooses the reports, and says in which of them something is.

Pictures, meaning and words are searched as in the library (framelens.jobs.stored.library_search). A question for the
videos that show a thing is answered with these moments, which the model looks at where there is one; for any other
question they choose the reports and frames that the model is asked about.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from framelens.core.domain import Analysis, Notice
from framelens.core.errors import AppError, Cancelled
from framelens.core.events import Noticed
from framelens.core.files import single_line
from framelens.core.units import clock
from framelens.i18n import as_notice, in_language, labelled, t
from framelens.jobs.stored.library_search import MOST_CHECKED, LibrarySearch, Moment, MomentHits, MomentQuery
from framelens.questions.conversation import AnswerDraft, AnswerText, AskEvent, Conversation, FrameRef
from framelens.questions.retrieval.openings import opening_of, shown_in_videos, without_article
from framelens.questions.retrieval.text_question import text_question
from framelens.questions.retrieval.values import SEARCHED, Looking

if TYPE_CHECKING:
    from framelens.jobs.queue import Jobs

MOST_REPORTS = 8
"""Reports that the model is asked about together: with 16 frames each, they fill the context of small models."""
_MOST_IN_VIDEO = 5
"""Moments of a video that an answer lists."""
_NO_CITATION = str.maketrans("[]", "()")
"""A number in brackets on the screen, or that a model wrote about one frame, cites nothing."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportChoice:
    """Moments for a question, and the reports that it is about.

    Attributes:
        reports: Ids of the reports: those with moments, then those with frames of earlier turns.
        thing: What is looked for in videos, "" for another question.
        hits: What was found.
        total: Number of reports that were searched.
    """

    reports: tuple[str, ...]
    thing: str
    hits: MomentHits
    total: int

    @property
    def is_answer(self) -> bool:
        """Return whether the moments answer the question; else the model is asked about the reports."""
        return bool(self.thing) or not self.reports


def choose(
    conversation: Conversation, search: LibrarySearch, jobs: Jobs, cancel: threading.Event, *, has_model: bool
) -> Generator[Looking, None, ReportChoice | None]:
    """Choose reports for the current question, and yield the progress; the result is the generator's value.

    It is None where the question is about all reports of the conversation. What isn't indexed yet is indexed first.

    Raises:
        AppError: The search failed.
        Cancelled: `cancel` was set.
    """
    is_everywhere, question = conversation.is_everywhere, conversation.last.question
    is_few = not is_everywhere and len(conversation.about) <= MOST_REPORTS
    text = text_question(question)
    thing = "" if text and text.words else _thing(question, is_everywhere=is_everywhere)
    if is_few and not thing:
        return None
    among = None if is_everywhere else frozenset(conversation.about)
    words = text.words if text and text.words else without_article(thing or opening_of(question).thing or question)
    yield Looking("library")
    jobs.indexing.catch_up(cancel)
    try:
        search.catch_up(cancel)
    except Cancelled:
        raise
    except AppError as error:  # what is indexed can be searched
        _log.warning("not all reports could be indexed: %s", error)
    hits = search.find(MomentQuery(words, limit=MOST_CHECKED, among=among))
    if is_few and has_model and not (hits.model and hits.moments):
        return None  # the model looks more closely at a few videos
    earlier = [frame.analysis_id for turn in conversation.branch()[:-1] for frame in turn.frames]
    reports = _existing([*(moment.job_id for moment in hits.moments), *(() if thing else earlier)], jobs)
    if not (is_everywhere or thing or reports):
        return None
    kept = reports if thing else reports[:MOST_REPORTS]
    return ReportChoice(kept, thing, hits, _total(conversation, jobs))


def _thing(question: str, *, is_everywhere: bool) -> str:
    """Return the thing of a question for the videos that show it, "" for any other question."""
    if thing := shown_in_videos(question):
        return thing
    opening = opening_of(question)
    return opening.thing if is_everywhere and opening.is_decided and opening.kind in SEARCHED else ""


def _existing(ids: Iterable[str], jobs: Jobs) -> tuple[str, ...]:
    named = list(dict.fromkeys(filter(None, ids)))
    existing = {entry.id for entry in jobs.library.entries(named)}
    return tuple(id_ for id_ in named if id_ in existing)


def _total(conversation: Conversation, jobs: Jobs) -> int:
    from framelens.store.library_index import LibraryQuery

    return jobs.library.count(LibraryQuery()) if conversation.is_everywhere else len(conversation.about)


def answer(
    draft: AnswerDraft, choice: ReportChoice, moments: Sequence[Moment], analyses: Mapping[str, Analysis]
) -> Generator[AskEvent, None, bool]:
    """Answer a question with moments, or add their frames to it; yield the events, which are applied to the draft.

    Args:
        draft: The conversation; its current turn is the question.
        choice: What was chosen.
        moments: Its moments with what the model says of them.
        analyses: The reports.

    Returns:
        Whether it is answered.
    """
    listed = list(_listed(moment for moment in moments if moment.is_confirmed is not False))
    seconds = {}
    for moment in listed:
        if moment.job_id in analyses and (frame := moment.frame_of(analyses[moment.job_id])):
            seconds[moment] = frame.time_seconds
    numbered = draft.conversation.numbered([FrameRef(0, at, moment.job_id) for moment, at in seconds.items()])
    yield draft.applied(draft.turn.with_frames(numbered))
    if choice.hits.error:
        yield draft.applied(Noticed(as_notice(choice.hits.error)))
    elif not choice.hits.model:
        yield draft.applied(Noticed(Notice("ask_library_words", {}, "info")))
    if not choice.is_answer:
        if not choice.hits.moments:
            return False
        numbers = {"n": len(analyses), "total": choice.total}
        yield draft.applied(Noticed(Notice("ask_library_chosen", numbers, "info")))
        return False
    marks = {(ref.analysis_id, ref.time_seconds): f" [{ref.number}]" for ref in numbered}
    marked = [(moment, marks.get((moment.job_id, seconds.get(moment, -1.0)), "")) for moment in listed]
    with in_language(draft.conversation.language):
        text = _text(choice, moments, marked)
    yield draft.applied(AnswerText(text))
    return True


def _listed(moments: Iterable[Moment]) -> Iterator[Moment]:
    """Yield the best moments of each video in the order of time, first those of the video with the best."""
    by_video: dict[str, list[Moment]] = {}
    for moment in moments:
        by_video.setdefault(moment.job_id, []).append(moment)
    for best in by_video.values():
        yield from sorted(best[:_MOST_IN_VIDEO], key=lambda moment: moment.time_seconds)


def _text(choice: ReportChoice, moments: Sequence[Moment], listed: Sequence[tuple[Moment, str]]) -> str:
    """Say in which videos something is, with its moments and their marks; "in none" where there are none."""
    if not choice.total:
        return t("library.empty")
    is_looked = any(moment.is_confirmed is not None for moment in moments)
    values = {"thing": choice.thing, "total": choice.total, "looked": len(moments)}
    if not listed:
        key = "nothing" if not choice.thing else "none_looked" if is_looked else "none"
        return t(f"ask.library.{key}", **values)
    lines = [t("ask.library.videos", n=len({moment.job_id for moment, _ in listed}), **values)]
    for _, video in groupby(listed, key=lambda pair: pair[0].job_id):
        pairs = list(video)
        name = labelled(single_line(pairs[0][0].name), "").rstrip()
        lines += ["", name, *(_line(moment, mark) for moment, mark in pairs)]
    return "\n".join([*lines, "", t(f"ask.library.{'looked' if is_looked else 'not_looked'}", **values)])


def _line(moment: Moment, mark: str) -> str:
    is_named = moment.text == moment.name and not moment.remark
    said = t("ask.library.named") if is_named else (moment.remark or single_line(moment.text)).translate(_NO_CITATION)
    place = f"- {clock(moment.time_seconds)}{mark}"
    return labelled(place, said) if said else place
