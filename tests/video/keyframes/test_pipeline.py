"""Strategies and ranges through the real child: which frames come, and on which axis."""

import io
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from framelens.core.domain import Keyframe, Selection
from framelens.core.errors import InputError
from framelens.core.events import FactsMeasured, KeyframesChosen, Probed, SurveyProgress
from framelens.core.images import show_same
from framelens.i18n import LANGUAGES, error_text, notice_text
from framelens.video import extractor
from framelens.video.extractor import extract, full_pictures
from framelens.video.keyframes.options import ExtractOptions
from tests.media import COLOURS, cards, moving, write_video


def chosen(path: Path, selection: Selection, frames: int = 16) -> KeyframesChosen:
    events = list(extract(path, ExtractOptions(frames, selection=selection, read_text=False)))
    (choice,) = (event for event in events if isinstance(event, KeyframesChosen))
    assert isinstance(events[0], Probed)
    assert [e.facts.number for e in events if isinstance(e, FactsMeasured)] == [k.number for k in choice.keyframes]
    return choice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("selection", "times", "reason"),
    [
        (Selection("uniform"), [1.0, 3.0, 5.0, 7.0], "even"),
        (Selection("every", every_seconds=2.5), [0.0, 2.48, 5.0, 7.48], "interval"),
        (Selection("codec"), [0.0, 2.0, 4.0, 6.0], "codec"),
        (Selection("times", times_seconds=(3.25, 0.5, 7.99)), [0.48, 3.24, 7.96], "asked"),
    ],
)
def test_each_strategy_gives_the_frames_on_show_at_its_times(
    card_video: Path, selection: Selection, times: list[float], reason: str
) -> None:
    keyframes = chosen(card_video, selection, frames=4).keyframes
    assert [frame.time_seconds for frame in keyframes] == pytest.approx(times)
    assert [frame.frame_index for frame in keyframes] == [round(time * 25) for time in times]
    assert {frame.reason for frame in keyframes} == {reason}
    assert [frame.number for frame in keyframes] == list(range(1, len(times) + 1))
    assert [frame.shot for frame in keyframes] == [int(time) + 1 for time in times]


@pytest.mark.slow
def test_scenes_are_the_first_frames_of_the_shots(card_video: Path) -> None:
    result = chosen(card_video, Selection("scenes"))
    assert [frame.time_seconds for frame in result.keyframes] == pytest.approx(range(8))
    assert [shot.start_seconds for shot in result.decode.shots] == pytest.approx(range(8))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["auto", "uniform", "scenes", "codec"])
def test_a_range_keeps_to_itself_and_to_the_axis_of_the_whole(card_video: Path, strategy: str) -> None:
    result = chosen(card_video, Selection(strategy, start_seconds=2.5, end_seconds=5.5))  # type: ignore[arg-type]
    assert result.keyframes
    for frame in result.keyframes:
        assert 2.5 <= frame.time_seconds < 5.5
        assert frame.frame_index == round(frame.time_seconds * 25)
    assert result.decode.shots[0].start_seconds == pytest.approx(2.52)
    assert result.decode.shots[-1].end_seconds == pytest.approx(5.52)
    assert result.decode.notices == ()


@pytest.mark.slow
def test_progress_in_a_range_is_told_on_the_axis_of_the_whole(card_video: Path) -> None:
    events = extract(
        card_video, ExtractOptions(2, selection=Selection(start_seconds=4, end_seconds=6), read_text=False)
    )
    reported = [event for event in events if isinstance(event, SurveyProgress)]
    assert reported and all(4 <= event.time_seconds <= 6.01 and event.duration_seconds == 6 for event in reported)


@pytest.mark.slow
def test_a_range_behind_the_end_is_reported(card_video: Path) -> None:
    with pytest.raises(InputError) as caught:
        chosen(card_video, Selection(start_seconds=50))
    for language in LANGUAGES:
        assert "50" in error_text(caught.value, language) and "8.000" in error_text(caught.value, language)


