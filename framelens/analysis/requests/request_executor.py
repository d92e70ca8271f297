"""Execution of a request to the engine: from the cache or streamed, with retries for unusable answers.

An answer that repeats itself, is cut off or lacks the requested form is requested again with a different prompt or
different options, at most twice; the best answer is kept and its problems are named. A busy engine, or an engine whose
connection breaks while it keeps running, is tried again a few times. Every other failure is raised unchanged, after
the answer so far was kept.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import BaseMessage

from framelens.analysis.parsing.answer_parser import ParsedAnswer, parse_answer
from framelens.analysis.parsing.repetition_detector import until_loop
from framelens.analysis.pipeline_state import Emit, EngineEnded, Frames, PipelineState
from framelens.analysis.prompts.schema import Scope, schema_of
from framelens.analysis.prompts.templates import Template
from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.analysis.task import Task
from framelens.core.domain import AnswerMode, ChunkResult, Finding, Notice, Usage, times_of
from framelens.core.errors import Cancelled, EngineBusy, EngineError, FormatRefused, PicturesRefused
from framelens.core.events import AnswerDelta, ChunkDone, Noticed
from framelens.core.roles import current_user
from framelens.i18n import in_language, t
from framelens.llm.messages import in_words
from framelens.llm.retries import VARIED, Retries
from framelens.llm.stream import Reply, stream_pieces
from framelens.llm.text_fallback import unseen

_ATTEMPTS = 3
_SENTENCE_ENDS = tuple(".!?。！？")
_UNREAD = frozenset(("not_json", "empty", "half_json", "unclear"))
"""Troubles of an answer that is complete, but has another form."""
_FUTILE_FORMS = 2
"""Number of requests without the form after all attempts, from which the form isn't requested again."""


@dataclass(frozen=True)
class EngineRequest:
    """Request to send.

    Attributes:
        number: Number of the part, or of the join (0 for the summary, below 0 for others).
        frames: Frames that the answer may cite.
        mode: How frames are sent.
        sent: Messages.
        scope: Kind of the request.
        key: Cache key of the answer, see framelens.analysis.task.
        fallback: Why text is sent in place of pictures.
    """

    number: int
    frames: Frames
    mode: AnswerMode
    sent: list[BaseMessage]
    scope: Scope
    key: str
    fallback: Notice | None = None


@dataclass(frozen=True)
class RunContext:
    """Objects that all requests of a run share.

    Attributes:
        task: Input of the run.
        template: Template of the report.
        connection: Connected engine.
        state: State of the run.
        emit: Receives the events.
        abort: Ends the requests that are being answered.
    """

    task: Task
    template: Template
    connection: EngineConnection
    state: PipelineState
    emit: Emit
    abort: threading.Event = field(default_factory=threading.Event)


