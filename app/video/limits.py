"""What a decoding child may use at most, so that a hostile file costs one job and neither the machine nor its peace.

The operating system bounds the memory, where it can; a thread ends the process where nothing moves on; pictures that
are larger than any camera's are refused. Only the child calls what is here.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.core.domain import VideoInfo
from app.core.errors import InputError
from app.video.files import printable

MEMORY_BYTES = (4 << 30) + (os.cpu_count() or 1) * (64 << 20)
"""Ten times what an hour of 1080p takes; 8K of ten bits fits. Every core brings threads with stacks and buffers."""
STUCK_SECONDS = 180.0
"""A picture takes milliseconds and a slow disk seconds; nobody waits longer than this for nothing."""
STUCK_EXIT = 75
DECODER_NICENESS, TEXT_NICENESS = 5, 10
"""Of 20 steps; each of them leaves a process about four fifths of the time that the one before gets (Linux, sched(7)):
beside a busy page or engine a decoder gets a quarter of a core, and text, which nobody waits for, a tenth."""
MAX_PIXELS = 1 << 26
"""8192 x 8192: twice 8K. Beyond, a few bytes in a file can ask for minutes of work a picture."""
_LOOKS = 20
_moved = 0
_waits = False


def limit_memory(num_bytes: int) -> None:
    """Allocations of this process beyond `num_bytes` fail from now on, and it is the first to go if memory ends."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = num_bytes if hard == resource.RLIM_INFINITY else min(num_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("500")


def lower_priority(niceness: int) -> None:
    """Let this process and what it starts give way to others, by so many steps more (Windows knows one step)."""
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(niceness)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of Python, PyAV or OpenCV says that an allocation failed."""
    no_memory = -4
    return isinstance(error, MemoryError) or (
        type(error).__module__ == "cv2" and getattr(error, "code", None) == no_memory
    )


def check_size(video: VideoInfo) -> None:
    """Raises InputError for pictures that are larger than MAX_PIXELS as they are shown."""
    if video.width * video.height > MAX_PIXELS:
        size = {"width": video.width, "height": video.height, "megapixels": MAX_PIXELS // 10**6}
        raise InputError("video_too_large", name=printable(video.name), **size)


def move_on() -> None:
    """Tells the watchdog that something was read, decoded or sent. Costs nothing, and does nothing without one."""
    global _moved
    _moved += 1


@contextmanager
def waiting() -> Iterator[None]:
    """While somebody else is waited for, as long as they may take, nothing is stuck."""
    global _waits
    _waits = True
    try:
        yield
    finally:
        _waits = False
        move_on()


def end_if_stuck(seconds: float) -> None:
    """Starts the watchdog: without a `move_on` for `seconds`, the process ends with STUCK_EXIT, its stacks logged.

    Where a library lets no Python run at all, it ends with 1 after twice that time.
    """
    faulthandler.dump_traceback_later(2 * seconds, exit=True)
    threading.Thread(target=_watch, args=(seconds,), daemon=True).start()


def _watch(seconds: float) -> None:
    seen, looks = _moved, 0
    while looks < _LOOKS:
        # Many short sleeps: a machine that was suspended, or a process that was stopped, has not had its time.
        time.sleep(seconds / _LOOKS)
        faulthandler.dump_traceback_later(2 * seconds, exit=True)
        seen, looks = (seen, looks + 1) if seen == _moved and not _waits else (_moved, 0)
    faulthandler.dump_traceback(sys.stderr)
    os._exit(STUCK_EXIT)
