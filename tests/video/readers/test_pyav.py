"""Times of AvReader: where the container starts before its pictures, has no times, or goes on after the last one."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.video.readers.pyav import AvReader
from tests.media import cards, moving, with_sound, write_video


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shots of a second."""
    path = tmp_path_factory.mktemp("pictures") / "plain.mp4"
    return write_video(path, cards(("red", "green", "blue", "yellow"), 25))


# ---- the time axis of players


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize(("sound", "start", "shown"), [((0, 6), 2.0, 2.0), ((3, 6), 3.0, 0.0), ((1, 4), 0.0, 0.0)])
def test_players_count_from_the_start_of_the_container(
    suffix: str, sound: tuple[float, float], start: float, shown: float, pictures: Path, tmp_path: Path
) -> None:
    path = with_sound(pictures, tmp_path / f"sound{suffix}", sound=sound, picture_start=start)
    with AvReader(path) as reader:
        info = reader.info  # the encoder of the sound starts a little earlier
        assert info.player_start_seconds == pytest.approx(shown, abs=0.03)
        assert info.player_seconds(2.0) == pytest.approx(2.0 + shown, abs=0.03)
        assert next(iter(reader.frames())).time_seconds == 0.0


@pytest.mark.parametrize(("suffix", "shown"), [(".mkv", 3.0), (".mp4", 3.0), (".ts", 0.0)])
def test_browsers_count_from_zero_where_they_play(suffix: str, shown: float, pictures: Path, tmp_path: Path) -> None:
    path = with_sound(pictures, tmp_path / f"late{suffix}", sound=(3, 6), picture_start=3.0)
    with AvReader(path) as reader:
        assert reader.info.browser_start_seconds == pytest.approx(shown, abs=0.03)


def test_delay_of_an_encoder_does_not_move_pictures(pictures: Path, tmp_path: Path) -> None:
    path = with_sound(pictures, tmp_path / "primed.mkv", sound=(0, 4))
    with AvReader(path) as reader:
        assert reader.info.player_start_seconds == 0.0


# ---- containers without times of frames


def test_index_without_an_order_of_display_is_not_believed(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "bf": "3", "b_strategy": "0"}
    path = write_video(tmp_path / "index.mxf", moving(50), options=options)
    with AvReader(path, every_frame=False) as reader:
        assert reader.info.has_guessed_times
        assert [round(picture.time_seconds, 3) for picture in reader.frames()] == [round(n / 25, 3) for n in range(50)]
