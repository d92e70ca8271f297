"""Damaged videos made from small valid ones, the same for the same seed, and a table of the results.

`python -m benchmarks.mutations [COUNT [FIRST SEED]]` (`make fuzz`) ends with 1 if one of them hung, brought another
picture for a time, gave times that do not rise, or raised an error without a message for the user.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core import Selection
from tests.harness import Job, Outcome, outcomes
from tests.media import moving, textured, write_video

Change = Callable[[bytearray, random.Random], bytearray]

_QUICK = {"preset": "ultrafast", "g": "10", "bf": "2"}
_HEAD_BYTES = 1_500
"""Half of all damage is done where the headers are: at the start or the end of a file."""
_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFF0, 0x0100_0000, 1_000_000)
_BOXES = (
    b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"edts", b"elst", b"mdia", b"mdhd", b"hdlr", b"minf", b"stbl", b"stsd",
    b"avcC", b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stco", b"mdat", b"udta", b"hdrl", b"avih", b"strl", b"strh",
    b"strf", b"movi", b"idx1",
)  # fmt: skip
SELECTIONS = (
    Selection(),
    Selection(),
    Selection("uniform"),
    Selection("every", every_seconds=0.3),
    Selection("scenes"),
    Selection("codec"),
    Selection("times", times_seconds=(0.0, 0.5, 1.0)),
    Selection(start_seconds=0.5),
    Selection("uniform", start_seconds=0.3, end_seconds=0.9),
)


def sources(folder: Path) -> dict[str, bytes]:
    """Make a small valid file of each format, by suffix."""

    def images() -> Iterator[object]:
        yield from (image for shot in (1, 2) for image in moving(18, seed=shot))
        yield textured(3)

    def made(name: str, **options: object) -> bytes:
        # Matroska's numbers are drawn at random otherwise.
        return write_video(folder / name, images(), muxer={"fflags": "+bitexact"}, **options).read_bytes()  # type: ignore[arg-type]

    return {
        "mp4": made("x.mp4", options=_QUICK),
        "mkv": made("x.mkv", options=_QUICK),
        "ts": made("x.ts", options=_QUICK),
        "avi": made("x.avi", codec="mpeg4", options={"g": "10"}),
        "webm": made("x.webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "g": "10"}),
        "gif": made("x.gif", codec="gif", pixel_format="rgb8", rate=10, options={}),
    }


def _place(data: bytearray, draw: random.Random) -> int:
    if draw.random() < 0.5:
        return draw.randrange(len(data))
    near = draw.randrange(min(_HEAD_BYTES, len(data)))
    return near if draw.random() < 0.5 else len(data) - 1 - near


def _range(data: bytearray, draw: random.Random) -> slice:
    start = _place(data, draw)
    return slice(start, min(len(data), start + draw.choice((1, 4, 16, 100, 1_000, 5_000))))


def flip_bits(data: bytearray, draw: random.Random) -> bytearray:
    for _ in range(draw.choice((1, 1, 3, 10, 60))):
        data[_place(data, draw)] ^= 1 << draw.randrange(8)
    return data


def cut(data: bytearray, draw: random.Random) -> bytearray:
    return data[: draw.randrange(1, len(data))]


def zero(data: bytearray, draw: random.Random) -> bytearray:
    where = _range(data, draw)
    data[where] = bytes(len(data[where]))
    return data


def overwrite(data: bytearray, draw: random.Random) -> bytearray:
    where = _range(data, draw)
    data[where] = draw.randbytes(len(data[where]))
    return data


def repeat(data: bytearray, draw: random.Random) -> bytearray:
    where = _range(data, draw)
    data[where.start : where.start] = bytes(data[where]) * draw.choice((1, 1, 2, 50))
    return data


def drop(data: bytearray, draw: random.Random) -> bytearray:
    del data[_range(data, draw)]
    return data


def swap(data: bytearray, draw: random.Random) -> bytearray:
    one, other = sorted((_range(data, draw), _range(data, draw)), key=lambda part: part.start)
    size = min(other.start - one.start, len(data[one]), len(data[other]))
    first, second = data[one.start : one.start + size], data[other.start : other.start + size]
    data[one.start : one.start + size], data[other.start : other.start + size] = second, first
    return data


def set_number(data: bytearray, draw: random.Random) -> bytearray:
    start, value = min(_place(data, draw), max(0, len(data) - 4)), draw.choice(_NUMBERS)
    data[start : start + 4] = value.to_bytes(4, draw.choice(("big", "little")))
    return data


def swap_boxes(data: bytearray, draw: random.Random) -> bytearray:
    """Two boxes change their names, or a box and its length are moved to where another is."""
    found = [data.find(box) for box in _BOXES if data.find(box) >= 4]
    if len(found) < 2:
        return swap(data, draw)
    one, other = draw.sample(found, 2)
    size = draw.choice((4, 4, 12, 40))
    start = 4 if draw.random() < 0.5 else 0
    first, second = data[one - start : one + size], data[other - start : other + size]
    data[one - start : one + size], data[other - start : other + size] = second, first
    return data


CHANGES: tuple[Change, ...] = (
    flip_bits, flip_bits, cut, zero, overwrite, repeat, drop, swap, set_number, set_number, swap_boxes,
)  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """Seed `seed` applied to the file of a format."""

    seed: int
    suffix: str
    change: str
    job: Job

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.suffix}, {self.change}, {self.job.selection.strategy}"


def mutations(folder: Path, seeds: Sequence[int]) -> Iterator[Mutation]:
    """Yield a damaged file for each seed, written when it is requested."""
    files = sources(folder)
    for seed in seeds:
        draw = random.Random(seed)
        suffix = list(files)[seed % len(files)]
        data, changes = bytearray(files[suffix]), draw.sample(CHANGES, draw.choice((1, 1, 1, 2)))
        for change in changes:
            data = change(data, draw) or bytearray(b"\0")
        path = folder / f"{seed}.{suffix}"
        path.write_bytes(data)
        names = " and ".join(change.__name__ for change in changes)
        yield Mutation(seed, suffix, names, Job(path, draw.choice(SELECTIONS)))


def results(folder: Path, seeds: Sequence[int], *, workers: int = 2) -> Iterator[tuple[Mutation, Outcome]]:
    """Each mutation with what became of it; its file is deleted afterwards."""
    made = list(mutations(folder, seeds))
    for mutation, outcome in zip(made, outcomes((one.job for one in made), workers=workers), strict=True):
        mutation.job.path.unlink()
        yield mutation, outcome


def main(arguments: list[str]) -> int:
    count, first = (int(value) for value in (*arguments, *("2000", "0")[len(arguments) :]))
    ends: dict[str, Counter[str]] = {}
    bad, slowest, peak = 0, 0.0, 0.0
    with tempfile.TemporaryDirectory(prefix="framelens-mutations-") as folder:
        for mutation, outcome in results(Path(folder), range(first, first + count)):
            ends.setdefault(mutation.suffix, Counter())[outcome.error or "answered"] += 1
            slowest, peak = max(slowest, outcome.seconds), max(peak, outcome.peak_megabytes)
            if outcome.faults or outcome.error in ("hung", "crashed"):
                bad += outcome.error != "crashed"  # a crash costs its child alone
                print(f"{mutation}: {outcome.error or ''} {'; '.join(outcome.faults)}", flush=True)
    for suffix, ended in ends.items():
        print(f"{suffix:5}", ", ".join(f"{name} {number}" for name, number in ended.most_common()))
    print(f"{count} files, slowest {slowest:.1f} s, peak {peak:.0f} MB, {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
