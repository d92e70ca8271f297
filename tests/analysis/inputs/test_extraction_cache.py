"""A surveyed video is not decoded again; another video, or the same with other options, is."""

import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from framelens.analysis.inputs import extraction_cache
from framelens.analysis.inputs.extraction_cache import ExtractionCache
from framelens.core.domain import Keyframe, Selection
from framelens.core.errors import InputError
from framelens.core.events import (
    FactsMeasured,
    KeyframesChosen,
    Noticed,
    OpeningChosen,
    Probed,
    SurveyProgress,
    VideoEvent,
)
from framelens.store.extraction_cache import ExtractionStore
from framelens.video import extractor
from framelens.video.extractor import remaining_facts
from framelens.video.keyframes.options import ExtractOptions, Opening
from framelens.video.keyframes.strategies import WorkerRequest
from tests.media import COLOURS, cards, moving, write_video
from tests.video.conftest import decoding_children

WHOLE = Selection()
SAMPLE = Path(__file__).resolve().parents[3] / "framelens" / "samples" / "sample.mp4"
NAMING = (
    Selection("times", times_seconds=(0.2, 0.5)),
    Selection("uniform"),
    Selection("every", every_seconds=0.2),
    Selection("scenes"),
    Selection("codec"),
)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", moving(20))


@pytest.fixture
def minute(tmp_path: Path) -> Path:
    """The eight colours of tests.media for eight seconds each, two frames a second."""
    return write_video(tmp_path / "minute.mp4", cards(COLOURS, 16), rate=2)


