"""Estimate of the memory that a served model needs, as a sum whose terms carry their formulas.

The terms follow what vLLM does. Tensor parallelism divides linear layers and embeddings; every card holds at least one
head of the cache; the ends of a pipeline hold the embeddings, and every stage the vision tower. Weights are the size of
the checkpoint; the cache is exact to the size of a block; working memory and the engine's own part are estimates.

When vLLM starts it runs the largest picture through the tower, a full batch of tokens through the layers, and sampling
for every request, and keeps the peak memory of these passes free. So the working memory is the widest intermediate
result of each pass. The engine's own part is a rule of thumb from vLLM's logs: three eighths of a GiB for CUDA and its
libraries, as much for communication between cards (0.34 to 0.43 GiB with four), and about 16 MiB of CUDA graphs for
each layer unless `enforce_eager` is set. On an H100 vLLM 0.25.1 counted 0.5 GiB of all this to its share, with working
memory, for models of 28 and 36 layers, and took 1.0 GiB in addition: the sum was 0.3 to 0.8 GiB too high there, and a
card needs a reserve.

On a CPU, measured as the sum of the processes' shares at their peak with vLLM 0.32 (3B in 16 bits: 11.4 GiB, with AWQ
8.3; a 2B in 16 bits 7.8): 1.6 GiB of libraries in two processes; the head once more, since vLLM packs it again and
keeps the embedding; three sixteenths of all weights, and packed weights a second time, which the packing used and the
allocator does not return.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from framelens.core.domain import Device
from framelens.core.units import GIB
from framelens.models.architecture import Shape, Vision
from framelens.models.formats import stored
from framelens.models.serving_plan import Plan, number_bytes

TermKey = Literal["text_weights", "vision_weights", "working", "cache", "engine"]
_BLOCK_TOKENS: Mapping[Device, int] = {"gpu": 16, "cpu": 128}
# From vLLM's logs and measurements; the module's docstring has the figures.
_CONTEXT_BYTES = 3 * GIB // 8
_COMMUNICATION_BYTES = 3 * GIB // 8
_GRAPH_BYTES = GIB // 64
_CPU_ENGINE_BYTES = 13 * GIB // 8
_CPU_UNRELEASED_SHARE = 3 / 16
_BYTES_PER_LOGIT = 28
"""Bytes of a logit as float32, sorted, with its index before sorting, as probability, cumulated, in its own type."""


@dataclass(frozen=True)
class MemoryTerm:
    """One term of the estimate: bytes on the fullest card and on all cards together.

    `formula` names the text `models.formula.<formula>`, which explains with `values` how the bytes were calculated.
    """

    key: TermKey
    card_bytes: int
    total_bytes: int
    formula: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class MemoryEstimate:
    """The whole memory estimate of a model served by `plan`."""

    plan: Plan
    terms: tuple[MemoryTerm, ...]
    cache_bytes_per_token: int
    """Bytes per token on the fullest card."""

    @classmethod
    def of(cls, shape: Shape, plan: Plan) -> MemoryEstimate:
        """Estimate the memory that `shape` needs when it is served by `plan`."""
        text, vision = _weight_bytes(shape, plan)
        weights = [_text_weights(shape, plan, text)]
        if shape.vision:
            weights.append(_vision_weights(shape.vision, plan, vision))
        terms = (*weights, _cache(shape, plan), _working(shape, plan), _engine(shape, plan, weights))
        return cls(plan, terms, cache_bytes_per_token(shape, plan))

    @staticmethod
    def weights_bytes(shape: Shape) -> int:
        """Return the bytes of the weights in the checkpoint's own format: the stored size, else an estimate."""
        return shape.stored_bytes or round(sum(_counted_bytes(shape, Plan())))

    @property
    def card_bytes(self) -> int:
        """Return the bytes on the fullest card."""
        return sum(term.card_bytes for term in self.terms)

    @property
    def total_bytes(self) -> int:
        """Return the bytes on all cards together."""
        return sum(term.total_bytes for term in self.terms)

    def bytes_of(self, *keys: TermKey) -> int:
        """Return the bytes of these terms on the fullest card."""
        return sum(term.card_bytes for term in self.terms if term.key in keys)

    def cache_tokens(self, budget_bytes: int) -> int:
        """Return the number of tokens that the cache holds if the engine may use `budget_bytes` of each card."""
        free = budget_bytes - self.bytes_of("text_weights", "vision_weights", "working", "engine")
        return self.tokens_in(max(0, free))

    def tokens_in(self, cache_bytes: int) -> int:
        """Return the tokens that a cache of `cache_bytes` holds, in whole blocks."""
        block = _BLOCK_TOKENS[self.plan.device]
        return cache_bytes // (self.cache_bytes_per_token * block) * block


