"""Streamed answer to the last question of a conversation, kept as it arrives.

No request is repeated once a piece of the answer has arrived, unless the answer says that the pictures can't be seen:
an answer that is stopped, or whose engine died, keeps its text so far and says why. Frame numbers in the answer become
frames with decoder times; numbers that no frame has, and times that no cited frame has, are reported.
"""

import threading
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

from framelens.analysis.parsing.repetition_detector import until_loop
from framelens.analysis.planning.frame_budget import DEFAULT_CONTEXT
from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core import citations
from framelens.core.domain import Analysis, Notice, Usage
from framelens.core.errors import (
    AppError,
    Cancelled,
    ConfigError,
    EngineBrokeOff,
    EngineBusy,
    EngineError,
    FormatRefused,
    PicturesRefused,
    RequestTooLarge,
    TooManyPictures,
)
from framelens.core.events import EngineProgress, Noticed
from framelens.i18n import as_notice, in_language, t
from framelens.llm.retries import VARIED, Retries
from framelens.llm.stream import Reply, stream_pieces
from framelens.llm.text_fallback import unseen
from framelens.questions import conversation as values
from framelens.questions.answer_queue import AnswerQueues
from framelens.questions.context import ContextBuilder, Measured
from framelens.questions.conversation import AnswerDraft, AnswerText, AskEvent, Conversation, ReasoningText, Turn
from framelens.questions.frames import add_frames
from framelens.questions.repository import ConversationRepository
from framelens.questions.retrieval.select import RetrievalTools
from framelens.questions.text_answer import answer_from_text

_SAVE_SECONDS = 2.0
"""Time between two saves of a growing answer."""
_ATTEMPTS = 5
"""Most forms of a request, such as without pictures, with fewer pictures or with less text."""


class Connect(Protocol):
    """Connects the engine; an engine that was lost in this run is waited for."""

    def __call__(self, *, was_lost: bool = False) -> Generator[EngineProgress, None, EngineConnection]:
        """Yield the progress, and return the connection."""


def converse(
    draft: AnswerDraft,
    analyses: Mapping[str, Analysis],
    measured: Measured,
    connect: Connect | None,
    repository: ConversationRepository,
    queues: AnswerQueues,
    tools: RetrievalTools,
    cancel: threading.Event,
    *,
    has_model: bool = True,
    first: Generator[AskEvent, None, bool] | None = None,
) -> Generator[AskEvent, None, None]:
    """Answer the current question of a conversation, store it, and yield the events; the last is AnswerDone.

    Each event is in the draft when it is yielded.

    The question is stored before the engine is asked. Closing the generator stops the answer; the partial text is
    stored. An answer that is stopped or fails raises its error after AnswerDone.

    Args:
        draft: The conversation; its current turn is the question.
        analyses: What it is about, by id.
        measured: Waits for their facts, where frames are described in words.
        connect: Starts the engine, or another engine if that has failed, or waits for an engine that was lost, and
            returns the connection. None where there is no model: text and speech alone may answer then.
        repository: Where the conversation is kept.
        queues: Questions to the engines.
        tools: What the choice of frames for the question needs.
        cancel: Stops the answer within 0.1 s once it is set.
        has_model: Whether the model is on this machine or served elsewhere; else text and speech answer what they can.
        first: What may answer it before anything else does; its events are in the draft.

    Raises:
        AppError: The engine doesn't start or doesn't answer, the question needs a model and there is none, or the
            conversation can't be stored.
        Cancelled: `cancel` was set.
    """
    draft.conversation = repository.add(draft.conversation)
    started = saved = time.monotonic()
    failure: AppError | None = None
    reading = answer_from_text(
        draft, analyses, measured, repository, tools, cancel, has_model=has_model and connect is not None
    )
    reading = reading if first is None else _first_of(first, reading)
    answering = _answer_events(draft, reading, analyses, measured, connect, repository, queues, tools, cancel)
    try:
        with closing(answering) as events:
            for event in events:
                yield event
                if isinstance(event, values.MomentsSearched) or time.monotonic() - saved > _SAVE_SECONDS:
                    repository.save(draft.conversation, draft.turn)
                    saved = time.monotonic()
    except AppError as error:
        failure = error
        state = "stopped" if isinstance(error, Cancelled) else "failed"
        why = Notice("ask_stopped", level="info") if state == "stopped" else as_notice(error)
        draft.turn = replace(draft.turn, state=state, why=why)  # type: ignore[arg-type]
    except GeneratorExit:
        draft.turn = replace(draft.turn, why=Notice("ask_stopped", level="info"))
        _store(repository, draft, started)
        raise
    except Exception as error:
        draft.turn = replace(draft.turn, state="failed", why=as_notice(AppError.of(error)))
        _store(repository, draft, started)
        raise
    _store(repository, draft, started)
    yield values.AnswerDone(draft.conversation)
    if failure:
        raise failure


