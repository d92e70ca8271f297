"""Asks an engine about keyframes, chunk by chunk: as pictures where it sees, as text from facts where it does not.

The choice is said openly (ModeChosen), and a refusal met on the way counts for the rest of the run. Only "no pictures"
leads to text; a chunk that turns out too long is split; every other failure is raised as it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from app.analysis import cite, plan, prompts
from app.domain import (
    AnalysisEvent,
    AnalysisRequest,
    AnswerDelta,
    AnswerMode,
    ChunkDone,
    ChunkResult,
    FrameFacts,
    Keyframe,
    ModeChosen,
    Notice,
    Noticed,
    StageStarted,
    Usage,
)
from app.errors import AppError, ContextExceeded, EngineBrokeOff, EngineError, PicturesRefused
from app.i18n import notice_text
from app.llm import budget, fallback, messages
from app.llm.cache import Answers
from app.llm.refusal import TooManyPictures, fallback_notice
from app.llm.sight import Sight
from app.llm.stream import Reply, stream

log = logging.getLogger(__name__)
Frames = tuple[Keyframe, ...]
FactsOf = Callable[[Frames], Generator[AnalysisEvent, None, dict[int, FrameFacts]]]


@dataclass(frozen=True)
class Speaker:
    """The engine as the asking needs it.

    `answers` are those that the same model is known to have given before.
    `death` says what ended an engine that broke off, None where it still runs or nobody knows.
    `count` gives the exact tokens of messages, or None where the engine does not tell. `side` fixes the longer side of
    sent frames in pixels; None lets the plan choose.
    """

    chat: BaseChatModel
    sight: Sight
    max_model_len: int | None
    answer_tokens: int
    count: Callable[[Sequence[BaseMessage]], budget.TokenCount | None]
    answers: Answers | None
    death: Callable[[], AppError | None]
    side: int | None = None


@dataclass(frozen=True)
class _Question:
    """One request: what is sent, over which frames, and how that came."""

    number: int
    frames: Frames
    mode: AnswerMode
    prompt: str
    sent: list[BaseMessage]
    fallback: Notice | None = None


class Asker:
    """One run's questions to the engine. `facts_of` yields events until the facts of the given frames are there."""

    def __init__(
        self, request: AnalysisRequest, speaker: Speaker, frames: Frames, facts_of: FactsOf, cancel: threading.Event
    ) -> None:
        self.request = request
        self.speaker = speaker
        self.sight = speaker.sight
        self.frames = frames
        self.times = {frame.number: frame.time_seconds for frame in frames}
        self.system = prompts.system_prompt(request.language)
        self._facts_of = facts_of
        self._cancel = cancel

    def chunks(self) -> Iterator[AnalysisEvent]:
        """Ask about all frames, in time order; the results are in the ChunkDone events."""
        planned = self._plan()
        waiting = deque(planned.chunks or ((),))
        number = 0
        yield StageStarted("ask", len(waiting))
        while waiting:
            frames = waiting.popleft()
            try:
                yield from self._chunk(number + 1, frames, number + 1 + len(waiting), planned.side)
                number += 1
            except (ContextExceeded, TooManyPictures) as too_much:
                waiting.extendleft(reversed(_smaller(frames, too_much)))
                yield StageStarted("ask", number + len(waiting))

    def summary(self, chunks: Sequence[ChunkResult]) -> Generator[AnalysisEvent, None, ChunkResult]:
        """Join the chunks' answers into one account, in several rounds where they do not fit one request."""
        room = plan.room_for_frames(self.speaker.max_model_len, self.speaker.answer_tokens)
        parts = list(chunks)
        while len(groups := _groups(parts, room)) > 1:
            parts = []
            for group in groups:
                parts.append((yield from self._join(group)))
        return (yield from self._join(parts))

    def _plan(self) -> plan.Plan:
        return plan.plan(
            self.frames,
            max_model_len=self.speaker.max_model_len,
            answer_tokens=self.speaker.answer_tokens,
            side=self.speaker.side,
        )

    def _chunk(self, number: int, frames: Frames, total: int, side: int) -> Iterator[AnalysisEvent]:
        question = prompts.chunk_question(self.request, frames, total)
        if frames and self.sight.sees is not False:
            try:
                yield from self._ask_with_pictures(number, frames, question, side)
                return
            except PicturesRefused as refused:
                reason = Notice("pictures_rejected", {"reason": str(refused.values["reason"])})
                self.sight = replace(self.sight, sees=False, reason=reason)
        yield from self._ask_in_text(number, frames, question)

    def _ask_with_pictures(self, number: int, frames: Frames, question: str, side: int) -> Iterator[AnalysisEvent]:
        language = self.request.language
        sent = messages.with_pictures(frames, question, system=self.system, language=language, side=side)
        self._check_length(sent)
        if self.sight.sees is None:
            yield Noticed(Notice("sight_unknown"))
        yield ModeChosen(number, "messages")
        yield ChunkDone((yield from self._answer(_Question(number, frames, "messages", question, sent))))

    def _ask_in_text(self, number: int, frames: Frames, question: str) -> Iterator[AnalysisEvent]:
        why = fallback_notice(self.sight.reason or Notice("pictures_unproven")) if frames else None
        yield ModeChosen(number, "text", why)
        if why:
            log.warning(notice_text(why, self.request.language))
            yield Noticed(why)
        facts = yield from self._facts_of(frames)
        prompt = fallback.text_prompt(frames, facts, question, language=self.request.language)
        sent = messages.text_only(prompt, system=self.system)
        self._check_length(sent)
        yield ChunkDone((yield from self._answer(_Question(number, frames, "text", prompt, sent, why))))

    def _join(self, parts: Sequence[ChunkResult]) -> Generator[AnalysisEvent, None, ChunkResult]:
        prompt = prompts.summary_question(self.request, parts)
        numbers = {number for part in parts for number in part.frames}
        frames = tuple(frame for frame in self.frames if frame.number in numbers)
        sent = messages.text_only(prompt, system=self.system)
        return (yield from self._answer(_Question(0, frames, "text", prompt, sent)))

    def _check_length(self, sent: Sequence[BaseMessage]) -> None:
        told = self.speaker.count(sent)
        if told and told.count + min(self.speaker.answer_tokens, told.max_model_len // 8) > told.max_model_len:
            raise ContextExceeded("context_exceeded", reason=f"{told.count} tokens + answer > {told.max_model_len}")

    def _answer(self, asked: _Question) -> Generator[AnalysisEvent, None, ChunkResult]:
        started = time.monotonic()
        yield AnswerDelta(asked.number, "", restart=True)
        if recalled := self.speaker.answers and self.speaker.answers.recall(asked.sent):
            yield AnswerDelta(asked.number, recalled.text)
        reply = recalled or (yield from self._streamed(asked))
        if reply.finish_reason == "length":
            yield Noticed(Notice("answer_cut", {"tokens": self.speaker.answer_tokens}))
        times = {frame.number: frame.time_seconds for frame in asked.frames}
        findings, overview = cite.read(reply.text, times) if asked.number else ((), cite.statements(reply.text, times))
        return ChunkResult(
            number=asked.number,
            frames=tuple(times),
            mode=asked.mode,
            answer=reply.text,
            findings=findings,
            overview=overview,
            prompt=asked.prompt,
            finish_reason=reply.finish_reason,
            usage=reply.usage or Usage(),
            seconds=time.monotonic() - started,
            fallback=asked.fallback,
            recalled=recalled is not None,
        )

    def _streamed(self, asked: _Question) -> Generator[AnalysisEvent, None, Reply]:
        pieces = stream(self.speaker.chat, asked.sent, cancel=self._cancel)
        while True:
            try:
                yield AnswerDelta(asked.number, next(pieces))
            except StopIteration as end:
                reply: Reply = end.value
                if self.speaker.answers:
                    self.speaker.answers.remember(asked.sent, reply)
                return reply
            except EngineBrokeOff as broken:
                raise self.speaker.death() or broken from broken


def _smaller(frames: Frames, too_much: EngineError) -> tuple[Frames, ...]:
    if len(frames) < 2:
        raise too_much
    limit = too_much.limit if isinstance(too_much, TooManyPictures) else (len(frames) + 1) // 2
    return plan.split(frames, min(limit, len(frames) - 1))


def _groups(parts: Sequence[ChunkResult], room_tokens: int) -> list[list[ChunkResult]]:
    """Neighbours together as long as their answers fit; never a group of one while others could join it."""
    groups: list[list[ChunkResult]] = [[]]
    filled = 0
    for part in parts:
        cost = budget.estimate_text_tokens(part.answer)
        if len(groups[-1]) >= 2 and filled + cost > room_tokens:
            groups.append([])
            filled = 0
        groups[-1].append(part)
        filled += cost
    return groups
