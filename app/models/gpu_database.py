"""Graphics cards known by name, with their memory and compute capability.

The figures are from NVIDIA's data sheets. A longer name is matched before a shorter one that is part of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
class GpuCard:
    """A graphics card: its memory, and its compute capability where it is known."""

    memory_gib: float
    capability: float | None = None
    name: str = ""

    @property
    def runs(self) -> float:
        """Return the compute capability, or that of most Ampere cards if it is unknown."""
        return self.capability if self.capability is not None else _USUAL_CAPABILITY


def find_card(name: str, memory_gib: float | None = None) -> GpuCard | None:
    """Find a graphics card by the name that a driver or a person uses; return None if it is unknown.

    >>> find_card("NVIDIA GeForce RTX 2080 Ti").capability
    7.5

    Args:
        name: The name, in any case and punctuation.
        memory_gib: Memory that the card itself reports, which takes precedence.
    """
    words = re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=rtx|gtx)(?=\d)", " ", name.lower())).split()
    text = f" {' '.join(words)} ".replace(" 4090d ", " 4090 ")
    for known, usual_gib, capability in sorted(_KNOWN, key=lambda one: -len(one[0])):
        if f" {known} " in text:
            return GpuCard(memory_gib or usual_gib, capability, name)
    return GpuCard(memory_gib, None, name) if memory_gib else None