def _first_of(*answers: Generator[AskEvent, None, bool]) -> Generator[AskEvent, None, bool]:
    """Yield the events of each until one has answered the question; return whether one has."""
    for answer in answers:
        with closing(answer) as events:
            if (yield from events):
                return True
    return False


def _answer_events(
    draft: AnswerDraft,
    reading: Generator[AskEvent, None, bool],
    analyses: Mapping[str, Analysis],
    measured: Measured,
    connect: Connect | None,
    repository: ConversationRepository,
    queues: AnswerQueues,
    tools: RetrievalTools,
    cancel: threading.Event,
) -> Generator[AskEvent, None, None]:
    """Answer from text and speech by `reading`, or ask the engine, and yield the events, which are in the draft."""
    started = time.monotonic()
    with closing(reading) as events:
        is_answered = yield from events
    if is_answered:
        draft.turn = _ended_turn(draft.turn, _ReplyEnd(Reply(draft.turn.answer, "stop", None), 0), started)
        return
    if connect is None:
        raise ConfigError("ask_needs_model")
    with closing(connect()) as connecting:
        connection = yield from connecting
    with (
        queues.before(connection.endpoint).joined(draft.conversation.id) as entry,
        closing(entry.wait(_most_answers(draft.turn.settings, connection), cancel)) as waiting,
        closing(_prepare(draft, analyses, measured, connection, connect, repository, tools, cancel)) as asking,
    ):
        yield from waiting
        connected = time.monotonic()
        for event in asking:
            if isinstance(event, _ReplyEnd):
                draft.turn = _ended_turn(draft.turn, event, connected)
            else:
                yield event


def _most_answers(settings: values.AskSettings, connection: EngineConnection) -> int:
    """Return how many answers the engine's cache holds at the same time."""
    return connection.in_flight(min(settings.context_tokens, connection.max_model_len or DEFAULT_CONTEXT))


@dataclass(frozen=True)
class _ReplyEnd:
    """The engine has ended the answer; `loops` if it was cut because it only repeated itself."""

    reply: Reply
    max_tokens: int
    loops: bool = False


def _ended_turn(turn: Turn, ended: _ReplyEnd, started: float) -> Turn:
    turn = replace(turn, usage=ended.reply.usage or Usage(), seconds=round(time.monotonic() - started, 3))
    if ended.loops:
        return replace(turn, answer=ended.reply.text, state="stopped", why=Notice("ask_repeats"))
    if not turn.answer.strip():
        raise EngineError("engine_reasoned" if ended.reply.is_reasoned else "engine_empty_answer")
    if ended.reply.finish_reason == "length":
        turn = turn.apply(Noticed(Notice("ask_cut", {"tokens": ended.max_tokens})))
    return replace(turn, state="complete", why=None)