@pytest.mark.slow
def test_times_behind_the_end_are_left_out_and_reported(card_video: Path) -> None:
    result = chosen(card_video, Selection("times", times_seconds=(1.0, 80.0)))
    assert [frame.time_seconds for frame in result.keyframes] == [1.0]
    (notice,) = result.decode.notices
    assert all("8.000" in notice_text(notice, language) for language in LANGUAGES)
    with pytest.raises(InputError):
        chosen(card_video, Selection("times", times_seconds=(80.0,)))


@pytest.mark.slow
def test_two_times_in_one_frame_are_one_keyframe(card_video: Path) -> None:
    result = chosen(card_video, Selection("times", times_seconds=(1.001, 1.002, 1.05)))
    assert [frame.frame_index for frame in result.keyframes] == [25, 26]


@pytest.mark.slow
def test_more_than_wanted_are_thinned_and_reported(card_video: Path) -> None:
    result = chosen(card_video, Selection("every", every_seconds=0.5), frames=3)
    assert [frame.time_seconds for frame in result.keyframes] == pytest.approx([0.0, 4.0, 7.48])
    assert [notice.key for notice in result.decode.notices] == ["frames_thinned"]


@pytest.mark.slow
def test_full_resolution_pictures_are_upright_at_same_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", moving(20, 1920, 1080), rotation=90)
    (choice,) = (
        e for e in extract(path, ExtractOptions(3, max_side=320, read_text=False)) if isinstance(e, KeyframesChosen)
    )
    full = list(full_pictures(path, choice.keyframes))
    assert [(one.number, one.time_seconds, one.reason) for one in full] == [
        (frame.number, frame.time_seconds, frame.reason) for frame in choice.keyframes
    ]
    for one, small in zip(full, choice.keyframes, strict=True):
        picture = Image.open(io.BytesIO(one.jpeg))
        assert picture.size == (one.width, one.height) == (1080, 1920)
        assert (small.width, small.height) == (180, 320)
        apart = abs(_grey(one.jpeg).astype(int) - _grey(small.jpeg))
        assert apart.mean() < 4


@pytest.mark.slow
def test_other_picture_at_full_size_is_replaced_and_reported(card_video: Path) -> None:
    keyframes = chosen(card_video, Selection("times", times_seconds=(0.5, 2.5, 4.5, 6.5))).keyframes
    wrong = replace(keyframes[1], jpeg=keyframes[3].jpeg)
    others: list[Keyframe] = []
    full = list(full_pictures(card_video, [keyframes[0], wrong, *keyframes[2:]], on_other=others.append))
    assert others == [wrong] and full[1] == wrong
    assert [one.number for one in full] == [1, 2, 3, 4]
    assert all(one.jpeg != small.jpeg for one, small in zip(full[2:], keyframes[2:], strict=True))


@pytest.mark.slow
def test_seek_to_another_picture_is_not_trusted(card_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyframes = chosen(card_video, Selection("times", times_seconds=(0.5, 2.5))).keyframes
    ways: list[bool] = []
    seek = extractor._full_pictures

    def led_astray(path: Path, wanted: Collection[Keyframe], *, seeks: bool, **options: Any) -> Iterator[Keyframe]:
        ways.append(seeks)
        for one, full in zip(list(wanted), seek(path, wanted, seeks=seeks, **options), strict=True):
            yield replace(full, jpeg=keyframes[0].jpeg) if seeks and one.number == 2 else full

    monkeypatch.setattr(extractor, "_full_pictures", led_astray)
    full = list(full_pictures(card_video, keyframes, on_other=pytest.fail))
    assert ways == [True, False] and show_same(full[1].jpeg, keyframes[1].jpeg)


@pytest.mark.slow
def test_another_video_under_the_name_is_not_passed_off(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", cards(COLOURS, 25))
    keyframes = chosen(path, Selection("times", times_seconds=(7.5,))).keyframes
    write_video(path, moving(20))
    with pytest.raises(InputError) as caught:
        list(full_pictures(path, keyframes))
    assert caught.value.key == "frame_not_there"


def _grey(jpeg: bytes):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("L").resize((90, 160)))
