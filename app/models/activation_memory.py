"""What serving takes beside weights and cache: estimates, with the rules they come from.

When vLLM starts it runs the largest picture through the tower, a full batch of tokens through the layers, and the
choice of a word for every request, and keeps free what that took. So here: the widest intermediate results of each of
the three. The engine's own part is a rule of thumb from vLLM's logs: three eighths of a GiB for CUDA and its libraries,
as much for talking to other cards (0.34 to 0.43 GiB with four), and about 16 MiB of CUDA graphs for each layer unless
`enforce_eager` is set. On a CPU, measured as the sum of the processes' shares at their peak with vLLM 0.32 (3B in 16
bits: 11.4 GiB, with AWQ 8.3; a 2B in 16 bits 7.8): 1.6 GiB of libraries in two processes; the head once more, since
vLLM packs it anew and keeps the embedding; three sixteenths of all weights, and packed ones a second time, that the
packing took and the allocator does not give back.
"""

from __future__ import annotations

import math

from app.models.architecture import Shape, Vision
from app.models.serving_plan import GIB, Plan, number_bytes
from app.models.vision_tokens import largest_picture_tokens

_CONTEXT_BYTES = 3 * GIB // 8
_TALK_BYTES = 3 * GIB // 8
_GRAPH_BYTES = GIB // 64
_CPU_ENGINE_BYTES = 13 * GIB // 8
_CPU_KEPT = 3 / 16
_BYTES_PER_LOGIT = 28
"""A logit as float32, sorted, with its place before sorting, as probability, summed up, and as it came."""


def working_bytes(shape: Shape, plan: Plan) -> int:
    """The most that the three passes hold at a time, on one card."""
    text, plain, tokens = shape.text, number_bytes(shape, plan), plan.batched_tokens
    batch = tokens * plain * (4 * text.hidden + 3 * text.intermediate // plan.tensor_parallel)
    choice = min(plan.max_num_seqs, tokens) * text.vocab * _BYTES_PER_LOGIT
    if shape.vision is None:
        return max(batch, choice)
    cost = picture_tokens(shape.vision, plan)
    kept = max(cost, tokens) * shape.vision.output * plain
    return kept + max(_picture_bytes(shape.vision, plan, plain, cost), batch, choice)


def picture_tokens(vision: Vision, plan: Plan) -> int:
    """Tokens of the largest picture that the plan lets in."""
    most = largest_picture_tokens(vision)
    if plan.largest_picture_px is None or vision.pictures != "patches":
        return most
    return min(most, math.ceil(plan.largest_picture_px / vision.unit_px**2))


def engine_bytes(shape: Shape, plan: Plan, weights_bytes: int, packed_bytes: int) -> int:
    """What the engine takes for itself, on one card that holds so many bytes of weights, so many of them packed."""
    if plan.device == "cpu":
        head = (shape.count("lm_head") or shape.count("embedding")) * number_bytes(shape, plan)
        return _CPU_ENGINE_BYTES + head + math.ceil(weights_bytes * _CPU_KEPT) + packed_bytes
    graphs = 0 if plan.eager else _GRAPH_BYTES * math.ceil(shape.text.layers / plan.pipeline_parallel)
    return _CONTEXT_BYTES + (_TALK_BYTES if plan.cards > 1 else 0) + graphs


def _picture_bytes(vision: Vision, plan: Plan, plain: int, tokens: int) -> int:
    """The tower's widest moment: pixels as they came and converted, the residual, and a block's attention or layers."""
    patches = tokens * vision.patches_per_token
    pixels = 3 * 2 * (vision.unit_px**2 // vision.patches_per_token) * (4 + plain)
    attention = (4 * vision.hidden * plain + 2 * vision.hidden * 4) // plan.tensor_parallel
    layers = (3 if vision.gated else 2) * vision.intermediate * plain // plan.tensor_parallel
    read = pixels if vision.pictures == "patches" else 0
    return patches * (read + 2 * vision.hidden * plain + max(attention, layers))
