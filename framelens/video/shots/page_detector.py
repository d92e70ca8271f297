"""Detector of pages: slides, screens and documents, each a picture that rests until other content takes its place.

A picture is paper if few levels of light fill most of it, as on slides and screens but not in footage. There a page
begins where content changes in place and stays, whatever its share of the picture. What a pointer covers, a cursor that
blinks, a bar that fills, a clock, a presenter in a corner and subtitles over slides are no content of pages. A page
that returns is a boundary as well; `is_same_page` recognises it, unless something else moves there.

It doesn't find slides that a photo fills, which stay cuts, or changes of fewer than five cells.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.core.domain import Boundary
from framelens.video.features.frame_signature import NUM_CELLS
from framelens.video.readers.base import CELL_SIZE, LUMA_SIZE, Image, as_image, scaled

Which = NDArray[np.bool_]
Times = NDArray[np.float64]

_PAPER_SHARE, _PAPER_LEVELS = 0.5, 4
"""Share of the picture that the most frequent of 128 levels fill, from which on it is paper. In drawn screens they fill
0.87 and more, in footage of fixed cameras 0.40 at most, in cartoons 0.08."""
_PAPER_EVERY = 8  # samples, about a second
_DARK_LEVEL, _MOST_NOISE, _MOST_NOISE_DARK = 24, 0.1, 0.01
"""Median share of the pixels that stir from sample to sample: 0.001 in screens, 0.005 with a drawn presenter, 0.03 and
more in footage. Dark footage is paper by its levels, so less may stir on a ground darker than this level."""
_NOISE_STEP = 0.002  # by which the median is followed
_CHANGED_LEVEL = 10  # of 256, of a pixel; coding alone moves none so far
_CHANGED_PIXELS = 15  # of 255: two of the 25 pixels of a cell
_HOLD_SECONDS = 0.5  # a cell that hasn't changed for so long shows something that stays
_PAUSE_SECONDS = 2.0  # typing, drawing and scrolling that rest for so long have made a page
_LEAST_REST_SECONDS = 2.0  # a picture that rests for less while somebody draws or types is no page
_SUDDEN_SECONDS, _SUDDEN_CELLS, _SUDDEN_SHARE = 0.6, 29, 0.6
"""Longest change of one page into another, as a blend of two slides, the fewest cells in which it is no word that is
typed, and the share of cells that change in that time."""
_FAST_CELLS = 40.0  # that change in a second when a page is scrolled, faster than typing
_LONGEST_BUSY_SECONDS = 5.0
"""For so long a few cells that still change may be those of a hand that types or draws, and then a pointer's."""
_AT_ONCE_SHARE = 0.1  # share of them with which such a change begins; a pointer passed there before it
_LIVE, _LIVE_MEMORY, _LIVE_LEARNING, _MOST_LIVE = 0.2, 0.995, 50, 0.5
"""Share of the last seconds in which a cell moves again and again; its weight from sample to sample; the samples that
count as resting before the first; the share of the picture from which on such cells are a page that scrolls."""
_AGAIN_SECONDS = 1.2  # from one of its changes to the next: a clock ticks each second, a cursor blinks faster
_RESTS = 0.5  # share of the picture that rests on a page
_POINTER_CELLS = 4  # a pointer covers no more
_TEXTURED_LEVELS = 3  # mean difference of pixels side by side: letters and strokes have it, bars don't
_LEAST_TEXTURED, _LARGE_SHARE = 0.3, 0.15
"""Share of a changed area that has texture, or of the picture that it covers, from which on it is content."""
_OVERLAY_SHARE, _OVERLAY_SECONDS = 0.25, 10.0
"""A window over a page, after which the page is there again, is no page if it is smaller and shorter than this."""
_HABIT_SHARE, _HABIT_SECONDS, _HABIT_TIMES = 0.4, 60.0, 6
"""A small share of a page's content that changes so often within this time on either side is no page, as subtitles."""