def _store(repository: ConversationRepository, draft: AnswerDraft, started: float) -> None:
    """Add the citations to the turn, and store it."""
    turn = draft.turn
    frames = {picture.number: picture for picture in draft.conversation.pictures()}
    times = {frame.number: frame.time_seconds for frame in frames.values() if frame.analysis_id}
    cited = citations.cited_in(turn.answer)
    is_measured = not turn.model or bool(turn.evidence and turn.evidence.moments)
    draft.turn = replace(
        turn,
        cited=tuple(frames[number] for number in cited if number in frames),
        unknown_frames=() if is_measured else tuple(number for number in cited if number not in frames),
        own_times=() if is_measured else tuple(citations.own_times(turn.answer, times)),
        seconds=turn.seconds or round(time.monotonic() - started, 3),
    )
    repository.save(draft.conversation, draft.turn)


def _prepare(
    draft: AnswerDraft,
    analyses: Mapping[str, Analysis],
    measured: Measured,
    connection: EngineConnection,
    connect: Connect,
    repository: ConversationRepository,
    tools: RetrievalTools,
    cancel: threading.Event,
) -> Generator[AskEvent | _ReplyEnd, None, None]:
    """Add frames to the question, then yield the events of the answer.

    If a remote engine dies before it has said anything, another engine is asked, or the same once it is back; if only
    the connection to an engine breaks then, after the frames are there, it is asked again.
    """
    is_silent, has_frames = True, False
    try:
        with closing(add_frames(draft, analyses, connection, repository, tools, cancel)) as events:
            rest = yield from events
        has_frames = True
        if not rest:  # a search has answered
            yield _ReplyEnd(Reply(draft.turn.answer, "stop", None), 0)
            return
        if draft.turn.answer:  # a search has answered a part of the question
            is_silent = False
            answering = _answer_rest(rest, draft.conversation, analyses, measured, connection, repository, cancel)
        else:
            answering = _answer(draft.conversation, analyses, measured, connection, repository, cancel)
        with closing(answering):
            for event in answering:
                is_silent = is_silent and not isinstance(event, AnswerText | ReasoningText | _ReplyEnd)
                yield event if isinstance(event, _ReplyEnd) else draft.applied(event)
    except EngineError as error:
        if death := connection.death(error):
            if not (is_silent and connection.endpoint.kind == "remote"):
                raise death from (None if death is error else error)
            notice = connection.continuation(death)
            with closing(connect(was_lost=True)) as connecting:
                connection = yield from connecting
            yield draft.applied(Noticed(notice))
        else:  # only the connection may have broken
            pause = Retries().pause_after(error, runs=True) if isinstance(error, EngineBrokeOff) else None
            if not (is_silent and has_frames) or pause is None:  # without its frames the answer would be another
                raise
            if cancel.wait(pause):
                raise Cancelled from error
        for event in _answer(draft.conversation, analyses, measured, connection, repository, cancel):
            yield event if isinstance(event, _ReplyEnd) else draft.applied(event)


def _answer_rest(
    rest: str,
    conversation: Conversation,
    analyses: Mapping[str, Analysis],
    measured: Measured,
    connection: EngineConnection,
    repository: ConversationRepository,
    cancel: threading.Event,
) -> Generator[AskEvent | _ReplyEnd, None, None]:
    """Ask for the part of a question that a search hasn't answered, and append the answer to the search's."""
    turn = conversation.last
    with in_language(conversation.language):
        question = t("ask.prompt.rest", question=turn.question, found=turn.answer, rest=rest)
    rest_conversation = conversation.with_turn(replace(turn, question=question, answer=""))
    search_answer = f"{turn.answer}\n\n"
    yield AnswerText("\n\n")
    with closing(_answer(rest_conversation, analyses, measured, connection, repository, cancel)) as events:
        for event in events:
            if isinstance(event, AnswerText) and event.restart:
                yield AnswerText(search_answer + event.text, restart=True)
            elif isinstance(event, _ReplyEnd):
                if not event.reply.text.strip():
                    yield Noticed(Notice("ask_part_unanswered", {"question": rest}))
                yield replace(event, reply=replace(event.reply, text=search_answer + event.reply.text))
            else:
                yield event


