"""Whole ranges of dissolves, also of those that are longer than any reading."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from framelens.core.domain import Boundary, Selection
from framelens.core.events import KeyframesChosen
from framelens.video.extractor import extract
from framelens.video.features.frame_signature import glance_at
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.shots.dissolve_ranges import DissolveRanges
from tests.media import Image, textured, write_video

_RATE, _BEGIN = 25, 3.0


def _dissolve(seconds: float) -> Iterator[Image]:
    """One picture mixed into another, over which something moves."""
    first, second = textured(1), textured(2)
    for number in range(int(_RATE * (_BEGIN + seconds + 2.0))):
        share = np.clip((number / _RATE - _BEGIN) / seconds, 0, 1)
        image = np.asarray(first * (1 - share) + second * share, np.uint8)
        image[40:56, number % 140 : number % 140 + 16] //= 2
        yield image


@pytest.mark.parametrize("seconds", [0.6, 1.2, 2.4])
def test_scene_begins_clear_after_the_whole_dissolve(seconds: float, tmp_path: Path) -> None:
    path = write_video(tmp_path / "dissolve.mp4", _dissolve(seconds), rate=_RATE)
    options = ExtractOptions(4, Selection("scenes"), read_text=False)
    (chosen,) = (event for event in extract(path, options) if isinstance(event, KeyframesChosen))
    (boundary,) = chosen.decode.boundaries
    assert boundary.start_seconds == pytest.approx(_BEGIN, abs=0.12)
    assert boundary.end_seconds == pytest.approx(_BEGIN + seconds, abs=0.12)
    assert _BEGIN + seconds <= chosen.keyframes[1].time_seconds <= _BEGIN + seconds + 0.24


def test_no_range_extends_beyond_a_cut() -> None:
    ranges, reading = DissolveRanges(), Boundary(3.2, 4.4, "dissolve")
    first, second = (np.random.default_rng(seed).integers(0, 200, (3, 576)) for seed in (1, 2))
    for number in range(100):
        share = min(max((number / 14 - 3.0) / 1.6, 0), 1)
        ranges.push(number / 14, glance_at((first * (1 - share) + second * share).astype(np.uint8).reshape(3, 18, 32)))
    ranges.add(reading)
    ranges.cut(3.15)
    ranges.finish()
    (whole,) = ranges.whole([reading])
    assert whole.start_seconds >= 3.15
    assert whole.end_seconds == pytest.approx(4.6, abs=0.07)
