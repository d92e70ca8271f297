"""Resource limits and output of a decoder worker, so that a hostile file fails one job and doesn't harm the machine.

The operating system limits the memory where it can, a watchdog thread ends a stuck process, and pictures larger than
any camera's are refused. Only the worker calls these functions.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from framelens.core.domain import VideoInfo
from framelens.core.errors import VideoError
from framelens.video.files import printable_path

MEMORY_BYTES = 1280 << 20
"""With the libraries themselves, which this limit doesn't count, less than 1.5 GB. An hour of 1080p takes a third of it
and ten-bit 8K 1 GB; see `_MOST_PIXELS_OF_FRAME_THREADS` of the PyAV reader."""
STUCK_SECONDS = 180.0
"""A picture takes milliseconds and a slow disk seconds; a longer wait without progress is a failure."""
STUCK_EXIT = 75
"""Exit code of a stuck worker: EX_TEMPFAIL of sysexits.h."""
DECODER_NICENESS, TEXT_NICENESS = 5, 10
"""Of 20 steps. With each step a process gets about four fifths of the time of the step before (Linux, sched(7)): next
to a busy page or engine a decoder gets a quarter of a core, and text, which isn't waited for, a tenth."""
MAX_PIXELS = 1 << 26
"""8192 x 8192: twice 8K. With larger pictures a few bytes in a file can cause minutes of work for each."""
_NUM_POLLS = 20
"""Checks for progress within the limit."""
_num_steps = 0
_is_waiting = False


def private_output() -> BinaryIO:
    """Return standard output for messages only, and redirect what libraries print to standard error."""
    private = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(private, "wb")


def lower_priority(niceness: int) -> None:
    """Lower the priority of this process and its children by `niceness` steps (Windows has one step)."""
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(niceness)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception of Python, PyAV or OpenCV says that an allocation failed."""
    no_memory = -4
    return isinstance(error, MemoryError) or (
        type(error).__module__ == "cv2" and getattr(error, "code", None) == no_memory
    )


def check_size(video: VideoInfo) -> None:
    """Raise VideoError for pictures larger than MAX_PIXELS at their displayed size."""
    check_pixels(video.name, video.width, video.height)


def check_pixels(name: str, width: int, height: int) -> None:
    """Raise VideoError for pictures of more than MAX_PIXELS; `name` is the video's."""
    if width * height > MAX_PIXELS:
        size = {"width": width, "height": height, "megapixels": MAX_PIXELS // 10**6}
        raise VideoError("video_too_large", name=printable_path(name), **size)


def move_on() -> None:
    """Report progress to the watchdog: something was read, decoded or sent. Costs almost nothing."""
    global _num_steps
    _num_steps += 1


@contextmanager
def waiting() -> Iterator[None]:
    """Suspend the watchdog while this process waits for another process."""
    global _is_waiting
    _is_waiting = True
    try:
        yield
    finally:
        _is_waiting = False
        move_on()


def end_if_stuck(seconds: float) -> None:
    """Start the watchdog: without a `move_on` for `seconds`, log the stacks and end the process with STUCK_EXIT.

    If a library blocks Python entirely, the process ends with 1 after twice that time.
    """
    faulthandler.dump_traceback_later(2 * seconds, exit=True)
    threading.Thread(target=_watch, args=(seconds,), daemon=True).start()


def _watch(seconds: float) -> None:
    last_step, num_polls = _num_steps, 0
    while num_polls < _NUM_POLLS:
        # Many short sleeps, so that the time of a suspended machine or a stopped process doesn't count.
        time.sleep(seconds / _NUM_POLLS)
        faulthandler.dump_traceback_later(2 * seconds, exit=True)
        is_stuck = last_step == _num_steps and not _is_waiting
        last_step, num_polls = (last_step, num_polls + 1) if is_stuck else (_num_steps, 0)
    faulthandler.dump_traceback(sys.stderr)
    os._exit(STUCK_EXIT)
