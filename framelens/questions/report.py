"""Conversations in reports: the plain values that a report has of them, and their import from a report.

A report has the shown branch of each conversation. Its own keyframes are there already; of other pictures a report gets
those that answers cite and those that the user attached.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace

from framelens.core.domain import (
    MOST_FRAMES,
    Analysis,
    ReportedAnswer,
    ReportedConversation,
    ReportedPicture,
    ReportedSearch,
    times_of,
)
from framelens.core.errors import ConfigError, InputError
from framelens.core.files import single_line
from framelens.core.roles import current_user
from framelens.core.units import clock
from framelens.questions.conversation import AskSettings, ContextUse, Conversation, Evidence, FrameRef, Turn
from framelens.questions.repository import ConversationRepository
from framelens.reports.content.document import plain_text
from framelens.reports.content.labels import marks

_MOST_CONVERSATIONS = 1000
"""Most conversations of a report; the last changed are kept."""
_ID = re.compile(r"[A-Za-z0-9]{6,64}")
Find = Callable[[str], Analysis | None]


def with_conversations(analysis: Analysis, repository: ConversationRepository, find: Find) -> Analysis:
    """Return the analysis with the conversations about it, for a report.

    Args:
        analysis: A stored analysis.
        repository: The conversations.
        find: Returns another analysis by its id, or None if it has no report or was deleted.

    Raises:
        StorageError: The conversations can't be read.
    """
    stored = repository.find(analysis_ids=[analysis.id], limit=_MOST_CONVERSATIONS)
    conversations = []
    for summary in sorted(stored, key=lambda conversation: conversation.created):
        with suppress(InputError):  # it was deleted meanwhile
            conversation = repository.get(summary.id)
            if conversation.current and not _is_answer_alone(conversation, analysis):
                conversations.append(reported(conversation, analysis, repository, find))
    return replace(analysis, conversations=tuple(_limit_pictures(conversations))) if conversations else analysis


def _is_answer_alone(conversation: Conversation, analysis: Analysis) -> bool:
    """Return whether a conversation has only the question of the analysis, whose report has its answer already."""
    answer = analysis.answer
    if answer is None or answer.id != conversation.id or len(conversation.branch()) > 1:
        return False
    return conversation.last.created == answer.answers[0].created


def reported(
    conversation: Conversation, analysis: Analysis, repository: ConversationRepository, find: Find
) -> ReportedConversation:
    """Build the value of a conversation's shown branch; see `with_conversations`."""
    branch = conversation.branch()
    others = {id_: other for id_ in conversation.about if id_ != analysis.id and (other := find(id_))}
    frames = {frame.number: frame for turn in branch for frame in (*turn.cited, *turn.attached, *turn.added)}
    shown = {frame.number for turn in branch for frame in (*turn.cited, *turn.images)}
    numbers = {frame.time_seconds: frame.number for frame in analysis.keyframes}
    stored = repository.pictures(frame for frame in frames.values() if frame.number in shown)
    names = {id_: other.video.name for id_, other in others.items()}
    pictures = []
    for _, frame in sorted(frames.items()):
        is_own = frame.analysis_id == analysis.id
        keyframe = numbers.get(frame.time_seconds, 0) if is_own and not frame.picture else 0
        if not (keyframe or frame.number in shown):
            continue
        other = others.get(frame.analysis_id)
        jpeg = stored.get(frame.picture, b"") if frame.picture else _keyframe(other, frame.time_seconds)
        video = "" if is_own else names.get(frame.analysis_id, frame.analysis_id)
        pictures.append(
            ReportedPicture(
                frame.number,
                frame.time_seconds,
                keyframe=keyframe,
                video=video,
                name=frame.name,
                jpeg=b"" if keyframe else jpeg,
            )
        )
    return ReportedConversation(
        conversation.id,
        conversation.name,
        conversation.created,
        conversation.language,
        tuple(reported_answer(turn, names, versions=len(conversation.siblings(turn.number))) for turn in branch),
        tuple(names.values()),
        tuple(pictures),
    )


def _keyframe(analysis: Analysis | None, time_seconds: float) -> bytes:
    keyframes = analysis.keyframes if analysis else ()
    return next((frame.jpeg for frame in keyframes if frame.time_seconds == time_seconds), b"")


def as_corrected(conversation: Conversation, analysis: Analysis) -> Conversation:
    """Return a conversation as people corrected it in a report, with who wrote what, for reading alone."""
    answers = (answer for reported in analysis.all_conversations for answer in reported.answers if answer.lines)
    changed = {answer.created: answer for answer in answers}
    for turn in conversation.turns:
        if answer := changed.get(turn.created):
            text = "\n".join(f"{line.text}{plain_text(marks(line))}" for line in answer.lines)
            pictures = (frame for frame in conversation.pictures(turn.number) if frame.number in answer.cited)
            conversation = conversation.with_turn(
                replace(
                    turn,
                    answer=text,
                    cited=tuple(pictures),
                    unknown_frames=answer.unknown_frames,
                    own_times=answer.own_times,
                    evidence=None,
                )
            )
    return conversation


def reported_answer(turn: Turn, names: Mapping[str, str], *, versions: int = 1) -> ReportedAnswer:
    """Build the value of a turn; `names` are the names of other videos by the ids of their analyses."""
    searched = turn.evidence.moments if turn.evidence else ()
    searches = (ReportedSearch(moments, names.get(moments.analysis_id, "")) for moments in searched)
    return ReportedAnswer(
        question=turn.question,
        created=turn.created,
        answer=turn.answer,
        state=turn.state,
        versions=versions,
        reasoning=turn.reasoning,
        why=turn.why,
        notices=turn.notices,
        images=_numbers(turn.images),
        cited=_numbers(turn.cited),
        unknown_frames=turn.unknown_frames,
        own_times=turn.own_times,
        mode=turn.context.mode,
        pictures=_numbers(turn.attached),
        described=turn.context.described,
        searches=tuple(searches),
        model=turn.model,
        usage=turn.usage,
        seconds=turn.seconds,
        settings=asdict(turn.settings),
    )


