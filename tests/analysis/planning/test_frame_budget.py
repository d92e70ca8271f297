from dataclasses import replace
from pathlib import Path

import pytest

from framelens.analysis.planning.frame_budget import AUTO, FIT, RequestCapacity, frame_limit, sized, usual_side
from framelens.core.domain import MOST_FRAMES, AnalysisRequest, Strategy, VideoInfo
from framelens.llm.token_estimate import estimate_frame_tokens
from framelens.video.keyframes.options import most_adapted


@pytest.mark.parametrize(
    ("frames", "strategy", "wanted"),
    [
        (12, "auto", (12, False)),
        (None, "auto", (16, False)),
        (None, "every", (MOST_FRAMES, False)),
        (AUTO, "auto", (MOST_FRAMES, True)),
        (AUTO, "every", (MOST_FRAMES, False)),
        (FIT, "auto", (7, False)),
    ],
)
def test_limit_follows_from_number_and_strategy(frames: int | None, strategy: Strategy, wanted: object) -> None:
    assert frame_limit(frames, strategy, 16, lambda: 7) == wanted


def test_frames_get_smaller_before_they_are_split() -> None:
    assert usual_side(1280, 720, 4, RequestCapacity(32768, 1024)) == 896  # frames that fit are sent at the largest size
    # More frames get smaller before they are split.
    assert usual_side(1280, 720, 24, RequestCapacity(8192, 1024)) == 448
    # A single frame is sent at a size that fits.
    capacity = RequestCapacity(2048, 1024)
    assert estimate_frame_tokens(1000, 1000, 896) > capacity.for_frames > estimate_frame_tokens(1000, 1000, 640)
    assert usual_side(1000, 1000, 1, capacity) == 640
    assert RequestCapacity(32768, 256, max_pictures=4).frames(10.0) == 4  # the engines limit of pictures is kept


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
