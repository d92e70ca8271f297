"""Workers of clips: the writer writes the clips of a video, the reader reads each clip again before it gets its name.

Starting a worker takes longer than a short clip, so each worker serves many clips, until an error ends it. The files
that a worker may read are fixed when it starts: the files of the clips are made before, empty and in a folder of their
own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Self

from framelens.core.errors import DecodeError
from framelens.core.images import are_same
from framelens.plugins.editing.clips.messages import MESSAGES, WORKER, ClipPictures, ClipProgress, ClipRequest
from framelens.reports.files import check_replaceable
from framelens.store.fs_utils import storage_errors
from framelens.store.locks import scratch_folder
from framelens.video.files import printable_path
from framelens.video.remux.written_file import WrittenBytes, size_after
from framelens.video.worker_pool import DecoderWorker

_MOST_FILES = 100
"""Clips of a worker; the hundredth part of a start adds some milliseconds to each."""
_SAME_SECONDS = 0.0015
"""Between the time of a picture and that in the clip: containers round to a millisecond, and both ends do."""


class ClipWorkers:
    """Workers for several clips. Use it in a `with` block; what isn't finished then is deleted."""

    def __init__(self, num_clips: int) -> None:
        """Start nothing yet; `num_clips` is how many will be written."""
        self._num_clips = num_clips
        self._folder: Path | None = None
        self._made = ExitStack()
        self._num_files = 0
        self._unused: list[Path] = []
        self._writer, self._reader = _Worker(), _Worker()
        self._writes: tuple[str, Path] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.end()
        self._reader.end()
        self._made.close()

    def write(
        self,
        request: ClipRequest,
        output: Path,
        on_progress: Callable[[float], None],
        cancel: threading.Event | None,
    ) -> ClipPictures:
        """Write a file, read it again, and give it its name; return the pictures that it holds.

        Args:
            request: The clip or reel to write.
            output: The file, which is replaced if it exists.
            on_progress: Called with the seconds of the video that were written.
            cancel: Setting it raises Cancelled within half a second.

        Raises:
            AppError: The worker's error.
            DecodeError: The file differs from the pictures that were written.
            StorageError: The file can't be written.
            Cancelled: `cancel` was set.
        """
        if self._writes != (writes := (request.task, request.path)):
            self._writer.end()
            self._writes = writes
        with storage_errors("clip_not_written", output):
            output.parent.mkdir(parents=True, exist_ok=True)
            check_replaceable(output)
            scratch = self._next_file(output.parent)
            with scratch.open("r+b") as target:
                made = self._written(request, target, on_progress, cancel)
            last = made.times_seconds[-1]
            check = ClipRequest("check", scratch, request.mode, last_seconds=last, later=tuple(self._unused))
            with closing(self._reader.messages(check, cancel)) as messages:
                read = next((one for one in messages if isinstance(one, ClipPictures)), None)
            if read is None or not _is_right(made, read, request.mode):
                raise DecodeError("clip_differs", name=printable_path(request.path.name))
            scratch.replace(output)
        return made

    def _next_file(self, folder: Path) -> Path:
        if not self._unused:
            self._writer.end()  # what libraries leak stays small
            self._reader.end()  # it may not read the files that follow
            self._folder = self._folder or self._made.enter_context(scratch_folder(folder))
            num = max(1, min(_MOST_FILES, self._num_clips - self._num_files))
            self._unused = [Path(self._folder, f"{self._num_files + place}.part") for place in range(num)]
            self._num_files += num
            for one in self._unused:
                one.touch(exist_ok=False)
        return self._unused.pop(0)

    def _written(
        self,
        request: ClipRequest,
        target: BinaryIO,
        on_progress: Callable[[float], None],
        cancel: threading.Event | None,
    ) -> ClipPictures:
        size = 0
        made: ClipPictures | None = None
        with closing(self._writer.messages(request, cancel)) as messages:
            for message in messages:
                match message:
                    case WrittenBytes(offset, data):
                        size = size_after(message, size, request.path)
                        target.seek(offset)
                        target.write(data)
                    case ClipProgress(seconds):
                        on_progress(seconds)
                    case ClipPictures():
                        made = message
                    case _:
                        raise DecodeError("video_decoder_crashed", name=printable_path(request.path.name))
        if made is None or not made.times_seconds:
            raise DecodeError("clip_without_pictures", name=printable_path(request.path.name))
        return made


class _Worker:
    """A worker for requests in turn, started with the first request; an error ends it."""

    def __init__(self) -> None:
        self._child: DecoderWorker | None = None

    def messages(self, request: ClipRequest, cancel: threading.Event | None) -> Generator[object, None, None]:
        """Yield the messages of a request, of which ClipPictures is the last. Raises what `DecoderWorker.events` does.

        An iterator that isn't read to its end ends the worker as well.
        """
        is_done = False
        try:
            if self._child is None:
                self._child = DecoderWorker(request, module=WORKER, messages=MESSAGES)
            else:
                self._child.ask(replace(request, later=()))
            for message in self._child.events(cancel):
                is_done = isinstance(message, ClipPictures)
                yield message
                if is_done:
                    return
        finally:
            if not is_done:
                self.end()

    def end(self) -> None:
        """End the worker, if it was started."""
        if self._child is not None:
            self._child.__exit__(None, None, None)
            self._child = None


def _is_right(made: ClipPictures, read: ClipPictures, mode: str) -> bool:
    """Return whether a clip, read again, has the pictures that were written, undamaged and at their times."""
    wanted = made.times_seconds if mode == "exact" else (made.times_seconds[0], made.times_seconds[-1])
    if read.num_damaged or len(wanted) != len(read.times_seconds):
        return False
    if any(abs(one - other) > _SAME_SECONDS for one, other in zip(wanted, read.times_seconds, strict=True)):
        return False
    return not made.first or all(map(_show_same, (made.first, made.last), (read.first, read.last)))


def _show_same(one: bytes, other: bytes) -> bool:
    levels = [abs(level - another) for level, another in zip(one, other, strict=True)]
    of_colour = len(levels) // 3
    return are_same(zip(levels[:of_colour], levels[of_colour:-of_colour], levels[-of_colour:], strict=True))
