from pathlib import Path
from typing import Any

import pytest

from framelens.analysis.planning.frame_budget import RequestCapacity, usual_side
from framelens.analysis.planning.plan import extract_options, lay_out, refine, split
from framelens.core.domain import AnalysisRequest, Keyframe, Layout
from framelens.llm.token_estimate import estimate_frame_tokens


def frames(number: int, shots: list[int] | None = None) -> list[Keyframe]:
    return [
        Keyframe(n, n, float(n), "even", shots[n - 1] if shots else 1, 1280, 720, b"") for n in range(1, number + 1)
    ]


def layout(per_part: int) -> Layout:
    return Layout(448, per_part, 4, 180.0, False)


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


def test_nothing_and_even_parts_are_laid_out() -> None:
    assert lay_out(layout(4), []).parts == ()  # nothing to lay out is no part
    assert [len(part) for part in split(frames(9), 4)] == [3, 3, 3]  # split is even


@pytest.mark.parametrize("given", [{"use_model": False, "frames": 256, "adapts": True}, {"frames": 4}])
def test_without_an_opening_nothing_is_probed(given: dict[str, Any]) -> None:
    request = AnalysisRequest(Path("a.mp4"), **given)
    options = extract_options(lambda: pytest.fail("it was probed"), request, RequestCapacity(2048, 1024), None)
    assert (options.frames, options.adapts, options.opening) == (request.frames, request.adapts, None)
