"""What models are to fit into: this machine as it is, or memory of another size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from app.core.domain import Language
from app.engine.hardware import cpu_cores, cpu_flags, cpu_name, installed_vllm, memory_bytes
from app.engine.monitoring.gpu import CardReader
from app.i18n import t
from app.models import Card, Entry, Need, Proposal, Shape, card_called, need_of, on_cards, on_cpu, plan_of
from app.models.cpu_speed import Pace, Speed, reference, run_of, speed_of, usual_speed, work_of
from app.models.placement import USABLE
from app.models.serving_plan import GIB, Device

CARD_SIZES_GIB = (8, 11, 12, 16, 24, 32, 40, 48, 80, 96, 141)
"""The sizes in which cards come."""
_USUAL_GIB = (24, 16, 12, 8)


@dataclass(frozen=True)
class Place:
    """`cards` cards like `card`, or with no card `memory_gib` of ordinary memory and a processor of this speed (None:
    the one that the catalogue was measured on).
    """

    key: str
    card: Card | None
    cards: int = 1
    memory_gib: float = 0
    speed: Speed | None = None

    @property
    def device(self) -> Device:
        return "gpu" if self.card else "cpu"

    @property
    def bytes_each(self) -> int:
        """The memory of one card, or all of it on a CPU."""
        return int((self.card.memory_gib if self.card else self.memory_gib) * GIB)

    def proposals(self, entries: Sequence[Entry]) -> tuple[Proposal, ...]:
        """What runs here, best first."""
        if self.card is None:
            return on_cpu(self.memory_gib, entries, speed=self.speed)
        return on_cards(self.card, entries, cards=self.cards)

    def need(self, shape: Shape, arguments: Mapping[str, Any]) -> Need:
        """Return what a model served with these vLLM arguments needs here. Cards are planned with as far as
        `gpu_memory_utilization` says.
        """
        share = arguments.get("gpu_memory_utilization") if self.card else None
        usable = float(share) if isinstance(share, int | float) else USABLE
        return need_of(shape, plan_of(arguments, device=self.device), self.bytes_each, usable=usable)

    def pace(self, entry: Entry) -> Pace | None:
        """Return the estimated pace of a model here, whether or not it fits; None on cards, for which there is none."""
        if self.card is not None:
            return None
        found = self.proposals((entry,))
        if found:
            return found[0].pace
        return (self.speed or reference()).pace(work_of(entry.shape, plan_of({}, device="cpu")))

    def as_measured(self, trials: Iterable[Mapping[str, Any]], entries: Mapping[str, Entry]) -> Place:
        """The same, as fast as trials of models have shown this processor to be."""
        known = [one for one in trials if (one.get("device"), one.get("machine")) == ("cpu", cpu_name())]
        runs = [run_of(entries[one["model"]].shape, one) for one in known if one.get("model") in entries]
        return replace(self, speed=speed_of((run for run in runs if run), self.speed or reference()))

    def words(self, language: Language) -> str:
        """What it is, for people."""
        gib = f"{self.bytes_each / GIB:.4g}"
        key = "models.machine_cards" if self.card else "models.machine_cpu"
        return t(key, language, n=self.cards, name=(self.card.name if self.card else "") or "GPU", gib=gib)


@cache
def here() -> Place:
    """This machine: its cards as the smallest of them, unless the installed vLLM computes on the CPU. Looked at once:
    neither cards nor memory come while it runs.
    """
    reader = CardReader()
    sizes = [(one.memory_bytes / GIB, one.name) for one in reader().cards if one.memory_bytes]
    reader.close()
    return place_of(sizes, (installed_vllm() or ("gpu", ""))[0], memory_bytes() / GIB)


def place_of(cards: Iterable[tuple[float, str]], device: Device, memory_gib: float) -> Place:
    """This machine with cards of these GiB and names."""
    found = sorted(cards)
    if not found or device == "cpu":
        return Place("here", None, memory_gib=memory_gib, speed=speed_here())
    least_gib, name = found[0]
    return Place("here", card_called(name, least_gib), len(found))


def speed_here() -> Speed:
    """Of this processor, as far as is known before anything is tried."""
    return usual_speed(cpu_flags(), cpu_cores())


def all_places(ours: Place) -> dict[str, Place]:
    """This machine first, then cards of the usual sizes, and the CPU of this machine where it has a card."""
    places = [ours, *(Place(f"{gib} GB", Card(gib)) for gib in _USUAL_GIB)]
    if ours.card:
        places.append(Place("CPU", None, memory_gib=memory_bytes() / GIB, speed=speed_here()))
    return {place.key: place for place in places}
