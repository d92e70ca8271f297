"""Splits the keyframes into chunks that fit the model's context, and chooses the size at which they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from app.domain import Keyframe
from app.llm.budget import estimate_frame_tokens

# Longer sides in pixels. 896 keeps small writing readable; at 448 a frame of 16:9 costs about 150 tokens.
SIDES = (896, 640, 448)
_TEXT_TOKENS = 900  # system message, question and headings, measured 250 to 700 over the templates
DEFAULT_CONTEXT = 8192  # where an engine does not tell its limit


@dataclass(frozen=True)
class Plan:
    """`side`: the longer side of a sent frame in pixels. `chunks`: the frames of each request, in time order."""

    side: int
    chunks: tuple[tuple[Keyframe, ...], ...]


def plan(
    frames: Sequence[Keyframe],
    *,
    max_model_len: int | None,
    answer_tokens: int,
    side: int | None = None,
    max_pictures: int | None = None,
) -> Plan:
    """The fewest chunks of even length at the largest size for which one chunk holds all frames, else at 448."""
    room = room_for_frames(max_model_len, answer_tokens)
    if not frames:
        return Plan(side or SIDES[-1], ())
    costs = {
        one: max(estimate_frame_tokens(f.width, f.height, one) for f in frames) for one in ((side,) if side else SIDES)
    }
    chosen = next((one for one, cost in costs.items() if cost * len(frames) <= room), min(costs))
    per_chunk = max(1, min(room // costs[chosen], max_pictures or len(frames)))
    return Plan(chosen, split(frames, per_chunk))


def room_for_frames(max_model_len: int | None, answer_tokens: int) -> int:
    """Tokens left for frames when text and answer have theirs; at least a tenth of the context."""
    context = max_model_len or DEFAULT_CONTEXT
    return max(context - min(answer_tokens, context // 4) - min(_TEXT_TOKENS, context // 3), context // 10)


def split(frames: Sequence[Keyframe], per_chunk: int) -> tuple[tuple[Keyframe, ...], ...]:
    """Chunks of at most `per_chunk` frames whose lengths differ by at most one."""
    number = ceil(len(frames) / per_chunk)
    edges = [round(len(frames) * part / number) for part in range(number + 1)]
    return tuple(tuple(frames[start:end]) for start, end in pairwise(edges))