@pytest.fixture
def recall(tmp_path: Path) -> ExtractionCache:
    return ExtractionCache(ExtractionStore(tmp_path / "surveys"))


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks of all decoding children that are started, in order."""
    tasks: list[str] = []

    class Counted(extractor.DecoderWorker):
        def __init__(self, request: WorkerRequest) -> None:
            tasks.append(request.task)
            super().__init__(request)

    monkeypatch.setattr(extractor, "DecoderWorker", Counted)
    return tasks


def surveyed(recall: ExtractionCache, path: Path, frames: int = 3, selection: Selection = WHOLE) -> list[VideoEvent]:
    events = recall.extract(path, ExtractOptions(frames, selection, read_text=False))
    return [event for event in events if isinstance(event, Probed | KeyframesChosen)]


@pytest.mark.slow
def test_a_second_call_starts_no_decoding_and_gives_the_same(
    recall: ExtractionCache, clip: Path, starts: list[str]
) -> None:
    first = surveyed(recall, clip)
    assert starts == ["extract"]
    assert surveyed(recall, clip) == first
    assert starts == ["extract"]


@pytest.mark.slow
def test_a_copy_under_another_name_is_known_and_named_again(
    recall: ExtractionCache, clip: Path, tmp_path: Path, starts: list[str]
) -> None:
    first = surveyed(recall, clip)
    copy = Path(shutil.copy(clip, tmp_path / "又一份.mp4"))
    probed, chosen = surveyed(recall, copy)
    assert isinstance(probed, Probed) and (probed.video.path, probed.video.name) == (copy, copy.name)
    assert chosen == first[1]
    assert starts == ["extract"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{"frames": 4}, {"selection": Selection(end_seconds=0.5)}, {"selection": Selection("uniform", end_seconds=9.0)}],
    ids=["frames", "range", "range and strategy"],
)
def test_other_wishes_are_another_survey(
    recall: ExtractionCache, minute: Path, starts: list[str], options: dict[str, object]
) -> None:
    surveyed(recall, minute)
    surveyed(recall, minute, **options)  # type: ignore[arg-type]  # one option at a time
    assert starts == ["extract", "extract"]


@pytest.mark.slow
@pytest.mark.parametrize("selection", NAMING, ids=[one.strategy for one in NAMING])
def test_named_times_of_a_surveyed_video_need_no_other_survey(
    recall: ExtractionCache, minute: Path, starts: list[str], selection: Selection, tmp_path: Path
) -> None:
    wanted = ExtractOptions(3, selection, read_text=selection is NAMING[0])  # facts once: they are the same way for all
    surveyed(recall, minute)
    served = list(recall.extract(minute, wanted))
    assert starts == ["extract", "named"]
    assert list(recall.extract(minute, wanted)) == served
    assert starts == ["extract", "named"]
    fresh = ExtractionCache(ExtractionStore(tmp_path / "others"))
    assert served == [event for event in fresh.extract(minute, wanted) if not isinstance(event, SurveyProgress)]
    assert starts == ["extract", "named", "extract"]


@pytest.mark.slow
def test_one_survey_for_named_times_serves_the_others(recall: ExtractionCache, clip: Path, starts: list[str]) -> None:
    for selection in NAMING:
        surveyed(recall, clip, selection=selection)
    assert starts == ["extract", *["named"] * (len(NAMING) - 1)]


@pytest.mark.slow
def test_a_survey_that_is_known_no_more_is_made_again(
    recall: ExtractionCache, minute: Path, starts: list[str], tmp_path: Path
) -> None:
    surveyed(recall, minute)
    for kept in (tmp_path / "surveys").glob("*.survey"):
        kept.write_bytes(kept.read_bytes()[:-10])
    surveyed(recall, minute, selection=NAMING[0])
    assert starts == ["extract", "extract"]


@pytest.mark.thorough
@pytest.mark.slow
def test_text_is_read_once_on_a_picture(
    recall: ExtractionCache, tmp_path: Path, starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames of an analysis are asked for again by their times, together with another frame."""
    facts = [one.facts for one in recall.extract(SAMPLE, ExtractOptions(6)) if isinstance(one, FactsMeasured)]
    assert any(frame_facts.texts for frame_facts in facts)
    (chosen,) = (one for one in recall.extract(SAMPLE, ExtractOptions(6)) if isinstance(one, KeyframesChosen))
    times = tuple(frame.time_seconds for frame in chosen.keyframes)
    wanted = ExtractOptions(8, Selection("times", times_seconds=(*times, times[0] + 1.0)))
    fresh = ExtractionCache(ExtractionStore(tmp_path / "others"))
    expected = [event for event in fresh.extract(SAMPLE, wanted) if not isinstance(event, SurveyProgress)]
    assert list(recall.extract(SAMPLE, wanted)) == expected
    # The same once more, where nothing can be read: what is known is enough.
    monkeypatch.setenv("PYTHONPATH", str(without_text_reader(tmp_path)))
    again = ExtractOptions(5, Selection("times", times_seconds=times[1:]))
    read = [one.facts.texts for one in recall.extract(SAMPLE, again) if isinstance(one, FactsMeasured | Noticed)]
    assert read == [frame_facts.texts for frame_facts in facts[1:]]


def without_text_reader(tmp_path: Path) -> Path:
    """A folder that, ahead of all others, holds a library for reading text which does not work."""
    folder = tmp_path / "broken"
    (folder / "rapidocr").mkdir(parents=True)
    (folder / "rapidocr" / "__init__.py").write_text("raise ImportError('broken')")
    return folder


@pytest.mark.slow
def test_an_opening_is_kept_and_comes_again_in_its_place(
    recall: ExtractionCache, minute: Path, starts: list[str]
) -> None:
    wanted = ExtractOptions(6, read_text=False, opening=Opening(20.0, 2))
    kinds = Probed | OpeningChosen | KeyframesChosen
    first, again = ([one for one in recall.extract(minute, wanted) if isinstance(one, kinds)] for _ in range(2))
    assert first == again and [type(one) for one in first] == [Probed, OpeningChosen, KeyframesChosen]
    surveyed(recall, minute, 6)
    assert starts == ["extract", "extract"]  # without an opening other frames are chosen