@dataclass(frozen=True, eq=False)
class _Page:
    """A change of page: its part of the video, the cells that changed, and their share of all cells with content."""

    boundary: Boundary
    mixed: Boundary
    cells: Which
    share: float

    def whole_change(self) -> Boundary:
        """Return the change of page, begun just before its first frame if it lasts."""
        if self.boundary.end_seconds == self.boundary.start_seconds:
            return self.mixed
        return replace(self.mixed, start_seconds=float(np.nextafter(self.mixed.start_seconds, -np.inf)))

    def is_overlay(self, end_seconds: float) -> bool:
        """Return whether this is a window over the page before it, if that is there again at this time."""
        is_short = end_seconds - self.boundary.start_seconds < _OVERLAY_SECONDS
        return is_short and bool(self.cells.mean() < _OVERLAY_SHARE)


class PageDetector:
    """Streaming detector of pages; `push` every sample in time order."""

    def __init__(self) -> None:
        self._pages: list[_Page] = []
        self._opening = Boundary(-1.0, -1.0, "page")  # until the first page is whole
        self._num = 0
        self._paper: int | None = None  # the level of its ground
        self._is_at_rest = False  # all cells rest, and show the page
        self._noise, self._latest = 0.0, np.zeros(LUMA_SIZE[::-1], np.uint8)
        self._before: Image | None = None  # the page before, for a return to it
        self._page: Image | None = None
        self._anchor = np.zeros(LUMA_SIZE[::-1], np.uint8)  # each cell as it was when it last changed
        self._since: Times = np.full(NUM_CELLS, -np.inf)
        self._stay = self._anchor.copy()  # each cell as it last rested, so that what passes before it changes nothing
        self._came: Times = np.zeros(NUM_CELLS)  # when that content came
        self._is_known = np.zeros(NUM_CELLS, bool)  # the cells that rest with it
        self._is_restless = np.zeros(NUM_CELLS, bool)  # the cells that changed again before they rested
        self._apart = np.zeros(NUM_CELLS, bool)  # the cells that don't show the page
        self._left: Times = np.full(NUM_CELLS, np.inf)  # when each cell last showed the page
        self._rested_seconds = 0.0
        self._unrest = np.zeros(NUM_CELLS, np.float32)

    def push(self, time_seconds: float, luma: Image) -> bool:
        """Examine a sample and return whether it is the first that shows a page at rest."""
        if self._num % _PAPER_EVERY == 0:
            self._paper = _paper_level(luma)
        self._num += 1
        if self._paper is None:
            self._page = self._before = None
            self._unrest[:] = 0
            return False
        stirred = np.count_nonzero(cv2.absdiff(luma, self._latest) > 1) / luma.size
        self._noise += _NOISE_STEP if stirred > self._noise else -min(_NOISE_STEP, self._noise)
        self._latest = luma
        newest = max(1 - _LIVE_MEMORY, 1 / (self._num + _LIVE_LEARNING))
        moved = _differs(luma, self._anchor)
        if self._is_at_rest and not moved.any():
            self._unrest *= np.float32(1 - newest)
            return False
        if moved.any():
            self._is_restless |= moved & (time_seconds - self._since < _AGAIN_SECONDS)
            _copy(luma, self._anchor, moved)
            self._since[moved] = time_seconds
            self._is_known[moved] = False
        held = time_seconds - self._since >= _HOLD_SECONDS
        self._know(held & ~self._is_known)
        self._is_at_rest = False
        self._is_restless &= time_seconds - self._since < _AGAIN_SECONDS
        self._unrest += np.float32(newest) * (self._is_restless - self._unrest)
        if self._page is None:
            self._rested_seconds = time_seconds - _HOLD_SECONDS
            return self._begin(held)
        return self._compare(time_seconds, held, has_moved=bool(moved.any()))

    def finish(self, end_seconds: float) -> None:
        """Take what the last sample shows for a page at rest."""
        if self._paper is not None and self._page is not None:
            held = np.ones(NUM_CELLS, bool)
            self._know(held & ~self._is_known)
            self._compare(end_seconds + 2 * _PAUSE_SECONDS, held, has_moved=False)

    def boundaries(self) -> list[Boundary]:
        """Return the changes of page by now, but for those that are habitual in their place."""
        return [page.boundary for page in self._pages if not self._is_habit(page)]

    def mixed(self) -> list[Boundary]:
        """Return the changes of page from their very first cell, which may be a pointer's, until the page rests.

        A frame at the beginning of a change that lasts belongs to it.
        """
        return [self._opening, *(page.whole_change() for page in self._pages)]

    def _know(self, cells: Which) -> None:
        """Note since when these cells, which rest, have shown what they show."""
        if cells.any():
            is_new = cells & _differs(self._anchor, self._stay)
            _copy(self._anchor, self._stay, is_new)
            self._came[is_new] = self._since[is_new]
            self._is_known |= cells

    def _begin(self, held: Which) -> bool:
        if held.mean() < _RESTS or not self._is_page():
            return False
        self._turn()
        return True

    def _is_page(self) -> bool:
        """Return whether something is written on the picture, and it doesn't stir like footage."""
        is_dark = self._paper is not None and self._paper < _DARK_LEVEL
        is_calm = self._noise <= (_MOST_NOISE_DARK if is_dark else _MOST_NOISE)
        return is_calm and bool(_textured(self._latest).sum() > _POINTER_CELLS)

    def _turn(self) -> None:
        self._before, self._page = self._page, self._anchor.copy()
        self._left[:] = np.inf
        self._apart[:] = False

    def _compare(self, time_seconds: float, held: Which, *, has_moved: bool) -> bool:
        assert self._page is not None
        if has_moved:
            self._apart = _differs(self._anchor, self._page)
            self._left[~self._apart] = np.inf
            self._left[self._apart] = np.minimum(self._left[self._apart], time_seconds)
        if np.count_nonzero(self._apart) <= _POINTER_CELLS:
            self._is_at_rest = bool(held.all())
            return False
        apart, live = self._apart, self._unrest > _LIVE
        if live.any() and live.mean() < _MOST_LIVE:
            apart = apart & ~_with_neighbours(live)
        fresh = self._content(apart & held)
        if not fresh.any() or self._content(apart & ~held).any() or held.mean() < _RESTS:
            return False
        num, came = int(fresh.sum()), self._came[fresh]
        start, end = _first(self._left[fresh]), -_earliest(-came)
        is_sudden = num >= _SUDDEN_CELLS and end - start <= max(_SUDDEN_SECONDS, num / _FAST_CELLS)
        if time_seconds - end < (_HOLD_SECONDS if is_sudden else _PAUSE_SECONDS) or not self._is_page():
            return False
        is_busy = time_seconds - came.max() < _PAUSE_SECONDS or (self._content(apart) & ~held).any()
        if not is_sudden and is_busy and time_seconds - end < _LONGEST_BUSY_SECONDS:
            return False
        seconds = _earliest(self._left[fresh]) - self._rested_seconds
        has_rested = is_sudden or (seconds > _LEAST_REST_SECONDS and not self._is_opening(fresh, seconds))
        self._rested_seconds = end
        if has_rested:
            mixed = Boundary(min(start, float(self._left[fresh].min())), time_seconds, "page")
            self._add(_Page(Boundary(start, max(start, end), "page"), mixed, fresh, self._share(fresh)))
        else:
            self._resume(end, time_seconds)
        return True

    def _is_opening(self, fresh: Which, rested_seconds: float) -> bool:
        """Return whether the first page is still being drawn or typed: more is added soon than was there."""
        assert self._page is not None
        is_soon = not self._pages and rested_seconds < _LONGEST_BUSY_SECONDS
        return is_soon and bool(fresh.sum() > _textured(self._page).sum())

    def _add(self, page: _Page) -> None:
        """Record a page, or forget the last if this is the return from a window over the page before it."""
        last = self._pages[-1] if self._pages else None
        is_return = self._before is not None and not self._content(_differs(self._anchor, self._before)).any()
        self._turn()
        if last is not None and is_return and last.is_overlay(page.boundary.start_seconds):
            self._pages.pop()
        else:
            self._pages.append(page)

    def _resume(self, end: float, settled: float) -> None:
        """Extend the last change of page, after which the page hasn't rested yet."""
        self._turn()
        if not self._pages:
            self._opening = Boundary(-1.0, settled, "page")
            return
        last = self._pages[-1]
        whole, mixed = replace(last.boundary, end_seconds=end), replace(last.mixed, end_seconds=settled)
        self._pages[-1] = replace(last, boundary=whole, mixed=mixed)

    def _content(self, cells: Which) -> Which:
        """Return the cells of those that aren't a pointer's, a cursor's or a bar's."""
        if np.count_nonzero(cells) <= _POINTER_CELLS:
            return np.zeros(NUM_CELLS, bool)
        labels, areas = _areas(cells)
        is_content = areas > _POINTER_CELLS
        shares = np.bincount(labels, weights=self._textured(), minlength=len(areas)) / areas
        is_content &= (shares >= _LEAST_TEXTURED) | (areas >= _LARGE_SHARE * NUM_CELLS)
        is_content[0] = False  # the ground
        return np.asarray(is_content[labels], bool)

    def _textured(self) -> Which:
        """Return the cells with letters or strokes, on the page or now."""
        assert self._page is not None
        return _textured(self._latest) | _textured(self._page)

    def _share(self, cells: Which) -> float:
        return float(cells.sum() / max(1, (self._textured() | cells).sum()))

    def _is_habit(self, page: _Page) -> bool:
        if page.share >= _HABIT_SHARE:
            return False
        near = (
            other
            for other in self._pages
            if abs(other.boundary.start_seconds - page.boundary.start_seconds) < _HABIT_SECONDS
        )
        num = np.count_nonzero(page.cells)
        alike = sum(
            2 * np.count_nonzero(other.cells & page.cells) > num for other in near if other.share < _HABIT_SHARE
        )
        return bool(alike > _HABIT_TIMES)


