"""Request for a question: pictures, material of the videos, earlier turns and the question, within the context.

Every turn's message begins with the pictures that the turn added, so that all questions of a conversation begin with
the same tokens and the engine's prefix cache holds them. The first message also has the material quoted from the
videos. What doesn't fit is reported: the oldest pictures become descriptions first, a quarter at a time so that the
prefix stays the same for several questions; a quarter of them stays, and from then on the oldest turns are left out.
Their pictures move to the next turn that is sent.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, inf

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from framelens.analysis.planning.frame_budget import DEFAULT_CONTEXT
from framelens.analysis.planning.plan import base_layout
from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import MOST_FRAMES, UNKNOWN_PATH, Analysis, AnalysisRequest, Notice, VideoInfo
from framelens.core.errors import ContextExceeded, RequestTooLarge, TooManyPictures
from framelens.i18n import in_language, t
from framelens.llm import messages
from framelens.llm.text_fallback import TextFallback, descriptions
from framelens.llm.token_estimate import estimate_frame_tokens, estimate_text_tokens
from framelens.questions.context_material import ContextMaterial, ContextPicture
from framelens.questions.conversation import ContextUse, Conversation, FrameRef, Turn

# Shares of the context, and the step in which the length of a question counts.
_MATERIAL, _DESCRIBED, _DESCRIBED_ALONE, _QUESTION_STEP = 1 / 5, 1 / 8, 1 / 2, 1 / 16
_TOKENS_PER_MESSAGE = 8  # role and separators; Qwen2.5 takes 5
_PICTURE_STEPS = 4
_ROUNDS = 6
"""Most corrections by the engine's own count; each needs a short request."""
_SHRINK = 0.75
"""Most of a request that is sent again after it was too large."""


@dataclass(frozen=True)
class PreparedRequest:
    """A request with what it holds.

    Attributes:
        sent: The messages.
        attached: Frames and images sent as pictures.
        answer_tokens: Longest answer.
    """

    sent: list[BaseMessage]
    use: ContextUse
    attached: tuple[FrameRef, ...]
    answer_tokens: int
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class _Plan:
    """How many of the newest of each kind are sent."""

    pictures: int
    described: int
    lines: tuple[int, ...]
    turns: int


@dataclass(frozen=True)
class _Costs:
    """Tokens of all that could be sent, the oldest first; `sections` are the lines of each section of the material."""

    pictures: Sequence[float]
    descriptions: Sequence[int]
    sections: Sequence[Sequence[int]]
    turns: Sequence[int]


Measured = Callable[[], Mapping[str, Analysis]]
"""Waits for the facts that are still being measured, and returns the analyses of a conversation with them, by id.

It raises Cancelled or Paused where it has to stop waiting, and the AppError for which facts can't be measured.
"""


