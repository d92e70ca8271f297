"""The way from a file to keyframes and facts, through the real child."""

import io
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from framelens.core.domain import Selection, Strategy
from framelens.core.events import FactsMeasured, KeyframeFound, KeyframesChosen, Probed, SurveyProgress, VideoEvent
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions, adapted_frames
from tests.cards import write_card_video
from tests.media import COLOURS, cards, faded, moving, solid, textured, write_video
from tests.video.conftest import Chosen


def middle(jpeg: bytes) -> tuple[int, int, int]:
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    red, green, blue = (int(value) for value in np.asarray(image)[image.height // 2, image.width // 2])
    return red, green, blue


def nearest_colour(jpeg: bytes) -> str:
    shown = middle(jpeg)
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(shown, COLOURS[name], strict=True)))


@pytest.mark.slow
def test_events_come_in_their_order(card_video: Path) -> None:
    events: list[VideoEvent] = list(extract(card_video, ExtractOptions(4, read_text=False)))
    kinds = [kind for kind, _ in groupby(type(event) for event in events)]
    assert kinds[0] is Probed and kinds[-2:] == [KeyframesChosen, FactsMeasured]
    assert set(kinds[1:-2]) == {SurveyProgress, KeyframeFound}
    found = [event.keyframe for event in events if isinstance(event, KeyframeFound)]
    assert 2 <= len(found) <= 4 and {frame.number for frame in found} == {0}
    facts = [event.facts for event in events if isinstance(event, FactsMeasured)]
    assert [fact.number for fact in facts] == [1, 2, 3, 4]
    assert facts[0].motion is None and all(fact.motion is not None for fact in facts[1:])


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["auto", "uniform"])
def test_frames_alone_are_the_same(card_video: Path, strategy: Strategy) -> None:
    options = ExtractOptions(4, Selection(strategy), read_text=False)
    whole, alone = (list(extract(card_video, options, only_frames=only)) for only in (False, True))
    assert {type(event) for event in alone} <= {Probed, SurveyProgress, KeyframesChosen}
    assert alone[-1] == next(event for event in whole if isinstance(event, KeyframesChosen))


@pytest.mark.slow
def test_eight_cards_give_one_frame_each_in_order(card_video: Path, chosen: Chosen) -> None:
    result = chosen(card_video, 8)
    assert [nearest_colour(frame.jpeg) for frame in result.keyframes] == list(COLOURS)
    assert [frame.number for frame in result.keyframes] == list(range(1, 9))
    assert [int(frame.time_seconds) for frame in result.keyframes] == list(range(8))
    assert [frame.shot for frame in result.keyframes] == list(range(1, 9))
    assert [shot.start_seconds for shot in result.decode.shots] == pytest.approx(range(8))


@pytest.mark.slow
@pytest.mark.parametrize("budget", [1, 3, 5])
def test_never_more_than_the_budget(card_video: Path, chosen: Chosen, budget: int) -> None:
    frames = chosen(card_video, budget).keyframes
    assert len(frames) == budget
    assert len({nearest_colour(frame.jpeg) for frame in frames}) == budget


@pytest.mark.slow
def test_frame_numbers_and_times_are_those_of_the_very_picture(tmp_path: Path, chosen: Chosen) -> None:
    """The light of each frame tells its place in display order."""
    times = [n / 25 + (0.6 if n >= 20 else 0.0) for n in range(40)]
    images = (solid((20 + 5 * n,) * 3) for n in range(40))
    path = write_video(tmp_path / "steps.mkv", images, times=times, codec="ffv1", start_seconds=2.0)
    result = chosen(path, 8)
    assert len(result.keyframes) == 8
    for frame in result.keyframes:
        assert round((middle(frame.jpeg)[0] - 20) / 5) == frame.frame_index
        assert frame.time_seconds == pytest.approx(times[frame.frame_index], abs=1e-3)


@pytest.mark.slow
def test_a_moving_shot_is_covered_from_beginning_to_end(moving_video: Path, chosen: Chosen) -> None:
    result = chosen(moving_video, 8)
    times = [frame.time_seconds for frame in result.keyframes]
    assert len(times) == 8 and times[0] < 0.25
    assert max(np.diff([*times, 2.0])) < 0.7
    assert result.decode.frames_decoded == 50
    assert result.decode.readable_seconds == pytest.approx(2.0)
    assert not result.decode.is_variable_frame_rate


@pytest.mark.slow
def test_a_still_video_gives_two_frames(tmp_path: Path, chosen: Chosen) -> None:
    path = write_video(tmp_path / "still.mp4", [textured(1)] * 250)
    assert [frame.reason for frame in chosen(path).keyframes] == ["first", "last"]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_video_shorter_than_the_budget_gives_what_it_has(tmp_path: Path, chosen: Chosen, count: int) -> None:
    path = write_video(tmp_path / "short.mp4", moving(count))
    assert [frame.frame_index for frame in chosen(path).keyframes] == list(range(count))


