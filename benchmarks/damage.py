"""Share of keyframes that show damage, over files of real footage with flipped bits, the same for the same seed.

`python -m benchmarks.damage CLIP…` encodes the first seconds of each clip in every codec, flips bits in the coded
pictures, and compares each keyframe with the picture that the undamaged file shows at that time.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.core.domain import Keyframe, Selection
from framelens.core.errors import AppError
from framelens.core.events import KeyframesChosen
from framelens.video.extractor import full_pictures
from framelens.video.keyframes import pipeline
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.readers import damage, open_reader

SECONDS, SIDE, FRAMES = 5, 480, 8
CODECS: dict[str, tuple[str, str, dict[str, str]]] = {
    "FFV1": ("ffv1", ".mkv", {}),
    "FFV1 with CRCs": ("ffv1", ".mkv", {"level": "3", "slicecrc": "1", "slices": "4"}),
    "MJPEG": ("mjpeg", ".avi", {"qmin": "3", "qmax": "3"}),
    "H.264": ("libx264", ".mp4", {"preset": "veryfast", "g": "50"}),
    "HEVC": ("libx265", ".mp4", {"preset": "ultrafast", "x265-params": "keyint=50:log-level=none"}),
    "MPEG-4": ("mpeg4", ".avi", {"g": "50", "qmin": "4", "qmax": "4"}),
    "VP8": ("libvpx", ".webm", {"deadline": "realtime", "cpu-used": "8", "g": "50"}),
    "VP9": ("libvpx-vp9", ".webm", {"deadline": "realtime", "cpu-used": "8", "g": "50"}),
    "AV1": ("libsvtav1", ".mkv", {"preset": "12", "g": "50", "svtav1-params": "lp=1"}),
}
NUM_FLIPS = (1, 3, 10, 30)
_CELLS = (32, 18)
_VISIBLE_LEVELS = 16.0
_VISIBLE_CELLS = 6
"""A hundredth of the picture. JPEG and scaling change no cell of an undamaged keyframe by so much."""


@dataclass(frozen=True)
class Result:
    """Result for the keyframes of a damaged file.

    Attributes:
        keyframes: Number of keyframes.
        visible: Number of keyframes that show damage.
        unnamed: Number of keyframes that show damage and are not named individually.
        false: Number of keyframes that are named although they show no damage.
        unfit: Number of keyframes that would show something else at full size.
        notices: Keys and counts of the notices.
        error: Key of the AppError that the file ended with.
    """

    keyframes: int = 0
    visible: int = 0
    unnamed: int = 0
    false: int = 0
    unfit: int = 0
    notices: tuple[str, ...] = ()
    error: str | None = None


def encode(clip: Path, target: Path, codec: str, options: dict[str, str]) -> Path:
    """Encode the first SECONDS of the clip in another codec."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as container:
        stream = source.streams.video[0]
        rate = stream.average_rate or 25
        scale = min(1.0, SIDE / max(stream.width, stream.height))
        output = container.add_stream(codec, rate=rate, options=options)
        output.width, output.height = (max(16, int(side * scale) // 2 * 2) for side in (stream.width, stream.height))
        output.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, frame in enumerate(islice(source.decode(stream), int(SECONDS * rate))):
            frame = frame.reformat(output.width, output.height, output.pix_fmt)
            frame.pts, frame.time_base = number, 1 / rate
            frame.pict_type = av.video.frame.PictureType.NONE
            container.mux(output.encode(frame))
        container.mux(output.encode(None))
    return target


def payloads(path: Path) -> list[tuple[int, int]]:
    """List (position, size) of each coded picture in the file."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size and packet.pos]


def flipped(data: bytes, places: Sequence[tuple[int, int]], count: int, seed: int) -> bytes:
    """Flip `count` bits in coded pictures, except in their first 32 bytes, which contain headers."""
    draw, changed = random.Random(seed), bytearray(data)
    total = [size for _, size in places]
    for position, size in draw.choices(places, total, k=count):
        if size > 64:
            changed[position + draw.randrange(32, size)] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cells(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the means of a picture in 32 x 18 cells."""
    return np.asarray(cv2.resize(image, _CELLS, interpolation=cv2.INTER_AREA), np.float32)


def differs(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Return whether people would see a difference."""
    return int((np.abs(one - other).max(axis=2) > _VISIBLE_LEVELS).sum()) >= _VISIBLE_CELLS


def shown(path: Path) -> dict[int, NDArray[np.float32]]:
    """Decode the pictures of an undamaged file by their time in milliseconds."""
    with open_reader(path) as reader:
        start = reader.info.start_seconds
        return {round((start + one.time_seconds) * 1000): cells(one.upright(SIDE)) for one in reader.frames()}


def judged(path: Path, truth: dict[int, NDArray[np.float32]]) -> Result:
    """Choose keyframes of a damaged file; compare them with the truth, and with themselves at full size."""
    keyframes: tuple[Keyframe, ...] = ()
    notices: tuple[str, ...] = ()
    named: frozenset[object] = frozenset()
    start = 0.0
    try:
        with open_reader(path, every_frame=False) as reader:
            start = reader.info.start_seconds  # a file may begin with what cannot be decoded
            for event in pipeline.run(reader, ExtractOptions(FRAMES, selection=Selection(), max_side=SIDE)):
                if isinstance(event, KeyframesChosen):
                    keyframes = event.keyframes
                    found = event.decode.notices
                    notices = tuple(f"{one.key} {one.values.get('count', '')}" for one in found)
                    named = frozenset(one.values["number"] for one in found if one.key == "damaged_keyframe")
        others: list[Keyframe] = []
        for _ in full_pictures(path, keyframes, on_other=others.append):
            pass
    except AppError as error:
        return Result(error=error.key)
    visible = unnamed = false = 0
    for one in keyframes:
        picture = _cells_of(one)
        time_ms = min(truth, key=lambda ms, at=(start + one.time_seconds) * 1000: abs(ms - at))
        is_visible, is_named = differs(picture, truth[time_ms]), one.number in named
        visible += is_visible
        unnamed += is_visible and not is_named
        false += is_named and not is_visible
    return Result(len(keyframes), visible, unnamed, false, len(others), notices)


def _cells_of(keyframe: Keyframe) -> NDArray[np.float32]:
    return cells(np.asarray(cv2.imdecode(np.frombuffer(keyframe.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8))


def results(
    clips: Sequence[Path], folder: Path, seeds: Sequence[int], codecs: Sequence[str]
) -> Iterator[tuple[str, str, Result]]:
    """Yield (codec, damage, result) for each damaged and each undamaged file."""
    for name in codecs:
        codec, suffix, options = CODECS[name]
        for clip in clips:
            path = folder / f"{clip.stem}.{name.replace(' ', '')}{suffix}"
            if not path.exists():
                encode(clip, path, codec, options)
            truth, data, places = shown(path), path.read_bytes(), payloads(path)
            yield name, "undamaged", judged(path, truth)
            for count in NUM_FLIPS:
                for seed in seeds:
                    damaged = folder / f"damaged{suffix}"
                    damaged.write_bytes(flipped(data, places, count, seed))
                    yield name, f"{clip.stem} {count} {seed}", judged(damaged, truth)


def main(arguments: list[str]) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.damage", description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--codecs", default=",".join(CODECS))
    parser.add_argument("--folder", type=Path, help="where encoded files are kept for the next run")
    parser.add_argument("--verbose", action="store_true", help="print each file with a fault")
    asked = parser.parse_args(arguments)
    damage.watch()
    found: dict[str, list[Result]] = {}
    seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
    with tempfile.TemporaryDirectory(prefix="framelens-damage-") as made:
        for codec, done, one in results(asked.clips, asked.folder or Path(made), seeds, asked.codecs.split(",")):
            if done != "undamaged":
                found.setdefault(codec, []).append(one)
            if (one.visible and done == "undamaged") or (asked.verbose and (one.visible or one.unfit or one.error)):
                print(codec, done, one, flush=True)
    print("codec          files  refused  keyframes  damaged  unnamed  false alarms  other at full size  silent files")
    for codec, ended in found.items():
        keyframes, visible = sum(one.keyframes for one in ended), sum(one.visible for one in ended)
        silent = sum(bool(one.visible and not one.notices) for one in ended)
        print(
            f"{codec:14} {len(ended):5} {sum(one.error is not None for one in ended):8} {keyframes:10} "
            f"{visible:8} {sum(one.unnamed for one in ended):8} {sum(one.false for one in ended):13} "
            f"{sum(one.unfit for one in ended):19} {silent:13}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
