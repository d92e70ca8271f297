"""From frames in order to candidates: one for the opening of each shot, and coverage of everything between.

Opening windows start where a cut is suspected and count as openings once it is confirmed; coverage is asked for
at first densely, then ever more sparsely, so that one pass serves a video of any length.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.video.arrivals import Cells
from app.video.candidates import Candidate, Pool, keep_within
from app.video.looks import Look, distance
from app.video.readers.base import Picture
from app.video.states import SAMPLE_SECONDS, States
from app.video.windows import Window

_RAW_BYTES = 64 << 20
_FEWEST_TELLINGS, _MOST_TELLINGS = 96, 256
"""Moments that are kept beside openings and coverage: the more, the less is missed and the more JPEGs are made."""
_OPENING_SECONDS = 0.4
_COVERAGE_SECONDS = 0.25
_LEAST_GAP_SECONDS = 2.0
_DRIFT = 0.05
_CALM = 0.02
"""A picture that has drifted this far from the last one kept is wanted as soon as it changes less than this."""


class Gatherer:
    """Feed it every frame with `take` and every verdict with `settle`; both return the candidates newly kept."""

    def __init__(self, *, frames: int, max_side: int, duration_seconds: float | None) -> None:
        self._max_side = max_side
        self._slots = 2 * frames + 16
        # The header may lie about the duration, so it only spares work at the start.
        self._least_gap = min(_LEAST_GAP_SECONDS, (duration_seconds or 0.0) / (4 * self._slots))
        self._openings = Pool(frames + 16)
        self._coverage = Pool(self._slots)
        self._opening_windows: list[Window] = []
        self._coverage_window: Window | None = None
        self._unsettled: dict[int, Candidate] = {}
        self._verdicts: dict[int, bool] = {0: True}
        self._states = States(longest_seconds=4 * self._least_gap or 2.0)
        self._tellings = Pool(min(_MOST_TELLINGS, 3 * frames + _FEWEST_TELLINGS), by_score=True)
        self._sampled_seconds = float("-inf")
        self._kept: Candidate | None = None
        self._last: tuple[Picture, Look] | None = None

    def take(self, picture: Picture, look: Look, *, change: float, may_open: bool) -> list[Candidate]:
        time = picture.time_seconds
        fresh = self._close(None if may_open else time)
        if may_open or picture.index == 0:
            # The first frame of a video follows no cut: it is taken as it is, unless it shows nothing.
            waits = picture.index > 0 or look.is_black
            self._opening_windows.append(Window(time, _OPENING_SECONDS if waits else 0.0, picture.index))
        if self._coverage_window is None and self._is_wanted(time, look, change):
            self._coverage_window = Window(time, min(_COVERAGE_SECONDS, time / self._slots / 3))
        if may_open or time - self._sampled_seconds >= min(SAMPLE_SECONDS, self._least_gap or SAMPLE_SECONDS):
            self._sampled_seconds = time
            self._tell(self._states.take(picture, look, opens=may_open))
        for window in (*self._opening_windows, self._coverage_window):
            if window is not None:
                window.offer(picture, look, self._states.latest)
        self._last = picture, look
        return fresh

    def settle(self, index: int, is_cut: bool) -> list[Candidate]:
        self._verdicts[index] = is_cut
        return self._place_settled()

    def finish(self) -> list[Candidate]:
        """Closes what is open; to be called once, after the last verdict."""
        fresh = self._close(None)
        self._tell(self._states.finish())
        if self._last is not None:
            self._coverage.add(Candidate.of(*self._last))
        return fresh

    def candidates(self) -> list[Candidate]:
        """All that is kept, in time order, each frame once."""
        by_index = {item.index: item for item in (*self._coverage.items, *self._tellings.items, *self._openings.items)}
        return [by_index[index] for index in sorted(by_index)]

    def worths(self, candidates: Sequence[Candidate]) -> list[Cells]:
        """For each candidate, what each cell of it is worth telling; to be asked after `finish`."""
        return self._states.worths(candidates)

    def _tell(self, candidate: Candidate | None) -> None:
        if candidate is not None:
            self._keep(candidate, self._tellings)

    def _is_wanted(self, time: float, look: Look, change: float) -> bool:
        if self._kept is None:
            return not look.is_black
        since, gap = time - self._kept.time_seconds, max(self._least_gap, time / self._slots)
        return since >= gap or (since >= gap / 4 and change < _CALM and distance(self._kept.look, look) > _DRIFT)

    def _close(self, time: float | None) -> list[Candidate]:
        """Ends the windows whose time is up (all of them for None) and keeps what they found."""
        fresh = []
        for opening in [window for window in self._opening_windows if time is None or window.is_over(time)]:
            self._opening_windows.remove(opening)
            if opening.best is not None and opening.opens is not None:
                self._kept = self._unsettled[opening.opens] = opening.best
        fresh += self._place_settled()
        window = self._coverage_window
        if window is not None and window.best is not None and (time is None or window.is_over(time)):
            self._coverage_window = None
            self._kept = window.best
            fresh.append(self._keep(window.best, self._coverage))
        return fresh

    def _place_settled(self) -> list[Candidate]:
        ready = [opens for opens in self._unsettled if opens in self._verdicts]
        fresh = []
        for opens in ready:
            candidate = self._unsettled.pop(opens)
            if self._verdicts.pop(opens):
                fresh.append(self._keep(candidate, self._openings))
            else:
                candidate.opens = None
                self._keep(candidate, self._coverage)
        return fresh

    def _keep(self, candidate: Candidate, pool: Pool) -> Candidate:
        pool.add(candidate)
        keep_within([self._openings, self._coverage, self._tellings], _RAW_BYTES, self._max_side)
        return candidate
