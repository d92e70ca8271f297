"""Proposals of models and settings that fit in a given memory, best first.

"Best" is a rule, not a measurement: models whose licence allows research alone come last of all; models that accept
pictures first, then models that keep 8192 tokens, then models that vLLM runs without foreign code; then the larger
model, where a mixture of experts counts as the geometric mean of its total parameters and the parameters that a token
uses, a model of the newer generation as one of twice its size, and sizes within about a fifth are equal; then 8 and
more bits before 4; then the order of the families in the catalogue. On a CPU, models with many parameters for each
token come last, the smallest of them first: each token of an answer reads all these parameters from memory. Before them
come models with linear attention, which compute there in bfloat16 alone, and that slowly on most processors.

The figures of cards are from NVIDIA's data sheets. A card's name is matched before a shorter name that is part of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from framelens.core.domain import Device
from framelens.core.errors import ConfigError
from framelens.core.units import GIB, gib_number
from framelens.i18n import t
from framelens.models.architecture import Shape
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.formats import BY_KEY, FormatKey, NumberFormat, is_faster_wide
from framelens.models.memory import MemoryEstimate
from framelens.models.serving_plan import Plan

USUAL_LENGTH = 8192  # tokens, as in framelens.config.DEFAULT_VLLM_CONFIG
_LENGTHS = (32768, 16384, USUAL_LENGTH, 4096)  # proposed context lengths
USABLE = 0.9
"""Usable share of a memory; the rest is for the driver, the desktop and other programs."""
_MAX_REQUESTS = 8
"""Limit of concurrent requests in the engine: FrameLens sends a handful, and space for 256 costs a GiB."""
_PICTURE_TOKENS = 1280
"""Limit of tokens for a frame: enough for 1280 × 720, and the tower's working memory stays small."""
_MAX_FRAMES = 64
_REST_TOKENS = 1536
"""Tokens for question, marks and answer in addition to the frames."""
_MAX_CPU_PARAMETERS = 5e9
"""Parameters that a token uses, beyond which a model is slow on any CPU: a 7B wrote 4 tokens a second on two cores."""
_NEWER = "2025-09"
"""Month from which on models are of the newer generation: the first Qwen3-VL. That they count as twice their size is a
rule of thumb and not measured here. Scores that makers report on long videos (MLVU): Qwen2.5-VL-7B 70.2, Qwen3-VL-8B
78.1."""
_AMPERE = 8.0  # compute capability
_USUAL_CAPABILITY = 8.6  # most Ampere cards
_KNOWN: tuple[tuple[str, float, float], ...] = (
    ("rtx 2080 ti", 11, 7.5), ("rtx 2080", 8, 7.5), ("rtx 2070", 8, 7.5), ("rtx 2060", 6, 7.5), ("titan rtx", 24, 7.5),
    ("quadro rtx 6000", 24, 7.5), ("quadro rtx 8000", 48, 7.5), ("gtx 1660", 6, 7.5), ("t4", 16, 7.5),
    ("v100", 16, 7.0), ("titan v", 12, 7.0), ("gtx 1080 ti", 11, 6.1), ("p100", 16, 6.0), ("p40", 24, 6.1),
    ("rtx 3050", 8, 8.6), ("rtx 3060 ti", 8, 8.6), ("rtx 3060", 12, 8.6), ("rtx 3070", 8, 8.6),
    ("rtx 3080 ti", 12, 8.6), ("rtx 3080", 10, 8.6), ("rtx 3090", 24, 8.6),
    ("rtx a4000", 16, 8.6), ("rtx a5000", 24, 8.6), ("rtx a6000", 48, 8.6),
    ("rtx 4060 ti", 16, 8.9), ("rtx 4060", 8, 8.9), ("rtx 4070 ti super", 16, 8.9), ("rtx 4070", 12, 8.9),
    ("rtx 4080", 16, 8.9), ("rtx 4090", 24, 8.9), ("rtx 6000 ada", 48, 8.9), ("l40", 48, 8.9), ("l4", 24, 8.9),
    ("rtx 5060", 8, 12.0), ("rtx 5070 ti", 16, 12.0), ("rtx 5070", 12, 12.0), ("rtx 5080", 16, 12.0),
    ("rtx 5090", 32, 12.0), ("a100", 40, 8.0), ("a10", 24, 8.6), ("a40", 48, 8.6), ("h20", 96, 9.0),
    ("h100", 80, 9.0), ("h200", 141, 9.0),
)  # fmt: skip


