"""Real footage of minutes to hours in which coloured cards show up, and a record of when: `make bench-ask`.

The footage is encoded once, in pieces of a few seconds; a video is a row of them, drawn by a seed and joined without
encoding them again. Only pieces with a card are encoded again, by the same encoder. Some cards fill the picture, others
lie in front of the footage. The cards have the shades of the tests, which the test model was not trained on.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import av

from framelens.core.errors import AppError
from framelens.video.extractor import probe
from tests.cards import CARDS, draw_card, to_jpeg

RATE = 25
COLOURS = [name for name in CARDS if name not in ("gray", "white", "black", "blue", "cyan")]
"""Colours that are asked for; plain walls, nights and skies have the others."""
_WIDTH, _HEIGHT = 480, 270
_PIECE_SECONDS = 8
_MARGIN = 10
"""Frames of a piece before and after its card at least: two cards in a row would be one occurrence."""
_SECONDS = (0.5, 5.0)
_SHORTEST_CLIP = 2.0  # seconds
_MOST_OF_EACH = 4
_ENCODER = (
    *("-c:v", "libx264", "-preset", "veryfast", "-crf", "30", "-pix_fmt", "yuv420p", "-video_track_timescale", "12800"),
    *("-bf", "0", "-g", str(RATE), "-keyint_min", str(RATE), "-sc_threshold", "0"),
)


@dataclass(frozen=True)
class Occurrence:
    """A card in frames [first, end) of a video, and the share of the picture that it covers."""

    colour: str
    first: int
    end: int
    share: float

    @property
    def seconds(self) -> tuple[float, float]:
        """Return the times of its first and its last frame."""
        return self.first / RATE, (self.end - 1) / RATE


@dataclass(frozen=True)
class PlantedVideo:
    """A video, its frames, and the cards in it by time."""

    path: Path
    num_frames: int
    occurrences: tuple[Occurrence, ...]

    @property
    def hours(self) -> float:
        return self.num_frames / RATE / 3600

    def of(self, colour: str) -> list[Occurrence]:
        """Return the occurrences of a card of this colour."""
        return [one for one in self.occurrences if one.colour == colour]


def pieces(work: Path, footage: Sequence[Path]) -> list[Path]:
    """Encode all videos of `footage` that can be read and last two seconds or more, in pieces of eight seconds."""
    found: list[Path] = []
    for clip in footage:
        try:
            seconds = probe(clip).duration_seconds_from_header or 0.0
        except AppError:  # damaged files are part of some collections
            continue
        if seconds < _SHORTEST_CLIP:
            continue
        folder = work / "pieces" / f"{clip.stem}-{clip.stat().st_size}"
        if not folder.exists():
            scratch = folder.with_name(f"{folder.name}.part")
            scratch.mkdir(parents=True, exist_ok=True)
            shape = f"scale={_WIDTH}:{_HEIGHT}:force_original_aspect_ratio=increase,crop={_WIDTH}:{_HEIGHT},setsar=1"
            split = ("-f", "segment", "-segment_time", str(_PIECE_SECONDS), "-reset_timestamps", "1")
            _ffmpeg("-i", str(clip), "-an", "-vf", f"fps={RATE},{shape}", *_ENCODER, *split, str(scratch / "%03d.mp4"))
            scratch.rename(folder)
        found += sorted(folder.glob("*.mp4"))
    return [piece for piece in found if _num_frames(piece) > _SHORTEST_CLIP * RATE]


def planted(work: Path, footage: Sequence[Path], *, minutes: int, seed: int) -> PlantedVideo:
    """Return a video of this many minutes, made at the first call.

    It has one to four cards of each of three colours; the other colours don't occur.
    """
    available = pieces(work, footage)
    if not available:
        raise SystemExit(f"no footage of {_SHORTEST_CLIP} seconds or more was given")
    key = sha256(" ".join(map(str, available)).encode()).hexdigest()[:8]
    folder = work / f"planted-{minutes}min-{seed}-{key}"
    if not (folder / "truth.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _compose(folder, available, minutes, random.Random(seed))
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return PlantedVideo(
        folder / "video.mp4", truth["num_frames"], tuple(Occurrence(**one) for one in truth["occurrences"])
    )


def _compose(folder: Path, available: list[Path], minutes: int, draw: random.Random) -> None:
    row: list[Path] = []
    lengths: list[int] = []
    while sum(lengths) < minutes * 60 * RATE:
        row += draw.sample(available, len(available))
        lengths += [_num_frames(piece) for piece in row[len(lengths) :]]
    while sum(lengths) - lengths[-1] >= minutes * 60 * RATE:
        row.pop(), lengths.pop()
    colours = [name for name in draw.sample(COLOURS, 3) for _ in range(draw.randint(1, _MOST_OF_EACH))]
    roomy = [place for place, length in enumerate(lengths) if length >= _SECONDS[0] * RATE + 2 * _MARGIN]
    occurrences = []
    for place, colour in zip(_apart(roomy, len(colours), draw), draw.sample(colours, len(colours)), strict=False):
        most = min(round(_SECONDS[1] * RATE), lengths[place] - 2 * _MARGIN)
        length = min(most, round(draw.uniform(*_SECONDS) * RATE))
        first = draw.randint(_MARGIN, lengths[place] - _MARGIN - length)
        share = _plant(row, place, (first, first + length), colour, folder, draw)
        before = sum(lengths[:place])
        occurrences.append(Occurrence(colour, before + first, before + first + length, share))
    (folder / "row.txt").write_text("".join(f"file '{piece.absolute()}'\n" for piece in row), encoding="utf-8")
    _ffmpeg("-f", "concat", "-safe", "0", "-i", str(folder / "row.txt"), "-c", "copy", str(folder / "video.mp4"))
    occurrences.sort(key=lambda one: one.first)
    truth = {"num_frames": sum(lengths), "occurrences": [asdict(one) for one in occurrences]}
    (folder / "truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")


def _apart(places: list[int], count: int, draw: random.Random) -> list[int]:
    """Draw up to `count` of the places, no two of them next to each other."""
    chosen: list[int] = []
    for place in draw.sample(places, len(places)):
        if len(chosen) < count and all(abs(place - other) > 1 for other in chosen):
            chosen.append(place)
    return chosen


def _plant(
    row: list[Path], place: int, frames: tuple[int, int], colour: str, folder: Path, draw: random.Random
) -> float:
    """Add a card to these frames of a piece of the row, and return the share of the picture that it covers."""
    sides = (1.0, 1.0) if draw.random() < 0.5 else (draw.uniform(0.5, 0.9), draw.uniform(0.5, 0.9))
    width, height = (round(side * most) for side, most in zip(sides, (_WIDTH, _HEIGHT), strict=True))
    left, top = draw.randint(0, _WIDTH - width), draw.randint(0, _HEIGHT - height)
    image = folder / f"card-{place}.jpg"
    card = draw_card(colour, width=width, height=height, angle_degrees=draw.uniform(0, 360))
    image.write_bytes(to_jpeg(card, quality=95))
    shown = f"between(n,{frames[0]},{frames[1] - 1})"
    filters = f"[0:v][1:v]overlay={left}:{top}:enable='{shown}'"
    path = folder / f"piece-{place}.mp4"
    _ffmpeg("-i", str(row[place]), "-i", str(image), "-filter_complex", filters, *_ENCODER, str(path))
    row[place] = path
    return round(width * height / (_WIDTH * _HEIGHT), 3)


def _num_frames(piece: Path) -> int:
    with av.open(str(piece)) as container:
        return container.streams.video[0].frames


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments], check=True)