class RequestExecutor:
    """Executor of a run's requests; may be used from several threads."""

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._takes_schema = run.connection.takes_schema
        self._formless = 0
        self._arrived: dict[str, str] = {}  # by key, the longest text of a request whose answer broke off
        self._owner = current_user().id  # the threads that send requests have no user

    def answer(self, request: EngineRequest, *, vary: bool = False) -> ChunkResult:
        """Return the result of a request, and emit AnswerDelta events on the way.

        Args:
            request: Request to send.
            vary: Skip the cache and ask for a different answer.

        Raises:
            AppError: The engine refuses (see `framelens.llm.refusals`) or fails.
            PicturesRefused: The model takes no pictures, or answers twice that it sees no pictures.
            EngineEnded: The engine has died.
            Cancelled: The run was cancelled.
        """
        started = time.monotonic()
        best: ChunkResult | None = None
        usage, trouble, retries = Usage(), "", Retries()
        for attempt in range(1, _ATTEMPTS + 1):
            options = {**self._options(trouble), **(VARIED if vary else {})}
            with in_language(self._run.task.request.language):
                sent = _with_hint(request.sent, t(f"prompt.again.{trouble}")) if trouble else request.sent
                try:
                    result = self._attempt(request, sent, options, may_recall=not vary)
                except PicturesRefused as refused:
                    if not retries.may_retry_unseen(refused):
                        raise
                    result = self._attempt(request, sent, {**options, **VARIED}, may_recall=False)
                except (EngineError, EngineEnded):
                    self._keep(request, best or self._unfinished_result(request, sent))
                    raise
            usage += result.usage
            best = result if best is None or _rank(result) < _rank(best) else best
            trouble = self._worth_asking_again(result, attempt)
            if not trouble:
                break
        assert best
        if best.troubles and best.answer != result.answer:  # the last answer is shown
            self._run.emit(AnswerDelta(request.number, best.answer, restart=True))
        seconds = time.monotonic() - started
        return replace(best, usage=best.usage if best.recalled else usage, seconds=seconds, attempts=attempt)

    def _unfinished_result(self, request: EngineRequest, sent: Sequence[BaseMessage]) -> ChunkResult | None:
        """Return what has arrived of an answer that broke off, or None if that says nothing."""
        reply = Reply(self._arrived.get(request.key, ""), "", None)
        try:
            result = self._result(request, sent, reply, loops=False, recalled=False)
        except PicturesRefused:
            return None
        findings, overview = (_with_break(statements, reply.text) for statements in (result.findings, result.overview))
        troubles = (
            "broke_off",
            *(trouble for trouble in result.troubles if trouble != "half_json"),
        )  # which says the same
        unfinished = replace(result, findings=findings, overview=overview, troubles=troubles)
        return unfinished if findings or overview else None

    def _keep(self, request: EngineRequest, result: ChunkResult | None) -> None:
        """Emit a result before the failure of its request is raised, unless an earlier run has a better result."""
        earlier = (previous for previous in self._run.task.done.state.results if previous.key == request.key)
        if result and all(_rank(result) < _rank(previous) for previous in earlier):
            self._run.emit(AnswerDelta(request.number, result.answer, restart=True))
            self._run.emit(ChunkDone(result))

    # ---- one attempt

    def _attempt(
        self, request: EngineRequest, sent: list[BaseMessage], options: dict[str, Any], *, may_recall: bool
    ) -> ChunkResult:
        self._run.emit(AnswerDelta(request.number, "", restart=True))
        answers = self._run.connection.answers if may_recall else None
        form = self._with_schema(request.scope, options)
        if recalled := answers and answers.recall(sent, form, owner=self._owner):
            self._run.emit(AnswerDelta(request.number, recalled.text))
        reply, loops = (recalled, False) if recalled else self._with_retries(request, sent, options)
        result = self._result(request, sent, reply, loops=loops, recalled=recalled is not None)
        if answers and not recalled and not result.troubles:
            answers.remember(sent, reply, form, owner=self._owner)
        return result

    def _with_retries(
        self, request: EngineRequest, sent: list[BaseMessage], options: dict[str, Any]
    ) -> tuple[Reply, bool]:
        retries = Retries()
        while True:
            formed = self._with_schema(request.scope, options)
            try:
                return self._stream_reply(request, sent, formed)
            except FormatRefused:
                if formed is options:  # no schema was sent
                    raise
                self._takes_schema = False
            except EngineError as error:  # some engines answer while they die: out of memory, a crashed core
                if death := self._run.connection.death(error):
                    raise EngineEnded(death) from error
                pause = retries.pause_after(error, runs=True)
                if pause is None:
                    raise
                if isinstance(error, EngineBusy):
                    self._run.emit(Noticed(Notice("engine_was_busy", {}, "info")))
                self._wait(pause)
            self._run.emit(AnswerDelta(request.number, "", restart=True))

    def _stream_reply(
        self, request: EngineRequest, sent: list[BaseMessage], options: dict[str, Any]
    ) -> tuple[Reply, bool]:
        """Return the reply, and whether it was cut because it, or its reasoning, only repeated itself."""
        pieces, text = stream_pieces(self._run.connection.chat, sent, cancel=self._run.abort, options=options), ""
        with closing(until_loop(pieces)) as checked:
            try:
                while True:
                    piece = next(checked)
                    text = piece.text if piece.restart else text + piece.text
                    if piece.text or piece.restart:
                        self._run.emit(AnswerDelta(request.number, piece.text, restart=piece.restart))
            except StopIteration as end:
                answered: tuple[Reply, bool] = end.value
                return answered
            except EngineError:
                self._arrived[request.key] = max(self._arrived.get(request.key, ""), text, key=len)
                raise

    def _result(
        self, request: EngineRequest, sent: Sequence[BaseMessage], reply: Reply, *, loops: bool, recalled: bool
    ) -> ChunkResult:
        reading = self._check_sight(request, self._read(request, reply.text))
        ends = (("reasoned", reply.is_reasoned), ("repeats", loops), ("cut", reply.finish_reason == "length"))
        troubles = [name for name, is_so in ends if is_so]
        return ChunkResult(
            number=request.number,
            frames=tuple(frame.number for frame in request.frames),
            mode=request.mode,
            answer=reply.text,
            prompt=in_words(sent, request.frames),
            finish_reason=reply.finish_reason,
            usage=reply.usage or Usage(),
            seconds=0.0,
            fallback=request.fallback,
            recalled=recalled,
            key=request.key,
            **{**vars(reading), "troubles": (*troubles, *reading.troubles)},
        )

    def _check_sight(self, request: EngineRequest, reading: ParsedAnswer) -> ParsedAnswer:
        """Return the parsed answer; an empty answer if it only says that it sees no pictures and no pictures were sent.

        Raises:
            PicturesRefused: The answer says that it sees no pictures although pictures were sent.
        """
        about = [statement.text for statement in (*reading.overview, *reading.reply)]
        findings = [finding.text for finding in reading.findings]
        is_blind = bool(findings) and all(unseen([text]) for text in findings)
        refusal = unseen([*about, *findings] if is_blind else about)
        if refusal is None:
            return reading
        if request.mode == "messages":
            raise refusal
        has_more = any(statement.frames for statement in (*reading.findings, *reading.overview)) and not is_blind
        return reading if has_more else ParsedAnswer(troubles=("empty",))

    def _read(self, request: EngineRequest, text: str) -> ParsedAnswer:
        times = times_of(request.frames)
        state = self._run.state
        return parse_answer(text, request.scope, self._run.template, times, state.end_seconds(), state.shot_starts())

    # ---- options

    def _with_schema(self, scope: Scope, options: dict[str, Any]) -> dict[str, Any]:
        if not self._takes_schema:
            return options
        schema = schema_of(self._run.template, scope)
        form = {"type": "json_schema", "json_schema": {"name": "report", "schema": schema, "strict": True}}
        return {**options, "response_format": form}

    def _options(self, trouble: str) -> dict[str, Any]:
        if trouble == "repeats":
            return dict(VARIED)
        if trouble == "cut":
            return {"max_tokens": self._longest()}
        return {}

    def _longest(self) -> int:
        """Return twice the longest answer, at most half of the context."""
        tokens = self._run.connection.answer_tokens
        return min(2 * tokens, max(tokens, (self._run.connection.max_model_len or 0) // 2))

    def _worth_asking_again(self, result: ChunkResult, attempt: int) -> str:
        """Return the trouble that another attempt may fix; "" if no attempt can."""
        if "repeats" in result.troubles:
            return "repeats"
        if "cut" in result.troubles:
            return "cut"
        if not _UNREAD & set(result.troubles):
            return ""
        if self._formless >= _FUTILE_FORMS and "not_json" in result.troubles and "empty" not in result.troubles:
            return ""
        self._formless += attempt == _ATTEMPTS - 1
        return "form" if attempt < _ATTEMPTS - 1 else ""

    def _wait(self, seconds: float) -> None:
        if self._run.abort.wait(seconds):
            raise Cancelled


def _rank(result: ChunkResult) -> tuple[bool, int, int]:
    """Return the sort key of a result; lower is better."""
    return result.is_unfinished, len(result.troubles), -len(result.findings) - len(result.overview)


def _with_break(findings: Sequence[Finding], text: str) -> tuple[Finding, ...]:
    """Return the statements; a sentence that the text doesn't end gets an ellipsis."""
    is_last = text.rstrip().endswith
    is_broken = (is_last(finding.text) and not finding.text.endswith(_SENTENCE_ENDS) for finding in findings)
    return tuple(
        replace(finding, text=f"{finding.text}…") if is_unended else finding
        for finding, is_unended in zip(findings, is_broken, strict=True)
    )


def _with_hint(sent: Sequence[BaseMessage], hint: str) -> list[BaseMessage]:
    """Return the messages with `hint` as a last line."""
    *before, last = sent
    is_text = isinstance(last.content, str)
    content = f"{last.content}\n{hint}" if is_text else [*last.content, {"type": "text", "text": hint}]
    return [*before, last.model_copy(update={"content": content})]