def _answer(
    conversation: Conversation,
    analyses: Mapping[str, Analysis],
    measured: Measured,
    connection: EngineConnection,
    repository: ConversationRepository,
    cancel: threading.Event,
) -> Generator[AskEvent | _ReplyEnd, None, None]:
    """Ask until the engine takes the request, and yield the answer; a request that it refuses is sent differently."""
    pictures = repository.pictures(conversation.pictures())
    builder = ContextBuilder(conversation, analyses, pictures, connection, measured)
    settings = conversation.last.settings
    retries, attempt, varied = Retries(), 0, dict[str, Any]()
    while True:
        attempt += 1
        prepared = builder.build()
        yield values.ContextChosen(prepared.use, prepared.attached, connection.endpoint.model)
        options = {**_options(settings, prepared.answer_tokens), **varied}
        is_empty = True
        try:
            with closing(_pieces(connection, prepared.sent, options, cancel)) as pieces:
                for event in pieces:
                    if (
                        isinstance(event, _ReplyEnd)
                        and prepared.attached
                        and (blind := _unseen_refusal(event.reply.text))
                    ):
                        raise blind
                    if is_empty:  # this request is being answered
                        yield from map(Noticed, prepared.notices)
                    is_empty = False
                    yield event
            return
        except PicturesRefused as refused:
            _raise_unless(bool(prepared.attached) and attempt < _ATTEMPTS, refused)
            if retries.may_retry_unseen(refused):
                varied = dict(VARIED)
            else:
                varied = {}
                builder.fallback.begin(refused)
            if not is_empty:
                yield AnswerText("", restart=True)
        except TooManyPictures as refused:
            _raise_unless(is_empty and refused.limit < len(prepared.attached) and attempt < _ATTEMPTS, refused)
            builder.limit_pictures(refused)
        except RequestTooLarge as refused:
            _raise_unless(is_empty and attempt < _ATTEMPTS, refused)
            builder.shrink(refused)
        except FormatRefused as refused:
            _raise_unless(is_empty and bool(settings.letters), refused)
            settings = replace(settings, letters="")
        except EngineBusy as busy:
            pause = retries.pause_after(busy)
            if not is_empty or pause is None:
                raise
            attempt -= 1
            yield Noticed(Notice("engine_was_busy", {}, "info"))
            if cancel.wait(pause):
                raise Cancelled from busy


def _unseen_refusal(answer: str) -> PicturesRefused | None:
    """Return a refusal if an answer says that the model can't see the pictures and cites no frame, else None."""
    return None if citations.cited_in(answer) else unseen([answer])


def _raise_unless(can_retry: bool, error: AppError) -> None:
    if not can_retry:
        raise error


def _options(settings: values.AskSettings, answer_tokens: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_tokens": answer_tokens,
    }
    if settings.seed is not None:
        options["seed"] = settings.seed
    if settings.letters:
        schema = {"type": "string", "enum": list(settings.letters)}
        form = {"name": "letter", "strict": True, "schema": schema}
        options["response_format"] = {"type": "json_schema", "json_schema": form}
    if settings.repetition_penalty != 1.0:  # not part of OpenAI's interface: other servers refuse it
        options["extra_body"] = {"repetition_penalty": settings.repetition_penalty}
    return options


def _pieces(
    connection: EngineConnection, sent: list[Any], options: dict[str, Any], cancel: threading.Event
) -> Generator[AnswerText | ReasoningText | _ReplyEnd, None, None]:
    with closing(until_loop(stream_pieces(connection.chat, sent, cancel=cancel, options=options))) as pieces:
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                reply, loops = end.value
                yield _ReplyEnd(reply, options["max_tokens"], loops=loops)
                return
            if piece.reasoning:
                yield ReasoningText(piece.reasoning)
            if piece.text or piece.restart:
                yield AnswerText(piece.text, restart=piece.restart)