def _numbers(frames: Iterable[FrameRef]) -> tuple[int, ...]:
    return tuple(frame.number for frame in frames)


def _limit_pictures(conversations: Iterable[ReportedConversation]) -> Iterator[ReportedConversation]:
    """Leave out pictures beyond what the reader of reports takes."""
    budget = MOST_FRAMES
    for conversation in conversations:
        pictures = []
        for picture in conversation.pictures:
            budget -= bool(picture.jpeg)
            pictures.append(picture if budget >= 0 else replace(picture, jpeg=b""))
        yield replace(conversation, pictures=tuple(pictures))


# ---- import ----------------------------------------------------------------------------------------------------------


def keep_conversations(analysis: Analysis, analysis_id: str, repository: ConversationRepository) -> None:
    """Store the conversations of an imported report; a conversation that was imported before is left unchanged.

    A conversation whose id is taken by another conversation, such as by its part about another video, gets an id of its
    own. With accounts every conversation gets such an id, which says nothing about the conversations of others.

    Args:
        analysis: The report.
        analysis_id: Id that the analysis has here.
        repository: Where the conversations are kept.

    Raises:
        StorageError: They can't be stored.
    """
    user = current_user()
    for reported in analysis.conversations:
        named = f"{reported.id} {analysis_id} {user.id}".strip()
        derived = hashlib.sha256(named.encode()).hexdigest()[: 32 if user.id else 16]
        for conversation_id in (*([reported.id] if _ID.fullmatch(reported.id) else []), derived):
            stored = repository.find_exact(conversation_id)
            if stored is None and user.id and conversation_id != derived:
                continue
            if stored is None:
                _keep(reported, conversation_id, analysis, analysis_id, repository)
            if stored is None or analysis_id in stored.about:
                break


def _keep(
    reported: ReportedConversation,
    conversation_id: str,
    analysis: Analysis,
    analysis_id: str,
    repository: ConversationRepository,
) -> None:
    times = times_of(analysis.keyframes)
    frames = {picture.number: _frame(picture, analysis_id, times, repository) for picture in reported.pictures}
    present = {number: frame for number, frame in frames.items() if frame}
    name = single_line(reported.name) or single_line(analysis.video.name)
    conversation = Conversation(conversation_id, (analysis_id,), name, reported.created, reported.language)
    earlier: set[int] = set()
    for number, answer in enumerate(reported.answers, start=1):
        turn = _turn(number, answer, analysis_id, present, earlier)
        earlier |= {frame.number for frame in turn.added}
        conversation = replace(conversation, turns=(*conversation.turns, turn), current=number)
        repository.add(conversation)


def _frame(
    reported: ReportedPicture, analysis_id: str, times: Mapping[int, float], repository: ConversationRepository
) -> FrameRef | None:
    """Return the frame as the conversation has it here, None if its picture was left out of the report."""
    if reported.keyframe in times:
        return FrameRef(reported.number, times[reported.keyframe], analysis_id)
    if not reported.jpeg:
        return None
    (picture,) = repository.keep_pictures([reported.jpeg])
    if reported.video:  # which isn't here
        name = f"{single_line(reported.video)} {clock(reported.time_seconds)}"
        return FrameRef(reported.number, 0.0, "", picture, name)
    is_image = bool(reported.name)
    return FrameRef(
        reported.number, reported.time_seconds, "" if is_image else analysis_id, picture, single_line(reported.name)
    )


def _turn(
    number: int,
    answer: ReportedAnswer,
    analysis_id: str,
    frames: Mapping[int, FrameRef],
    earlier: Iterable[int],
) -> Turn:
    def named(numbers: Iterable[int]) -> tuple[FrameRef, ...]:
        return tuple(frames[number] for number in dict.fromkeys(numbers) if number in frames)

    images = named(answer.images)
    moments = tuple(replace(search.moments, analysis_id=analysis_id) for search in answer.searches if not search.video)
    before = {*earlier, *_numbers(images)}
    added = (number for number in (*answer.pictures, *answer.described, *answer.cited) if number not in before)
    return Turn(
        number,
        number - 1,
        answer.question,
        answer.created,
        answer=answer.answer,
        reasoning=answer.reasoning,
        state=answer.state,
        why=answer.why,
        images=images,
        frames=named(sorted(added)),
        evidence=Evidence(moments=moments) if moments else None,
        attached=named(answer.pictures),
        cited=named(answer.cited),
        unknown_frames=answer.unknown_frames,
        own_times=answer.own_times,
        context=ContextUse(answer.mode, _numbers(named(answer.pictures)), answer.described),
        notices=answer.notices,
        model=answer.model,
        usage=answer.usage,
        seconds=answer.seconds,
        settings=_settings(answer.settings),
    )


def _settings(values: Mapping[str, object]) -> AskSettings:
    """Return the settings of the report, or the default settings if a value is out of its limits."""
    settings = {name: value for name, value in values.items() if name in AskSettings.__dataclass_fields__}
    try:
        return AskSettings(**settings)  # type: ignore[arg-type]
    except (ConfigError, TypeError):
        return AskSettings()
