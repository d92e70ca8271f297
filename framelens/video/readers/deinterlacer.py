"""Deinterlacer of single pictures: moving parts are shown as in one of the two fields.

Flags of files lie in both directions, so combing is measured. It is where lines differ from their neighbours, lines of
the same field don't, and the difference vanishes once one field is moved sideways: fine stripes at rest don't move. In
a picture of two shots, one in each field, which telecine and cuts between fields make, nothing moves, but the fields
differ everywhere, in both directions. Only combed blocks are interpolated, by FFmpeg's estdif, so that text at rest
stays sharp.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

import av.filter
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from framelens.video.readers.base import (
    ANY_MATRIX,
    Image,
    PictureChanges,
    as_image,
    reformatted,
    samples,
    samples_8_bit,
    with_tags_of,
)

_TALLEST = 1152
"""Lines of the tallest interlaced format, the 1,250-line system of Europe; taller pictures are not examined."""
_BLOCK = 16
_LEAST_LEVELS, _LEAST_PIXELS = 12, 48
"""Combing of a pixel, and combed pixels of a field, from which on a picture is examined. Noise and stripes of usual
video stay below."""
_COMBED = 2.5
"""Mean combing of a block, in levels. An edge of 40 levels that moves by a pixel gives 2.5."""
_LEFT = 0.35
"""Share of the combing that is left in a block after the right move of a field."""
_MOVES = tuple(chain(range(1, 9), range(10, 50, 2)))
"""Pixels that something may move to either side from one field to the next."""
_LEAST_CERTAIN = 2.0
"""Least number of blocks that moved to a single side, for each block of a pattern that could have moved to either. With
fields of two frames of real footage it is 6.5 and more, with plaids and rasters at most 0.8."""
_TWO_SHOTS, _LEAST_OPPOSITE = 0.3, 0.2
"""Least share of combed blocks in a picture of two shots, and of these, least share in which each field is the
brighter: lines that were drawn over a picture are all darker or all brighter."""
_DITHERED = 0.2
"""Share of dithered blocks among the combed above which the others are dithered, too, in another pattern."""
_OPPOSITE = 0.5
"""Variation of the sum of two fields, to that of their difference, that two shots, which are independent, exceed."""
_OTHER = 0.35
"""Share of the combing by which a block of another shot is brighter or darker; lines of a pattern stay below it."""
_NEAR = 2
"""Blocks from a combed block within which weaker combing counts, and other blocks are interpolated, too."""
_Blocks = NDArray[np.bool_]
_Means = NDArray[np.float32]


class _Fields(NamedTuple):
    """The two fields of a luma plane, whole blocks of it, with the difference between lines within the fields."""

    top: Image
    bottom: Image
    own: Image

    @classmethod
    def from_luma(cls, luma: Image) -> _Fields:
        height, width = (side // _BLOCK * _BLOCK for side in luma.shape)
        top, bottom = luma[0:height:2, :width], luma[1:height:2, :width]
        own = np.empty_like(top)
        cv2.add(cv2.absdiff(top[:-1], top[1:]), cv2.absdiff(bottom[:-1], bottom[1:]), own[:-1])
        own[-1] = own[-2]
        return cls(top, bottom, own)

    def combing(self) -> Image:
        """Return by how much each pixel differs more between the fields than within them."""
        return as_image(cv2.subtract(cv2.absdiff(self.top, self.bottom), self.own))

    def moved(self, across: int, down: int) -> Image:
        """Return the combing after the top field was moved right and down; uncovered pixels count as combed."""
        moved = np.full_like(self.top, 255)
        (into_x, out_x), (into_y, out_y) = _overlap(across), _overlap(down)
        cv2.absdiff(self.bottom[into_y, into_x], self.top[out_y, out_x], moved[into_y, into_x])
        return as_image(cv2.subtract(moved, self.own))


def _overlap(pixels: int) -> tuple[slice, slice]:
    """Return the slices of the destination and of the origin of a move by a number of pixels."""
    landing, origin = slice(max(0, pixels), min(0, pixels) or None), slice(max(0, -pixels), -max(0, pixels) or None)
    return landing, origin


def uncombed(frame: VideoFrame, changes: PictureChanges) -> VideoFrame:
    """Return the frame without combing: the same object if nothing is combed."""
    blocks = combed_blocks(_luma(frame)) if frame.height <= _TALLEST else None
    if blocks is None:
        return frame
    changes.is_deinterlaced = True
    return _deinterlace(frame, blocks)


def uncombed_image(image: Image, changes: PictureChanges) -> Image:
    """Return a BGR picture without combing: the same object if nothing is combed."""
    blocks = combed_blocks(as_image(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)))
    if blocks is None:
        return image
    changes.is_deinterlaced = True
    frame = _deinterlace(VideoFrame.from_ndarray(np.ascontiguousarray(image), "bgr24"), blocks)
    return as_image(frame.to_ndarray(format="bgr24"))


def _luma(frame: VideoFrame) -> Image:
    """Return the luma plane with 8 bits, as a view where possible."""
    form = frame.format
    has_luma = form.is_planar and not form.is_rgb and form.components[-1].plane == len(form.components) - 1
    if has_luma and not form.is_big_endian:
        return samples_8_bit(frame.planes[0], frame)
    gray = reformatted(frame, format="gray", src_colorspace=ANY_MATRIX, dst_colorspace=ANY_MATRIX)
    return samples_8_bit(gray.planes[0], gray)


def combed_blocks(luma: Image) -> _Blocks | None:
    """Return which blocks of an 8-bit luma plane show combing, with their neighbours; None without combing."""
    if not 2 * _BLOCK <= luma.shape[0] <= _TALLEST or luma.shape[1] < 2 * _BLOCK:
        return None
    fields = _Fields.from_luma(luma)
    combing = fields.combing()
    _, strong = cv2.threshold(combing, _LEAST_LEVELS, 255, cv2.THRESH_BINARY)
    if cv2.countNonZero(strong) < _LEAST_PIXELS:  # as in nearly every picture
        return None
    means = _means(combing)
    combed, is_dithered = means > _COMBED, _is_checkered(fields, means)
    candidates = combed & ~is_dithered
    if not candidates.any() or (combed & is_dithered).sum() > _DITHERED * combed.sum():
        return None
    moving = candidates if _has_two_shots(fields, means, candidates) else _moving(fields, means, candidates)
    return _near(moving) if moving.any() else None


def _moving(fields: _Fields, means: _Means, candidates: _Blocks) -> _Blocks:
    """Return the candidates in which combing vanishes when a field is moved, and those around them.

    What moved has moved to a single side. Where moves to either side match, lines at rest are a pattern, such as a
    plaid or the raster of a screen; these count only beside enough others.
    """
    rows = np.flatnonzero(candidates.any(axis=1))
    begin, end = max(0, int(rows[0]) - _NEAR), int(rows[-1]) + 1 + _NEAR
    lines = slice(begin * _BLOCK // 2, end * _BLOCK // 2)
    part = _Fields(*(plane[lines] for plane in fields))
    confirmed, ambiguous = np.zeros_like(candidates), np.zeros_like(candidates)
    for direction in ((1, 0), (0, 1)):
        sides = [np.zeros_like(means[begin:end], np.bool_) for _ in range(2)]
        for side, pixels in ((side, pixels) for pixels in _MOVES for side in (1, -1)):
            across, down = side * pixels * direction[0], side * pixels * direction[1]
            if abs(across) < part.top.shape[1] and abs(down) < part.top.shape[0]:
                sides[side > 0] |= _vanishes(_means(part.moved(across, down)), means[begin:end], across, 2 * down)
        confirmed[begin:end] |= sides[0] | sides[1]
        ambiguous[begin:end] |= sides[0] & sides[1]
        moving = candidates & _near(candidates & confirmed)
        if moving.sum() == candidates.sum():
            break
    certain = candidates & confirmed & ~ambiguous
    if certain.sum() < _LEAST_CERTAIN * (candidates & ambiguous).sum():
        around = _near(_near(ambiguous))  # at its border, a pattern matches on one side alone
        return candidates & _near(certain & ~around)
    return moving


def _vanishes(moved: _Means, means: _Means, across: int, down: int) -> _Blocks:
    """Return in which blocks a move leaves little of the combing, there and where their content lands.

    A small pattern of stripes vanishes, too, when it is moved away, but not in the block where it lands.
    """
    little = _LEFT * means
    vanishes = moved < little
    for rounded in (math.floor, math.ceil):
        right, below = rounded(across / _BLOCK), rounded(down / _BLOCK)
        (into_x, out_x), (into_y, out_y) = _overlap(-right), _overlap(-below)
        if moved.shape[1] > abs(right) and moved.shape[0] > abs(below):
            vanishes[into_y, into_x] &= moved[out_y, out_x] < little[into_y, into_x]
    return vanishes


def _has_two_shots(fields: _Fields, means: _Means, candidates: _Blocks) -> bool:
    if candidates.mean() < _TWO_SHOTS:
        return False
    top, bottom = (_means(field)[candidates] for field in (fields.top, fields.bottom))
    brighter = (top - bottom) / means[candidates]
    are_opposite = (top + bottom).std() < _OPPOSITE * (top - bottom).std()  # a pattern whose lines are out of phase
    return not are_opposite and all((side * brighter > _OTHER).mean() > _LEAST_OPPOSITE for side in (1, -1))


def _is_checkered(fields: _Fields, means: _Means) -> _Blocks:
    """Return in which blocks columns alternate like lines do: a dithered picture, which a move would match, too."""
    top = fields.top
    beside, next_but_one = cv2.absdiff(top[:, :-2], top[:, 1:-1]), cv2.absdiff(top[:, :-2], top[:, 2:])
    alternation = np.zeros_like(top)
    cv2.subtract(beside, next_but_one, alternation[:, :-2])
    return np.asarray(_means(alternation) > _LEFT * means)


def _means(field: Image) -> _Means:
    """Return the mean of each block of a field."""
    size = (field.shape[1] // _BLOCK, field.shape[0] * 2 // _BLOCK)
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_AREA), np.float32)


def _near(blocks: _Blocks) -> _Blocks:
    side = 2 * _NEAR + 1
    return np.asarray(cv2.dilate(blocks.astype(np.uint8), np.ones((side, side), np.uint8)), np.bool_)


def _deinterlace(frame: VideoFrame, blocks: _Blocks) -> VideoFrame:
    """Return the frame with its combed blocks interpolated from the field that is shown first, else the top field."""
    whole = _interpolate(frame)
    original = frame if whole.format.name == frame.format.name else reformatted(frame, format=whole.format.name)
    is_kept = np.repeat(np.repeat(~blocks, _BLOCK, axis=0), _BLOCK, axis=1).astype(np.uint8)
    rest = (frame.height - is_kept.shape[0], frame.width - is_kept.shape[1])
    is_kept = np.pad(is_kept, ((0, rest[0]), (0, rest[1])), mode="edge")
    for target, source in zip(whole.planes, original.planes, strict=True):
        mask = cv2.resize(is_kept, (target.width, target.height), interpolation=cv2.INTER_NEAREST)
        np.copyto(samples(target, whole), samples(source, whole), where=mask.astype(np.bool_))
    return with_tags_of(original, whole)


def _interpolate(frame: VideoFrame) -> VideoFrame:
    """Return the frame in planes, with the lines of one field interpolated from the other."""
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000))
    graph.link_nodes(source, graph.add("estdif", "mode=frame:deint=all"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    graph.vpush(None)
    return graph.vpull()