def cache_bytes_per_token(shape: Shape, plan: Plan) -> int:
    """Return the bytes that the cache keeps of a token on the fullest card."""
    cache = shape.text.cache
    on_stage = math.ceil(cache.layers / plan.pipeline_parallel)
    return on_stage * cache.heads_per_card(plan.tensor_parallel) * cache.numbers_per_head * number_bytes(shape, plan)


def float32_bytes(shape: Shape, arguments: Mapping[str, Any], cache_bytes: int) -> int:
    """Return the bytes that the model needs in float32 on a CPU, with a cache of `cache_bytes`."""
    needed = MemoryEstimate.of(shape, Plan.parse({**arguments, "dtype": "float32"}, device="cpu"))
    return needed.card_bytes - needed.bytes_of("cache") + cache_bytes


# ---- weights ---------------------------------------------------------------------------------------------------------


def _weight_bytes(shape: Shape, plan: Plan) -> tuple[float, float]:
    """Return the bytes of language model and vision tower in the plan's format, scaled by the checkpoint's size."""
    text, vision = _counted_bytes(shape, plan)
    scale = MemoryEstimate.weights_bytes(shape) / sum(_counted_bytes(shape, Plan()))
    return text * scale, vision * scale


def _counted_bytes(shape: Shape, plan: Plan) -> tuple[float, float]:
    """Count the bytes of language model and vision tower in the plan's format; embeddings aren't quantised."""
    keeping = stored(shape, plan.format)
    plain = 2 if shape.quantisation else number_bytes(shape, plan)
    each = keeping.bits_per_weight / 8 if keeping else plain
    vision = shape.vision.weights if shape.vision else 0
    text = shape.text.linear * each + shape.text.embeddings * plain
    return text, vision * plain


def _text_weights(shape: Shape, plan: Plan, whole: float) -> MemoryTerm:
    """Divide the language model; each end of a pipeline holds an embedding, even if they are shared."""
    text, stages = shape.text, plan.pipeline_parallel
    end = text.embedding * number_bytes(shape, plan)
    layers = max(0.0, whole - end * (1 if text.tied else 2))
    total = whole + (end if text.tied and stages > 1 else 0)
    card = (layers / stages + end if stages > 1 else whole) / plan.tensor_parallel
    return _weight_term("text_weights", text.linear + text.embeddings, whole, plan, card, total)


def _vision_weights(vision: Vision, plan: Plan, whole: float) -> MemoryTerm:
    total = whole * plan.pipeline_parallel
    return _weight_term("vision_weights", vision.weights, whole, plan, whole / plan.tensor_parallel, total)


def _weight_term(key: TermKey, numbers: int, whole: float, plan: Plan, card: float, total: float) -> MemoryTerm:
    values = {"numbers": numbers, "bits": 8 * whole / max(numbers, 1), "cards": plan.cards}
    return MemoryTerm(key, math.ceil(card), math.ceil(total), "weights", values)


# ---- cache -----------------------------------------------------------------------------------------------------------