@dataclass(frozen=True)
class Proposal:
    """A model with settings that fit.

    Attributes:
        budget_bytes: Memory that may be used, on each card.
        concurrency: Number of requests of `plan.max_model_len` tokens that the cache holds.
        frames: Number of frames of the smallest size that fit in a request; 0 for a model without vision.
        config: Settings for VLLM_CONFIG.
        environment: Environment variables to set with VLLM_CONFIG.
    """

    entry: CatalogueEntry
    format: NumberFormat
    plan: Plan
    sum: MemoryEstimate
    budget_bytes: int
    concurrency: float
    frames: int
    config: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def for_cards(card: GpuCard, entries: Iterable[CatalogueEntry], *, cards: int = 1) -> tuple[Proposal, ...]:
        """Propose models for `cards` cards like `card`, best first."""
        proposals = (_on_cards(entry, card, cards) for entry in entries)
        return _rank([proposal for proposal in proposals if proposal is not None], entries)

    @staticmethod
    def divided(
        entry: CatalogueEntry, card: GpuCard, *, tensor_parallel: int, pipeline_parallel: int
    ) -> tuple[Proposal, ...]:
        """Propose settings for a model that is divided among cards like `card`.

        Args:
            entry: The model.
            card: One of the cards.
            tensor_parallel: Cards among which each layer is divided.
            pipeline_parallel: Stages among which the layers are divided.

        Returns:
            One proposal for each number format in which the model fits: the checkpoint's own, then vLLM's conversions.
        """
        budget, proposals = int(card.memory_gib * GIB * USABLE), []
        for chosen in _formats(entry, card):
            base = _plan(entry.shape, chosen, "gpu", tensor_parallel, pipeline_parallel)
            if proposal := _fit(entry, chosen or NumberFormat.of(entry.shape).key, base, budget, card):
                proposals.append(proposal)
        return tuple(proposals)

    @property
    def may_be_recommended(self) -> bool:
        """Return whether vLLM runs the model with pictures and without code that comes with it."""
        return self.entry.sees and self.entry.engine == "vllm" and not self.entry.needs_code

    @property
    def config_without_code(self) -> dict[str, Any]:
        """Return the settings that a page may set, without the leave for code that comes with the model."""
        return {name: value for name, value in self.config.items() if name != "trust_remote_code"}

    @property
    def is_slow(self) -> bool:
        """Return whether the model runs on a CPU and has too many parameters for a CPU."""
        return self.plan.device == "cpu" and self.entry.shape.active_parameters > _MAX_CPU_PARAMETERS


