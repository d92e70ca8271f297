"""From glances at successive frames to the places where a shot ends and the next begins.

Hard cuts stand out of the frames around them; a flash comes back to where it was and is no cut; a picture that rises
from black begins a shot. A cut is suspected at once and settled when enough of what follows has been seen.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from statistics import median

from app.video.features.frame_signature import Glance, change

AROUND_SECONDS = 0.5
"""A cut is compared with the changes this long before and after it; it is settled when they have been seen."""
FLASH_SECONDS = 0.25
"""A picture that is gone again after this long is a flash, and two cuts are at least this far apart."""

# Measured on real footage: hard cuts score 0.06 to 0.35, whip pans up to 0.06 but beside their like, slow motion 0.02.
_FLOOR = 0.05
_LONELY_FLOOR = 0.12  # where frames are so far apart in time that there is nothing around to compare with
_OUTSTANDING = 3.5
_OUTSTANDING_LIVELIER = 3.0  # of the livelier side alone: a hand before the lens reaches 2.6, a cut in a chase 3.4
_BUSY_SHARE, _BUSIER = 0.85, 2.0  # where frames are doubled, most changes are 0: something large moves in the others
_CAME_BACK = 0.4
_RISE = 0.08
_SAME_PICTURE = 0.97  # correlation of the luma
_EMPTY = 1e-4  # variance of the luma, 0..1


@dataclass(frozen=True)
class Step:
    """One frame and how much it changed against the one before; `after_light` if its shot has shown a picture.

    `light_seconds` is when the picture before it last showed anything.
    """

    index: int
    time_seconds: float
    glance: Glance
    change: float
    after_light: bool
    light_seconds: float


@dataclass(frozen=True)
class Settled:
    """The verdict on a suspect: whether a shot begins there, and where the one before had gone dark.

    `before` is the frame before it, as far as it is still known.
    """

    step: Step
    is_cut: bool
    before: Step | None = None
    dark_since_seconds: float | None = None


class CutDetector:
    """Takes frames in order. `is_suspect` tells whether the last one may begin a shot; verdicts follow in order."""

    def __init__(self) -> None:
        self.is_suspect = False
        self._steps: deque[Step] = deque()
        self._suspects: deque[Step] = deque()
        self._void_until = -1
        self._last_cut_seconds = 0.0
        self._light_seen = False
        self._light_seconds = 0.0

    def push(self, index: int, time_seconds: float, glance: Glance) -> list[Settled]:
        """The verdicts that this frame makes possible."""
        before = self._steps[-1].glance if self._steps else glance
        step = Step(index, time_seconds, glance, change(before, glance), self._light_seen, self._light_seconds)
        emerges = before.is_black and not glance.is_black and self._light_seen
        self.is_suspect = emerges or step.change >= _FLOOR
        if not glance.is_black:
            self._light_seen, self._light_seconds = True, time_seconds
        self._steps.append(step)
        if self.is_suspect:
            self._suspects.append(step)
        verdicts = self._settle(time_seconds - AROUND_SECONDS)
        while self._steps[0].time_seconds < time_seconds - 3 * AROUND_SECONDS and len(self._steps) > 2:
            self._steps.popleft()
        return verdicts

    def flush(self) -> list[Settled]:
        """The verdicts still open at the end of the video."""
        return self._settle(float("inf"))

    def _settle(self, until_seconds: float) -> list[Settled]:
        verdicts = []
        while self._suspects and self._suspects[0].time_seconds <= until_seconds:
            suspect = self._suspects.popleft()
            is_cut = self._is_cut(suspect)
            if is_cut:
                self._last_cut_seconds = suspect.time_seconds
            before = next((step for step in reversed(self._steps) if step.index < suspect.index), None)
            verdicts.append(Settled(suspect, is_cut, before, self._dark_since(before, suspect)))
        return verdicts

    @staticmethod
    def _dark_since(before: Step | None, suspect: Step) -> float | None:
        """When the light went out before a picture that rises slowly from black; None for what begins at once."""
        rises = before is not None and before.glance.is_black and suspect.change < _LONELY_FLOOR
        return suspect.light_seconds if rises else None

    def _is_cut(self, suspect: Step) -> bool:
        if suspect.index <= self._void_until or suspect.time_seconds - self._last_cut_seconds < FLASH_SECONDS:
            return False
        place = next(i for i, step in enumerate(self._steps) if step.index == suspect.index)
        before, after = self._steps[place - 1], list(islice(self._steps, place + 1, None))
        if before.glance.is_black and suspect.after_light and _rises(suspect, after):
            return not self._blinks(suspect)
        if is_light(before.glance, suspect.glance) or not self._stands_out(suspect):
            return False
        return not self._is_flash(before, suspect, after)

    def _stands_out(self, suspect: Step) -> bool:
        around = [
            step.change
            for step in self._steps
            if step is not suspect and abs(step.time_seconds - suspect.time_seconds) <= AROUND_SECONDS
        ]
        if len(around) < 3:
            return suspect.change >= _LONELY_FLOOR
        busy = sorted(around)[int(_BUSY_SHARE * len(around))]
        usual = max(_OUTSTANDING * median(around), _OUTSTANDING_LIVELIER * self._livelier(suspect))
        return suspect.change >= max(_FLOOR, usual, _BUSIER * busy)

    def _livelier(self, suspect: Step) -> float:
        """The median change of the livelier shot: what moves before a cut, or after it, is no cut itself."""
        near = [step for step in self._steps if abs(step.time_seconds - suspect.time_seconds) <= AROUND_SECONDS]
        sides = (
            [step.change for step in near if step.index < suspect.index],
            [step.change for step in near if step.index > suspect.index],
        )
        return max(median(side) for side in sides if side)

    def _blinks(self, suspect: Step) -> bool:
        """Whether the same picture showed just before it was black: a light that went out for a moment."""
        lit = (step for step in reversed(self._steps) if step.index < suspect.index and not step.glance.is_black)
        last = next(lit, None)
        if last is None or suspect.time_seconds - last.time_seconds > FLASH_SECONDS:
            return False
        return is_light(last.glance, suspect.glance)

    def _is_flash(self, before: Step, suspect: Step, after: list[Step]) -> bool:
        """Whether the picture soon returns to what it was; the return is then no cut either."""
        for step in after:
            if step.time_seconds - suspect.time_seconds > FLASH_SECONDS:
                return False
            if change(before.glance, step.glance) < _CAME_BACK * suspect.change:
                self._void_until = step.index
                return True
        return False


def is_light(before: Glance, after: Glance) -> bool:
    """Whether it is the same picture in another light."""
    return min(before.contrast, after.contrast) ** 2 >= _EMPTY and likeness(before, after) > _SAME_PICTURE


def likeness(one: Glance, other: Glance) -> float:
    """Correlation of the luma of two pictures; 0 where one of them is flat."""
    spread = one.contrast * other.contrast * one.levels.shape[1]
    if not spread:
        return 0.0
    return float((one.cells[0] - one.brightness) @ (other.cells[0] - other.brightness) / spread)


def _rises(suspect: Step, after: list[Step]) -> bool:
    """Whether the light that begins here grows into a picture, be it words on black, rather than hovering at the edge
    of black."""
    return (
        any(
            step.glance.peak - suspect.glance.peak >= _RISE
            for step in after
            if step.time_seconds - suspect.time_seconds <= 2 * AROUND_SECONDS
        )
        or suspect.change >= _FLOOR
    )
