"""Trustworthy times: in every kind of file each chosen picture is the frame of the time that is reported for it."""

import os
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

import av.logging
import cv2
import numpy as np
import pytest

from framelens.core.domain import Keyframe, Selection
from framelens.core.events import KeyframeFound, KeyframesChosen
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.strategies import WorkerRequest
from framelens.video.readers import READERS, damage
from framelens.video.readers.geometry import Orientation
from framelens.video.worker import events_of
from tests.kinds import KINDS, NUM_FRAMES, Kind, container_times, number_in
from tests.thorough import first_of

SELECTIONS = {
    "auto": Selection(),
    "times": Selection("times", times_seconds=(0.0, 0.51, 0.77, 1.11, 1.6)),
    "codec": Selection("codec"),
    "auto from 0.7": Selection(start_seconds=0.7),
    "uniform": Selection("uniform"),
    "scenes": Selection("scenes"),
    "uniform from 0.7 to 1.5": Selection("uniform", start_seconds=0.7, end_seconds=1.5),
    "every from 0.7": Selection("every", every_seconds=0.3, start_seconds=0.7),
}
_SAME_SECONDS = 1e-6
_TICK_SECONDS = 0.001 + _SAME_SECONDS
"""The coarsest clock of the containers used here; a frame written between two ticks is moved to a tick."""


@pytest.fixture(scope="module", params=sorted(KINDS))
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Kind, Path]:
    kind = KINDS[request.param]
    if not kind.is_possible:
        pytest.skip(f"this build has no encoder {kind.encoder}")
    return kind, kind.write(tmp_path_factory.mktemp("kind"))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no scheduling policies")
@pytest.mark.skipif(not KINDS["av1"].is_possible, reason="this build has no encoder of AV1")
def test_writing_a_file_makes_no_process_a_real_time_one(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    KINDS["av1"].write(tmp_path)
    assert os.sched_getscheduler(0) == before


@contextmanager
def messages_read() -> Iterator[None]:
    """Read the decoder's messages, as a worker does: with several threads, a flag alone may miss a damaged frame."""
    with tempfile.TemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        standard_error = os.dup(2)
        os.dup2(file.fileno(), 2)
        patch.setattr(damage, "_messages", damage.Messages(file))
        av.logging.restore_default_callback()
        av.logging.set_libav_level(av.logging.ERROR)
        try:
            yield
        finally:
            av.logging.set_level(None)
            os.dup2(standard_error, 2)
            os.close(standard_error)


@pytest.fixture(scope="module")
def chosen_by(written: tuple[Kind, Path]) -> Callable[[str], KeyframesChosen]:
    """What is chosen from the file by a selection of SELECTIONS; each is asked for once."""

    @cache
    def choose(name: str) -> KeyframesChosen:
        with pytest.MonkeyPatch.context() as patch:
            if written[1].name == "cut.ts":  # with several threads, FFmpeg may give its last frame out before its flag
                patch.setattr(os, "cpu_count", lambda: 1)
            options = ExtractOptions(8, SELECTIONS[name], read_text=False)
            events = events_of(WorkerRequest("extract", written[1], options))
            return next(event for event in events if isinstance(event, KeyframesChosen))

    return choose


def number_of(frame: Keyframe, kind: Kind) -> int:
    shown = np.asarray(cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    return number_in(Orientation(-kind.rotation % 360).applied(shown), width=kind.width)


def check(frames: tuple[Keyframe, ...], kind: Kind, path: Path) -> None:
    """Each picture is the frame of its number and its time, by what was written and by the container's clock."""
    times = None if kind.is_guessed else container_times(path)
    for frame in frames:
        number = number_of(frame, kind)
        assert frame.frame_index == number - kind.first
        planned = kind.times_seconds[number] - kind.times_seconds[kind.first]
        assert frame.time_seconds == pytest.approx(planned, abs=_TICK_SECONDS)
        if times is not None:
            assert frame.time_seconds == pytest.approx(times[frame.frame_index], abs=_SAME_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", first_of(SELECTIONS, always=2))
def test_reported_times_are_those_of_the_pictures(
    name: str, written: tuple[Kind, Path], chosen_by: Callable[[str], KeyframesChosen]
) -> None:
    kind, path = written
    wanted = SELECTIONS[name]
    if name == "codec" and path.stem == "edit":
        pytest.skip("the only frame that was stored whole is not shown")
    chosen = chosen_by(name)
    assert chosen.keyframes
    check(chosen.keyframes, kind, path)
    assert all(frame.time_seconds >= wanted.start_seconds for frame in chosen.keyframes)
    if wanted.strategy == "times":
        start = kind.times_seconds[kind.first]
        inside = [time for time in wanted.times_seconds if time < chosen.decode.readable_seconds]
        places = [bisect_right(kind.times_seconds, start + time + _SAME_SECONDS) - 1 - kind.first for time in inside]
        assert [frame.frame_index for frame in chosen.keyframes] == sorted(set(places))


@pytest.mark.thorough
@pytest.mark.slow
def test_files_of_the_pictures_are_of_the_same_frames(
    written: tuple[Kind, Path], chosen_by: Callable[[str], KeyframesChosen]
) -> None:
    kind, path = written
    chosen = chosen_by("auto").keyframes
    request = WorkerRequest("pictures", path, times_seconds=tuple(frame.time_seconds for frame in chosen))
    found = [event.keyframe for event in events_of(request) if isinstance(event, KeyframeFound)]
    assert [frame.time_seconds for frame in found] == [frame.time_seconds for frame in chosen]
    assert [number_of(frame, kind) for frame in found] == [number_of(frame, kind) for frame in chosen]


def test_readable_part_is_read_and_missing_part_reported(
    written: tuple[Kind, Path], chosen_by: Callable[[str], KeyframesChosen]
) -> None:
    kind, path = written
    decode = chosen_by("auto").decode
    said = [notice.key for notice in decode.notices]
    if kind.is_cut:
        last = decode.frames_decoded - 1
        assert NUM_FRAMES * 0.4 < decode.frames_decoded < NUM_FRAMES
        assert kind.times_seconds[last] <= decode.readable_seconds <= kind.times_seconds[last + 4]
        # A transport stream has no length anywhere: nothing tells that more was to come.
        assert ("truncated" in said) == (path.suffix != ".ts")
    else:
        assert said == (["times_guessed"] if kind.is_guessed else [])
        assert decode.frames_decoded == len(kind.times_seconds) - kind.first
        lasts = kind.times_seconds[-1] - kind.times_seconds[kind.first]
        assert lasts < decode.readable_seconds < lasts + 0.25


@pytest.mark.parametrize("reader", sorted(READERS))
def test_every_reader_gives_these_times(reader: str, written: tuple[Kind, Path]) -> None:
    kind, path = written
    if reader == "opencv" and path.stem in ("av1", "interlaced"):
        pytest.skip("the second reader's library cannot convert interlaced pictures and has no AV1 decoder")
    with messages_read() if kind.is_cut else nullcontext(), READERS[reader](path, every_frame=True) as opened:
        found = [(picture, picture.upright(1280)) for picture in opened.frames() if not picture.is_damaged]
    if reader == "opencv" and kind.is_cut:
        found.pop()  # it cannot tell that the frame at the cut is not whole
    assert [picture.index for picture, _ in found] == list(range(len(found)))
    for picture, image in found:
        number = number_in(Orientation(-kind.rotation % 360).applied(image), width=kind.width)
        assert number == kind.first + picture.index
        planned = kind.times_seconds[number] - kind.times_seconds[kind.first]
        assert picture.time_seconds == pytest.approx(planned, abs=_TICK_SECONDS)
