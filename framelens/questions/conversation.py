"""Values of a conversation about videos and images: its turns as a tree, its settings, the events of an answer.

Every question is a turn that follows another turn, its parent. An edited question, or the same question asked again,
starts a sibling: a turn with the same parent. The branch that ends with the current turn is sent to the model and shown
to the reader; the other branches stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import isfinite
from typing import ClassVar, Literal, TypeVar

from framelens.core.domain import AnswerMode, Language, Notice, Usage
from framelens.core.errors import ConfigError, InputError
from framelens.core.events import EngineProgress, Noticed
from framelens.core.evidence import Moments
from framelens.core.files import new_id, readable, single_line
from framelens.core.units import counted
from framelens.questions.retrieval.values import FrameSelection, Looking

TurnState = Literal["complete", "stopped", "failed"]
EventT = TypeVar("EventT", bound="AskEvent")
LookKind = Literal["auto", "global", "local", "when", "count", "read", "spoken"]
MOST_QUESTION, MOST_SYSTEM_PROMPT = 20_000, 8_000
"""Characters. 20,000 of a question are some 8,000 tokens."""
MOST_IMAGES = 8
"""Most images of a user with a question."""
_MOST_LETTERS = 26
_MOST_NAME = 80  # characters


@dataclass(frozen=True)
class AskSettings:
    """Settings of an answer; each is checked against `LIMITS`.

    Attributes:
        temperature: 0 always takes the likeliest token.
        top_p: Share of the probability that tokens are drawn from.
        max_tokens: Longest answer, at most a quarter of the context.
        context_tokens: Tokens of request and answer together, at most the model's own limit.
        repetition_penalty: Above 1 discourages words that occurred before; sent only if it isn't 1.
        seed: The same seed and request give the same answer; None for a different answer each time.
        search_frames: Most frames that a search for moments looks at: two a second of an hour.
        search_seconds: Most seconds that the search takes.
        system_prompt: Instructions in addition to FrameLens's own.
        letters: The answer is one of these letters, in quotation marks, for a question with choices; "" for any answer.

    Raises:
        ConfigError: A value is out of its limits.
    """

    LIMITS: ClassVar[Mapping[str, tuple[float, float]]] = {
        "temperature": (0.0, 2.0),
        "top_p": (0.01, 1.0),
        "max_tokens": (1, 4096),
        "context_tokens": (1024, 32768),
        "repetition_penalty": (0.5, 2.0),
        "seed": (0, 2**31 - 1),
        "search_frames": (1, 100_000),
        "search_seconds": (1, 86_400),
    }
    """Least and greatest value of each setting; those that are whole numbers here take whole numbers only."""
    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 1024
    context_tokens: int = 32768
    repetition_penalty: float = 1.0
    seed: int | None = None
    search_frames: int = 7200
    search_seconds: int = 600
    system_prompt: str = ""
    letters: str = ""

    def __post_init__(self) -> None:
        for name, (low, high) in self.LIMITS.items():
            value, is_whole = getattr(self, name), isinstance(low, int)
            if name == "seed" and value is None:
                continue
            fits = isinstance(value, int if is_whole else (int, float)) and not isinstance(value, bool)
            if not (fits and isfinite(value) and low <= value <= high):
                key = "setting_number" if is_whole else "setting_decimal"
                raise ConfigError(key, key=name, value=value, low=low, high=high)
        _check_length("system_prompt", self.system_prompt, MOST_SYSTEM_PROMPT)
        _check_length("letters", self.letters, _MOST_LETTERS)


@dataclass(frozen=True)
class FrameRef:
    """A picture of a conversation: a frame of a video with its decoder time, or an image of the user.

    Attributes:
        number: Number that the model cites, unique on every branch of the conversation.
        time_seconds: Time in the video; 0 for an image.
        analysis_id: Analysis of the video; "" for an image.
        picture: SHA-256 of a picture that the repository holds; "" for a keyframe of the analysis.
        name: File name of an image.
    """

    number: int
    time_seconds: float
    analysis_id: str = ""
    picture: str = ""
    name: str = ""

    @property
    def source(self) -> tuple[str, float, str, str]:
        """Return what identifies the picture, whatever its number."""
        return self.analysis_id, self.time_seconds, self.picture, self.name


@dataclass(frozen=True)
class Look:
    """What to look at for an answer: `auto` leaves the kind of the question to its classification.

    The range [start_seconds, end_seconds) restricts it to a part of the videos; None doesn't. With `local`, frames are
    taken densely in it. `everywhere` looks for reports in the whole library.
    """

    kind: LookKind = "auto"
    start_seconds: float | None = None
    end_seconds: float | None = None
    everywhere: bool = False

    @property
    def has_range(self) -> bool:
        """Return whether it is restricted to a range."""
        return (self.start_seconds, self.end_seconds) != (None, None)


@dataclass(frozen=True)
class Evidence:
    """Findings from before the answer.

    Attributes:
        moments: What a search for moments has found, video by video.
        choice: How the frames of the question were chosen.
    """

    moments: tuple[Moments, ...] = ()
    choice: FrameSelection | None = None


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

    mode: AnswerMode = "none"
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
        state: "stopped" while the answer is written, so that an answer whose program was killed counts as stopped.
        why: Why it was stopped or failed.
        look: What the user wants looked at.
        images: Images that the user attached.
        frames: Frames of the videos that the question adds to the frames of earlier turns.
        evidence: What was found out before the answer; None if nothing was looked for.
        attached: Frames and images that were sent as pictures.
        cited: Pictures that the answer cites.
        unknown_frames: Numbers that the answer cites although no picture has them.
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
    why: Notice | None = None
    look: Look = field(default_factory=Look)
    images: tuple[FrameRef, ...] = ()
    frames: tuple[FrameRef, ...] = ()
    evidence: Evidence | None = None
    attached: tuple[FrameRef, ...] = ()
    cited: tuple[FrameRef, ...] = ()
    unknown_frames: tuple[int, ...] = ()
    own_times: tuple[str, ...] = ()
    context: ContextUse = field(default_factory=ContextUse)
    notices: tuple[Notice, ...] = ()
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    settings: AskSettings = field(default_factory=AskSettings)

    def __repr__(self) -> str:
        return f"Turn({self.number}, {self.question!r}, {self.state!r}, {counted(len(self.cited), 'cited frame')})"

    @property
    def added(self) -> tuple[FrameRef, ...]:
        """Return the pictures that this turn adds to the conversation, in the order in which they are sent."""
        return (*self.frames, *self.images)

    @property
    def can_continue(self) -> bool:
        """Return whether it is a search for moments that was interrupted or has reached a ceiling."""
        return any(
            moment.ended not in ("complete", "says_yes", "says_nothing")
            for moment in (self.evidence or Evidence()).moments
        )

    def with_frames(self, frames: Iterable[FrameRef], choice: FrameSelection | None = None) -> FramesAdded:
        """Return the event that adds these frames to those that the question has added already."""
        added = {frame.number: frame for frame in (*self.frames, *frames)}
        return FramesAdded(tuple(added.values()), choice)

    def apply(self, event: AskEvent) -> Turn:
        """Return the turn after an event of its answer."""
        match event:
            case Noticed(notice):
                return self if notice in self.notices else replace(self, notices=(*self.notices, notice))
            case MomentsSearched(moments):
                merged = {
                    (moment.analysis_id, moment.thing): moment for moment in (self.evidence or Evidence()).moments
                }
                merged[moments.analysis_id, moments.thing] = moments
                return replace(self, evidence=replace(self.evidence or Evidence(), moments=tuple(merged.values())))
            case FramesAdded(frames, choice):
                evidence = replace(self.evidence or Evidence(), choice=choice) if choice else self.evidence
                return replace(self, frames=frames, evidence=evidence)
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
    """Questions and answers about analysed videos, about images, or about neither.

    Attributes:
        about: Ids of the analyses; a deleted analysis is no longer among them.
        language: core.Language of the instructions to the model.
        turns: All turns of all branches, by number.
        current: Number of the turn that the shown branch ends with, 0 before the first question.
        is_everywhere: Whether its questions are about the whole library, as one of its turns says.
    """

    id: str
    about: tuple[str, ...]
    name: str
    created: str
    language: Language
    turns: tuple[Turn, ...] = ()
    current: int = 0
    is_everywhere: bool = False

    @classmethod
    def begun_about(cls, analyses: Iterable[str], language: Language) -> Conversation:
        """Return a new conversation about these analyses, without a question; the first question names it."""
        return cls(new_id(), tuple(dict.fromkeys(analyses)), "", _now(), language)

    def __repr__(self) -> str:
        return f"Conversation({self.name!r}, {counted(len(self.turns), 'turn')}, id={self.id!r})"

    @property
    def last(self) -> Turn:
        """Return the current turn."""
        return self.turn(self.current)

    @property
    def reports(self) -> tuple[str, ...]:
        """Return the ids of the analyses that it is about, and of those with frames in it."""
        frames = (frame.analysis_id for turn in self.turns for frame in turn.frames)
        return tuple(dict.fromkeys(filter(None, (*self.about, *frames))))

    def turn(self, number: int) -> Turn:
        """Return the turn with this number.

        Raises:
            InputError: "turn_unknown".
        """
        for turn in self.turns:
            if turn.number == number:
                return turn
        raise InputError("turn_unknown", number=number, most=len(self.turns))

    def branch(self, number: int | None = None) -> tuple[Turn, ...]:
        """Return the turns from the first question to turn `number`, by default to the current turn."""
        number = self.current if number is None else number
        turns: list[Turn] = []
        while number:
            turns.append(self.turn(number))
            number = turns[-1].parent
        return tuple(reversed(turns))

    @property
    def is_named_by_question(self) -> bool:
        """Return whether the name only repeats the first question of the shown branch."""
        return any(self.name == _name(turn.question) for turn in self.branch()[:1])

    def pictures(self, number: int | None = None) -> tuple[FrameRef, ...]:
        """Return the frames and images of `branch(number)`, each once."""
        return tuple({frame.number: frame for turn in self.branch(number) for frame in turn.added}.values())

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

    def numbered(self, frames: Iterable[FrameRef]) -> tuple[FrameRef, ...]:
        """Return each frame once with its number in this conversation, or the next free number."""
        numbers = {frame.source: frame.number for turn in self.turns for frame in turn.added}
        highest = max(numbers.values(), default=0)
        numbered: dict[int, FrameRef] = {}
        for frame in frames:
            if frame.source not in numbers:
                highest += 1
                numbers[frame.source] = highest
            numbered[numbers[frame.source]] = replace(frame, number=numbers[frame.source])
        return tuple(numbered.values())

    def with_question(
        self,
        question: str,
        settings: AskSettings,
        *,
        edit: int | None = None,
        images: Sequence[FrameRef] | None = None,
        look: Look | None = None,
    ) -> Conversation:
        """Return the conversation with a new question after the current turn; the question becomes the current turn.

        Args:
            question: The question; the first question names the conversation.
            settings: Settings of its answer.
            edit: Number of a turn whose sibling the question becomes instead.
            images: Images of the user, which the repository holds; by default the edited turn's.
            look: What to look at; by default as in the edited turn.

        Raises:
            ConfigError: The question is empty or too long, or there are too many images.
            InputError: "turn_unknown".
        """
        question = checked_question(question)
        edited = None if edit is None else self.turn(edit)
        if images is None:
            images = edited.images if edited else ()
        if len(images) > MOST_IMAGES:
            raise ConfigError("ask_images_many", given=len(images), most=MOST_IMAGES)
        turn = Turn(
            number=max((turn.number for turn in self.turns), default=0) + 1,
            parent=edited.parent if edited else self.current,
            question=question,
            created=_now(),
            look=look or (edited.look if edited else Look()),
            images=self.numbered(images),
            evidence=_earlier_evidence(edited, question, look),
            settings=settings,
        )
        name, is_everywhere = self.name or _name(question), self.is_everywhere or turn.look.everywhere
        turns = (*self.turns, turn)
        return replace(self, name=name, turns=turns, current=turn.number, is_everywhere=is_everywhere)

    def with_turn(self, changed: Turn) -> Conversation:
        """Return the conversation with this turn in place of the turn with its number."""
        return replace(self, turns=tuple(changed if turn.number == changed.number else turn for turn in self.turns))


class AnswerDraft:
    """A conversation whose current turn is being answered; the events of the answer are applied to it, each once."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation

    @property
    def turn(self) -> Turn:
        """Return the current turn with its partial answer."""
        return self.conversation.last

    @turn.setter
    def turn(self, turn: Turn) -> None:
        self.conversation = self.conversation.with_turn(turn)

    def applied(self, event: EventT) -> EventT:
        """Apply an event, and return it."""
        self.turn = self.turn.apply(event)
        return event


