"""Library with planted things: drawn clips, of which each is known to show some things and to say something.

A clip has three shots of three frames. A shot shows a thing in a colour or nothing, on a scene of its own; frames of a
shot differ in where the thing is. Of every second clip a finding names what one of its shots shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from framelens.plugin.files import Region
from framelens.store.database import Row, Store
from framelens.store.library_index import EntrySummary, LibraryIndex, Passage
from scripts.test_models.things import COLOURS, THINGS, background, captions, draw_thing, paste

SHOTS, FRAMES = 3, 3
PAIRS = tuple((thing, colour) for thing in THINGS for colour in COLOURS)
Thing = tuple[str, str]


@dataclass(frozen=True)
class Clip:
    """A clip with what each of its shots shows, None for nothing, and its frames as JPEGs."""

    id: str
    shots: tuple[Thing | None, ...]
    frames: tuple[bytes, ...]

    def indexed(self) -> Iterator[tuple[tuple[int, float, int], bytes, Region | None]]:
        """Yield the frames as the index takes them: one a second."""
        for index, jpeg in enumerate(self.frames):
            yield (index, float(index), index // FRAMES), jpeg, None


def draw_clips(count: int, things: tuple[Thing, ...], seed: int) -> list[Clip]:
    """Draw clips with these things alone; a third of the shots show nothing."""
    rng = np.random.default_rng(seed)
    return [_clip(number, things, rng) for number in range(count)]


def _clip(number: int, things: tuple[Thing, ...], rng: np.random.Generator) -> Clip:
    shots: list[Thing | None] = []
    frames: list[bytes] = []
    for _ in range(SHOTS):
        thing = things[int(rng.integers(len(things)))] if rng.random() > 1 / 3 else None
        scene = background(rng)
        shots.append(thing)
        frames += [to_jpeg(paste(scene, draw_thing(*thing, rng), rng) if thing else scene) for _ in range(FRAMES)]
    return Clip(f"clip{number:04d}", tuple(shots), tuple(frames))


def to_jpeg(picture: Image.Image) -> bytes:
    """Return a picture as a JPEG."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def stored(path: Path, num_frames: Mapping[str, int]) -> tuple[Store, LibraryIndex]:
    """Store reports without texts, each by its id with its number of keyframes."""
    store = Store(path)
    library = LibraryIndex(store)
    for job_id, count in num_frames.items():
        store.save(Row(job_id, "2026-01-01", job_id, "done", "", "{}"))
        library.put(job_id, EntrySummary("done", num_frames=count), [], b"")
    return store, library


def fill(folder: Path, clips: list[Clip]) -> tuple[Store, LibraryIndex]:
    """Store the clips as reports."""
    store, library = stored(folder / "framelens.sqlite", {clip.id: len(clip.frames) for clip in clips})
    for number, clip in enumerate(clips):
        said = [(shot, thing) for shot, thing in enumerate(clip.shots) if thing]
        passages = [
            Passage("finding", captions(*thing)[0], float(shot * FRAMES)) for shot, thing in said[: (number + 1) % 2]
        ]
        library.put(clip.id, EntrySummary("done", num_frames=len(clip.frames)), passages, b"")
    return store, library
