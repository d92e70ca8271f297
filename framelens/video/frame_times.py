"""Times of all frames of a video, from its packets: nothing is decoded but the frame of the probe."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

from framelens.core.domain import VideoInfo
from framelens.core.errors import DecodeError
from framelens.core.events import Probed
from framelens.video.files import printable_path
from framelens.video.keyframes.strategies import SAME_SECONDS, FrameTimes, WorkerRequest, rounding_of
from framelens.video.worker_pool import DecoderWorker


@dataclass(frozen=True)
class TimedVideo:
    """A video and the times of its frames."""

    info: VideoInfo
    frames: FrameTimes

    @property
    def rounding_seconds(self) -> float:
        """Return how much later than a given time a frame may begin that is shown then."""
        return rounding_of(self.info.frame_rate)

    def has_frame_after(self, seconds: float) -> bool:
        """Return whether a frame is shown, or sound heard, at this time or later."""
        return seconds < self.frames.end_seconds - SAME_SECONDS


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
