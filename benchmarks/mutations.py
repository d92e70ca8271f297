"""Damaged videos made from small valid videos, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from framelens.core.domain import Selection
from tests.harness import Job, Outcome, outcomes
from tests.media import moving, textured, write_video

Change = Callable[[bytearray, random.Random], bytearray]

_QUICK = {"preset": "ultrafast", "g": "10", "bf": "2"}
_AT_A_TIME = 500
"""Files that are there at once."""
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
    """Make a small valid file of each format, by codec, container or both, ending with the file's suffix."""

    def images() -> Iterator[object]:
        yield from (image for shot in (1, 2) for image in moving(18, seed=shot))
        yield textured(3)

    def made(name: str, codec: str = "libx264", options: Mapping[str, str] = _QUICK, **more: object) -> bytes:
        # Matroska's numbers are drawn at random otherwise.
        written = write_video(
            folder / f"x.{name}",
            images(),  # type: ignore[arg-type]
            codec=codec,
            options=options,
            muxer={"fflags": "+bitexact"},
            **more,  # type: ignore[arg-type]
        )
        return written.read_bytes()

    often = {"g": "10"}
    quick = {"deadline": "good", "cpu-used": "5", "g": "10"}  # "realtime" depends on the load of the machine
    hevc = {"preset": "ultrafast", "x265-params": "keyint=10:log-level=none:pools=1:frame-threads=1"}
    return {
        "mp4": made("mp4"),
        "mkv": made("mkv"),
        "ts": made("ts"),
        "avi": made("avi", "mpeg4", often),
        "webm": made("webm", "libvpx-vp9", quick),
        "gif": made("gif", "gif", {}, pixel_format="rgb8", rate=10),
        "hevc.mp4": made("hevc.mp4", "libx265", hevc),
        "av1.mkv": made("av1.mkv", "libsvtav1", {"preset": "12", "g": "10", "svtav1-params": "lp=1"}),
        "vp8.webm": made("vp8.webm", "libvpx", quick),
        "mjpeg.avi": made("mjpeg.avi", "mjpeg", {}, pixel_format="yuvj420p"),
        "mpeg2.mpg": made("mpeg2.mpg", "mpeg2video", often),
        "ffv1.mkv": made("ffv1.mkv", "ffv1", {"level": "3", "slicecrc": "1", "slices": "4"}),
        "prores.mov": made("prores.mov", "prores_ks", {}, pixel_format="yuv422p10le"),
        "wmv": made("wmv", "wmv2", often),
        "flv": made("flv"),
        "h264": made("h264"),
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
    waiting = mutations(folder, seeds)
    while made := list(islice(waiting, _AT_A_TIME)):
        for mutation, outcome in zip(made, outcomes((one.job for one in made), workers=workers), strict=True):
            mutation.job.path.unlink()
            yield mutation, outcome