@dataclass(frozen=True)
class MemoryNeed:
    """Memory that a model needs, in bytes, on the fullest card or of ordinary memory, and the available memory.

    Attributes:
        needed_bytes: Estimate with the given settings.
        least_bytes: Estimate with the smallest settings.
        there_bytes: Available memory.
        usable: Share of it that may be used.
    """

    needed_bytes: int
    least_bytes: int
    there_bytes: int
    usable: float = USABLE

    @classmethod
    def of(cls, shape: Shape, plan: Plan, there_bytes: int, *, usable: float = USABLE) -> MemoryNeed:
        """Estimate the need of a model served by `plan`, to compare with `there_bytes` of memory."""
        needed = MemoryEstimate.of(shape, plan).card_bytes
        return cls(needed, min(cls.least_of(shape, plan.device), needed), there_bytes, usable)

    @staticmethod
    def least_of(shape: Shape, device: Device) -> int:
        """Return the least bytes to serve a model: for a request of the shortest proposed context on one card."""
        longest = shape.text.max_positions or USUAL_LENGTH
        plan = replace(_plan(shape, None, device, 1, 1), max_model_len=min(_LENGTHS[-1], longest), eager=True)
        return MemoryEstimate.of(shape, plan).card_bytes

    @property
    def usable_bytes(self) -> int:
        """Return the bytes that may be used."""
        return int(self.there_bytes * self.usable)

    @property
    def fits(self) -> bool:
        """Return whether the model fits with the given settings."""
        return self.needed_bytes <= self.usable_bytes

    @property
    def can_fit(self) -> bool:
        """Return whether the model fits with the smallest settings."""
        return self.least_bytes <= int(self.there_bytes * USABLE)

    def description(self) -> str:
        """Describe it for the user, and whether it fits, in one or two sentences."""
        values = {
            "needed": gib_number(self.needed_bytes),
            "least": gib_number(self.least_bytes),
            "there": gib_number(self.there_bytes),
            "usable": gib_number(self.usable_bytes),
            "share": round(100 * self.usable),
        }
        if self.fits:
            return t("models.need_fits", **values)
        return t("models.need_settings" if self.can_fit else "models.need_not", **values)


def propose_for_cpu(
    memory_gib: float, entries: Iterable[CatalogueEntry], *, wide: bool = False
) -> tuple[Proposal, ...]:
    """Propose models for `memory_gib` of ordinary memory, best first.

    Args:
        memory_gib: All memory of the machine.
        entries: Models to choose from.
        wide: Whether the processor reads pictures faster in float32 (`formats.prefers_float32`).
    """
    return _rank([proposal for entry in entries if (proposal := _on_cpu(entry, memory_gib, wide))], entries)


# ---- one model -------------------------------------------------------------------------------------------------------


def _on_cards(entry: CatalogueEntry, card: GpuCard, cards: int) -> Proposal | None:
    tensor, pipeline = entry.shape.ways_to_divide(cards)
    return next(iter(Proposal.divided(entry, card, tensor_parallel=tensor, pipeline_parallel=pipeline)), None)


def _formats(entry: CatalogueEntry, card: GpuCard) -> Iterator[FormatKey | None]:
    """List the formats to try: the checkpoint's own if the card runs it, then vLLM's conversions while loading."""
    least = NumberFormat.of(entry.shape).least_capability
    halved = entry.shape.quantisation is None and card.runs < _AMPERE
    if halved or (least is not None and card.runs >= least):
        yield "fp16" if halved else None
    makes_fp8 = BY_KEY["fp8"].full_capability or math.inf
    if entry.shape.quantisation is None and entry.engine == "vllm" and card.runs >= makes_fp8:
        yield "fp8"


def _on_cpu(entry: CatalogueEntry, memory_gib: float, wide: bool) -> Proposal | None:
    """Propose 32 bits if they are faster here and leave 8192 tokens, else 16; transformers uses the stored format."""
    stored = NumberFormat.of(entry.shape)
    is_mixture_in_4_bits = entry.shape.text.experts > 0 and stored.bits < 8
    if stored.key == "fp8" or is_mixture_in_4_bits:
        return None
    narrow: FormatKey | None = "bf16" if stored.key == "fp16" else None
    is_wide = wide and entry.engine == "vllm" and is_faster_wide(entry.shape)
    widths: tuple[FormatKey | None, ...] = ("fp32", narrow) if is_wide else (narrow,)
    for chosen in widths:
        base = _plan(entry.shape, chosen, "cpu", 1, 1)
        fitted = _fit(entry, chosen or stored.key, base, int(memory_gib * GIB * USABLE), None)
        if fitted and (chosen != "fp32" or fitted.plan.max_model_len >= USUAL_LENGTH):
            return fitted
    return None