@pytest.mark.slow
def test_a_varying_frame_rate_is_noticed(tmp_path: Path, chosen: Chosen) -> None:
    times = [n / 25 + (n % 3) * 0.012 for n in range(40)]
    path = write_video(tmp_path / "vfr.mp4", moving(40), times=times)
    assert chosen(path).decode.is_variable_frame_rate


@pytest.mark.slow
def test_a_video_that_opens_from_black_begins_with_a_picture(tmp_path: Path, chosen: Chosen) -> None:
    path = write_video(tmp_path / "rise.mp4", [*faded(textured(1), 25, 0.0, 1.0), *moving(50)])
    first = chosen(path, 4).keyframes[0]
    assert np.asarray(Image.open(io.BytesIO(first.jpeg)).convert("L")).mean() > 60


@pytest.mark.slow
def test_pictures_are_turned_and_at_most_as_large_as_asked(tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", moving(10, 640, 360), rotation=90)
    events = list(extract(path, ExtractOptions(2, max_side=320, read_text=False)))
    for event in events:
        if isinstance(event, KeyframeFound | KeyframesChosen):
            frames = event.keyframes if isinstance(event, KeyframesChosen) else (event.keyframe,)
            for frame in frames:
                assert (frame.width, frame.height) == (180, 320)
                assert Image.open(io.BytesIO(frame.jpeg)).size == (180, 320)


@pytest.mark.slow
def test_the_same_video_gives_the_same_keyframes(card_video: Path, chosen: Chosen) -> None:
    assert chosen(card_video, 6) == chosen(card_video, 6)


@pytest.mark.slow
def test_many_frames_of_a_large_picture_stay_within_memory(tmp_path: Path, chosen: Chosen) -> None:
    """More candidates than raw pictures may be held, so some are kept as JPEGs and still come out in order."""
    path = write_video(tmp_path / "large.mp4", moving(60, 1920, 1080))
    frames = chosen(path, 40).keyframes
    assert len(frames) == 40
    left_edges = [np.asarray(Image.open(io.BytesIO(f.jpeg)).convert("L"))[360].argmax() for f in frames]
    assert len(left_edges) == 40


@pytest.mark.slow
def test_cards_of_one_frame_each_are_all_found(tmp_path: Path, chosen: Chosen) -> None:
    path = write_video(tmp_path / "slides.mp4", cards(COLOURS, 1), rate=1)
    assert [nearest_colour(frame.jpeg) for frame in chosen(path).keyframes] == list(COLOURS)


@pytest.mark.parametrize(("frames", "max_side"), [(0, 1280), (4, 1)])
def test_impossible_options_are_a_mistake_of_the_caller(card_video: Path, frames: int, max_side: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        next(extract(card_video, ExtractOptions(frames, max_side=max_side)))


@pytest.mark.slow
def test_where_each_shot_can_have_a_frame_each_has_one(folder: Path, chosen: Chosen) -> None:
    images = [image for seed in range(5) for image in moving(30, 320, 192, seed=seed)]
    result = chosen(write_video(folder / "five_shots.mp4", images), 8)
    assert len(result.decode.shots) == 5
    assert {frame.shot for frame in result.keyframes} == {1, 2, 3, 4, 5}


@pytest.mark.slow
def test_cut_between_skipped_frames_is_placed_exactly(folder: Path, chosen: Chosen) -> None:
    """The encoder stores nothing whole at cuts, so that they fall on frames that no other needs."""
    lengths = (31, 36, 29, 38, 32)
    images = [image for seed, length in enumerate(lengths) for image in moving(length, 320, 192, seed=seed)]
    options = {"bf": "3", "b-adapt": "0", "sc_threshold": "0", "x264-params": "scenecut=0:b-adapt=0:bframes=3"}
    result = chosen(write_video(folder / "loose_cuts.mp4", images, options=options), 8)
    starts = [sum(lengths[:number]) / 25 for number in range(len(lengths))]
    assert [shot.start_seconds for shot in result.decode.shots] == pytest.approx(starts, abs=1e-3)
    assert result.decode.frames_decoded == sum(lengths)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["auto", "uniform"])
def test_an_automatic_number_suits_shots_and_length(tmp_path: Path, strategy: Strategy) -> None:
    """One frame for each shot and 1.5 for the square root of the seconds; "auto" repeats no still picture."""
    colours = ["red", "green", "blue", "yellow"] * 5
    path = write_card_video(tmp_path / "cards.mp4", colours, seconds_per_card=2.0)

    def number(most: int) -> int:
        options = ExtractOptions(most, Selection(strategy), adapts=True, read_text=False)
        return len(next(event for event in extract(path, options) if isinstance(event, KeyframesChosen)).keyframes)

    assert adapted_frames(40.0, 20, 256) == 29
    assert number(256) == (20 if strategy == "auto" else 29)
    assert number(16) == 16


def test_an_automatic_number_grows_with_length_and_shots() -> None:
    assert [adapted_frames(seconds, 1, 256) for seconds in (0, 20, 60, 600, 3600)] == [8, 8, 13, 38, 91]
    assert [adapted_frames(60, shots, 256) for shots in (1, 20, 500)] == [13, 32, 35]
