"""Text is read by a process of its own, from the first picture on, and gives way to everything else."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from framelens.core.events import FactsMeasured, KeyframeFound, KeyframesChosen
from framelens.video.extractor import extract
from framelens.video.features.text_recognition import TextReading
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.limits import DECODER_NICENESS, TEXT_NICENESS
from framelens.video.sandbox import load_seccomp
from framelens.video.worker_pool import worker_ready
from tests.media import COLOURS, solid
from tests.video.conftest import decoding_children
from tests.video.features.test_frame_metrics import keyframe

pytestmark = pytest.mark.own_start

SAMPLE = Path(__file__).resolve().parents[3] / "framelens" / "samples" / "sample.mp4"
JPEG = keyframe(1, solid(COLOURS["blue"])).jpeg
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has classes of priority instead")


def text_readers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if (
                "framelens.video.features.text_recognition" in child.cmdline()
                and child.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for_nice(process: psutil.Process, more: int) -> None:
    """Wait until a process gives way by so many steps more than this process; 19 is the most there is."""
    niceness = min(os.nice(0) + more, 19)
    deadline = time.monotonic() + 60
    while process.nice() != niceness and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.nice() == niceness


def wait_until_gone() -> None:
    deadline = time.monotonic() + 30
    while text_readers() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert text_readers() == []


@pytest.mark.slow
@on_posix
def test_text_is_read_while_the_video_is_being_decoded(long_video: Path) -> None:
    events = extract(long_video, ExtractOptions(4))
    next(event for event in events if isinstance(event, KeyframeFound))
    (reader,) = text_readers()
    wait_for_nice(reader, TEXT_NICENESS)
    assert not any(isinstance(event, KeyframesChosen) for event in [next(events)])
    events.close()  # type: ignore[attr-defined]
    wait_until_gone()


@pytest.mark.slow
def test_nothing_reads_text_where_none_is_wanted(moving_video: Path) -> None:
    for _ in extract(moving_video, ExtractOptions(4, read_text=False)):
        assert text_readers() == []


@pytest.mark.slow
def test_the_facts_hold_the_texts_and_the_reader_ends() -> None:
    facts = [event.facts for event in extract(SAMPLE, ExtractOptions(5)) if isinstance(event, FactsMeasured)]
    assert [frame_facts.number for frame_facts in facts] == [1, 2, 3, 4, 5]
    assert any("开放时间" in line.text for fact in facts for line in fact.texts)
    wait_until_gone()


@pytest.mark.slow
@on_posix
@pytest.mark.parametrize(("in_background", "niceness"), [(True, DECODER_NICENESS), (False, 0)])
def test_decoders_give_way_beside_a_page_alone(in_background: bool, niceness: int) -> None:
    with worker_ready(in_background=in_background):
        while not (found := decoding_children()):
            time.sleep(0.02)
        wait_for_nice(found[0], niceness)


@pytest.mark.slow
def test_pictures_are_read_once_and_unwanted_dropped() -> None:
    reading = TextReading()
    others = [keyframe(1, solid(COLOURS[name])).jpeg for name in ("red", "green", "white")]
    for jpeg in (JPEG, *others):
        reading.offer(jpeg)
    reading.want([JPEG])
    assert reading.read(JPEG) == ()
    assert reading.missing is None
    reading.want([JPEG])
    assert len(reading._sent) <= 1 + 2  # the wanted picture, and what was under way before it was known
    reading.close()


def test_a_reader_that_ends_costs_the_texts_and_a_notice() -> None:
    reading = TextReading()
    reading.offer(JPEG)
    assert reading._process is not None
    reading._process.kill()
    reading.want([JPEG])
    assert reading.read(JPEG) == ()
    deadline = time.monotonic() + 30
    while reading.missing is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert reading.missing is not None and reading.missing.key == "text_reading_ended"
    reading.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or load_seccomp() is None, reason="only Linux has seccomp")
def test_text_is_read_in_a_sandbox() -> None:
    events = extract(SAMPLE, ExtractOptions(5))
    next(event for event in events if isinstance(event, FactsMeasured))
    (reader,) = text_readers()
    assert "Seccomp:\t2" in Path(f"/proc/{reader.pid}/status").read_text()
    events.close()  # type: ignore[attr-defined]
    wait_until_gone()
