"""Times of all frames of a video, from its packets: nothing is decoded but the frame of the probe."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

from framelens import DecodeError, Probed, VideoInfo
from framelens.plugin.files import printable_path
from framelens.plugin.processes import DecoderWorker, FrameTimes, WorkerRequest


@dataclass(frozen=True)
class TimedVideo:
    """A video and the times of its frames."""

    info: VideoInfo
    frames: FrameTimes


class TimesReader:
    """Reader of the times of files, for which one worker is started as long as none fails. Use it in a `with` block."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Start nothing yet; `files` are all that will be read."""
        self._files = tuple(files)
        self._worker: DecoderWorker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.__exit__(None, None, None)

    def times_of(self, path: Path, cancel: threading.Event | None = None) -> TimedVideo:
        """Return the times of a file.

        Raises:
            VideoError: The file is not a readable video.
            DecodeError: Nothing of it can be decoded, or the decoder failed.
            Cancelled: `cancel` was set.
        """
        if self._worker is None:
            self._worker = DecoderWorker(WorkerRequest("times", path, later=self._files))
        else:
            self._worker.ask(path)
        try:
            match [*islice(self._worker.events(cancel), 2)]:
                case [Probed(info), FrameTimes() as frames]:
                    return TimedVideo(info, frames)
            raise DecodeError("video_decoder_crashed", name=printable_path(path.name))
        except BaseException:
            self.__exit__()
            raise
