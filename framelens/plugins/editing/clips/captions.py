"""Subtitles drawn into pictures: white with a dark edge, upright as the picture is shown, in the project's own font.

They are drawn into the planes of the encoder's format, so that nothing but the letters and their edges changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from framelens.core.domain import Cue
from framelens.reports.graphics.fonts import REGULAR, own
from framelens.video.readers.base import with_tags_of
from framelens.video.readers.geometry import Orientation

_LINES_OF_HEIGHT, _SIGNS_OF_WIDTH = 18, 16
"""A letter is as high as an eighteenth of the picture, and a sixteenth of its width at most."""
_LEAST_PIXELS = 12
_SHARE_OF_WIDTH = 0.9
_MOST_LINES = 4
_MISSING = "?"
Mask = NDArray[np.float32]


class CaptionDrawer:
    """Drawer of cues into frames of the same size."""

    def __init__(
        self, cues: Sequence[Cue], size: tuple[int, int], orientation: Orientation, aspect: Fraction, *, is_full: bool
    ) -> None:
        """Create a drawer.

        Args:
            cues: The subtitles, at times of the video.
            size: Width and height of the frames, as they are coded.
            orientation: How they are shown.
            aspect: Aspect of their pixels.
            is_full: Whether levels go from 0 to the largest value, and not from black to white of television.
        """
        self._cues, self._size, self._orientation, self._aspect = cues, size, orientation, aspect
        self._black, self._white = (0, 255) if is_full else (16, 235)
        self._masks = lru_cache(maxsize=4)(self._drawn_masks)

    def drawn(self, frame: VideoFrame, seconds: float) -> VideoFrame:
        """Return the frame with the cues at a time of the video drawn into it; unchanged without cues."""
        said = [cue.text for cue in self._cues if cue.start_seconds <= seconds < cue.end_seconds]
        if not said:
            return frame
        letters, edges = self._masks("\n".join(said))
        planes = frame.to_ndarray()
        unit, height = (4 if planes.dtype == np.uint16 else 1), self._size[1]
        luma = planes[:height].astype(np.float32)
        luma += (self._black * unit - luma) * edges
        luma += (self._white * unit - luma) * letters
        planes[:height] = np.rint(luma).astype(planes.dtype)
        half = (self._size[0] // 2, height // 2)
        covered = cv2.resize(np.maximum(letters, edges), half, interpolation=cv2.INTER_AREA)
        colours = planes[height:].reshape(2, half[1], half[0]).astype(np.float32)
        colours += (128 * unit - colours) * covered
        planes[height:] = np.rint(colours).astype(planes.dtype).reshape(planes[height:].shape)
        return with_tags_of(frame, VideoFrame.from_ndarray(planes, format=frame.format.name))

    def _drawn_masks(self, text: str) -> tuple[Mask, Mask]:
        """Return where the letters are and where their edges are, each from 0 to 1, as the frames are coded."""
        width, height = self._size
        turns = self._orientation.rotation_degrees % 180 != 0
        square = max(2, round(width * self._aspect))
        shown = (height, square) if turns else (square, height)
        font = ImageFont.truetype(
            str(REGULAR), max(_LEAST_PIXELS, min(shown[1] // _LINES_OF_HEIGHT, shown[0] // _SIGNS_OF_WIDTH))
        )
        lines = list(_wrapped(text, font, _SHARE_OF_WIDTH * shown[0]))[:_MOST_LINES]
        step, bottom = 5 * font.size // 4, shown[1] - font.size
        masks = []
        for edge in (0, max(1, font.size // 12)):
            paper = Image.new("L", shown)
            pen = ImageDraw.Draw(paper)
            for above, line in enumerate(reversed(lines)):
                pen.text((shown[0] // 2, bottom - above * step), line, 255, font, anchor="ms", stroke_width=edge)
            masks.append(self._coded(np.asarray(paper)))
        return masks[0], masks[1]

    def _coded(self, shown: NDArray[np.uint8]) -> Mask:
        image = np.rot90(shown, self._orientation.rotation_degrees // 90)  # counterclockwise, against the player's turn
        if self._orientation.is_mirrored:
            image = np.fliplr(image)
        scaled = cv2.resize(np.ascontiguousarray(image), self._size, interpolation=cv2.INTER_AREA)
        return (scaled / 255).astype(np.float32)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    """Yield lines of at most this width, broken at spaces, and between the letters of East Asian scripts."""
    known = own()
    for line in text.splitlines():
        clean = "".join(one if ord(one) in known else _MISSING for one in " ".join(line.split()))
        held = ""
        for word in _words(clean):
            if held and font.getlength((held + word).rstrip()) > width:
                yield held.rstrip()
                held = ""
            held += word
        if held.strip():
            yield held.rstrip()


def _words(line: str) -> Iterator[str]:
    """Yield pieces of a line after each of which it may be broken."""
    word = ""
    for letter in line:
        word += letter
        if letter == " " or ord(letter) > 0x2E7F:  # the scripts of East Asia
            yield word
            word = ""
    yield word
