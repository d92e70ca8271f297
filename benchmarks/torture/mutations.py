"""Videos damaged at random, the same for the same seed: each ends in frames whose times hold, or in a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from benchmarks.mutations import results
from benchmarks.torture.line import Line, Scale
from tests.harness import Outcome

_FULL = 10_000


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line for each format, and print each file that was answered wrongly, crashed its process or hung."""
    by_format: dict[str, list[Outcome]] = defaultdict(list)
    seeds = range(scale.seed, scale.seed + scale.count(_FULL))
    for mutation, outcome in results(scale.folder("mutations"), seeds):
        by_format[mutation.suffix].append(outcome)
        if outcome.faults or outcome.error in ("hung", "crashed"):
            print(f"  {mutation}: {outcome.error or ''} {'; '.join(outcome.faults)}", flush=True)
    for suffix, outcomes in by_format.items():
        yield _line(suffix, outcomes)


def _line(suffix: str, outcomes: list[Outcome]) -> Line:
    answered = sum(one.error is None for one in outcomes)
    crashed = sum(one.error in ("hung", "crashed") for one in outcomes)
    slowest, peak = max(one.seconds for one in outcomes), max(one.peak_megabytes for one in outcomes)
    note = f"{answered} with frames, slowest {slowest:.1f} s, peak {peak:.0f} MB"
    return Line(f"damaged {suffix}", len(outcomes), sum(bool(one.faults) for one in outcomes), crashed, note)