def is_same_page(picture: Image, other: Image) -> bool:
    """Return whether no area of two pictures differs that is larger than a pointer."""
    return bool(_areas(_differs(picture, other))[1][1:].max(initial=0) <= _POINTER_CELLS)


def _areas(cells: Which) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the number of its area for each cell, 0 for the ground, and the cells of each area."""
    grid = cells.reshape(CELL_SIZE[::-1]).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(grid, connectivity=8)
    return labels.reshape(-1).astype(np.int32), stats[:, cv2.CC_STAT_AREA].astype(np.int32)


def _paper_level(luma: Image) -> int | None:
    """Return the most frequent level of paper, or None of another picture."""
    counts = np.bincount(luma.reshape(-1) >> 1, minlength=128)
    is_paper = np.sort(counts)[-_PAPER_LEVELS:].sum() >= _PAPER_SHARE * luma.size
    return 2 * int(counts.argmax()) if is_paper else None


def _differs(picture: Image, other: Image) -> Which:
    """Return which cells of two pictures differ."""
    _, pixels = cv2.threshold(cv2.absdiff(picture, other), _CHANGED_LEVEL, 255, cv2.THRESH_BINARY)
    return np.asarray(scaled(as_image(pixels), CELL_SIZE).reshape(-1) > _CHANGED_PIXELS)


def _copy(source: Image, target: Image, cells: Which) -> None:
    """Copy some cells of a picture into another."""
    mask = cv2.resize(cells.reshape(CELL_SIZE[::-1]).astype(np.uint8), LUMA_SIZE, interpolation=cv2.INTER_NEAREST)
    cv2.copyTo(source, mask, target)


def _textured(luma: Image) -> Which:
    across = cv2.absdiff(luma[:, 1:], luma[:, :-1])
    return np.asarray(scaled(as_image(across), CELL_SIZE).reshape(-1) > _TEXTURED_LEVELS)


def _with_neighbours(cells: Which) -> Which:
    grid = cells.reshape(CELL_SIZE[::-1]).astype(np.uint8)
    return np.asarray(cv2.dilate(grid, np.ones((3, 3), np.uint8)).reshape(-1) > 0)


def _first(times: Times) -> float:
    """Return when most of the cells changed at once, or else when the first did, but for those of a pointer."""
    times = np.sort(times)
    places = np.arange(len(times))
    within = np.searchsorted(times, times + _SUDDEN_SECONDS, side="right") - places
    if within.max() < _SUDDEN_SHARE * len(times):
        return _earliest(times)
    at_once = np.searchsorted(times, times, side="right") - places >= _AT_ONCE_SHARE * len(times)
    later = places >= within.argmax()
    return float(times[(at_once & later).argmax() if (at_once & later).any() else within.argmax()])


def _earliest(times: Times) -> float:
    """Return when the first of the cells changed, but for those of a pointer."""
    return float(np.sort(times)[min(_POINTER_CELLS, len(times) // 4)])
