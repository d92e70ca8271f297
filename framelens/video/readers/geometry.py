"""Orientation, cropping and pixel aspect of pictures: how a stored picture becomes the shown picture.

A stored picture is cropped, made of square pixels, mirrored, and rotated, in this order.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

import av.filter
import cv2
from av.sidedata.sidedata import Type
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from framelens.video.readers.base import Image, as_image, side_data_of

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_MATRIX = struct.Struct("=9i")
_MEASURED_WIDTH = 1024
"""Of the picture from whose stretched width a frame's pixel aspect is read."""


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to show a picture: mirrored left to right or not, then rotated clockwise."""

    rotation_degrees: int = 0
    is_mirrored: bool = False

    @classmethod
    def of_matrix(cls, a: float, b: float, c: float, d: float) -> Orientation:
        """Return the orientation nearest to a matrix that moves a pixel to (ax + cy, bx + dy), y pointing down."""
        is_mirrored = a * d - b * c < 0
        if is_mirrored:
            a, b = -a, -b
        quarters = round(math.degrees(math.atan2(b - c, a + d)) / 90)
        return cls(quarters * 90 % 360, is_mirrored)

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Return the orientation in the display matrix of a frame, which FFmpeg takes from the stream where it lies."""
        try:
            data = side_data_of(frame)[Type.DISPLAYMATRIX]
        except KeyError:
            return cls()
        a, b, _, c, d, *_ = _MATRIX.unpack(bytes(data))
        return cls.of_matrix(a, b, c, d)

    def applied(self, image: Image) -> Image:
        """Return the picture mirrored and rotated."""
        if self.is_mirrored:
            image = as_image(cv2.flip(image, 1))
        turn = _TURNS.get(self.rotation_degrees)
        return image if turn is None else as_image(cv2.rotate(image, turn))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return (width, height) of a picture of this size as shown."""
        return (height, width) if self.rotation_degrees % 180 else (width, height)


UPRIGHT = Orientation()
"""Pictures are shown as they are stored."""


class Orientations:
    """Orientations of the frames of a stream, each of which is passed to `of`, in display order.

    FFmpeg gives the display orientation in a message of H.264 or HEVC to the frame with the message alone. It persists
    until the next coded sequence (ITU-T H.264, D.2.27), which begins with a frame that is stored whole.

    Attributes:
        latest: Orientation of the frame that was passed last.
    """

    def __init__(self) -> None:
        self.latest = UPRIGHT

    def of(self, frame: VideoFrame) -> Orientation:
        """Return the orientation of the next frame."""
        if frame.key_frame or Type.DISPLAYMATRIX in side_data_of(frame):
            self.latest = Orientation.of(frame)
        return self.latest


@dataclass(frozen=True)
class Crop:
    """Pixels that are cut from each side of a stored picture."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __bool__(self) -> bool:
        return any((self.left, self.top, self.right, self.bottom))

    def fits(self, width: int, height: int) -> bool:
        """Return whether nothing is added and something is left of a picture."""
        sides = (self.left, self.top, self.right, self.bottom)
        return min(sides) >= 0 and self.left + self.right < width and self.top + self.bottom < height

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return (width, height) of the cropped picture."""
        return width - self.left - self.right, height - self.top - self.bottom

    def cut(self, image: Image) -> Image:
        """Return the cropped picture."""
        return image[self.top : image.shape[0] - self.bottom, self.left : image.shape[1] - self.right]

    def cut_scaled(self, image: Image, width: int, height: int) -> Image:
        """Crop a picture of `width` x `height` that was scaled before, or one of its planes."""
        down, across = image.shape[0] / height, image.shape[1] / width
        top, bottom = round(self.top * down), round((height - self.bottom) * down)
        left, right = round(self.left * across), round((width - self.right) * across)
        return image[min(top, bottom - 1) : max(bottom, 1), min(left, right - 1) : max(right, 1)]


WHOLE = Crop()
"""Nothing is cut off."""


def shown_size(width: int, height: int, pixel_aspect: float) -> tuple[int, int]:
    """Return (width, height) with square pixels: stretched, never shrunk."""
    if pixel_aspect > 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


class PixelAspects:
    """Pixel aspects of the frames of a stream: the container's if it states an aspect, else each frame's own.

    `note` the decoder after each packet. PyAV's frames don't state their aspect, but as long as the decoder has
    reported a single aspect, all frames have it; after a change, a frame is scaled by FFmpeg in order to measure it.
    """

    def __init__(self, fixed: Fraction | None = None) -> None:
        self._fixed = fixed
        self._aspects: list[Fraction] = []

    def note(self, context: VideoCodecContext) -> None:
        """Read the aspect that the decoder has reached."""
        if self._fixed is None:
            aspect = context.sample_aspect_ratio or Fraction(1)
            if aspect not in self._aspects:
                self._aspects.append(aspect)

    def of(self, frame: VideoFrame | None) -> float:
        """Return the width of a frame's pixels, 1 being their height."""
        if self._fixed is not None:
            return float(self._fixed)
        if len(self._aspects) > 1 and frame is not None:
            measured = _measure(frame)
            return float(min(self._aspects, key=lambda aspect: abs(aspect - measured)))
        return float(self._aspects[0]) if self._aspects else 1.0


def _measure(frame: VideoFrame) -> float:
    """Return the pixel aspect of a frame, as exactly as its width in pixels is whole."""
    scale = f"w={_MEASURED_WIDTH}*sar:h=2:eval=frame:flags=neighbor"
    return filtered(frame, ("crop", "2:2"), ("scale", scale)).width / _MEASURED_WIDTH


def filtered(frame: VideoFrame, *filters: tuple[str, str]) -> VideoFrame:
    """Return the frame after filters of FFmpeg, each with its arguments."""
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000))
    graph.link_nodes(source, *(graph.add(*spec) for spec in filters), graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()