def _plan(shape: Shape, chosen: FormatKey | None, device: Device, tensor: int, pipeline: int) -> Plan:
    vision = shape.vision
    limited = vision is not None and vision.pictures == "patches"
    return Plan(
        format=chosen,
        device=device,
        max_num_seqs=_MAX_REQUESTS,
        eager=device == "cpu",
        largest_picture_px=_PICTURE_TOKENS * vision.unit_px**2 if limited and vision else None,
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
    )


def _fit(entry: CatalogueEntry, key: FormatKey, base: Plan, budget: int, card: GpuCard | None) -> Proposal | None:
    """Choose the longest context of which the cache holds two requests, else one request; eager if needed.

    On a card, one request of the usual length is better than two shorter ones: it holds more frames. On a CPU, more
    than the model takes its memory.
    """
    longest = entry.shape.text.max_positions or USUAL_LENGTH
    lengths = [length for length in _LENGTHS if length <= longest] or [longest]
    usual = [length for length in lengths if length <= USUAL_LENGTH] or lengths
    long = [length for length in lengths if length >= USUAL_LENGTH] if card else lengths
    for least, eager, tried in ((2, base.eager, long), (1, base.eager, usual), (1, True, usual)):
        for length in tried:
            plan = replace(base, max_model_len=length, eager=eager)
            sum_ = MemoryEstimate.of(entry.shape, plan)
            held = sum_.cache_tokens(budget) / length
            if held >= least:
                return _proposal(entry, key, plan, sum_, budget, held, card)
    return None


