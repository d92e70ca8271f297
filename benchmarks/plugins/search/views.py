"""Frames of real videos as queries, without a model: is the video found, and the moment, and nothing else?

Each video is a report with its keyframes, as `framelens keyframes` chooses them. Frames between them are asked for as
they are, and as people get them: small and compressed, brightened, with a player's bar, within black bars, cut at the
edges. A frame is also asked for among the other videos alone, where nothing is right but the same place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.keyframes.tools import chosen
from benchmarks.plugins.search.planted import stored, to_jpeg
from framelens import AppError
from framelens.core.domain import Keyframe
from framelens.plugin.storage import MomentQuery
from framelens.plugins.search.layout import layout_of
from framelens.plugins.search.moment_index import MomentIndex

_ASKED = 5
"""Frames of each video that are asked for."""


def _compressed(picture: Image.Image) -> Image.Image:
    file = BytesIO()
    picture.resize((picture.width // 2, picture.height // 2)).save(file, "JPEG", quality=40)
    return Image.open(file)


def _with_bar(picture: Image.Image) -> Image.Image:
    picture = picture.copy()
    picture.paste((30, 30, 30), (0, round(0.9 * picture.height), *picture.size))
    return picture


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "unchanged": lambda picture: picture,
    "half the size, JPEG of quality 40": _compressed,
    "a fifth brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "with a player's bar": _with_bar,
    "within black bars": lambda picture: ImageOps.expand(picture, (0, round(0.12 * picture.height)), "black"),
    "cut by 4 % at each edge": lambda picture: ImageOps.crop(picture, round(0.04 * min(picture.size))),
}


def print_views(folder: Path, videos: Sequence[Path]) -> None:
    """Print a table of the videos' frames as queries; `folder` is for the library."""
    frames = dict(_keyframes(videos))
    store, library = stored(folder / "framelens.sqlite", {job_id: len(those) for job_id, those in frames.items()})
    index = MomentIndex(store, library, frames=lambda job_id: ((_place(f), f.jpeg, None) for f in frames[job_id]))
    began = time.process_time()
    index.catch_up()
    count = sum(map(len, frames.values()))
    print(
        f"{len(frames)} videos, {count} keyframes: {1000 * (time.process_time() - began) / count:.1f} ms a keyframe\n"
    )
    asked = [(video.name, *frame) for video in videos if video.name in frames for frame in _asked(video)]
    print(f"| the frame | video is first ({len(asked)}) | nearest keyframe or its shot is first | elsewhere: nothing |")
    print("|---|---:|---:|---:|")
    for name, change in CHANGES.items():
        firsts, nearests, nothings = [], [], []
        for job_id, seconds, picture in asked:
            query = to_jpeg(change(picture).convert("RGB"))
            hits = index.find(MomentQuery(picture=query)).moments
            firsts.append(bool(hits) and hits[0].job_id == job_id)
            nearest = min(frames[job_id], key=lambda frame: abs(frame.time_seconds - seconds))
            shots = {frame.frame_index: frame.shot for frame in frames[job_id]}
            nearests.append(firsts[-1] and shots[hits[0].frame_index or 0] == nearest.shot)
            others = frozenset(frames) - {job_id}
            nothings.append(not index.find(MomentQuery(picture=query, among=others)).moments)
        print(f"| {name} | {np.mean(firsts):.3f} | {np.mean(nearests):.3f} | {np.mean(nothings):.3f} |")
    index.close()
    store.close()


def _keyframes(videos: Sequence[Path]) -> Iterator[tuple[str, Sequence[Keyframe]]]:
    for video in videos:
        try:
            yield video.name, chosen(video).keyframes
        except AppError as error:
            print(f"{video.name} is left out: {error}")


def _place(frame: Keyframe) -> tuple[int, float, int]:
    return frame.frame_index, frame.time_seconds, frame.shot


def _asked(video: Path) -> Iterator[tuple[float, Image.Image]]:
    """Yield frames in the middle of equal parts of a video that aren't plain, with their times."""
    with av.open(str(video)) as container:
        pictures = [
            (float(frame.time or 0), frame.to_image().rotate(frame.rotation, expand=True))
            for frame in container.decode(video=0)
            if frame.pts is not None
        ]
    for part in range(_ASKED):
        seconds, picture = pictures[int((part + 0.5) / _ASKED * len(pictures))]
        if layout_of(to_jpeg(picture)).any():
            yield seconds - pictures[0][0], picture
