"""Hardware profiles that models are matched with: this machine, or cards of another size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from framelens.core.domain import Device
from framelens.core.units import GIB
from framelens.engine.gpu_metrics import GpuReader
from framelens.engine.hardware import cpu_cores, cpu_flags, installed_vllm, memory_bytes
from framelens.i18n import t
from framelens.models.architecture import Shape
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.formats import prefers_float32
from framelens.models.placement import USABLE, GpuCard, MemoryNeed, Proposal, find_card, propose_for_cpu
from framelens.models.serving_plan import Plan

_KEPT = 128
"""Number of cached lists of proposals, for the catalogue and for single models."""


@dataclass(frozen=True)
class HardwareProfile:
    """Hardware to run a model on.

    Attributes:
        key: Name of the profile; "here" is this machine.
        card: Model of each of the `cards` graphics cards, None for a CPU.
        memory_gib: Memory of a machine without a card.
        wide: Whether its processor reads pictures faster in float32.
    """

    key: str
    card: GpuCard | None
    cards: int = 1
    memory_gib: float = 0
    wide: bool = False

    @staticmethod
    @cache
    def here() -> HardwareProfile:
        """Return the profile of this machine, detected once: hardware isn't added while the program runs.

        All cards count as the smallest card, and no card counts if the installed vLLM computes on the CPU.
        """
        reader = GpuReader()
        sizes = [(card.memory_bytes / GIB, card.name) for card in reader().cards if card.memory_bytes]
        reader.close()
        return HardwareProfile.of(sizes, (installed_vllm() or ("gpu", ""))[0], memory_bytes() / GIB)

    @staticmethod
    def of(cards: Iterable[tuple[float, str]], device: Device, memory_gib: float) -> HardwareProfile:
        """Return the profile of this machine for these cards.

        Args:
            cards: Memory in GiB and name of each card.
            device: The device that the installed vLLM computes on.
            memory_gib: Memory of the machine.
        """
        ordered = sorted(cards)
        if not ordered or device == "cpu":
            wide = prefers_float32(cpu_flags(), cpu_cores())
            return HardwareProfile("here", None, memory_gib=memory_gib, wide=wide)
        least_gib, name = ordered[0]
        return HardwareProfile("here", find_card(name, least_gib), len(ordered))

    @property
    def device(self) -> Device:
        """Return the kind of device that computes."""
        return "gpu" if self.card else "cpu"

    @property
    def bytes_each(self) -> int:
        """Return the memory of a card, or of the whole machine on a CPU."""
        return int((self.card.memory_gib if self.card else self.memory_gib) * GIB)

    def proposals(self, entries: Sequence[CatalogueEntry]) -> tuple[Proposal, ...]:
        """List the models that run on this hardware, the best first."""
        return _proposals(self, _Entries(tuple(entries)))

    def recommended(self, entries: Sequence[CatalogueEntry]) -> tuple[Proposal, ...]:
        """List the models to recommend to people who chose none; the first is the recommended model."""
        return tuple(proposal for proposal in self.proposals(entries) if proposal.may_be_recommended)

    def need(self, shape: Shape, arguments: Mapping[str, Any]) -> MemoryNeed:
        """Return the memory that a model served with these vLLM arguments needs on this hardware.

        Args:
            shape: The model.
            arguments: vLLM arguments; `gpu_memory_utilization` is the share of a card that may be used.
        """
        share = arguments.get("gpu_memory_utilization") if self.card else None
        usable = float(share) if isinstance(share, int | float) else USABLE
        return MemoryNeed.of(shape, Plan.parse(arguments, device=self.device), self.bytes_each, usable=usable)

    def description(self) -> str:
        """Return a description for the user."""
        gib = f"{self.bytes_each / GIB:.4g}"
        key = "models.machine_cards" if self.card else "models.machine_cpu"
        return t(key, n=self.cards, name=(self.card.name if self.card else "") or "GPU", gib=gib)


class _Entries:
    """Entries of the catalogue as a key, compared by identity: entries are immutable but can't be hashed."""

    def __init__(self, entries: tuple[CatalogueEntry, ...]) -> None:
        self.all = entries
        self._ids = tuple(map(id, entries))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Entries) and self._ids == other._ids

    def __hash__(self) -> int:
        return hash(self._ids)


@lru_cache(maxsize=_KEPT)
def _proposals(profile: HardwareProfile, entries: _Entries) -> tuple[Proposal, ...]:
    """List the models that run on this hardware; for the whole catalogue, this is half the time of the first page."""
    if profile.card is None:
        return propose_for_cpu(profile.memory_gib, entries.all, wide=profile.wide)
    return Proposal.for_cards(profile.card, entries.all, cards=profile.cards)