def _cache(shape: Shape, plan: Plan) -> MemoryTerm:
    """Calculate the cache: all layers keep every token, in whole blocks."""
    cache, block = shape.text.cache, _BLOCK_TOKENS[plan.device]
    card = cache_bytes_per_token(shape, plan) * math.ceil(plan.max_model_len / block) * block * plan.sequences
    values = {
        "layers": cache.layers, "heads": cache.heads, "head_dim": cache.head_dim, "bytes": number_bytes(shape, plan),
        "tokens": plan.max_model_len, "sequences": plan.sequences, "cards": plan.cards,
    }  # fmt: skip
    return MemoryTerm("cache", card, card * plan.cards, "cache_latent" if cache.latent else "cache", values)


# ---- estimates -------------------------------------------------------------------------------------------------------


def _working(shape: Shape, plan: Plan) -> MemoryTerm:
    card = _working_bytes(shape, plan)
    values = {
        "batched": plan.batched_tokens, "hidden": shape.text.hidden, "intermediate": shape.text.intermediate,
        "rows": min(plan.max_num_seqs, plan.batched_tokens), "vocab": shape.text.vocab,
        "picture": _picture_tokens(shape.vision, plan) if shape.vision else 0,
    }  # fmt: skip
    return MemoryTerm("working", card, card * plan.cards, "working_seeing" if shape.vision else "working", values)


def _engine(shape: Shape, plan: Plan, weights: Sequence[MemoryTerm]) -> MemoryTerm:
    card = _engine_bytes(shape, plan, sum(weight.card_bytes for weight in weights))
    formula = "engine_cpu" if plan.device == "cpu" else "engine_eager" if plan.eager else "engine_graphs"
    return MemoryTerm("engine", card, card * plan.cards, formula, {"layers": shape.text.layers, "cards": plan.cards})


def _working_bytes(shape: Shape, plan: Plan) -> int:
    """Return the peak memory of the three passes on a card, in bytes."""
    text, plain, tokens = shape.text, number_bytes(shape, plan), plan.batched_tokens
    batch = tokens * plain * (4 * text.hidden + 3 * text.intermediate // plan.tensor_parallel)
    choice = min(plan.max_num_seqs, tokens) * text.vocab * _BYTES_PER_LOGIT
    if shape.vision is None:
        return max(batch, choice)
    cost = _picture_tokens(shape.vision, plan)
    pictures = max(cost, tokens) * shape.vision.output * plain
    return pictures + max(_picture_bytes(shape.vision, plan, plain, cost), batch, choice)


def _picture_tokens(vision: Vision, plan: Plan) -> int:
    """Return the tokens of the largest picture that the plan allows."""
    most = vision.largest_tokens
    if plan.largest_picture_px is None or vision.pictures != "patches":
        return most
    return min(most, math.ceil(plan.largest_picture_px / vision.unit_px**2))


def _engine_bytes(shape: Shape, plan: Plan, weights: int) -> int:
    """Estimate the engine's own memory on a card, in bytes, which holds `weights` bytes of weights."""
    if plan.device == "cpu":
        head = shape.text.embedding * number_bytes(shape, plan)
        packed = shape.text.linear * shape.quantisation.bits_per_weight / 8 if shape.quantisation else 0
        return _CPU_ENGINE_BYTES + head + math.ceil(weights * _CPU_UNRELEASED_SHARE + packed)
    graphs = 0 if plan.eager else _GRAPH_BYTES * math.ceil(shape.text.layers / plan.pipeline_parallel)
    return _CONTEXT_BYTES + (_COMMUNICATION_BYTES if plan.cards > 1 else 0) + graphs


def _picture_bytes(vision: Vision, plan: Plan, plain: int, tokens: int) -> int:
    """Return the tower's peak: pixels as received and converted, the residual, and a block's attention or MLP."""
    patches = tokens * vision.patches_per_token
    pixels = 3 * 2 * (vision.unit_px**2 // vision.patches_per_token) * (4 + plain)
    attention = (4 * vision.hidden * plain + 2 * vision.hidden * 4) // plan.tensor_parallel
    layers = (3 if vision.gated else 2) * vision.intermediate * plain // plan.tensor_parallel
    read = pixels if vision.pictures == "patches" else 0
    return patches * (read + 2 * vision.hidden * plain + max(attention, layers))
