"""Small things that appear before a fixed camera: found with the part that changed in the index, and without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.plugins.search.planted import Thing, stored, to_jpeg
from framelens.plugin.storage import MomentQuery
from framelens.plugins.search.encoder import Encoders
from framelens.plugins.search.moment_index import IndexedFrame, MomentIndex, with_changes
from scripts.test_models.things import background, captions, draw_thing

_CLIPS, _WIDTH, _HEIGHT, _NOISE = 150, 480, 270, 3.0
_SIDES = (40, 60, 90)
"""Pixels."""


def print_small(folder: Path, encoders: Encoders, things: tuple[Thing, ...]) -> None:
    """Print how many clips are found by the name of what they show."""
    print("| side of the thing, of 480 x 270 | index | recall@10 | precision |\n|---|---|---:|---:|")
    for side in _SIDES:
        clips = dict(_clips(side, things, np.random.default_rng(77)))
        for name, details in (("whole pictures", iter), ("and what changed", with_changes)):
            store, library = stored(folder / f"{side} {name}.sqlite", dict.fromkeys(clips, 3))
            frames = {job_id: list(_indexed(pictures)) for job_id, (_, pictures) in clips.items()}
            index = MomentIndex(
                store, library, frames=lambda job_id, of=frames: iter(of[job_id]), details=details, encoders=encoders
            )
            index.catch_up()
            recalls, precisions = [], []
            for thing in things:
                right = {job_id for job_id, (shown, _) in clips.items() if shown == thing}
                hits = [moment.job_id for moment in index.find(MomentQuery(captions(*thing)[1])).moments]
                recalls += [len(right & set(hits[:10])) / min(10, len(right))] if right else []
                precisions += [job_id in right for job_id in hits]
            print(f"| {side} | {name} | {np.mean(recalls):.3f} | {np.mean(precisions or [0]):.3f} |", flush=True)
            store.close()


def _clips(
    side: int, things: tuple[Thing, ...], rng: np.random.Generator
) -> Iterator[tuple[str, tuple[Thing, list[bytes]]]]:
    """Yield clips of three frames, in the second of which a thing is there."""
    for number in range(_CLIPS):
        thing = things[int(rng.integers(len(things)))]
        scene = background(rng, _WIDTH, _HEIGHT)
        drawn = draw_thing(*thing, rng).resize((side, side))
        shown = scene.copy()
        shown.paste(drawn, (int(rng.integers(_WIDTH - side)), int(rng.integers(_HEIGHT - side))), drawn)
        yield f"clip{number:03d}", (thing, [to_jpeg(_noisy(picture, rng)) for picture in (scene, shown, scene)])


def _noisy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    noisy = np.asarray(picture, np.float32) + rng.normal(0, _NOISE, (_HEIGHT, _WIDTH, 1))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _indexed(pictures: list[bytes]) -> Iterator[IndexedFrame]:
    return (((number, float(number), 0), jpeg, None) for number, jpeg in enumerate(pictures))