def _proposal(
    entry: CatalogueEntry,
    key: FormatKey,
    plan: Plan,
    sum_: MemoryEstimate,
    budget: int,
    held: float,
    card: GpuCard | None,
) -> Proposal:
    vision, frames = entry.shape.vision, 0
    if vision is not None:
        each = min(
            vision.image_tokens(),
            _PICTURE_TOKENS if vision.pictures == "patches" else 10**6,
        )
        frames = max(1, min(_MAX_FRAMES, (plan.max_model_len - _REST_TOKENS) // (each + 16)))
    environment: dict[str, str] = {}
    config = _config(entry, key, plan, frames, card)
    if entry.engine == "transformers":
        config, environment = {}, {"FRAMELENS_ENGINE": "transformers"}
    elif plan.device == "cpu":
        tokens = min(held, 4) * plan.max_model_len
        environment["VLLM_CPU_KVCACHE_SPACE"] = str(max(1, math.ceil(tokens * sum_.cache_bytes_per_token / GIB)))
    return Proposal(entry, BY_KEY[key], plan, sum_, budget, held, frames, config, environment)


def _config(entry: CatalogueEntry, key: FormatKey, plan: Plan, frames: int, card: GpuCard | None) -> dict[str, Any]:
    """Build VLLM_CONFIG.

    Cards before Ampere, and cards with checkpoints in float16, compute in half; a CPU may compute in 32 bits.
    """
    in_half = card is not None and (card.runs < _AMPERE or entry.shape.dtype == "float16")
    config: dict[str, Any] = {"max_model_len": plan.max_model_len}
    if card is not None:
        config["gpu_memory_utilization"] = USABLE
    config["dtype"] = "half" if in_half else "float32" if key == "fp32" else "bfloat16"
    config["max_num_seqs"] = plan.max_num_seqs
    if key == "fp8" and entry.shape.quantisation is None:
        config["quantization"] = "fp8"
    if plan.eager:
        config["enforce_eager"] = True
    if card is not None:
        config["tensor_parallel_size"] = plan.tensor_parallel
    if plan.pipeline_parallel > 1:
        config["pipeline_parallel_size"] = plan.pipeline_parallel
    if frames:
        config["limit_mm_per_prompt"] = {"image": frames, "video": 0}
    if plan.largest_picture_px:
        config["mm_processor_kwargs"] = {"max_pixels": plan.largest_picture_px}
    if entry.needs_code:
        config["trust_remote_code"] = True
    return config


# ---- which is best ---------------------------------------------------------------------------------------------------


def _rank(proposals: list[Proposal], entries: Iterable[CatalogueEntry]) -> tuple[Proposal, ...]:
    ranks = {family: index for index, family in enumerate(dict.fromkeys(entry.family for entry in entries))}

    def rank(proposal: Proposal) -> tuple[object, ...]:
        entry = proposal.entry
        return (
            entry.is_for_research,
            not entry.sees,
            proposal.plan.max_model_len < USUAL_LENGTH,
            entry.engine != "vllm" or entry.needs_code,
            proposal.is_slow and entry.shape.active_parameters,
            proposal.plan.device == "cpu" and entry.shape.text.is_hybrid,
            -_size_class(entry.shape) - 2 * (entry.released >= _NEWER),
            proposal.format.bits < 8,
            ranks[entry.family],
            -entry.parameters,
        )

    return tuple(sorted(proposals, key=rank))


def _size_class(shape: Shape) -> int:
    return round(2 * math.log2(math.sqrt(shape.parameters * shape.active_parameters)))


@dataclass(frozen=True)
class GpuCard:
    """A graphics card: its memory, and its compute capability where it is known."""

    SIZES_GIB: ClassVar = (8, 11, 12, 16, 24, 32, 40, 48, 80, 96, 141)
    """Sizes in which cards are sold."""
    USABLE: ClassVar = USABLE
    """Usable share of a memory."""
    memory_gib: float
    capability: float | None = None
    name: str = ""

    @property
    def runs(self) -> float:
        """Return the compute capability, or most Ampere cards' capability if it is unknown."""
        return self.capability if self.capability is not None else _USUAL_CAPABILITY

    @staticmethod
    def parse_gigabytes(text: str) -> float | None:
        """Parse an amount of memory such as "24", "24GB" or "24 GiB"; return None for anything else."""
        plain = text.strip().lower()
        try:
            number = float(plain.removesuffix("gib").removesuffix("gb").removesuffix("g").strip())
        except ValueError:
            return None
        return number if 0 < number < 100_000 else None

    @classmethod
    def parse(cls, text: str) -> GpuCard:
        """Parse a card's memory in GB, such as "24" or "24GB", or its name, such as "RTX 4090".

        Raises:
            ConfigError: It is neither.
        """
        number = cls.parse_gigabytes(text)
        card = find_card(text) or (cls(number) if number else None)  # "4090" is a name
        if card is None:
            raise ConfigError("card_unknown", given=text)
        return card


def find_card(name: str, memory_gib: float | None = None) -> GpuCard | None:
    """Find a graphics card by the name that a driver or a person uses; return None if it is unknown.

    >>> [find_card(name).memory_gib for name in ("NVIDIA GeForce RTX 2080 Ti", "2080ti", "4090", "A100-80GB")]
    [11, 11, 24, 80.0]

    Args:
        name: The name, in any case and punctuation.
        memory_gib: Memory that the card itself reports, which takes precedence.
    """
    parted = re.sub(r"(?<=rtx|gtx)(?=\d)|(?<=\d)(?=(?:ti|super|gb?)\b)", " ", name.lower())
    text = f" {' '.join(re.sub(r'[^a-z0-9]+', ' ', parted).split())} ".replace(" 4090d ", " 4090 ")
    named_gib = float(match[1]) if (match := re.search(r" (\d+) gb? ", text)) else None
    for model, usual_gib, capability in sorted(_KNOWN, key=lambda card: -len(card[0])):
        if f" {model} " in text or text.startswith(f" {re.sub('[rg]tx ', '', model)} "):
            return GpuCard(memory_gib or named_gib or usual_gib, capability, name)
    return GpuCard(memory_gib, None, name) if memory_gib else None
