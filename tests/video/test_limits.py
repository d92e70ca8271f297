"""A file cannot take more than its share: memory and waiting have an end, and the end has a sentence of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from framelens.core.codec import to_json
from framelens.core.errors import DecodeError
from framelens.core.events import KeyframesChosen
from framelens.i18n import LANGUAGES, error_text
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.strategies import WorkerRequest
from framelens.video.limits import MEMORY_BYTES, is_out_of_memory
from framelens.video.worker_pool import DecoderWorker
from tests.media import moving, write_video
from tests.video.conftest import decoding_children

pytestmark = [
    pytest.mark.own_start,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its limits"),
]
_MEGABYTES = 1 << 20


def failure(request: WorkerRequest) -> str:
    with pytest.raises(DecodeError) as caught, DecoderWorker(request) as child:
        list(child.events())
    for language in LANGUAGES:
        assert request.path.name in error_text(caught.value, language)
    return caught.value.key


@pytest.mark.slow
def test_video_over_memory_limit_ends_in_a_sentence(tmp_path: Path) -> None:
    """Which sentence depends on the library that is refused: FFmpeg does not always tell memory from damage."""
    path = write_video(tmp_path / "large.mp4", moving(3, 3840, 2160))
    key = failure(WorkerRequest("pictures", path, times_seconds=(0.0,), memory_bytes=200 * _MEGABYTES))
    assert key in ("video_out_of_memory", "video_no_frames", "video_index_missing")


@pytest.mark.slow
def test_zeros_behind_a_raw_stream_cost_a_notice(tmp_path: Path) -> None:
    """Its parser collects them as one picture, until memory or the time for a packet ends."""
    path = write_video(tmp_path / "tail.h264", moving(50))
    os.truncate(path, 500 * _MEGABYTES)
    request = WorkerRequest("extract", path, ExtractOptions(4, read_text=False), memory_bytes=300 * _MEGABYTES)
    with DecoderWorker(request) as child:
        (chosen,) = (event for event in child.events() if isinstance(event, KeyframesChosen))
    assert len(chosen.keyframes) == 4
    assert "damaged_frames" in [notice.key for notice in chosen.decode.notices]


@pytest.mark.slow
def test_an_allocation_that_is_refused_is_reported_as_that(moving_video: Path) -> None:
    program = (
        "import framelens.video.worker as child\n"
        "def greedy(path, **_):\n    return bytearray(1 << 40)\n"
        "child.open_reader = greedy\nchild.main()"
    )
    request = to_json(WorkerRequest("probe", moving_video))
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, bufsize=0) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(request.encode() + b"\n")
        assert b"video_out_of_memory" in child.stdout.read()  # its standard input stays open meanwhile


@pytest.mark.slow
def test_an_ordinary_video_is_far_from_the_limit(long_video: Path) -> None:
    request = WorkerRequest("extract", long_video, ExtractOptions(8), memory_bytes=MEMORY_BYTES // 2)
    with DecoderWorker(request) as child:
        assert list(child.events())


@pytest.mark.slow
def test_a_child_that_gets_nowhere_is_ended(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to waits for ever, like a network drive that is gone."""
    os.mkfifo(tmp_path / "pipe.mp4")
    assert failure(WorkerRequest("probe", tmp_path / "pipe.mp4", stuck_seconds=0.5)) == "video_decoder_stuck"


@pytest.mark.slow
def test_a_library_that_lets_no_python_run_is_ended_too() -> None:
    """The sleep is C code that holds the interpreter's lock, as a library that waits for memory does."""
    program = "import ctypes, framelens.video.limits as limits\nlimits.end_if_stuck(0.2)\nctypes.PyDLL(None).sleep(600)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=120)
    assert done.returncode == 1
    assert b"Timeout" in done.stderr


@pytest.mark.slow
def test_a_child_that_gets_somewhere_may_take_its_time(long_video: Path) -> None:
    times = tuple(number * 10.0 for number in range(12))
    with DecoderWorker(WorkerRequest("pictures", long_video, times_seconds=times, stuck_seconds=5.0)) as child:
        assert len(list(child.events())) > len(times)


@pytest.mark.slow
def test_decoder_killed_by_system_is_out_of_memory(long_video: Path) -> None:
    events = extract(long_video, ExtractOptions(4, read_text=False))
    next(events)
    (child,) = decoding_children()
    child.kill()
    with pytest.raises(DecodeError) as caught:
        list(events)
    assert caught.value.key == "video_out_of_memory"


@pytest.mark.slow
def test_every_library_that_runs_out_of_memory_is_understood() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (600 << 20, -1))\n"
        "import av, cv2, numpy as np\n"
        "from framelens.video.limits import is_out_of_memory\n"
        "tries = {'python': lambda: bytearray(2 << 30), 'numpy': lambda: np.ones(2 << 30, np.uint8),\n"
        "  'opencv': lambda: cv2.resize(np.ones((9, 9), np.uint8), (40_000, 40_000)),\n"
        "  'pyav': lambda: av.VideoFrame(16_000, 16_000, 'gbrapf32le')}\n"
        "for name, attempt in tries.items():\n"
        "    try:\n        attempt()\n        print(name, 'had room')\n"
        "    except Exception as error:\n        print(name, is_out_of_memory(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{name} True" for name in ("python", "numpy", "opencv", "pyav")]
    assert not is_out_of_memory(ValueError())


@pytest.mark.slow
def test_a_reader_that_takes_its_time_is_waited_for(long_video: Path) -> None:
    """The pictures of 40 frames are more than the pipe and the queue hold."""
    times = tuple(number / 25 for number in range(40))
    with DecoderWorker(WorkerRequest("pictures", long_video, times_seconds=times, stuck_seconds=0.5)) as child:
        events = child.events()
        next(events)
        time.sleep(1.0)
        assert len(list(events)) == len(times)
