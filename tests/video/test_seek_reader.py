"""A reader that begins late gives what reading from the start gives there, or refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.core.domain import KeyframesChosen, Selection
from app.video import extract
from app.video.readers import open_reader
from app.video.seek_reader import LateReader
from app.video.seeking import NotExact
from tests.video.test_seeking import KINDS, in_order


@pytest.mark.parametrize("kind", ["b-frames", "one long group", "uneven times", "late start", "turned"])
def test_late_pictures_equal_sequential_reading(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path)
    wanted = in_order(path)[37:]
    with open_reader(path) as reader:
        info = reader.info
    with LateReader(info, wanted[0][1]) as late:
        found = [(picture.index, picture.time_seconds, picture.upright(99)) for picture in late.frames()]
    assert [one[:2] for one in found] == [one[:2] for one in wanted]
    assert all(np.array_equal(one[2], other[2]) for one, other in zip(found, wanted, strict=True))
    assert late.num_damaged == 0


@pytest.mark.parametrize(("kind", "start"), [("no times", 1.0), ("b-frames", 99.0)])
def test_where_it_cannot_be_exact_it_refuses(kind: str, start: float, tmp_path: Path) -> None:
    with open_reader(KINDS[kind](tmp_path)) as reader:
        info = reader.info
    with pytest.raises(NotExact):
        LateReader(info, start)


def test_a_range_of_a_file_without_times_is_read_in_order(tmp_path: Path) -> None:
    path = KINDS["no times"](tmp_path)
    events = extract(path, frames=3, selection=Selection(start_seconds=1.0, end_seconds=2.0), read_text=False)
    (chosen,) = (event for event in events if isinstance(event, KeyframesChosen))
    assert chosen.keyframes and all(1.0 <= frame.time_seconds < 2.0 for frame in chosen.keyframes)
