"""`python -m benchmarks.keyframes.compose --clips FILE … --judge FOLDER --out FOLDER --seeds N …`: sets to score on.

Each seed becomes a folder OUT/HALF-SEED of videos with a truth.json, composed by the judge's make_events.py (and
`small`, by benchmarks.keyframes.small). Clips, and the kinds of footage that are drawn here, belong to one of two
halves by their names: what is tuned on `tune` has seen nothing of `held`. The seed draws which clips of its half are
backgrounds and which are inserted. Names say nothing of persons and places: to keep those apart as well, give the clips
of a half as --backgrounds and --inserts. Drawn ones are among both.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import clips_in
from benchmarks.keyframes.kinds import KINDS, drawn
from benchmarks.keyframes.small import compose as plant_small_things

Look = NDArray[np.float32]

HALVES = ("tune", "held")
_LEAST_FRAMES = 40
_CUT = 0.1
"""Mean difference of two frames in succession, 0..1 a channel, that no clip without a cut reaches."""
_FADE = 0.3
"""And the mean light between its brightest and its darkest frame."""
_ALIKE = 0.11
"""Mean difference of two clips' mean pictures: takes of one person in one room stay below."""
_NUM_BASES, _NUM_DRAWN, _NUM_INSERTS = 4, 2, 5
_LOOKED_AT = 900  # frames of a clip; make_events.py uses no more


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    if bool(given.backgrounds) != bool(given.inserts):
        parser.error("--backgrounds and --inserts go together")
    clips = clips_in(given.clips)
    given.out.mkdir(parents=True, exist_ok=True)
    for seed in given.seeds:
        chance = random.Random(f"{given.half} {seed}")
        if given.backgrounds:
            made = drawn_clips(chance, seed, given.half, given.out)
            bases, inserts = given.backgrounds + made[:_NUM_DRAWN], given.inserts + made[_NUM_DRAWN:]
        else:
            bases, inserts = drawn_lots(chance, half_of(clips, given.half), seed, given.half, given.out)
        print(f"{given.half} {seed}: on {_names(bases)}; with {_names(inserts)}", flush=True)
        folder, names = given.out / f"{given.half}-{seed}", given.only.split(",")
        if "small" in names:
            names.remove("small")
            width, height = map(int, given.size.split("x"))
            plant_small_things(folder, bases, seed, given.minutes * 60, (width, height))
        if names:
            line = [sys.executable, str(given.judge / "make_events.py"), "--out", str(folder)]
            line += ["--seed", str(seed), "--minutes", str(given.minutes), "--size", given.size]
            line += ["--only", ",".join(names), "--base", *map(str, bases), "--insert", *map(str, inserts)]
            subprocess.run(line, check=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keyframes.compose", description=__doc__)
    parser.add_argument("--clips", type=Path, nargs="+", default=[], help="clips, or folders of them")
    parser.add_argument("--backgrounds", type=Path, nargs="+", help="with --inserts: these clips in place of lots")
    parser.add_argument("--inserts", type=Path, nargs="+", help="such as several people before the same wall")
    parser.add_argument("--judge", type=Path, required=True, help="the folder with make_events.py")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--half", choices=HALVES, default="tune")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--only", default="shots,insert,insert_shake,overlay,overlay2,subs,slides,rare")
    return parser


def half_of(items: Sequence[Path], half: str) -> list[Path]:
    """Return every other clip, in an order that has nothing to do with what the clips show."""
    mixed = sorted(items, key=lambda item: sha256(item.stem.encode()).digest())
    return mixed[HALVES.index(half) :: 2]


def drawn_lots(
    chance: random.Random, clips: Sequence[Path], seed: int, half: str, folder: Path
) -> tuple[list[Path], list[Path]]:
    """Draw backgrounds without a cut, and clips to insert that look different; fewer if there are too few."""
    whole = [clip for clip in clips if is_one_shot(clip)]
    made = drawn_clips(chance, seed, half, folder)
    bases = chance.sample(whole, min(_NUM_BASES, len(whole))) + made[:_NUM_DRAWN]
    looks = [mean_look(clip) for clip in bases]
    rest = [clip for clip in clips if clip not in bases and is_another(clip, looks)]
    return bases, chance.sample(rest, min(_NUM_INSERTS, len(rest))) + made[_NUM_DRAWN:]


def drawn_clips(chance: random.Random, seed: int, half: str, folder: Path) -> list[Path]:
    """Draw clips by code, half of them to be backgrounds."""
    kinds = chance.sample(sorted(KINDS), 2 * _NUM_DRAWN)
    return [drawn(folder, kind, 2 * seed + HALVES.index(half)) for kind in kinds]


def is_one_shot(clip: Path) -> bool:
    """Whether it is long enough for a background and has no cut in it."""
    small = [cv2.resize(frame, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32) for frame in _frames(clip)]
    if len(small) < _LEAST_FRAMES:
        return False
    changes = [float(np.abs(after - before).mean()) / 255 for before, after in pairwise(small)]
    lights = [float(picture.mean()) / 255 for picture in small]
    return max(changes) < _CUT and max(lights) - min(lights) < _FADE


def is_another(clip: Path, looks: Sequence[Look]) -> bool:
    """Return whether it looks unlike all of these: the same person in a room for a second is no event to a reader."""
    look = mean_look(clip)
    return look.size > 0 and all(float(np.abs(look - one).mean()) / 255 > _ALIKE for one in looks)


def mean_look(clip: Path) -> Look:
    """Return the small mean of its frames, empty if no frame can be read."""
    small = [cv2.resize(frame, (32, 18), interpolation=cv2.INTER_AREA) for frame in _frames(clip)]
    return np.mean(small, axis=0, dtype=np.float32) if small else np.zeros(0, np.float32)


def _frames(clip: Path):  # type: ignore[no-untyped-def]
    video = cv2.VideoCapture(str(clip))
    for _ in range(_LOOKED_AT):
        is_read, frame = video.read()
        if not is_read:
            return
        yield frame


def _names(clips: Sequence[Path]) -> str:
    return ", ".join(clip.stem for clip in clips)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
