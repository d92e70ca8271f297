"""The benchmark of clips: what it makes is what it reads, and a wrong clip is found."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.plugins.editing.__main__ import _lip_errors, _wrong_pictures
from benchmarks.plugins.editing.films import CLICK_EVERY, COUNT, FILMS, even_times, make, watch
from framelens.plugins.editing.clips.cutter import cut_clip

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="FFmpeg's command makes the films")
def test_a_right_clip_passes_and_wrong_ones_are_found(tmp_path: Path) -> None:
    path = make(next(one for one in FILMS if one.name == "h264-closed.mp4"), tmp_path)
    whole = watch(path)
    assert whole.numbers == list(range(COUNT)) and len(whole.clicks[0]) == len(even_times()[::CLICK_EVERY])
    clip = cut_clip(path, 1.0, 3.0, tmp_path / "clip.mp4")
    seen = watch(clip.path)
    assert not list(_wrong_pictures(clip, seen, whole, 1.0, 3.0))
    assert max(_lip_errors(seen, clip, whole)) < 0.01
    assert list(_wrong_pictures(clip, seen, whole, 1.04, 3.04))
    assert list(_wrong_pictures(clip, seen, whole, 1.0, 3.04))
    late = replace(seen, times=[0.0, *(time + 0.02 for time in seen.times[1:])])
    assert list(_wrong_pictures(clip, late, whole, 1.0, 3.0))
    assert max(_lip_errors(replace(seen, clicks=[[one + 0.1 for one in seen.clicks[0]]]), clip, whole)) > 0.05
