"""How many cameras a set of machines keeps up with, and what saturates first: a simulation.

    python -m benchmarks.scale                             the table of docs/benchmarks/scale.md
    python -m benchmarks.scale --cameras 50 --engines 2    one row, on machines of your own
    python -m benchmarks.scale --measure VIDEO             measure this machine's share of the work: cores, bytes

Every camera delivers a segment of video every few minutes over a network, which also carries its frames to the
camera's engine. A core decodes the segment and chooses the frames; the engine reads them (prefill) and answers, while
the request occupies its key-value cache. Each station serves in order of arrival; the phases of the cameras are random.
SimPy runs the events.

Tokens of a frame are the model's own formula (`framelens.models`), cache and slots the memory estimate; cores and bytes
come from `--measure`. What a card computes a second is an input. Without it, it is computed from the card's data sheet:
prefill takes two operations for each active parameter and token, a step of answers reads all weights once; the shares
of the peak rates were measured as `benchmarks.engine_load` does it. Replace it by what that command, or
your engine's metrics (System page), show on your card before you buy anything.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
import simpy

from framelens.models.catalogue import built_in
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.memory import MemoryEstimate
from framelens.models.placement import GpuCard, Proposal
from framelens.video.extractor import probe

# NVIDIA's data sheet of the H100 SXM: dense BF16 operations and bytes a second.
_PEAK_OPERATIONS, _PEAK_BYTES = 989e12, 3.35e12
_PREFILL_SHARE, _STEP_SHARE = 0.33, 0.79
"""Of these rates, by Qwen2.5-VL-7B on an H100 with vLLM 0.25.1: 19,590 tokens a second, 6.3 ms for 16 answers."""
_MARK_TOKENS = 16  # number and time before a frame, as in framelens.models.placement
_SIZED_FOR = 0.7  # share of a station's capacity that machines are bought for; beyond it waits grow fast
_CAMERAS = (1, 10, 100, 1_000, 10_000)
_CORE_SECONDS = 350.0
_FRAME_BYTES = 54_000.0
"""For 1080p at 25 frames a second, measured with `--measure`; docs/benchmarks/scale.md says on what."""


@dataclass(frozen=True)
class Workload:
    """What a camera asks for.

    Attributes:
        segment_seconds: Length of a segment, which becomes one request.
        frames: Frames of a segment.
        frame_tokens: Tokens of a frame with its mark.
        text_tokens: Tokens of rules, question and answer format.
        answer_tokens: Tokens of the answer.
        decode_core_seconds: Core seconds for an hour of video; measured.
        frame_bytes: Bytes of a frame as sent to the engine; measured.
        video_bits_per_second: Rate at which the camera's video arrives.
    """

    segment_seconds: float = 300.0
    frames: int = 16
    frame_tokens: int = 0
    text_tokens: int = 1000
    answer_tokens: int = 400
    decode_core_seconds: float = 0.0
    frame_bytes: float = 0.0
    video_bits_per_second: float = 4e6

    @property
    def carried_bytes(self) -> float:
        """Return the bytes of a segment on the network: the video to the core, its frames in base64 to the engine."""
        return self.video_bits_per_second / 8 * self.segment_seconds + self.frames * self.frame_bytes * 4 / 3

    @property
    def read_tokens(self) -> int:
        """Return the tokens that the engine reads for a request."""
        return self.frames * self.frame_tokens + self.text_tokens

    @property
    def per_hour(self) -> float:
        """Return the requests for an hour of video."""
        return 3600 / self.segment_seconds


@dataclass(frozen=True)
class Hardware:
    """Machines: cores that decode, bytes a second to the engines, engines with their rates and cache."""

    cores: int
    link_bytes_per_second: float
    engines: int
    prefill_tokens_per_second: float
    step_seconds: float
    cache_tokens: int

    def slots(self, load: Workload) -> int:
        """Return the number of requests that an engine's cache holds."""
        return max(1, self.cache_tokens // (load.read_tokens + load.answer_tokens))


def demands(load: Workload, hardware: Hardware) -> dict[str, float]:
    """Return what an hour of video takes of each station: seconds of a core, the link, an engine, a slot's share."""
    prefill = load.read_tokens / hardware.prefill_tokens_per_second
    held = prefill + load.answer_tokens * hardware.step_seconds
    return {
        "decode": load.decode_core_seconds,
        "network": load.per_hour * load.carried_bytes / hardware.link_bytes_per_second,
        "prefill": load.per_hour * prefill,
        "cache": load.per_hour * held / hardware.slots(load),
    }


def utilisation(cameras: int, load: Workload, hardware: Hardware) -> dict[str, float]:
    """Return the share of each station's capacity that live cameras need; above 1 it never catches up."""
    servers = {"decode": hardware.cores, "network": 1, "prefill": hardware.engines, "cache": hardware.engines}
    return {name: cameras * seconds / 3600 / servers[name] for name, seconds in demands(load, hardware).items()}


def sized(cameras: int, load: Workload, one: Hardware) -> Hardware:
    """Return as many cores, links and engines as these cameras need."""
    share = utilisation(cameras, load, replace(one, cores=1, engines=1))
    links = max(1, ceil(share["network"] / _SIZED_FOR))
    return replace(
        one,
        cores=max(1, ceil(share["decode"] / _SIZED_FOR)),
        engines=max(1, ceil(max(share["prefill"], share["cache"]) / _SIZED_FOR)),
        link_bytes_per_second=links * one.link_bytes_per_second,
    )


@dataclass(frozen=True)
class Outcome:
    """Delays from the end of a segment to its report, in seconds, and the segments still under way at the end."""

    done: int
    open: int
    median_seconds: float
    p95_seconds: float


def simulate(cameras: int, load: Workload, hardware: Hardware, *, hours: float, seed: int = 1) -> Outcome:
    """Run the cameras for some hours of simulated time."""
    world, chance = simpy.Environment(), random.Random(seed)
    cores, link = simpy.Resource(world, hardware.cores), simpy.Resource(world, 1)
    slots = [simpy.Resource(world, hardware.slots(load)) for _ in range(hardware.engines)]
    readers = [simpy.Resource(world, 1) for _ in range(hardware.engines)]
    decode = load.decode_core_seconds * load.segment_seconds / 3600
    carry = load.carried_bytes / hardware.link_bytes_per_second
    read, write = load.read_tokens / hardware.prefill_tokens_per_second, load.answer_tokens * hardware.step_seconds
    delays, begun = list[float](), 0

    def segment(engine: int) -> Generator[simpy.Event, Any, None]:
        arrived = world.now
        for station, seconds in ((link, carry), (cores, decode)):
            with station.request() as turn:
                yield turn
                yield world.timeout(seconds)
        with slots[engine].request() as slot:
            yield slot
            with readers[engine].request() as turn:
                yield turn
                yield world.timeout(read)
            yield world.timeout(write)
        delays.append(world.now - arrived)

    def camera(number: int) -> Generator[simpy.Event, Any, None]:
        nonlocal begun
        yield world.timeout(chance.random() * load.segment_seconds)
        while True:
            begun += 1
            world.process(segment(number % hardware.engines))
            yield world.timeout(load.segment_seconds)

    for number in range(cameras):
        world.process(camera(number))
    world.run(until=hours * 3600)
    known = sorted(delays) if len(delays) > 1 else [*delays, *delays, 0.0, 0.0][:2]
    cuts = quantiles(known, n=20)
    return Outcome(len(delays), begun - len(delays), cuts[9], cuts[18])


# ---- inputs ----------------------------------------------------------------------------------------------------------


def engine_rates(entry: CatalogueEntry, card_gib: float) -> tuple[float, float, int]:
    """Return prefill tokens a second, seconds a step, and tokens of the cache, for an H100-like card.

    Raises:
        ValueError: The model doesn't fit the card.
    """
    proposals = Proposal.divided(entry, GpuCard(card_gib, 9.0), tensor_parallel=1, pipeline_parallel=1)
    if not proposals:
        raise ValueError(f"{entry.id} does not fit a card with {card_gib:g} GB")
    shape, proposal = entry.shape, proposals[0]
    prefill = _PREFILL_SHARE * _PEAK_OPERATIONS / (2 * shape.active_parameters)
    step = MemoryEstimate.weights_bytes(shape) / (_STEP_SHARE * _PEAK_BYTES)
    return prefill, step, proposal.sum.cache_tokens(proposal.budget_bytes)


def frame_tokens(entry: CatalogueEntry, size: tuple[int, int], frames: int) -> int:
    """Return the tokens of a frame of this size with its mark."""
    if entry.shape.vision is None:
        raise ValueError(f"{entry.id} does not see")
    return entry.shape.vision.image_tokens(*size) + _MARK_TOKENS


@dataclass(frozen=True)
class Measured:
    """What choosing the frames of a video took on this machine."""

    video_seconds: float
    core_seconds_per_hour: float
    frame_bytes: float


_CHOOSE = """
import sys
from pathlib import Path
from framelens.core.domain import KeyframesChosen
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.extractor import extract
path = Path(sys.argv[1])
options = ExtractOptions(int(sys.argv[2]), max_side=int(sys.argv[3]))
chosen = [event for event in extract(path, options) if isinstance(event, KeyframesChosen)][-1]
sizes = [len(frame.jpeg) for frame in chosen.keyframes]
print(sum(sizes) / len(sizes))
"""


def measure(video: Path, *, frames_per_hour: float, side: int) -> Measured:
    """Measure the processor time of the survey, with text recognition, in a process of its own.

    Starting it is part of the figure, so the video should take minutes.

    Raises:
        ValueError: The video's header has no duration.
    """
    seconds = probe(video).duration_seconds_from_header
    if not seconds:
        raise ValueError(f"the header of {video} has no duration")
    frames = max(1, round(frames_per_hour * seconds / 3600))
    before = _children_seconds()
    command = [sys.executable, "-c", _CHOOSE, str(video), str(frames), str(side)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent = _children_seconds() - before
    return Measured(seconds, spent * 3600 / seconds, float(done.stdout.split()[-1]))


def _children_seconds() -> float:
    """Return the processor time of all ended child processes and their children."""
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


# ---- the command -----------------------------------------------------------------------------------------------------


def main(words: list[str]) -> int:
    """Print the table, or a measurement, and return the exit code."""
    given = _parse(words)
    try:
        if given.measure:
            found = measure(given.measure, frames_per_hour=_hourly(given), side=max(given.size))
            print(f"{found.video_seconds:.0f} s of video")
            print(f"--core-seconds {found.core_seconds_per_hour:.0f} --frame-bytes {found.frame_bytes:.0f}")
            return 0
        load, one = _inputs(given)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for line in _lines(given, load, one):
        print(line)
    return 0


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cameras", type=_positive, nargs="+", default=_CAMERAS)
    parser.add_argument("--model", default="Qwen2.5-VL-7B-Instruct")
    parser.add_argument("--gpu-memory", type=float, default=80, metavar="GB")
    parser.add_argument("--minutes", type=float, default=5, help="length of a segment")
    parser.add_argument("--frames", type=_positive, default=16, help="frames of a segment")
    parser.add_argument("--size", type=_size, default=(896, 504), metavar="WxH", help="size of a frame as sent")
    parser.add_argument("--answer", type=_positive, default=400, metavar="TOKENS")
    parser.add_argument("--core-seconds", type=float, default=_CORE_SECONDS, help="core seconds an hour of video")
    parser.add_argument("--frame-bytes", type=float, default=_FRAME_BYTES)
    parser.add_argument("--video", type=float, default=4, metavar="MBIT", help="megabits a second of a camera")
    parser.add_argument("--cores", type=_positive, default=16, help="cores of one machine")
    parser.add_argument("--link", type=float, default=1000, metavar="MBIT", help="megabits a second of the network")
    parser.add_argument("--engines", type=_positive, default=1, help="cards, each with an engine of its own")
    parser.add_argument("--prefill", type=float, help="tokens that an engine reads a second; computed if left out")
    parser.add_argument("--step-ms", type=float, help="milliseconds for a token of every answer; computed if left out")
    parser.add_argument("--hours", type=float, default=1, help="simulated time")
    parser.add_argument("--measure", type=Path, metavar="VIDEO", help="measure core seconds and bytes here, and stop")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return _positive(width), _positive(height)


def _hourly(given: argparse.Namespace) -> float:
    return float(given.frames * 60 / given.minutes)


def _inputs(given: argparse.Namespace) -> tuple[Workload, Hardware]:
    entry = built_in().find(given.model).entry
    prefill, step, cache = engine_rates(entry, given.gpu_memory)
    load = Workload(
        segment_seconds=given.minutes * 60,
        frames=given.frames,
        frame_tokens=frame_tokens(entry, given.size, given.frames),
        answer_tokens=given.answer,
        decode_core_seconds=given.core_seconds,
        frame_bytes=given.frame_bytes,
        video_bits_per_second=given.video * 1e6,
    )
    step = given.step_ms / 1000 if given.step_ms else step
    link = given.link * 1e6 / 8
    return load, Hardware(given.cores, link, given.engines, given.prefill or prefill, step, cache)


def _lines(given: argparse.Namespace, load: Workload, one: Hardware) -> Iterator[str]:
    hour = demands(load, one)
    tokens = load.per_hour * (load.read_tokens + load.answer_tokens)
    yield (
        f"{given.model}: an engine reads {one.prefill_tokens_per_second:,.0f} tokens/s, a step takes "
        f"{one.step_seconds * 1000:.1f} ms, its cache holds {one.slots(load)} requests"
    )
    yield (
        f"an hour of video: {load.per_hour * load.frames:.0f} frames, {tokens:,.0f} tokens; seconds of a core "
        f"{hour['decode']:.0f}, of the network {hour['network']:.1f}, of prefill {hour['prefill']:.2f}, of the cache "
        f"{hour['cache']:.2f}"
    )
    yield (
        f"a day: an engine reads {86400 / max(hour['prefill'], hour['cache']):,.0f} hours of video, {one.cores} cores "
        f"decode {86400 * one.cores / hour['decode']:,.0f}, the network carries {86400 / hour['network']:,.0f}"
    )
    share = utilisation(1, load, one)
    yield "cameras until it is full: " + ", ".join(f"{name} {1 / share[name]:,.0f}" for name in share)
    yield ""
    yield f"| cameras | {' | '.join(share)} | cores | links | engines | median delay | p95 | under way |"
    yield f"|{'---|' * (len(share) + 7)}"
    for cameras in given.cameras:
        yield _row(cameras, load, one, given.hours)


def _row(cameras: int, load: Workload, one: Hardware, hours: float) -> str:
    """Return a row: the load of the given machine, enough hardware, and its figures in the simulation."""
    share, enough = utilisation(cameras, load, one), sized(cameras, load, one)
    found = simulate(cameras, load, enough, hours=hours)
    links = round(enough.link_bytes_per_second / one.link_bytes_per_second)
    cells = [
        f"{cameras:,}",
        *(f"{100 * value:,.3g} %" if value < 10 else f"{value:,.0f} ×" for value in share.values()),
    ]
    cells += [f"{enough.cores:,}", str(links), str(enough.engines)]
    cells += [f"{found.median_seconds:.1f} s", f"{found.p95_seconds:.1f} s", f"{found.open:,}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
