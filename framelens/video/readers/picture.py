"""Frames as PyAV decodes them, converted to pictures only on request. OpenCV scales the planes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame

from framelens.video.readers import base, deinterlacer, tone_mapping, transparency
from framelens.video.readers.geometry import UPRIGHT, WHOLE, Crop, Orientation, Orientations, PixelAspects, shown_size

_UNKNOWN = 2
_LUMA_LINES, _CELL_LINES, _COLOUR_LINES = 2, 5, 4
"""Lines of a plane that are read for each line of the shrunk picture: the level of a cell must not depend on where thin
lines happen to lie in it."""
_LINES_WITHOUT_FIELDS = 4
"""Lines that become one line of a small picture in which fields can't be seen apart: two of each field."""
_LINES_OF_PLANES = (_CELL_LINES, _COLOUR_LINES, _COLOUR_LINES)


class ColourTags(NamedTuple):
    """Matrix, primaries and transfer of a stream as in ITU-T H.273, for frames without tags of their own."""

    colorspace: int = _UNKNOWN
    color_primaries: int = _UNKNOWN
    color_trc: int = _UNKNOWN

    def completed(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame, with the stream's tags in place of missing tags."""
        for name, tag in self._asdict().items() if self != _UNTAGGED else ():
            if getattr(frame, name) == _UNKNOWN != tag:
                setattr(frame, name, tag)
        return frame


_UNTAGGED = ColourTags()


@dataclass(frozen=True)
class Presentation:
    """How the pictures of a stream are shown where their frames don't say it.

    Attributes:
        size: (width, height) of the pictures that `crop` is for.
        crop: What the container cuts off.
        aspects: The aspects of the pixels.
        tags: How the container says colours are coded.
        dolby_vision_profile: Of the layer that the container announces, if any.
        is_opaque: Whether an alpha channel that the decoder gives means nothing.
        orientations: How its frames are turned and mirrored.
        changes: What was done to the pictures that were shown.
    """

    size: tuple[int, int] = (0, 0)
    crop: Crop = WHOLE
    aspects: PixelAspects = field(default_factory=PixelAspects)
    tags: ColourTags = _UNTAGGED
    dolby_vision_profile: int | None = None
    is_opaque: bool = False
    orientations: Orientations = field(default_factory=Orientations)
    changes: base.PictureChanges = field(default_factory=base.PictureChanges)

    def crop_of(self, frame: VideoFrame) -> Crop:
        """Return the crop of a frame; a frame of another size is not cropped."""
        return self.crop if (frame.width, frame.height) == self.size else WHOLE

    def alpha_of(self, frame: VideoFrame) -> base.Image | None:
        """Return the alpha channel of a frame; None if all of it is opaque."""
        return None if self.is_opaque else transparency.alpha_of(frame)

    def shown_size(self, frame: VideoFrame) -> tuple[int, int]:
        """Return (width, height) of a frame as shown, before it is rotated."""
        return shown_size(*self.crop_of(frame).size(frame.width, frame.height), self.aspects.of(frame))


@dataclass(frozen=True)
class AvPicture:
    """A decoded frame, kept in the decoder's format until a picture is requested."""

    frame: VideoFrame
    index: int
    time_seconds: float
    duration_seconds: float
    presentation: Presentation = field(default_factory=Presentation)
    is_damaged: bool = False
    orientation: Orientation = UPRIGHT
    gap: base.Gap = ""

    def __post_init__(self) -> None:
        tone_mapping.with_known_matrix(self.frame)

    @property
    def is_whole(self) -> bool:
        """Return whether the codec stored the frame whole."""
        return bool(self.frame.key_frame)

    @property
    def num_bytes(self) -> int:
        """Return the size of the decoded planes."""
        return sum(plane.buffer_size for plane in self.frame.planes)

    @cached_property
    def _planes(self) -> tuple[base.Image, ...]:
        frame, alpha = self.frame, self.presentation.alpha_of(self.frame)
        if alpha is not None:
            frame = VideoFrame.from_ndarray(base.scaled(on_white(frame, alpha), base.LUMA_SIZE), "bgr24")
        elif tone_mapping.needs_mapping(frame):
            frame = VideoFrame.from_ndarray(tone_mapping.converted(frame, base.LUMA_SIZE, "AREA"), "bgr24")
        if frame.format.name not in base.PLANAR_8_BIT:
            frame = base.reformatted(frame, base.LUMA_SIZE, format="yuv420p", interpolation="AREA")
        planes = tuple(base.samples(plane, frame) for plane in frame.planes[:3])
        crop = self.presentation.crop_of(self.frame)
        return (
            tuple(crop.cut_scaled(plane, self.frame.width, self.frame.height) for plane in planes) if crop else planes
        )

    def levels(self) -> base.Image:
        """Return the means of Y, Cb and Cr at CELL_SIZE, as an array of 3 x height x width."""
        grid = np.empty((3, base.CELL_SIZE[1], base.CELL_SIZE[0]), np.uint8)
        for index, (plane, lines) in enumerate(zip(self._planes, _LINES_OF_PLANES, strict=True)):
            grid[index] = _shrunk(plane, base.CELL_SIZE, lines)
        return grid

    def luma(self) -> base.Image:
        """Return the luma at LUMA_SIZE."""
        return _shrunk(self._planes[0], base.LUMA_SIZE, _LUMA_LINES)

    def upright(self, max_side: int) -> base.Image:
        """Return the picture as shown, its longer side at most `max_side` pixels."""
        changes = self.presentation.changes
        size = base.fitted(*self.presentation.shown_size(self.frame), max_side)
        is_small = size[1] * _LINES_WITHOUT_FIELDS <= self.frame.height
        frame = self.frame if is_small else deinterlacer.uncombed(self.frame, changes)
        crop, alpha = self.presentation.crop_of(frame), self.presentation.alpha_of(frame)
        if crop or alpha is not None:
            changes.is_composited |= alpha is not None
            image = base.scaled(crop.cut(on_white(frame, alpha)), size)
        else:
            image = _convert(frame, size)
        return self.orientation.applied(image)


def on_white(frame: VideoFrame, alpha: base.Image | None) -> base.Image:
    """Return the whole frame as sRGB at its size, on white where its alpha channel says that it is transparent."""
    image = _convert(frame, (frame.width, frame.height))
    return image if alpha is None else transparency.composited(image, alpha)


def _convert(frame: VideoFrame, size: tuple[int, int]) -> base.Image:
    """Return the whole frame as sRGB at `size` (width, height)."""
    way = "AREA" if size[0] * size[1] < frame.width * frame.height else "BICUBIC"
    if tone_mapping.needs_mapping(frame):
        return tone_mapping.converted(frame, size, way)
    matrix = tone_mapping.matrix_of(frame)
    shown = base.reformatted(frame, size, format="bgr24", src_colorspace=matrix, interpolation=way)
    return base.as_image(shown.to_ndarray())


def _shrunk(plane: base.Image, size: tuple[int, int], lines: int) -> base.Image:
    """Return the plane scaled to `size` (width, height), without a copy at full size.

    Only some lines of tall planes are read, since reading them is most of the cost of a survey.
    """
    return base.scaled(plane[:: _step(plane.shape[0], size[1], lines)], size)


@cache
def _step(height: int, target: int, lines: int) -> int:
    """Return the distance of the lines to read of `height`, so that each of `target` gets `lines` of them or more.

    Shrinking by a whole factor is several times faster, so a distance that gives a whole factor is preferred.
    """
    longest = max(1, height // (lines * target))
    whole = (step for step in range(longest, longest // 2, -1) if -(-height // step) % target == 0)
    return next(whole, longest)
