"""Estimate of the stage that answers the question of a request, before the description.

`framelens.questions` says what answering takes, by the policy that it answers by; this module turns it into time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framelens.analysis.planning.forecast import EnginePace, PlannedRequests, look_seconds, usual_answer_tokens
from framelens.analysis.planning.frame_budget import RequestCapacity
from framelens.core.domain import AnalysisRequest, Layout
from framelens.store.model_records import LookTiming

# Tokens of the short request about a question: 420 with the tokenizer of Qwen2.5-VL for half as many words.
_CLASSIFY_TOKENS, _CLASSIFY_ANSWER = 560, 50


@dataclass(frozen=True)
class QuestionPlan:
    """What answering a question takes.

    Attributes:
        looks: Fewest and most pictures that the model is asked about, each in its own request.
        most_look_seconds: Ceiling of the time for them.
        is_search: Whether these pictures belong to a search through the video.
        is_classified: Whether the model is asked first what the question asks for.
        is_written: Whether the model writes the answer.
        frames: Most frames that the answer is written about; None for as many as are analysed.
        describes: Whether the video is described, too.
    """

    looks: tuple[int, int] = (0, 0)
    most_look_seconds: float = 0.0
    is_search: bool = False
    is_classified: bool = False
    is_written: bool = True
    frames: int | None = None
    describes: bool = True


Policy = Callable[[str, tuple[float, float], int], Sequence[QuestionPlan]]
"""policy(question, whole, frames) returns the ways in which a question about the video from `whole[0]` to `whole[1]`
seconds, of which so many frames are analysed, may be answered; the model decides which."""


@dataclass(frozen=True)
class QuestionEstimate:
    """Estimated work of the stage.

    Attributes:
        looks: Fewest and most pictures that the model is asked about.
        is_search: Whether these pictures belong to a search.
        prompt_tokens: Prompt tokens of all requests but those about single pictures, in the most costly way.
        answer_tokens: Tokens of the answers to these requests.
        seconds: Shortest and longest time; None if this engine's speed is unknown.
    """

    looks: tuple[int, int] = (0, 0)
    is_search: bool = False
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: tuple[float, float] | None = (0.0, 0.0)


def estimate_question(
    plans: Sequence[QuestionPlan],
    *,
    frames: int,
    layout: Layout,
    capacity: RequestCapacity,
    pace: EnginePace | None,
    looked: Sequence[LookTiming],
) -> QuestionEstimate:
    """Estimate the stage over all ways in which the question may be answered; without a way there is no question.

    Args:
        plans: The ways.
        frames: Number of frames that are analysed.
        layout: Layout of the requests with frames.
        capacity: Capacity of a request.
        pace: Pace of the engine, None if unknown.
        looked: Timings of this engine's searches, the latest last.
    """
    if not plans:
        return QuestionEstimate()
    ranges, requests = [], []
    for one in plans:
        written = frames if one.frames is None else one.frames
        asked = _requests(one, min(written, layout.per_part), layout, capacity)
        asking = pace.seconds(asked) if pace else (0.0, 0.0) if not asked else None
        looking = _look_seconds(one, looked)
        ranges.append((asking[0] + looking[0], asking[1] + looking[1]) if asking and looking else None)
        requests.append(asked)
    known = [one for one in ranges if one]
    most = max(requests, key=lambda asked: sum(one.prompt_tokens for one in asked))
    return QuestionEstimate(
        looks=(min(plan.looks[0] for plan in plans), max(plan.looks[1] for plan in plans)),
        is_search=any(plan.is_search for plan in plans),
        prompt_tokens=sum(one.prompt_tokens for one in most),
        answer_tokens=sum(one.completion_tokens for one in most),
        seconds=(min(low for low, _ in known), max(high for _, high in known)) if len(known) == len(plans) else None,
    )


def _requests(plan: QuestionPlan, frames: int, layout: Layout, capacity: RequestCapacity) -> list[PlannedRequests]:
    """Return the requests of `plan` that classify and answer the question."""
    found = [PlannedRequests(1, 0, _CLASSIFY_TOKENS, _CLASSIFY_ANSWER, 1)] if plan.is_classified else []
    if plan.is_written:
        prompt = round(frames * layout.tokens_per_frame) + capacity.text_tokens
        answer = usual_answer_tokens(0, capacity.answer_tokens)
        found.append(PlannedRequests(1, frames, prompt, answer, 1))
    return found


def _look_seconds(plan: QuestionPlan, looked: Sequence[LookTiming]) -> tuple[float, float] | None:
    """Return the shortest and longest time of the requests about single pictures, within their ceiling."""
    fewest, most = plan.looks
    if not most:
        return 0.0, 0.0
    each = look_seconds(looked)
    return each and (min(fewest * each[0], plan.most_look_seconds), min(most * each[1], plan.most_look_seconds))


def plans_of(policy: Policy | None, request: AnalysisRequest, seconds: float, frames: int) -> Sequence[QuestionPlan]:
    """Return the ways in which the question of a request may be answered; empty without a question or a model.

    Args:
        policy: How questions are answered, None where they aren't.
        request: The request.
        seconds: Length of the part that is analysed.
        frames: Number of frames that are analysed.
    """
    question, start = request.question.strip(), request.selection.start_seconds
    return policy(question, (start, start + seconds), frames) if policy and question and request.use_model else ()
