"""Local vLLM engines that run on this machine, for any data folder."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from framelens.plugin.processes import GUARD

VLLM_SHARE = 0.92
"""Share of a card's memory that vLLM takes unless the user sets another."""
_VLLM = "vllm.entrypoints.openai.api_server"
_ALL_CARDS = ",".join(map(str, range(64)))


@dataclass(frozen=True)
class LocalVllm:
    """A vLLM that FrameLens runs for any data folder of this machine, if its command line can be read.

    Attributes:
        pid: Process id of its supervisor.
        started: Time of its start in seconds since the epoch.
        share: Share of each card's memory that it takes.
        cards: Numbers of its cards; empty if unknown.
    """

    model: str
    pid: int
    started: float
    share: float
    cards: tuple[int, ...]


def local_vllms() -> tuple[LocalVllm, ...]:
    """List the local vLLM engines, also those that are still starting."""
    return tuple(filter(None, map(_engine_of, psutil.process_iter())))


def _engine_of(process: psutil.Process) -> LocalVllm | None:
    try:
        command = process.cmdline()
        if _VLLM not in command or not any(Path(word).name == GUARD.name for word in command[:4]):
            return None
        model = command[command.index("--served-model-name") + 1]
        share = float(_option(command, "--gpu-memory-utilization", VLLM_SHARE))
        sizes = (_option(command, f"--{name}-parallel-size", 1) for name in ("tensor", "pipeline"))
        cards = visible_cards(process.environ())[: math.prod(map(int, sizes))]
        return LocalVllm(model, process.pid, process.create_time(), share, cards)
    except (psutil.Error, ValueError, IndexError):  # it has ended, or belongs to another user
        return None


def _option(command: Sequence[str], name: str, default: float) -> str:
    return next((word.partition("=")[2] for word in command if word.startswith(f"{name}=")), str(default))


def visible_cards(environment: Mapping[str, str]) -> tuple[int, ...]:
    """Return the numbers of the cards that CUDA shows to a process, in its order; empty if they are named otherwise."""
    numbers = environment.get("CUDA_VISIBLE_DEVICES", _ALL_CARDS).split(",")
    return tuple(map(int, numbers)) if all(number.strip().isdecimal() for number in numbers) else ()
