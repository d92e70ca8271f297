"""Values of a conversation about one analysed video: its turns as a tree, its settings, the events of an answer.

Every question is a turn that follows another one, its parent. An edited question, or the same one asked again, starts
a sibling: a turn with the same parent. The branch that ends with the current turn is what the model is sent and what a
reader sees; the other branches stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import isfinite
from typing import Literal

from app import core

TurnState = Literal["complete", "stopped", "failed"]
LIMITS: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.01, 1.0),
    "max_tokens": (1, 4096),
    "context_tokens": (1024, 32768),
    "repetition_penalty": (0.5, 2.0),
    "seed": (0, 2**31 - 1),
}
"""Least and greatest value of each setting; those that are whole numbers here take whole numbers only."""
MOST_QUESTION, MOST_SYSTEM_PROMPT = 20_000, 8_000
"""Characters. 20,000 of a question are some 8,000 tokens. Chosen by hand; not tuned."""
_MOST_NAME = 80  # characters; chosen by hand, not tuned


@dataclass(frozen=True)
class AskSettings:
    """Settings of an answer; each is checked against LIMITS.

    Attributes:
        temperature: 0 always takes the likeliest token.
        top_p: Share of the probability that tokens are drawn from.
        max_tokens: Longest answer, at most a quarter of the context.
        context_tokens: Tokens of request and answer together, at most the model's own limit.
        repetition_penalty: Above 1 discourages words that occurred before; sent only if it isn't 1.
        seed: The same seed and request give the same answer; None for another one each time.
        system_prompt: Instructions in addition to those of FrameLens.

    Raises:
        ConfigError: A value is out of its limits.
    """

    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 1024
    context_tokens: int = 32768
    repetition_penalty: float = 1.0
    seed: int | None = None
    system_prompt: str = ""

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value, is_whole = getattr(self, name), isinstance(low, int)
            if name == "seed" and value is None:
                continue
            fits = isinstance(value, int if is_whole else (int, float)) and not isinstance(value, bool)
            if not (fits and isfinite(value) and low <= value <= high):
                key = "setting_number" if is_whole else "setting_decimal"
                raise core.ConfigError(key, key=name, value=value, low=low, high=high)
        _check_length("system_prompt", self.system_prompt, MOST_SYSTEM_PROMPT)


@dataclass(frozen=True)
class FrameRef:
    """A keyframe of the analysis by its number, with its decoder time."""

    number: int
    time_seconds: float


@dataclass(frozen=True)
class ContextUse:
    """What the model was sent with a question.

    Attributes:
        mode: Whether pictures were sent.
        pictures: Numbers of the frames sent as pictures.
        described: Numbers of those sent as measured facts in words.
        left_out_frames: Numbers of those not sent at all.
        left_out_turns: Numbers of the earlier turns that were left out, the oldest first.
        left_out_lines: Lines of findings, screen text and speech that were left out.
        context_tokens: Tokens that request and answer may take together.
    """

    mode: core.AnswerMode = "none"
    pictures: tuple[int, ...] = ()
    described: tuple[int, ...] = ()
    left_out_frames: tuple[int, ...] = ()
    left_out_turns: tuple[int, ...] = ()
    left_out_lines: int = 0
    context_tokens: int = 0


@dataclass(frozen=True)
class Turn:
    """A question and its answer, which is text and never rendered as anything else.

    Attributes:
        number: Number from 1 in the order in which questions were asked.
        parent: Number of the turn before it, 0 for the first question.
        reasoning: What the model thought first; never sent back to it.
        state: "stopped" while the answer is written, so that one whose program was killed counts as stopped.
        why: Why it was stopped or failed.
        attached: Frames that were sent as pictures.
        cited: Frames that the answer cites.
        unknown_frames: Numbers that the answer cites although no frame has them.
        own_times: Times that the answer names although no frame that it cites has them.
        notices: What the reader should know about the answer.
        settings: With which it was asked.
    """

    number: int
    parent: int
    question: str
    created: str
    answer: str = ""
    reasoning: str = ""
    state: TurnState = "stopped"
    why: core.Notice | None = None
    attached: tuple[FrameRef, ...] = ()
    cited: tuple[FrameRef, ...] = ()
    unknown_frames: tuple[int, ...] = ()
    own_times: tuple[str, ...] = ()
    context: ContextUse = field(default_factory=ContextUse)
    notices: tuple[core.Notice, ...] = ()
    model: str = ""
    usage: core.Usage = field(default_factory=core.Usage)
    seconds: float = 0.0
    settings: AskSettings = field(default_factory=AskSettings)

    def apply(self, event: AskEvent) -> Turn:
        """Return the turn after one more event of its answer."""
        match event:
            case core.Noticed(notice):
                return self if notice in self.notices else replace(self, notices=(*self.notices, notice))
            case ContextChosen(context, attached, model):
                return replace(self, context=context, attached=attached, model=model)
            case AnswerText(text, restart):
                return replace(self, answer=text if restart else self.answer + text)
            case ReasoningText(text):
                return replace(self, reasoning=self.reasoning + text)
            case _:
                return self


@dataclass(frozen=True)
class Conversation:
    """Questions and answers about one analysis.

    Attributes:
        analysis_id: Id of the analysis.
        language: core.Language of the instructions to the model.
        turns: All turns of all branches, by number.
        current: Number of the turn that the shown branch ends with, 0 before the first question.
    """

    id: str
    analysis_id: str
    name: str
    created: str
    language: core.Language
    turns: tuple[Turn, ...] = ()
    current: int = 0

    @property
    def last(self) -> Turn:
        """Return the current turn."""
        return self.turn(self.current)

    def turn(self, number: int) -> Turn:
        """Return the turn with this number.

        Raises:
            InputError: "turn_unknown".
        """
        for turn in self.turns:
            if turn.number == number:
                return turn
        raise core.InputError("turn_unknown", number=number, most=len(self.turns))

    def branch(self, number: int | None = None) -> tuple[Turn, ...]:
        """Return the turns from the first question to this one; by default to the current one."""
        number = self.current if number is None else number
        found: list[Turn] = []
        while number:
            found.append(self.turn(number))
            number = found[-1].parent
        return tuple(reversed(found))

    def siblings(self, number: int) -> tuple[Turn, ...]:
        """Return all versions of this question, itself included, the oldest first."""
        parent = self.turn(number).parent
        return tuple(turn for turn in self.turns if turn.parent == parent)

    def switched(self, number: int) -> Conversation:
        """Return the conversation on the branch through this turn, up to the newest turn that follows it."""
        end = self.turn(number).number
        while following := [turn.number for turn in self.turns if turn.parent == end]:
            end = following[-1]
        return replace(self, current=end)

    def asked(self, question: str, settings: AskSettings, *, edit: int | None = None) -> Conversation:
        """Return the conversation with one more question after the current turn, which becomes the current one.

        Args:
            question: The question; the first one names the conversation.
            settings: Settings of its answer.
            edit: Number of a turn whose sibling the question becomes instead.

        Raises:
            ConfigError: The question is empty or too long.
            InputError: "turn_unknown".
        """
        question = checked_question(question)
        parent = self.current if edit is None else self.turn(edit).parent
        number = max((turn.number for turn in self.turns), default=0) + 1
        turn = Turn(number, parent, question, _now(), settings=settings)
        name = self.name or _name(question)
        return replace(self, name=name, turns=(*self.turns, turn), current=number)

    def with_turn(self, changed: Turn) -> Conversation:
        """Return the conversation with this turn in place of the one with its number."""
        return replace(self, turns=tuple(changed if turn.number == changed.number else turn for turn in self.turns))


def started(analysis_id: str, language: core.Language) -> Conversation:
    """Return a new conversation without a question; the first one names it."""
    return Conversation(core.new_id(), analysis_id, "", _now(), language)


def checked_question(text: str) -> str:
    """Return the question as valid text without blanks around it.

    Raises:
        ConfigError: It is empty or too long.
    """
    question = core.readable(text).strip()
    if not question:
        raise core.ConfigError("ask_question_missing")
    _check_length("question", question, MOST_QUESTION)
    return question


def _check_length(key: str, text: str, most: int) -> None:
    if len(text) > most:
        raise core.ConfigError("text_too_long", key=key, given=f"{len(text):,}", most=f"{most:,}")


def _name(question: str) -> str:
    name = core.one_line(question)
    return name if len(name) <= _MOST_NAME else name[: _MOST_NAME - 1] + "…"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# ---- events of an answer ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ContextChosen:
    """The request has been built: what it holds, and the model that gets it."""

    context: ContextUse
    attached: tuple[FrameRef, ...]
    model: str


@dataclass(frozen=True)
class AnswerText:
    """A piece of the answer; `restart` discards what came before."""

    text: str
    restart: bool = False


@dataclass(frozen=True)
class ReasoningText:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True)
class AnswerDone:
    """The turn is over and stored: complete, stopped or failed. It is the current one of the conversation."""

    conversation: Conversation


AskEvent = core.EngineProgress | core.Noticed | ContextChosen | AnswerText | ReasoningText | AnswerDone
