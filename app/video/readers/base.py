"""What every video reader offers: one sequential pass over upright pictures with exact times.

`FrameReader` and `Picture` are the interface; `Clock` and the geometry below are what the readers share. Nothing here
decodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from app.core.domain import VideoInfo

Image = NDArray[np.uint8]
"""Height x width x 3, BGR, 8 bit, unless a name says otherwise."""

LUMA_SIZE = (160, 90)
CELL_SIZE = (32, 18)
"""(width, height) of what the survey looks at, whatever the shape of the video, as stored (not turned)."""

JPEG_QUALITY = 90
"""Of keyframes that are kept and shown."""
_LEAST_STEP_SECONDS = 0.001
_RESTART_SECONDS = 1.0


class Picture(Protocol):
    """One decoded frame. Holding it costs `num_bytes`; its picture is made only when asked for."""

    @property
    def index(self) -> int: ...
    @property
    def time_seconds(self) -> float: ...
    @property
    def duration_seconds(self) -> float: ...
    @property
    def is_damaged(self) -> bool: ...
    @property
    def is_whole(self) -> bool:
        """Whether the codec stored this frame by itself, not as a difference to others; False where unknown."""

    @property
    def num_bytes(self) -> int: ...

    def levels(self) -> Image:
        """3 x height x width: the means of Y, Cb and Cr at CELL_SIZE."""

    def luma(self) -> Image:
        """The luma at LUMA_SIZE."""

    def upright(self, max_side: int) -> Image:
        """The picture as shown, square pixels, its longer side at most `max_side`."""


class FrameReader(Protocol):
    """An opened video. `frames` can be walked once and skips what cannot be decoded, counting it in `num_damaged`.

    Frames on which no other depends may be passed over, but are counted in the index of those that follow; `tail` is
    the number of those after the last one given and the seconds they fill, to be asked at the end.

    `reached_seconds` and `declared_seconds` are how far the file was read and how far it says it goes, on the time
    axis of the container; None where the file does not say.
    """

    name: str
    info: VideoInfo
    declared_seconds: float | None

    @property
    def num_damaged(self) -> int: ...
    @property
    def reached_seconds(self) -> float: ...
    @property
    def is_variable_frame_rate(self) -> bool: ...
    @property
    def tail(self) -> tuple[int, float]: ...

    def frames(self) -> Iterator[Picture]: ...

    def passed_over(self, after_seconds: float, before_seconds: float) -> Sequence[tuple[float, Image]]:
        """Seconds and levels of frames between two others that were passed over and are known all the same: of the
        last seconds, and as a rule those before what looks like a new shot.
        """

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


class Clock:
    """From raw timestamps to seconds since the first frame, strictly rising whatever the file says."""

    def __init__(self, nominal_seconds: float) -> None:
        self.origin: float | None = None
        self._nominal = nominal_seconds
        self._last = 0.0
        self._shift = 0.0
        self._guessed = False

    def stamp(self, raw_seconds: float | None) -> float:
        """The time of the next frame in display order; `raw_seconds` None where the file gives none."""
        if self.origin is None:
            self.origin, self._guessed = raw_seconds or 0.0, raw_seconds is None
            return 0.0
        next_one = self._last + self._nominal
        time = next_one if raw_seconds is None else raw_seconds - self.origin + self._shift
        # Timestamps that begin anew, or begin only now, go on from where we are.
        if time < self._last - _RESTART_SECONDS or (self._guessed and time <= self._last):
            self._shift += next_one - time
            time = next_one
        self._guessed = raw_seconds is None
        self._last = max(time, self._last + _LEAST_STEP_SECONDS)
        return self._last


def shown_size(width: int, height: int, pixel_aspect: float, rotation_degrees: int) -> tuple[int, int]:
    """(width, height) as shown: square pixels (stretched, never shrunk), then turned."""
    if pixel_aspect > 1:
        width = round(width * pixel_aspect)
    else:
        height = round(height / pixel_aspect)
    return (height, width) if rotation_degrees % 180 else (width, height)


def fitted(width: int, height: int, max_side: int) -> tuple[int, int]:
    """(width, height) shrunk, never enlarged, so that the longer side is at most `max_side`."""
    scale = min(1.0, max_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def turned(image: Image, rotation_degrees: int) -> Image:
    """The image turned clockwise by 0, 90, 180 or 270 degrees."""
    turn = _TURNS.get(rotation_degrees % 360)
    return image if turn is None else as_image(cv2.rotate(image, turn))


def scaled(image: Image, size: tuple[int, int]) -> Image:
    """The image at `size` (width, height)."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return as_image(cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def as_image(array: object) -> Image:
    """OpenCV's results are typed as any array; ours are 8 bit."""
    return np.asarray(array, dtype=np.uint8)


def as_jpeg(image: Image, quality: int) -> tuple[bytes, int, int]:
    """(JPEG, width, height) of an image."""
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise RuntimeError(f"an image of shape {image.shape} could not be written as JPEG")
    return data.tobytes(), image.shape[1], image.shape[0]
