"""Sets of footage to score on: their halves share no clip, and drawn footage is a single shot."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.keyframes.compose import HALVES, half_of, is_another, is_one_shot, mean_look
from benchmarks.keyframes.kinds import HEIGHT, KINDS, WIDTH
from benchmarks.keyframes.small import CAMERAS, planted, scene_size
from tests.media import COLOURS, cards, textured, write_video

pytestmark = pytest.mark.usefixtures("english")


def test_no_clip_is_in_both_halves() -> None:
    clips = [Path(f"clip{number}.mp4") for number in range(15)]
    tune, held = (half_of(clips, half) for half in HALVES)
    assert sorted([*tune, *held]) == sorted(clips)
    assert half_of(clips[::-1], "tune") == tune


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_drawn_the_same_for_the_same_seed(kind: str) -> None:
    once, again = (list(islice(KINDS[kind](np.random.default_rng(4)), 3)) for _ in range(2))
    assert all(one.shape == (HEIGHT, WIDTH, 3) and one.dtype == np.uint8 for one in once)
    assert np.array_equal(once, again)


@pytest.mark.parametrize("camera", CAMERAS)
def test_small_things_are_small_for_as_long_as_they_are_there(camera: str) -> None:
    width, height = scene_size(camera, (WIDTH, HEIGHT))
    ground = np.full((height, width, 3), 128, np.uint8)
    events = planted(np.random.default_rng(3), camera, 90.0, (WIDTH, HEIGHT))
    assert len(events) == 5 and events[0].type.startswith("small_")
    for event in events:
        assert 0.28 <= (event.end - event.first) / 25 <= 3.04
        for number in (event.first, event.end - 1):
            changed = np.abs(event.paint(ground, number).astype(int) - ground).sum(axis=2)
            assert 0.0002 < (changed > 30).mean() < 0.02, "the blur of a subject covers more than itself"


@pytest.mark.slow
def test_background_has_no_cut_and_inserts_differ(tmp_path: Path) -> None:
    one, same, other = (
        write_video(tmp_path / f"{name}.mp4", [textured(seed)] * 50)
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    cut = write_video(tmp_path / "cut.mp4", cards(COLOURS, 25))
    assert is_one_shot(one) and not is_one_shot(cut)
    assert is_another(other, [mean_look(one)]) and not is_another(same, [mean_look(one)])


"""A make_events.py that notes how it was called."""
