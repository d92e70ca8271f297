"""Plan of an answer before its question is asked: what it will take, for an estimate."""

from math import ceil

from app.analysis import QuestionPlan
from app.ask.conversation import AskSettings
from app.ask.moments.finder import SIDE
from app.ask.moments.sampling import usual_looks
from app.ask.retrieval.classification import is_in_known_words, kind_in_words, searched_parts
from app.ask.retrieval.select import SCORING_SECONDS, is_dense
from app.ask.retrieval.values import SEARCHED, Kind
from app.video import MOST_THUMBNAILS, THUMBNAIL_SIDE

_THUMBNAIL_SECONDS = 2.0
"""Usual time from one small picture of the survey to the next. Measured 72 in 139 s."""


def plan_answer(question: str, seconds: float, frames: int) -> tuple[QuestionPlan, ...]:
    """Return the ways in which the question of an analysis may be answered: more than one where the model decides.

    Args:
        question: The question.
        seconds: Length of the video, or of the part of it that is analysed.
        frames: Number of frames that are analysed.
    """
    parts = searched_parts(question)
    kinds = [kind_in_words(part) for part in parts]
    searches = sum(kind in SEARCHED for kind in kinds)
    if len(parts) > 1:
        return (_search(seconds, searches, is_written=searches < len(parts)),)
    (kind,) = kinds
    by_frames = _by_frames(kind or "local", seconds, frames)
    if kind == "exists" or (kind is None and not is_in_known_words(question)):
        return _search(seconds), by_frames
    return (_search(seconds) if searches else by_frames,)


def _search(seconds: float, searches: int = 1, *, is_written: bool = False) -> QuestionPlan:
    limits = AskSettings()
    fewest, most = (searches * min(number, limits.search_frames) for number in usual_looks(seconds))
    return QuestionPlan(
        (fewest, most),
        SIDE,
        searches * float(limits.search_seconds),
        is_search=True,
        is_classified=True,
        is_written=is_written,
    )


def _by_frames(kind: Kind, seconds: float, frames: int) -> QuestionPlan:
    if kind in ("global", "spoken") or is_dense(kind, seconds, frames):
        return QuestionPlan()
    candidates = frames + min(MOST_THUMBNAILS, ceil(seconds / _THUMBNAIL_SECONDS))
    return QuestionPlan((frames, candidates), THUMBNAIL_SIDE, SCORING_SECONDS, is_classified=True)
