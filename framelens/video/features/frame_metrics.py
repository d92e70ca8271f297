"""Keyframe metrics that need no model: text, colours, brightness, sharpness and motion.

They are measured on the JPEG that the report shows, so the facts describe the picture a reader sees.

Each pixel is named by lightness, chroma and hue in CIE LCh, which is how people distinguish brown from orange and pink
from red; the names are counted over the picture. framelens.i18n translates them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.core.domain import ColourArea, FrameFacts, Keyframe, Notice, ScreenText
from framelens.core.events import FactsMeasured, Noticed
from framelens.video.files import picture_key
from framelens.video.readers.base import Image, as_image, fitted, scaled

if TYPE_CHECKING:
    from framelens.video.features.text_recognition import TextReading

_FACTS_SIDE = 640  # longer side, pixels.
ReadText = Callable[[bytes], tuple[ScreenText, ...]]
NAMES = ("black", "gray", "white", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown")
PLACES = (
    ("top-left", "top", "top-right"),
    ("left", "centre", "right"),
    ("bottom-left", "bottom", "bottom-right"),
)
_SIZE = (96, 96)
_LEAST_SHARE = 0.05
_MOST_COLOURS = 4
_GRAY_CHROMA = 12.0
_BLACK_LIGHTNESS = 18.0
_WHITE_LIGHTNESS = 88.0
# Upper bounds of hue in degrees. In LCh sRGB red is at 40, orange 60-75, yellow 103, green 136, cyan 196, blue 306,
# purple 310-325, magenta 328.
_HUES = ((20, "pink"), (50, "red"), (82, "orange"), (115, "yellow"), (170, "green"), (235, "cyan"), (307, "blue"),
         (326, "purple"), (360, "pink"))  # fmt: skip


class FrameMeter:
    """Meter for keyframes in time order: motion is measured against the previous keyframe.

    No text is read on pictures whose key is in `have_text`: the caller has it already.
    """

    def __init__(self, read_text: ReadText | None, have_text: Collection[str] = ()) -> None:
        self._read_text = read_text
        self._have_text = have_text
        self._before: Image | None = None

    def measure(self, keyframe: Keyframe) -> FrameFacts:
        """Return the facts of the next keyframe."""
        image = as_image(cv2.imdecode(np.frombuffer(keyframe.jpeg, np.uint8), cv2.IMREAD_COLOR))
        small = scaled(image, fitted(image.shape[1], image.shape[0], _FACTS_SIDE))
        luma = as_image(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
        before, self._before = self._before, luma
        if before is not None:  # the picture may have changed its size
            before = scaled(before, (luma.shape[1], luma.shape[0]))
        return FrameFacts(
            number=keyframe.number,
            texts=self._read_text(keyframe.jpeg) if self._read_text and not self._has_text(keyframe) else (),
            colours=main_colours(small),
            brightness=round(float(luma.mean()) / 255, 3),
            sharpness=round(float(cv2.Laplacian(luma, cv2.CV_64F).var()), 1),
            motion=None if before is None else round(float(cv2.absdiff(before, luma).mean()) / 255, 4),
        )

    def _has_text(self, keyframe: Keyframe) -> bool:
        return bool(self._have_text) and picture_key(keyframe.jpeg) in self._have_text


def facts_of(
    keyframes: Sequence[Keyframe], reading: TextReading | None, have_text: Collection[str] = ()
) -> Iterator[FactsMeasured | Noticed]:
    """Yield the facts of each keyframe in order, preceded by a notice if text could not be read.

    Args:
        keyframes: Keyframes in time order.
        reading: Text reader that was asked for these keyframes (`want`); None to read no text.
        have_text: Keys of pictures whose text the caller has already.
    """
    meter = FrameMeter(reading.read if reading else None, frozenset(have_text))
    missing: Notice | None = None
    for keyframe in keyframes:
        facts = meter.measure(keyframe)
        if missing is None and reading is not None and (missing := reading.missing):
            yield Noticed(missing)
        yield FactsMeasured(facts)


def main_colours(image: Image) -> tuple[ColourArea, ...]:
    """Return the colours that cover at least a twentieth of a BGR picture, largest first, at most four."""
    small = scaled(image, _SIZE)
    names = _colour_indices(small)
    areas = []
    for number, name in enumerate(NAMES):
        mask = names == number
        share = float(mask.mean())
        if share >= _LEAST_SHARE:
            blue, green, red = (round(float(value)) for value in np.median(small[mask], axis=0))
            areas.append(ColourArea(name, (red, green, blue), round(share, 3), _cell_of(mask)))
    return tuple(sorted(areas, key=lambda area: -area.share)[:_MOST_COLOURS])


def _colour_indices(image: Image) -> NDArray[np.intp]:
    """Return the index in NAMES of each pixel's colour."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
    lightness, a, b = (np.asarray(lab[..., channel]) for channel in range(3))
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    bounds = np.array([bound for bound, _ in _HUES])
    hued = np.array([NAMES.index(name) for _, name in _HUES])[np.searchsorted(bounds[:-1], hue, side="right")]
    name = {word: NAMES.index(word) for word in NAMES}
    warm = (hue >= 45) & (hue < 100)
    tan = (lightness < 75) & (chroma < 32)
    hued = np.where(warm & (chroma < 60) & ((lightness < 50) | tan), name["brown"], hued)
    hued = np.where(((hue < 50) | (hue >= 326)) & (lightness >= 65) & (chroma < 60), name["pink"], hued)
    hued = np.where((hue >= 326) & (hue < 345) & (lightness < 50), name["purple"], hued)
    grays = np.where(lightness < _BLACK_LIGHTNESS, name["black"], name["gray"])
    grays = np.where(lightness >= _WHITE_LIGHTNESS, name["white"], grays)
    # Dark pixels carry almost no hue: what counts as gray grows towards black.
    is_gray = chroma < np.where(lightness < 30, _GRAY_CHROMA + 0.5 * (30 - lightness), _GRAY_CHROMA)
    return np.asarray(np.where(is_gray | (lightness < 6), grays, hued), dtype=np.intp)


def _cell_of(mask: NDArray[np.bool_]) -> str:
    """Return the cell that contains the colour's centre, or "all" where the colour is nearly everywhere."""
    rows, columns = (np.array_split(np.arange(side), 3) for side in mask.shape)
    cover = [float(mask[np.ix_(row, column)].mean()) for row in rows for column in columns]
    if sum(part >= 0.5 * max(cover) for part in cover) >= 7:
        return "all"
    down, across = np.nonzero(mask)
    row, column = int(3 * down.mean() / mask.shape[0]), int(3 * across.mean() / mask.shape[1])
    return PLACES[min(2, row)][min(2, column)]