def _earlier_evidence(edited: Turn | None, question: str, look: Look | None) -> Evidence | None:
    """Return what a search for the same question has found, which continues from there."""
    if edited is None or edited.evidence is None or question != edited.question or look not in (None, edited.look):
        return None
    return Evidence(moments=edited.evidence.moments)


def checked_question(text: str) -> str:
    """Return the question as valid text without blanks around it.

    Raises:
        ConfigError: It is empty or too long.
    """
    question = readable(text).strip()
    if not question:
        raise ConfigError("ask_question_missing")
    _check_length("question", question, MOST_QUESTION)
    return question


def _check_length(key: str, text: str, most: int) -> None:
    if len(text) > most:
        raise ConfigError("text_too_long", key=key, given=f"{len(text):,}", most=f"{most:,}")


def _name(question: str) -> str:
    name = single_line(question)
    return name if len(name) <= _MOST_NAME else name[: _MOST_NAME - 1] + "…"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# ---- events of an answer ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Queued:
    """The question waits for the engine; `place` counts from 1 and is 0 when its turn has come."""

    place: int


@dataclass(frozen=True)
class FramesAdded:
    """Frames were chosen for the question, besides the frames of earlier turns."""

    frames: tuple[FrameRef, ...]
    choice: FrameSelection | None = None


@dataclass(frozen=True)
class MomentsSearched:
    """A round of a search for moments is over; its samples are those with the number of the round."""

    moments: Moments


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
    """The turn is over and stored: complete, stopped or failed. It is the conversation's current turn."""

    conversation: Conversation


AskEvent = (
    EngineProgress
    | Noticed
    | Queued
    | MomentsSearched
    | Looking
    | FramesAdded
    | ContextChosen
    | AnswerText
    | ReasoningText
    | AnswerDone
)
