"""The ffmpeg program: the one on PATH, else the one of the package imageio-ffmpeg, run in the decoder's sandbox.

Started as a program, this module enters the sandbox and becomes ffmpeg: it reads the files named, writes the files
named, starts nothing else and reaches no network. Names of files are given as `file:` addresses, so that none is taken
for an option, a protocol or a pattern.

This doesn't choose what ffmpeg does, and checks nothing that it writes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

from framelens.core.child_environment import reader_environment
from framelens.core.codec import from_json, to_json
from framelens.core.errors import Cancelled, ConfigError, DecodeError
from framelens.video import limits, sandbox
from framelens.video.files import confine, confined_folders, printable_path

_PROTOCOLS = "file,pipe"
"""What an input may be read from."""
MEMORY_BYTES = 3 << 30
"""An encoder holds some forty pictures in addition to the decoder's; with 4K that is 1.5 GB."""
_MODULE = "framelens.video.ffmpeg"
_POLL_SECONDS = 0.05
_PROOF_SECONDS = 30
_MOST_LINES, _LINE_BYTES = 8, 2000
"""Of messages that are kept; a damaged video causes millions."""
_PR_SET_PDEATHSIG = 1
_FULL = {os.strerror(code): code for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)}
_PROOF = (
    *("-f", "lavfi", "-i", "color=s=64x64:d=0.1", "-f", "lavfi", "-i", "anullsrc=d=0.1"),
    *("-fps_mode", "passthrough", "-c:v", "libx264", "-bsf:v", "noise=drop=0", "-c:a", "aac", "-f", "null", "-"),
)
"""Arguments that work if this program has all that is used here (FFmpeg 5.1 and later)."""


class FfmpegError(Exception):
    """Failure of the program; the text is its last message."""


@dataclass(frozen=True)
class FfmpegTask:
    """A run of the program.

    Attributes:
        program: The program.
        arguments: Its arguments, without those that every run has.
        reads: Files that it may read.
        writes: Files that exist and that it may write.
        confined: Folders below which no link is followed.
        memory_bytes: Limit of memory.
    """

    program: Path
    arguments: tuple[str, ...]
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    confined: tuple[Path, ...] = field(default_factory=confined_folders)
    memory_bytes: int = MEMORY_BYTES


def ffmpeg_address(path: Path) -> str:
    """Return a file as an argument in which no character has a meaning of its own."""
    return f"file:{path.absolute()}"


def ffmpeg_input(path: Path, *options: str) -> list[str]:
    """Return the arguments of an input, with its options."""
    return ["-protocol_whitelist", _PROTOCOLS, *options, "-i", ffmpeg_address(path)]


@cache
def program() -> Path:
    """Return the program, after it has encoded a picture in the sandbox.

    Raises:
        ConfigError: "ffmpeg_missing": there is none, or none that can encode H.264.
    """
    for candidate in _candidates():
        with suppress(FfmpegError, DecodeError, OSError):
            _run(FfmpegTask(candidate, _PROOF), "ffmpeg", stuck_seconds=_PROOF_SECONDS)
            return candidate
    raise ConfigError("ffmpeg_missing", python=sys.executable)


def _candidates() -> list[Path]:
    paths = [shutil.which("ffmpeg")]
    with suppress(ImportError, RuntimeError):
        import imageio_ffmpeg  # type: ignore[import-untyped]

        paths.append(imageio_ffmpeg.get_ffmpeg_exe())
    return [Path(path).resolve() for path in paths if path]


def run_ffmpeg(
    arguments: Sequence[str],
    *,
    reads: Sequence[Path],
    writes: Path,
    on_progress: Callable[[float], None] = lambda _: None,
    cancel: threading.Event | None = None,
) -> None:
    """Run the program until it has written a file.

    Args:
        arguments: Inputs and options before the output; inputs as `ffmpeg_input` returns them.
        reads: The files that it reads; the first is named in errors.
        writes: The file, which exists.
        on_progress: Called with the seconds that were written.
        cancel: Setting it raises Cancelled.

    Raises:
        FfmpegError: It failed.
        ConfigError: There is no such program.
        DecodeError: It was killed, or made no progress for three minutes.
        OSError: The disk is full.
        Cancelled: `cancel` was set.
    """
    task = FfmpegTask(program(), ("-y", *arguments, ffmpeg_address(writes)), tuple(reads), (writes,))
    _run(task, printable_path(reads[0].name), on_progress, cancel)