class ContextBuilder:
    """Builder of the requests for the current question.

    Args:
        conversation: Its branch up to the current turn is sent.
        analyses: What it is about, by id.
        pictures: Its stored pictures by SHA-256.
        connection: The engine.
        measured: Called once there are frames that can't be sent as pictures.

    Attributes:
        fallback: Whether its requests are text.
    """

    def __init__(
        self,
        conversation: Conversation,
        analyses: Mapping[str, Analysis],
        pictures: Mapping[str, bytes],
        connection: EngineConnection,
        measured: Measured,
    ) -> None:
        self._branch = conversation.branch()
        self._language = conversation.language
        self._connection = connection
        self._stored = pictures
        self._measured: Measured | None = measured
        self._take(analyses)
        held = {picture.ref.number for picture in self._pictures}
        self._lost = tuple(picture.number for picture in conversation.pictures() if picture.number not in held)
        self.fallback = TextFallback(connection.sight)
        self._most_pictures = len(self._sendable)
        self._side, self._picture_scale = 0, 1.0
        self._urls: dict[int, str] = {}
        self._most_tokens = self._sent_tokens = inf
        self._limit: Notice | None = None

    def _take(self, analyses: Mapping[str, Analysis]) -> None:
        """Build the material of the videos, and order its pictures by age."""
        with in_language(self._language):
            self._material = ContextMaterial(self._branch, analyses, self._stored)
        self._pictures = self._material.pictures
        self._by_age = sorted(self._pictures, key=lambda picture: picture.age)
        self._sendable = [picture for picture in self._by_age if picture.jpeg]

    # ---- what the engine has refused

    def limit_pictures(self, refused: TooManyPictures) -> None:
        """Send at most as many pictures from now on as the engine has said."""
        self._most_pictures = min(refused.limit, self._most_pictures)
        self._limit = Notice("ask_pictures_limited", {"limit": refused.limit})

    def shrink(self, refused: RequestTooLarge) -> None:
        """Send less than the last request from now on, since the engine found it too large."""
        self._most_tokens = self._sent_tokens * min(_SHRINK, refused.share or _SHRINK)
        self._limit = Notice("ask_refused", {name: str(refused.values[name]) for name in ("status", "reason")})

    # ---- the request

    def build(self) -> PreparedRequest:
        """Build the request for the current question.

        Frames that it describes in words are described by all their facts, which it waits for.

        Raises:
            ContextExceeded: The question alone doesn't fit.
            AppError: What `measured` raises.
        """
        with in_language(self._language):
            prepared = self._build()
            if self._measured and (prepared.use.described or prepared.use.mode == "text"):
                self._take(self._measured())
                self._measured = None
                prepared = self._build()
            return prepared

    def _build(self) -> PreparedRequest:
        *before, current = self._branch
        earlier = [turn for turn in before if turn.answer.strip()]
        settings = current.settings
        context = min(settings.context_tokens, self._connection.max_model_len or DEFAULT_CONTEXT)
        answer = min(settings.max_tokens, context // 4)
        system = self._material.system(settings.system_prompt)
        if self._shows_pictures and not self._side:
            self._measure_pictures(system, current.question)
        scale = self._scale(earlier, system, context)

        def tokens(text: str) -> int:
            return ceil(estimate_text_tokens(text) * scale) + _TOKENS_PER_MESSAGE

        step = max(1, int(context * _QUESTION_STEP))
        question = ceil(tokens(current.question) / step) * step
        allowed = max(0, self._most_tokens - tokens(system) - tokens(current.question))
        budget = int(min(context - answer - tokens(system) - question, allowed))
        costs = _Costs(
            [self._estimate(picture) * self._picture_scale for picture in self._sendable]
            if self._shows_pictures
            else [],
            [tokens(picture.described) for picture in self._by_age],
            [[tokens(line) for line in section] for section in self._material.sections],
            [tokens(turn.question) + tokens(turn.answer) for turn in earlier],
        )
        for _ in range(_ROUNDS):
            if budget < 0:
                break
            plan = self._plan(costs, budget, context)
            sent = self._messages(plan, earlier, current, system)
            excess = self._count(sent) + ceil(_sum_newest(costs.pictures, plan.pictures)) + answer - context
            if excess <= 0:
                self._sent_tokens = excess + context - answer
                return self._prepare_request(plan, sent, earlier, context, answer)
            if plan == _Plan(0, 0, (0,) * len(self._material.sections), 0):
                break
            budget -= max(excess, step)
        length = tokens(current.question) + tokens(system)
        raise ContextExceeded("context_exceeded", reason=f"{length} tokens + answer {answer} > {context}")

    @property
    def _shows_pictures(self) -> bool:
        return not self.fallback.is_active and self._most_pictures > 0

    def _measure_pictures(self, system: str, question: str) -> None:
        """Choose the size of the pictures, and let the engine count a picture of the largest shape.

        The size fits the pictures of the first turn that has any, so that it stays the same for all questions.
        """
        first = [picture for picture in self._sendable if picture.turn == self._sendable[0].turn]
        largest = max(first, key=lambda picture: picture.width * picture.height)
        video = _shape(largest.width, largest.height)
        usual = AnalysisRequest(UNKNOWN_PATH, language=self._language)
        request = self._material.analyses[0].request if self._material.analyses else usual
        request = replace(request, frames=min(len(first), MOST_FRAMES))
        connection = replace(self._connection, sends_video=False)  # the frames of several turns are no video
        layout = base_layout(connection, request, video, (system, question))
        self._side = layout.side
        self._picture_scale = layout.tokens_per_frame / self._estimate(largest)

    def _estimate(self, picture: ContextPicture) -> int:
        return estimate_frame_tokens(picture.width, picture.height, self._side)

    def _plan(self, costs: _Costs, budget: int, context: int) -> _Plan:
        """Choose what is sent in `budget` tokens; the shares are of the whole context."""
        lines, remaining = [], float(min(budget, int(context * _MATERIAL)))
        for section in costs.sections:
            lines.append(_newest(section, remaining))
            remaining -= _sum_newest(section, lines[-1])
        budget -= sum(int(_sum_newest(*pair)) for pair in zip(costs.sections, lines, strict=True))
        number = len(costs.descriptions)
        most = min(self._most_pictures, len(costs.pictures))
        share = _DESCRIBED if most else _DESCRIBED_ALONE
        if _sum_newest(costs.pictures, most) > budget:
            most = min(most, _newest(costs.pictures, budget - min(budget, context * share)))
        best = _Plan(0, 0, tuple(lines), 0)
        for quarters in range(_PICTURE_STEPS, 0, -1):
            pictures = ceil(most * quarters / _PICTURE_STEPS)
            rest = budget - _sum_newest(costs.pictures, pictures)
            others = costs.descriptions[: number - pictures]
            described = _newest(others, min(rest, context * share))
            rest -= _sum_newest(others, described)
            best = _Plan(pictures, described, tuple(lines), _newest(costs.turns, rest))
            if best.turns == len(costs.turns):
                break
        return best

    def _messages(self, plan: _Plan, earlier: Sequence[Turn], current: Turn, system: str) -> list[BaseMessage]:
        shown, described = self._split_pictures(plan)
        turns = [*earlier[len(earlier) - plan.turns :], current]
        sent: list[BaseMessage] = [SystemMessage(system)]
        reached = 0
        for turn in turns:
            position = self._branch.index(turn) + 1
            is_of_turn = partial(_is_between, reached, position)
            text = self._text_below(list(filter(is_of_turn, described)), turn, plan, is_first=not reached)
            content = [part for picture in filter(is_of_turn, shown) for part in self._parts(picture)]
            sent.append(HumanMessage([*content, messages.text_part(text)] if content else text))
            if turn is not current:
                sent.append(AIMessage(turn.answer))
            reached = position
        return sent

    def _text_below(self, described: Sequence[ContextPicture], turn: Turn, plan: _Plan, *, is_first: bool) -> str:
        """Return the text below the pictures of a turn."""
        blocks, lines = [], [picture.described for picture in described]
        if is_first and not plan.pictures and (lines or self._material.analyses):
            blocks.append(descriptions(lines))
        elif lines:
            blocks.append("\n".join([t("ask.prompt.described"), *lines]))
        if is_first:
            blocks += self._material.block(plan.lines)
        if quotes := self._material.quotes(turn):
            blocks.append("\n".join([t("ask.prompt.quotes"), *quotes]))
        question = turn.question
        if blocks or (is_first and (self._pictures or self._material.analyses)):
            question = t("ask.prompt.question", question=question)
        return "\n\n".join([*blocks, question])

    def _parts(self, picture: ContextPicture) -> list[str | dict[str, object]]:
        """Return the parts of a message for a picture, which is encoded once for all the requests that are tried."""
        number = picture.ref.number
        if number not in self._urls:
            self._urls[number] = messages.jpeg_url(picture.jpeg, self._side)
        return [messages.text_part(picture.mark), messages.picture_part(self._urls[number])]

    def _prepare_request(
        self, plan: _Plan, sent: list[BaseMessage], earlier: Sequence[Turn], context: int, answer: int
    ) -> PreparedRequest:
        shown, described = self._split_pictures(plan)
        held = {picture.ref.number for picture in (*shown, *described)}
        use = ContextUse(
            mode="messages" if shown else "text" if self._pictures or self._material.analyses else "none",
            pictures=tuple(picture.ref.number for picture in shown),
            described=tuple(picture.ref.number for picture in described),
            left_out_frames=tuple(picture.ref.number for picture in self._pictures if picture.ref.number not in held),
            left_out_turns=tuple(turn.number for turn in earlier[: len(earlier) - plan.turns]),
            left_out_lines=sum(map(len, self._material.sections)) - sum(plan.lines),
            context_tokens=context,
        )
        padding = messages.padding_notice((picture.jpeg for picture in shown), self._side)
        notices = (*self._notices(use), *([padding] if padding else ()))
        return PreparedRequest(sent, use, tuple(picture.ref for picture in shown), answer, notices)

    def _split_pictures(self, plan: _Plan) -> tuple[list[ContextPicture], list[ContextPicture]]:
        """Return the pictures that are sent and those described, both in the order of the conversation."""
        numbers = {picture.ref.number for picture in self._sendable[len(self._sendable) - plan.pictures :]}
        others = [picture for picture in self._by_age if picture.ref.number not in numbers]
        described = {other.ref.number for other in others[len(others) - plan.described :]}
        shown = [picture for picture in self._pictures if picture.ref.number in numbers]
        return shown, [picture for picture in self._pictures if picture.ref.number in described]

    def _notices(self, use: ContextUse) -> Iterator[Notice]:
        if (notice := self.fallback.notice) and (self._pictures if self.fallback.is_active else use.pictures):
            yield notice
        if self._lost:
            yield Notice("ask_frames_lost", {"frames": _ranges(self._lost)})
        why = self._limit or Notice("ask_full", {"tokens": use.context_tokens})
        if use.pictures and use.described:
            yield Notice("ask_described", {"frames": _ranges(use.described), "why": why}, "info")
        if use.left_out_frames:
            yield Notice("ask_frames_left_out", {"frames": _ranges(use.left_out_frames), "why": why})
        if use.left_out_turns:
            yield Notice("ask_turns_left_out", {"turns": _ranges(use.left_out_turns), "why": why}, "info")
        if use.left_out_lines:
            yield Notice("ask_lines_left_out", {"n": use.left_out_lines, "why": why}, "info")

    # ---- tokens

    def _scale(self, earlier: Sequence[Turn], system: str, context: int) -> float:
        """Return the model's count of a sample's tokens relative to the estimate; 1 without a count."""
        lines = (line for section in self._material.sections for line in section)
        sample = " ".join([system, *(turn.answer for turn in reversed(earlier)), *lines])[:context]
        counted = self._connection.count([HumanMessage(sample)])
        return counted.count / estimate_text_tokens(sample) if counted else 1.0

    def _count(self, sent: Sequence[BaseMessage]) -> int:
        """Count the tokens of the words; the marks of pictures are part of the pictures' cost."""
        bare = [_without_pictures(message) for message in sent]
        counted = self._connection.count(bare)
        if counted:
            return counted.count
        return sum(estimate_text_tokens(str(message.content)) + _TOKENS_PER_MESSAGE for message in bare)


def _without_pictures(message: BaseMessage) -> BaseMessage:
    if isinstance(message.content, str):
        return message
    texts = [part["text"] for part in message.content if isinstance(part, dict) and part.get("type") == "text"]
    return HumanMessage(texts[-1])  # those before it are the marks


def _newest(costs: Sequence[float], budget: float) -> int:
    """Return how many of the last of `costs` fit in `budget`."""
    count = 0
    for cost in reversed(costs):
        budget -= cost
        if budget < 0:
            break
        count += 1
    return count


def _sum_newest(costs: Sequence[float], count: int) -> float:
    return sum(costs[len(costs) - count :])


def _is_between(start: int, end: int, picture: ContextPicture) -> bool:
    """Return whether a picture belongs to the turns from `start` to before `end`."""
    return start <= picture.turn < end


def _shape(width: int, height: int) -> VideoInfo:
    """Return metadata of a video with pictures of this size."""
    return VideoInfo(UNKNOWN_PATH, "", 0, "", "", "", width, height, 0, None, None, None, 0.0, has_audio=False)


def _ranges(numbers: Sequence[int]) -> str:
    """Format sorted numbers, runs of them as ranges: "1–4, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
