"""Frames that a question adds to its conversation: classified, chosen, stored, and reported in notices."""

import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

from app import core
from app.analysis import EngineConnection
from app.ask.conversation import AskEvent, Conversation, FrameRef, FramesAdded
from app.ask.moments.finder import answer_by_search
from app.ask.repository import ConversationRepository
from app.ask.retrieval import classification
from app.ask.retrieval.select import RetrievalTools, Scope, is_here, needs_no_model, select
from app.ask.retrieval.values import FrameSelection, Looking, Sought

_SEARCHED = ("when", "count")


def add_frames(
    conversation: Conversation,
    analyses: Mapping[str, core.Analysis],
    connection: EngineConnection,
    repository: ConversationRepository,
    tools: RetrievalTools,
    cancel: threading.Event,
) -> Generator[AskEvent, None, None]:
    """Choose frames for the current question, store their pictures, and yield the events.

    Frames that earlier turns of the branch have added are not added again. A question for a time or a number is
    answered by a search instead, where the videos are here and the model takes pictures, unless the answer is a letter.

    Raises:
        AppError: The pictures can't be stored.
        Cancelled: `cancel` was set.
    """
    if not analyses:
        return
    *before, turn = conversation.branch()
    known = {(frame.analysis_id, frame.time_seconds) for one in before for frame in one.frames}
    scope = Scope(
        analyses,
        start_seconds=turn.look.start_seconds,
        end_seconds=turn.look.end_seconds,
        is_dense=turn.look.kind == "local" and (turn.look.start_seconds, turn.look.end_seconds) != (None, None),
        known=known,
    )
    sought = yield from _classified(conversation, scope, tools, connection, cancel)
    is_searched = sought.kind in _SEARCHED and sought.look_for and not turn.settings.letters
    if is_searched and not needs_no_model(scope, sought, connection, tools):
        here = {id_: one for id_, one in analyses.items() if is_here(one, tools)}
        if len(here) < len(analyses):
            yield core.Noticed(core.Notice("ask_frames_no_video"))
        videos, thing = replace(scope, analyses=here), sought.look_for[0]
        try:
            yield from answer_by_search(conversation, videos, thing, connection, repository, tools, cancel)
            return
        except core.PicturesRefused:  # an engine that doesn't count tokens says so only now
            pass
    selected = yield from select(turn.question, sought, scope, tools, connection, conversation.language, cancel)
    new = [one for one in selected.frames if (one.analysis_id, one.time_seconds) not in known]
    pictures = iter(repository.keep_pictures(one.jpeg for one in new if one.jpeg))
    refs = [FrameRef(0, one.time_seconds, one.analysis_id, next(pictures) if one.jpeg else "") for one in new]
    yield FramesAdded(conversation.numbered(refs), selected.choice)
    for notice in _notices(selected.choice, len(selected.frames)):
        yield core.Noticed(notice)


def _classified(
    conversation: Conversation,
    scope: Scope,
    tools: RetrievalTools,
    connection: EngineConnection,
    cancel: threading.Event,
) -> Generator[Looking, None, Sought]:
    """Return what the question asks for; the model is asked where the frames depend on it."""
    *before, turn = conversation.branch()
    sought = classification.by_words(turn.question)
    kind = sought.kind if turn.look.kind == "auto" else turn.look.kind
    sought = replace(sought, kind=kind)
    if turn.evidence and turn.evidence.moments:
        return Sought("when", (turn.evidence.moments[0].thing,))  # the search that continues
    if kind == "spoken" or needs_no_model(scope, sought, connection, tools):
        return sought
    yield Looking("question")
    earlier = [one.question for one in before]
    asked = classification.by_model(turn.question, earlier, connection, conversation.language, cancel)
    return asked if turn.look.kind == "auto" else replace(asked, kind=kind)


def _notices(choice: FrameSelection, frames: int) -> Iterator[core.Notice]:
    """Yield what the reader should know about the choice; nothing where the keyframes are what is wanted."""
    values: dict[str, str | int] = {"thing": ", ".join(choice.look_for), "frames": frames, "relevant": choice.relevant}
    if choice.outcome == "no_video":
        yield core.Notice("ask_frames_no_video")
    elif choice.outcome == "range":
        yield core.Notice("ask_frames_range", {"frames": frames}, "info")
    elif choice.outcome == "flat":
        yield core.Notice("ask_frames_flat", values, "info")
    elif choice.outcome == "chosen":
        yield core.Notice("ask_frames_chosen", values, "info")
    for name in choice.scores:
        yield core.Notice(
            f"ask_scored_{name}",
            {"voted": choice.voted, "candidates": choice.candidates} if name == "votes" else {},
            "info",
        )