def join(pictures: Path, sound: Path, target: Path, cancel: threading.Event) -> None:
    """Copy the pictures of one file and the sound of another into an existing file, as MP4, without encoding them.

    Raises:
        DecodeError: "video_not_joined", or what `run_ffmpeg` raises.
        ConfigError: There is no such program.
        OSError: The disk is full.
        Cancelled: `cancel` was set.
    """
    inputs = [*ffmpeg_input(pictures), *ffmpeg_input(sound)]
    arguments = [*inputs, "-map", "0:v:0", "-map", "1:a:0", "-c", "copy", "-f", "mp4"]
    try:
        run_ffmpeg(arguments, reads=[pictures, sound], writes=target, cancel=cancel)
    except FfmpegError as error:
        raise DecodeError("video_not_joined", name=printable_path(pictures.name)) from error


def _run(
    task: FfmpegTask,
    name: str,
    on_progress: Callable[[float], None] = lambda _: None,
    cancel: threading.Event | None = None,
    stuck_seconds: float = limits.STUCK_SECONDS,
) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**reader_environment(), "LC_ALL": "C"},  # messages of a full disk are looked for
        process_group=0,
    )
    pipes = [cast(BinaryIO, pipe) for pipe in (process.stdin, process.stdout, process.stderr)]
    progress, messages = _Progress(), deque[str](maxlen=_MOST_LINES)
    threads = [
        threading.Thread(target=progress.follow, args=(pipes[1],), daemon=True),
        threading.Thread(target=_keep, args=(pipes[2], messages), daemon=True),
    ]
    try:
        for thread in threads:
            thread.start()
        with suppress(OSError):  # it has ended; its code says so
            pipes[0].write(to_json(task).encode() + b"\n")
            pipes[0].flush()
        shown = 0.0
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
            if cancel is not None and cancel.is_set():
                raise Cancelled
            if progress.seconds > shown:
                shown = progress.seconds
                on_progress(shown)
            if time.monotonic() - progress.changed_at > stuck_seconds:
                raise DecodeError("video_decoder_stuck", name=name)
    finally:
        process.kill()
        process.wait()
        for thread in threads:
            thread.join()
        for pipe in pipes:
            with suppress(OSError):
                pipe.close()
    _check(process.returncode, list(messages), name)


def _check(code: int, messages: Sequence[str], name: str) -> None:
    if full := next((error for text, error in _FULL.items() for line in messages if text in line), None):
        raise OSError(full, os.strerror(full))  # the code may be 0 where the end of a file could not be written
    if not code:
        return
    if code == -signal.SIGKILL:
        raise DecodeError("video_out_of_memory", name=name)
    raise FfmpegError(messages[-1] if messages else f"{code}")


class _Progress:
    """How far the program is, by what it prints twice a second."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.changed_at = time.monotonic()
        self._latest: dict[bytes, bytes] = {}

    def follow(self, pipe: BinaryIO) -> None:
        """Read the reports until the program ends."""
        while line := pipe.readline(_LINE_BYTES):
            key, _, value = line.strip().partition(b"=")
            if key in (b"frame", b"total_size", b"out_time_us") and self._latest.get(key) != value:
                self._latest[key] = value
                self.changed_at = time.monotonic()
                if key == b"out_time_us" and value.isdigit():
                    self.seconds = int(value) / 1e6


def _keep(pipe: BinaryIO, messages: deque[str]) -> None:
    while line := pipe.readline(_LINE_BYTES):
        if text := line.decode(errors="replace").strip():
            messages.append(text)


def main() -> None:
    """Enter the sandbox and become the program that standard input names."""
    task = from_json(sys.stdin.buffer.readline(), FfmpegTask)
    if sys.platform == "linux":  # it ends with the process that waits for it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    confine(task.confined)
    os.closerange(3, 256)
    sandbox.enter(task.reads, writes=task.writes, program=task.program, memory_bytes=task.memory_bytes)
    every = ("-nostdin", "-hide_banner", "-loglevel", "error", "-nostats", "-progress", "pipe:1")
    arguments = [str(task.program), *every, *task.arguments]
    if sys.platform == "win32":  # where the shell of a program would not wait
        sys.exit(subprocess.call(arguments))
    os.execv(task.program, arguments)


if __name__ == "__main__":
    main()
