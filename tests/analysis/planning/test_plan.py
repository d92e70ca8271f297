from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from framelens.analysis.planning.plan import RequestCapacity, lay_out, refine, sized, split, usual_side
from framelens.core.domain import AnalysisRequest, Keyframe, Layout, VideoInfo
from framelens.llm.token_count import estimate_frame_tokens
from framelens.video.keyframes.options import most_adapted


def frames(number: int, shots: list[int] | None = None) -> list[Keyframe]:
    return [
        Keyframe(n, n, float(n), "even", shots[n - 1] if shots else 1, 1280, 720, b"") for n in range(1, number + 1)
    ]


def layout(per_part: int) -> Layout:
    return Layout(448, per_part, 4, 180.0, False)


def test_frames_that_fit_are_sent_at_the_largest_size() -> None:
    assert usual_side(1280, 720, 4, RequestCapacity(32768, 1024)) == 896


def test_more_frames_get_smaller_before_they_are_split() -> None:
    assert usual_side(1280, 720, 24, RequestCapacity(8192, 1024)) == 448


@pytest.mark.parametrize("context", [512, 1024, 4096, 8192, 131072])
@pytest.mark.parametrize("number", [1, 7, 64, 256])
def test_chunks_fit_context_and_keep_every_frame(context: int, number: int) -> None:
    room = RequestCapacity(context, 256)
    cost = estimate_frame_tokens(1280, 720, usual_side(1280, 720, number, room))
    parts = lay_out(layout(room.frames(cost)), frames(number)).parts
    assert [n for part in parts for n in part] == list(range(1, number + 1))
    assert all(len(part) == 1 or len(part) * cost <= room.for_frames for part in parts)
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1


def test_the_engines_limit_of_pictures_is_kept() -> None:
    assert RequestCapacity(32768, 256, max_pictures=4).frames(10.0) == 4


def test_chunks_end_at_shot_boundaries_unless_uneven() -> None:
    with_shots = frames(12, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2])
    assert [len(part) for part in split(with_shots, 8)] == [5, 7]
    with_a_short_one = frames(12, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    assert [len(part) for part in split(with_a_short_one, 8)] == [6, 6]


def test_a_part_of_the_opening_holds_no_other_frames() -> None:
    assert lay_out(layout(4), frames(9), opening=2).parts == ((1, 2), (3, 4, 5), (6, 7, 8, 9)) or lay_out(
        layout(4), frames(9), opening=2
    ).parts == ((1, 2), (3, 4, 5, 6), (7, 8, 9))


def test_what_is_finished_stays_when_the_rest_is_made_smaller() -> None:
    nine = frames(9)
    first = lay_out(layout(3), nine)
    assert first.parts == ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    again = refine(first, nine, [(4, 5, 6)], 2)
    assert again.parts == ((1,), (2, 3), (4, 5, 6), (7,), (8, 9)) or again.parts[2] == (4, 5, 6)
    assert again.per_part == 2
    assert [n for part in again.parts for n in part] == list(range(1, 10))
    assert all(len(part) <= 2 for part in again.parts if part != (4, 5, 6))


def test_nothing_to_lay_out_is_no_part() -> None:
    assert lay_out(layout(4), []).parts == ()


def test_split_is_even() -> None:
    assert [len(part) for part in split(frames(9), 4)] == [3, 3, 3]


def test_an_automatic_number_suits_length_and_requests() -> None:
    path = Path("a.mp4")
    video = VideoInfo(path, path.name, 9, "mp4", "h264", "yuv420p", 1280, 720, 0, 120.0, 25.0, 3000, 0.0, False)
    request = AnalysisRequest(video.path, frames=256, adapts=True)

    def most(context: int, seconds: float, **changes: object) -> int:
        asked = replace(request, **changes)  # type: ignore[arg-type]
        long = replace(video, duration_seconds_from_header=seconds)
        return sized(asked, long, RequestCapacity(context, 1024), None).frames

    assert most(32768, 120) == most_adapted(120) == 50
    assert most(4096, 120) == RequestCapacity(4096, 1024).frames(estimate_frame_tokens(1280, 720, 448))
    assert most(4096, 1200) == 4 * most(4096, 120), "one request for each five minutes"
    assert most(4096, 1200, use_model=False) == most_adapted(1200)
    assert most(32768, 120, frames=20) == 20
    assert most(32768, 120, adapts=False) == 256
