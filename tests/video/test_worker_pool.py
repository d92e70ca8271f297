"""The child that is kept ready: it answers like any other, and nothing depends on it."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from framelens.core.events import KeyframesChosen
from framelens.video.extractor import extract, probe
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.worker_pool import worker_ready, worker_started
from tests.video.conftest import Chosen, decoding_children

pytestmark = pytest.mark.own_start


@pytest.fixture
def waiting() -> Iterator[psutil.Process]:
    with worker_ready():
        yield idle_worker()


def idle_worker() -> psutil.Process:
    while not (found := decoding_children()):  # for an instant after its start its command line cannot be read
        time.sleep(0.02)
    (child,) = found
    return child


def has_decoders(child: psutil.Process) -> bool:
    return any("libavcodec" in one.path for one in child.memory_maps())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_signals_to_all_processes_spare_the_decoder(waiting: psutil.Process) -> None:
    assert os.getpgid(waiting.pid) != os.getpgrp()  # the terminal's Ctrl-C
    until = time.monotonic() + 20
    while not int(_ignored(waiting.pid), 16) & 1 << (signal.SIGTERM - 1):  # a service manager's end
        assert time.monotonic() < until
        time.sleep(0.02)


def _ignored(pid: int) -> str:
    (mask,) = re.findall(r"^SigIgn:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.MULTILINE)
    return mask


@pytest.mark.slow
def test_spare_decoder_is_preloaded_and_used(waiting: psutil.Process, moving_video: Path) -> None:
    while not has_decoders(waiting):
        time.sleep(0.02)
    assert any(
        isinstance(event, KeyframesChosen) for event in extract(moving_video, ExtractOptions(4, read_text=False))
    )
    assert not waiting.is_running()


@pytest.mark.slow
def test_after_each_use_another_one_is_made_ready(waiting: psutil.Process, moving_video: Path) -> None:
    probe(moving_video)
    assert not waiting.is_running()
    another = idle_worker()
    probe(moving_video)
    assert not another.is_running()


@pytest.mark.slow
def test_two_at_once_do_not_wait_for_each_other(waiting: psutil.Process, moving_video: Path, long_video: Path) -> None:
    first = extract(long_video, ExtractOptions(4, read_text=False))
    next(first)
    assert probe(moving_video).codec == "h264"
    assert waiting in decoding_children()
    first.close()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_killed_spare_decoder_is_replaced(waiting: psutil.Process, moving_video: Path) -> None:
    waiting.kill()
    while waiting.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.02)
    assert probe(moving_video).codec == "h264"


@pytest.mark.slow
def test_none_waits_where_none_is_kept(moving_video: Path, chosen: Chosen) -> None:
    with worker_ready():
        pass
    assert decoding_children() == []
    assert chosen(moving_video).keyframes
    assert decoding_children() == []


@pytest.mark.slow
def test_a_command_starts_one_child_and_no_second(moving_video: Path) -> None:
    with worker_started():
        started = idle_worker()
        events = extract(moving_video, ExtractOptions(4, read_text=False))
        next(events)
        assert {*decoding_children()} <= {started}  # it may have ended already
        assert any(isinstance(event, KeyframesChosen) for event in list(events))
        assert decoding_children() == []


def test_a_child_that_was_begun_and_not_used_ends() -> None:
    with worker_started():
        started = idle_worker()
    assert not started.is_running()
