"""From a video to a reader that begins late in it, without decoding what comes before.

Frame numbers and times are those of the whole video; where a jump cannot be trusted, there is no such reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Self

import av.error

from app.core.domain import VideoInfo
from app.video.readers.base import Image, Picture
from app.video.seeking import Jumper, NotExact


class LateReader:
    """A FrameReader whose first frame is the first one at or after `start_seconds`. Raises NotExact.

    It does not tell whether the file is whole, which takes reading all of it.
    """

    name = "pyav"
    reached_seconds = 0.0
    tail = (0, 0.0)

    def __init__(self, video: VideoInfo, start_seconds: float) -> None:
        self.info = video
        self.declared_seconds: float | None = None
        self._jumper = Jumper(video)
        try:
            self._pictures = self._jumper.pictures_from(start_seconds)
            self._first = next(self._pictures)
        except (StopIteration, av.error.FFmpegError) as error:
            self.close()
            raise NotExact from error
        except BaseException:
            self.close()
            raise

    @property
    def num_damaged(self) -> int:
        return self._jumper.num_damaged

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._jumper.close()

    @property
    def is_variable_frame_rate(self) -> bool:
        return self._jumper.is_variable_frame_rate()

    def passed_over(self, after_seconds: float, before_seconds: float) -> Sequence[tuple[float, Image]]:
        return ()

    def frames(self) -> Iterator[Picture]:
        return chain([self._first], self._pictures)
