"""Request for a question: the frames, what is known of the video, earlier turns and the question, within the context.

The order is the same for all questions of a conversation, so that the engine's prefix cache holds its beginning: the
rules, the frames, the material quoted from the video, then question and answer by turns. What doesn't fit is reported:
the oldest pictures become descriptions first, a quarter at a time so that the prefix stays the same for several
questions; a quarter of them stays, and from then on the oldest turns are left out.

Everything that comes from the video is quoted as JSON strings, below a line that says that it is no instruction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from app import core
from app.analysis import EngineConnection
from app.analysis.planning.plan import DEFAULT_CONTEXT, base_layout
from app.analysis.prompts.prompts import speech_near
from app.ask.conversation import ContextUse, FrameRef, Turn
from app.i18n import in_language, t
from app.i18n.formatting import mark
from app.llm import messages
from app.llm.error_mapping import fallback_notice
from app.llm.token_count import estimate_text_tokens

# Shares of the context, and the step in which the length of a question counts. Chosen by hand; not tuned.
_MATERIAL, _DESCRIBED, _DESCRIBED_ALONE, _QUESTION_STEP = 1 / 5, 1 / 8, 1 / 2, 1 / 16
_TOKENS_PER_MESSAGE = 8  # role and separators; Qwen2.5 takes 5
_PICTURE_STEPS = 4
_ROUNDS = 6
"""Most corrections by the engine's own count; each needs a short request. Chosen by hand; not tuned."""


@dataclass(frozen=True)
class PreparedRequest:
    """A request with what it holds.

    Attributes:
        sent: The messages.
        attached: Frames sent as pictures.
        answer_tokens: Longest answer.
    """

    sent: list[BaseMessage]
    use: ContextUse
    attached: tuple[FrameRef, ...]
    answer_tokens: int
    notices: tuple[core.Notice, ...]


@dataclass(frozen=True)
class _Plan:
    """How many of the newest of each kind are sent."""

    pictures: int
    described: int
    lines: tuple[int, ...]
    turns: int


@dataclass(frozen=True)
class _Costs:
    """Tokens of all that could be sent, in time order; `sections` are the lines of each section of the material."""

    picture: float
    descriptions: Sequence[int]
    sections: Sequence[Sequence[int]]
    turns: Sequence[int]


