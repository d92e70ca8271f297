from __future__ import annotations

import pytest

from app.analysis.plan import plan, room_for_frames, split
from app.domain import Keyframe
from app.llm.budget import estimate_frame_tokens


def frames(number: int, width: int = 1280, height: int = 720) -> list[Keyframe]:
    return [Keyframe(n, n, float(n), "even", 1, width, height, b"") for n in range(1, number + 1)]


def test_frames_that_fit_are_one_chunk_at_the_largest_size() -> None:
    planned = plan(frames(4), max_model_len=32768, answer_tokens=1024)
    assert len(planned.chunks) == 1
    assert planned.side == 896


def test_more_frames_get_smaller_before_they_are_split() -> None:
    planned = plan(frames(24), max_model_len=8192, answer_tokens=1024)
    assert len(planned.chunks) == 1
    assert planned.side == 448


@pytest.mark.parametrize("context", [512, 1024, 4096, 8192, 131072])
@pytest.mark.parametrize("number", [1, 7, 64, 256])
def test_no_chunk_is_larger_than_the_context_by_estimate_and_no_frame_is_lost(context: int, number: int) -> None:
    planned = plan(frames(number), max_model_len=context, answer_tokens=256)
    cost = estimate_frame_tokens(1280, 720, planned.side)
    assert [f.number for chunk in planned.chunks for f in chunk] == list(range(1, number + 1))
    room = room_for_frames(context, 256)
    assert all(len(chunk) == 1 or len(chunk) * cost <= room for chunk in planned.chunks)
    lengths = [len(chunk) for chunk in planned.chunks]
    assert max(lengths) - min(lengths) <= 1


def test_the_engines_limit_of_pictures_is_kept() -> None:
    planned = plan(frames(10), max_model_len=32768, answer_tokens=256, max_pictures=4)
    assert [len(chunk) for chunk in planned.chunks] == [3, 4, 3]


def test_a_chosen_size_is_kept() -> None:
    assert plan(frames(4), max_model_len=8192, answer_tokens=256, side=336).side == 336


def test_nothing_to_plan_is_no_chunk() -> None:
    assert plan([], max_model_len=8192, answer_tokens=256).chunks == ()


def test_split_is_even() -> None:
    assert [len(part) for part in split(frames(9), 4)] == [3, 3, 3]