@pytest.mark.slow
def test_another_video_in_its_place_is_decoded(recall: ExtractionCache, clip: Path, starts: list[str]) -> None:
    surveyed(recall, clip)
    write_video(clip, moving(30))
    assert surveyed(recall, clip)[1].decode.frames_decoded == 30  # type: ignore[union-attr]
    assert starts == ["extract", "extract"]


@pytest.mark.slow
def test_extraction_of_older_version_is_not_reused(
    recall: ExtractionCache, clip: Path, starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    surveyed(recall, clip)
    monkeypatch.setattr(extraction_cache, "version", lambda: "another")
    surveyed(recall, clip)
    assert starts == ["extract", "extract"]


@pytest.mark.slow
def test_a_damaged_survey_is_made_again(recall: ExtractionCache, clip: Path, tmp_path: Path, starts: list[str]) -> None:
    first = surveyed(recall, clip)
    for kept in (tmp_path / "surveys").glob("*.survey"):
        kept.write_bytes(kept.read_bytes()[:-100])
    assert surveyed(recall, clip) == first
    assert starts == ["extract", "extract"]


@pytest.mark.slow
def test_facts_are_recalled_too_and_serve_who_wants_none(
    recall: ExtractionCache, clip: Path, starts: list[str]
) -> None:
    def whole() -> list[VideoEvent]:
        events = recall.extract(clip, ExtractOptions(3))
        return [event for event in events if isinstance(event, Probed | KeyframesChosen | FactsMeasured)]

    first = whole()
    assert sum(isinstance(event, FactsMeasured) for event in first) == 3
    assert whole() == first
    assert surveyed(recall, clip) == first[:2]
    assert starts == ["extract"]


def until_measured(recall: ExtractionCache, path: Path, options: ExtractOptions, count: int) -> None:
    """Begin an extraction and leave it once it has measured one frame more than `count`, as a kill does."""
    for event in recall.extract(path, options):
        if isinstance(event, FactsMeasured) and event.facts.number > count:
            break


@pytest.mark.thorough
@pytest.mark.slow
def test_interrupted_facts_are_not_measured_again(
    recall: ExtractionCache, starts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction_cache, "_PIECE_SECONDS", 0.0)
    options, measured = ExtractOptions(8, WHOLE), 2
    undisturbed = list(ExtractionCache(ExtractionStore(tmp_path / "other")).extract(SAMPLE, options))
    until_measured(recall, SAMPLE, options, measured)
    measured_again: list[int] = []
    remaining = remaining_facts

    def noted(path: Path, keyframes: Any, known: Any, *rest: Any, **named: Any) -> Iterator[VideoEvent]:
        for event in remaining(path, keyframes, known, *rest, **named):
            if isinstance(event, FactsMeasured):
                measured_again.append(event.facts.number)
            yield event

    monkeypatch.setattr(extraction_cache, "remaining_facts", noted)
    resumed = list(recall.extract(SAMPLE, options))
    assert starts == ["extract", "extract", "facts"]
    frames = next(one.keyframes for one in resumed if isinstance(one, KeyframesChosen))
    assert measured_again == list(range(measured + 1, len(frames) + 1))
    kinds = (KeyframesChosen, FactsMeasured)
    assert [one for one in resumed if isinstance(one, kinds)] == [one for one in undisturbed if isinstance(one, kinds)]
    assert any(one.facts.texts for one in resumed if isinstance(one, FactsMeasured))
    assert list(recall.extract(SAMPLE, options)) and starts == ["extract", "extract", "facts"]


@pytest.mark.thorough
@pytest.mark.slow
def test_extraction_killed_after_each_frame_ends(
    recall: ExtractionCache, starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction_cache, "_PIECE_SECONDS", 0.0)
    options = ExtractOptions(4, WHOLE)
    for count in range(4):
        until_measured(recall, SAMPLE, options, count)
    assert sum(isinstance(one, FactsMeasured) for one in recall.extract(SAMPLE, options)) == 4
    assert starts.count("extract") == 1


@pytest.mark.slow
def test_a_decoder_killed_while_it_measures_is_replaced(recall: ExtractionCache, starts: list[str]) -> None:
    options, measured = ExtractOptions(4, WHOLE), list[int]()
    for event in recall.extract(SAMPLE, options):
        if isinstance(event, KeyframesChosen):
            for child in decoding_children():
                child.kill()
        elif isinstance(event, FactsMeasured):
            measured.append(event.facts.number)
    assert measured == [1, 2, 3, 4] and starts == ["extract", "facts"]


@pytest.mark.slow
def test_a_survey_that_lacked_a_part_is_not_kept(
    recall: ExtractionCache, clip: Path, starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = extraction_cache.extract

    def lacking(*given: object, **options: object) -> Iterator[VideoEvent]:
        from framelens.core.domain import Notice

        yield from extract(*given, **options)  # type: ignore[arg-type]
        yield Noticed(Notice("text_not_read", {"reason": "x"}))

    monkeypatch.setattr(extraction_cache, "extract", lacking)
    for _ in range(2):
        list(recall.extract(clip, ExtractOptions(2)))
    assert starts == ["extract", "extract"]


@pytest.mark.slow
def test_progress_is_not_kept(recall: ExtractionCache, clip: Path) -> None:
    wanted = ExtractOptions(3, read_text=False)
    list(recall.extract(clip, wanted))
    assert not any(isinstance(event, SurveyProgress) for event in recall.extract(clip, wanted))


@pytest.mark.parametrize("name", ["missing.mp4", ".", "nul\0.mp4"])
def test_what_is_no_file_is_refused_as_ever(recall: ExtractionCache, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        list(recall.extract(tmp_path / name, ExtractOptions(3)))


@pytest.mark.slow
def test_whether_frames_are_known_is_reported_without_reading(
    recall: ExtractionCache, clip: Path, starts: list[str]
) -> None:
    wanted = ExtractOptions(4)
    assert recall.num_cached(clip, wanted) is None
    os.utime(clip, (1, 1))  # a file that has only just changed is not taken to stay as it is
    list(recall.extract(clip, wanted))
    begun = list(starts)
    assert recall.num_cached(clip, wanted)
    assert recall.num_cached(clip, ExtractOptions(5)) is None
    assert recall.num_cached(clip.with_name("none.mp4"), wanted) is None
    assert starts == begun


def thumbnails(recall: ExtractionCache, path: Path, selection: Selection) -> tuple[Keyframe, ...]:
    events = recall.thumbnails(path, selection)
    while True:
        try:
            next(events)
        except StopIteration as end:
            return tuple(end.value)


@pytest.mark.slow
def test_thumbnails_come_from_the_survey_that_was_made(
    recall: ExtractionCache, minute: Path, starts: list[str]
) -> None:
    surveyed(recall, minute)
    found = thumbnails(recall, minute, Selection("uniform"))  # of the same range
    assert starts == ["extract"]
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    times = [one.time_seconds for one in found]
    assert times[0] == 0.0 and times == sorted(set(times)) and max(map(gap, pairwise(times))) <= 2.5
    assert all(max(one.width, one.height) <= 256 and one.jpeg.startswith(b"\xff\xd8") for one in found)
    assert {"first", "shot"} <= {one.reason for one in found}


def gap(pair: tuple[float, float]) -> float:
    return pair[1] - pair[0]


@pytest.mark.slow
def test_thumbnails_of_a_range_are_surveyed_once(recall: ExtractionCache, minute: Path, starts: list[str]) -> None:
    part = Selection(start_seconds=10.0, end_seconds=30.0)
    found = thumbnails(recall, minute, part)
    assert thumbnails(recall, minute, part) == found and starts == ["extract"]
    assert found and all(10.0 <= one.time_seconds < 30.0 for one in found)