class ContextBuilder:
    """Builder of the requests about one analysis; it sends text from the moment that pictures are refused.

    Args:
        analysis: What is asked about.
        connection: The engine.
        language: Language of the instructions.
    """

    def __init__(self, analysis: core.Analysis, connection: EngineConnection, language: core.Language) -> None:
        self._analysis = analysis
        self._connection = connection
        self._language = language
        self._frames = analysis.keyframes
        self._texts_by_frame = {one.number: [line.text for line in one.texts] for one in analysis.facts}
        # Without the writing on the screen, which is part of the quoted material.
        self._facts = {one.number: replace(one, texts=()) for one in analysis.facts}
        with in_language(language):
            self._sections = [list(lines) for lines in (self._findings(), self._texts(), self._cues())]
        self._refusal = connection.sight.reason or core.Notice("pictures_unproven")
        self._sees = connection.sight.sees is not False
        self._most_pictures = sum(bool(frame.jpeg) for frame in self._frames)
        self._side, self._picture_cost = 0, 0.0
        self._urls: dict[int, str] = {}
        self._shrink = 1.0

    # ---- what the engine has refused

    def use_text(self, refused: core.PicturesRefused) -> None:
        """Send text from now on, since the engine has refused pictures."""
        self._refusal = core.Notice("pictures_rejected", {"reason": str(refused.values["reason"])})
        self._sees = False

    def limit_pictures(self, most: int) -> None:
        """Send at most so many pictures from now on."""
        self._most_pictures = min(most, self._most_pictures)

    def shrink(self) -> None:
        """Take a quarter less of the context from now on, since the engine found the request too long."""
        self._shrink *= 0.75

    # ---- the request

    def build(self, branch: Sequence[Turn]) -> PreparedRequest:
        """Build the request for the last question of `branch`.

        Raises:
            ContextExceeded: The question alone doesn't fit.
        """
        with in_language(self._language):
            return self._build(branch)

    def _build(self, branch: Sequence[Turn]) -> PreparedRequest:
        *before, asked = branch
        earlier = [turn for turn in before if turn.answer.strip()]
        settings = asked.settings
        context = min(settings.context_tokens, self._connection.max_model_len or DEFAULT_CONTEXT)
        answer = min(settings.max_tokens, context // 4)
        system = self._system(settings.system_prompt)
        if self._shows_pictures and not self._side:
            self._measure_pictures(system, asked.question)
        scale = self._scale(earlier, system, context)

        def tokens(text: str) -> int:
            return ceil(estimate_text_tokens(text) * scale) + _TOKENS_PER_MESSAGE

        step = max(1, int(context * _QUESTION_STEP))
        question = ceil(tokens(asked.question) / step) * step
        room = int((context - answer - tokens(system) - question) * self._shrink)
        costs = _Costs(
            self._picture_cost,
            [tokens(self._described(frame)) for frame in self._frames],
            [[tokens(line) for line in section] for section in self._sections],
            [tokens(turn.question) + tokens(turn.answer) for turn in earlier],
        )
        for _ in range(_ROUNDS):
            if room < 0:
                break
            plan = self._plan(costs, room, context)
            sent = self._messages(plan, earlier, asked.question, system)
            excess = self._count(sent) + int(plan.pictures * self._picture_cost) + answer - context
            if excess <= 0:
                return self._prepared(plan, sent, earlier, context, answer)
            if plan == _Plan(0, 0, (0,) * len(self._sections), 0):
                break
            room -= max(excess, step)
        length = tokens(asked.question) + tokens(system)
        raise core.ContextExceeded("context_exceeded", reason=f"{length} tokens + answer {answer} > {context}")

    @property
    def _shows_pictures(self) -> bool:
        return self._sees and self._most_pictures > 0

    def _measure_pictures(self, system: str, question: str) -> None:
        """Choose the size of the pictures, as an analysis of these frames would, and let the engine count one."""
        request = replace(self._analysis.request, frames=min(len(self._frames), core.MOST_FRAMES))
        layout = base_layout(self._connection, request, self._analysis.video, (system, question))
        self._side, self._picture_cost = layout.side, layout.tokens_per_frame

    def _plan(self, costs: _Costs, room: int, context: int) -> _Plan:
        """Choose what is sent in `room` tokens; the shares are those of the whole context."""
        lines, left = [], float(min(room, int(context * _MATERIAL)))
        for section in costs.sections:
            lines.append(_newest(section, left))
            left -= _sum_newest(section, lines[-1])
        room -= sum(map(_sum_newest, costs.sections, lines))
        number = len(costs.descriptions)
        most = self._most_pictures if self._shows_pictures else 0
        share = _DESCRIBED if most else _DESCRIBED_ALONE
        if costs.picture and most * costs.picture > room:
            most = max(0, int((room - min(room, context * share)) // costs.picture))
        best = _Plan(0, 0, tuple(lines), 0)
        for quarters in range(_PICTURE_STEPS, 0, -1):
            pictures = ceil(most * quarters / _PICTURE_STEPS)
            rest = room - pictures * costs.picture
            others = costs.descriptions[: number - pictures]
            described = _newest(others, min(rest, context * share))
            rest -= _sum_newest(others, described)
            best = _Plan(pictures, described, tuple(lines), _newest(costs.turns, rest))
            if best.turns == len(costs.turns):
                break
        return best

    def _messages(self, plan: _Plan, earlier: Sequence[Turn], question: str, system: str) -> list[BaseMessage]:
        shown, described = self._split(plan)
        turns = earlier[len(earlier) - plan.turns :]
        asked = [*(turn.question for turn in turns), question]
        blocks = []
        if described and shown:
            head = t("ask.prompt.described")
            blocks.append("\n".join([head, *map(self._described, described)]))
        blocks += [*self._material(plan), t("ask.prompt.question", question=asked[0])]
        words = "\n\n".join(blocks)
        if shown:
            sent = messages.with_pictures(shown, words, system=system, url=self._url)
        else:
            sent = messages.text_only(messages.text_prompt(described, self._facts, words), system=system)
        for turn, following in zip(turns, asked[1:], strict=True):
            sent += [AIMessage(turn.answer), HumanMessage(following)]
        return sent

    def _url(self, frame: core.Keyframe) -> str:
        """Encode a picture once for all the requests that are tried."""
        if frame.number not in self._urls:
            self._urls[frame.number] = messages.data_url(frame, self._side)
        return self._urls[frame.number]

    def _prepared(
        self, plan: _Plan, sent: list[BaseMessage], earlier: Sequence[Turn], context: int, answer: int
    ) -> PreparedRequest:
        shown, described = self._split(plan)
        held = {frame.number for frame in (*shown, *described)}
        use = ContextUse(
            mode="messages" if shown else "text",
            pictures=tuple(frame.number for frame in shown),
            described=tuple(frame.number for frame in described),
            left_out_frames=tuple(frame.number for frame in self._frames if frame.number not in held),
            left_out_turns=tuple(turn.number for turn in earlier[: len(earlier) - plan.turns]),
            left_out_lines=sum(map(len, self._sections)) - sum(plan.lines),
            context_tokens=context,
        )
        attached = tuple(FrameRef(frame.number, frame.time_seconds, self._analysis.id) for frame in shown)
        return PreparedRequest(sent, use, attached, answer, tuple(self._notices(use)))

    def _split(self, plan: _Plan) -> tuple[list[core.Keyframe], list[core.Keyframe]]:
        """Return the frames sent as pictures and those described, both in time order."""
        pictured = [frame for frame in self._frames if frame.jpeg]
        shown = pictured[len(pictured) - plan.pictures :]
        numbers = {frame.number for frame in shown}
        others = [frame for frame in self._frames if frame.number not in numbers]
        return shown, others[len(others) - plan.described :]

    def _notices(self, use: ContextUse) -> Iterator[core.Notice]:
        if not self._sees and self._frames:
            yield fallback_notice(self._refusal)
        elif use.pictures and self._connection.sight.sees is None:
            yield core.Notice("sight_unknown")
        tokens = use.context_tokens
        if use.pictures and use.described:
            yield core.Notice("ask_described", {"frames": _ranges(use.described), "tokens": tokens}, "info")
        if use.left_out_frames:
            yield core.Notice("ask_frames_left_out", {"frames": _ranges(use.left_out_frames), "tokens": tokens})
        if use.left_out_turns:
            yield core.Notice("ask_turns_left_out", {"turns": _ranges(use.left_out_turns), "tokens": tokens}, "info")
        if use.left_out_lines:
            yield core.Notice("ask_lines_left_out", {"n": use.left_out_lines, "tokens": tokens}, "info")

    # ---- texts

    def _system(self, own: str) -> str:
        rules = t("ask.prompt.system")
        return f"{rules}\n{t('ask.prompt.own', text=own.strip())}" if own.strip() else rules

    def _described(self, frame: core.Keyframe) -> str:
        return messages.describe(frame, self._facts.get(frame.number))

    def _material(self, plan: _Plan) -> Iterator[str]:
        """Yield the block of what is known of the video, if anything is."""
        lines: list[str] = []
        for name, section, count in zip(("findings", "texts", "cues"), self._sections, plan.lines, strict=True):
            if count:
                lines += [t(f"ask.prompt.{name}"), *section[len(section) - count :]]
        if lines:
            yield "\n".join([t("ask.prompt.material"), *lines])

    def _findings(self) -> Iterator[str]:
        found = (*self._analysis.overview, *self._analysis.findings, *self._analysis.reply)
        for finding in dict.fromkeys((one.frames, " · ".join((one.text, *one.fields.values()))) for one in found):
            frames, text = finding
            yield f"- [{', '.join(map(str, frames))}] {_quoted(text)}"

    def _texts(self) -> Iterator[str]:
        for frame in self._frames:
            if texts := self._texts_by_frame.get(frame.number):
                yield f"{mark(frame)} {_quoted(' | '.join(texts))}"

    def _cues(self) -> Iterator[str]:
        """Yield the speech near each frame."""
        transcript = self._analysis.transcript
        for frame, said in speech_near(transcript.cues if transcript else (), self._frames):
            yield f"{mark(frame)} {_quoted(said)}"

    # ---- tokens

    def _scale(self, earlier: Sequence[Turn], system: str, context: int) -> float:
        """Return how many tokens of this model one of the estimate is, by its own count of a sample."""
        lines = (line for section in self._sections for line in section)
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


def _newest(costs: Sequence[float], room: float) -> int:
    """Return how many of the last of `costs` fit in `room`."""
    count = 0
    for cost in reversed(costs):
        room -= cost
        if room < 0:
            break
        count += 1
    return count


def _sum_newest(costs: Sequence[int], count: int) -> int:
    return sum(costs[len(costs) - count :])


def _quoted(text: str) -> str:
    return json.dumps(" ".join(text.split()), ensure_ascii=False)


def _ranges(numbers: Sequence[int]) -> str:
    """Format sorted numbers, runs of them as ranges: "1–4, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
