"""Detector of hard cuts and of shots that begin from black, on the glances of successive frames.

A hard cut is an outlier among the frames around it. A flash returns to the previous picture and is not a cut. A picture
that rises from black begins a shot, unless it stayed visible in the dark, as under strobe light. A cut is suspected at
once and decided once enough following frames were seen.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice, pairwise
from statistics import median

from framelens.video.features.frame_signature import Glance, change

AROUND_SECONDS = 0.5
"""A cut is compared with the changes this long before and after it, and decided once these were seen."""
FLASH_SECONDS = 0.25
"""A picture that disappears again after this long is a flash, and two cuts are at least this far apart."""

# Least change of a cut. On real footage hard cuts score 0.06 to 0.35, whip pans up to 0.06 among similar changes, slow
# motion 0.02.
_FLOOR = 0.05
# Least change where frames are so far apart in time that fewer than three changes are around to compare with.
_LONELY_FLOOR = 0.12
# Least change of a cut, as a multiple of the median change around it.
_OUTSTANDING = 3.5
# The same for the livelier side of the cut alone. On real footage a hand in front of the lens reaches 2.6, a cut in a
# chase 3.4.
_OUTSTANDING_LIVELIER = 3.0
# A cut exceeds this quantile of the changes around it by this factor: where frames are doubled, most changes are 0 and
# something large may move in the others.
_BUSY_SHARE, _BUSIER = 0.85, 2.0
# A picture that differs from the frame before the suspect by less than this share of the change has returned.
_CAME_BACK = 0.4
# Increase of the peak level, 0..1, by which light becomes a picture.
_RISE = 0.08
# Correlation of the luma of one picture in two lights.
_SAME_PICTURE = 0.97
# The same for two successive frames of a dark picture that may move. Measured in clips with strobe light: 0.98 to 1.00;
# in 224 fades 0.00, at cuts to a nearly black hall up to 0.19. Fades between similar pictures whose flat frames are not
# sampled have more: of 60, 2 are lost at 0.9, 10 at 0.8.
_STILL_VISIBLE = 0.9
# Likeness of two frames from which on the second doesn't begin another picture amid flashes of light.
_MOST_ALIKE = 0.75
# Amid fast movement a cut need not stand out further if its likeness is below the first value and the likeness of all
# frames around is above the second. At a cut out of a pan of 0.045 a frame it is -0.06, and 0.74 or more around.
_OTHER, _CONTINUES = 0.3, 0.6
# A cut between two takes of one scene may change less. It then exceeds every change around it, and many cells change
# (of 32 x 18, by this distance of the colours, 0..1), others than under changing light. Seven such cuts of the tuned
# footage have 0.031 to 0.047, 1.9 times the largest change around or more, 0.80 to 0.86 and 0.22 to 0.35. Of 430 other
# sudden changes in that range (captions, slides, objects that appear, flashes) no change exceeds the four limits; a
# single change has 1.6 times the largest change.
_RETAKE_FLOOR, _OUTSTANDING_RETAKE, _MOST_ALIKE_RETAKE, _LEAST_CHANGED_RETAKE, _CELL_CHANGE = 0.03, 1.8, 0.9, 0.2, 0.04
# Variance of the luma, 0..1, below which a picture is flat.
_EMPTY = 1e-4


@dataclass(frozen=True)
class Step:
    """Frame and how much it changed from the frame before.

    `after_light`: a picture that isn't black was shown before; `light_seconds` is the time of the last such picture.
    `lost_seconds`: where a picture rises from black, when it last was not visible in the dark; None if it always was.
    """

    index: int
    time_seconds: float
    glance: Glance
    change: float
    after_light: bool
    light_seconds: float
    lost_seconds: float | None


@dataclass(frozen=True)
class Settled:
    """The decision on a suspected cut.

    Attributes:
        step: The suspected first frame of a shot.
        is_cut: A shot begins there.
        before: The frame before, if it is still known.
        dark_since_seconds: When the shot before had faded to black; None without a slow rise from black.
    """

    step: Step
    is_cut: bool
    before: Step | None = None
    dark_since_seconds: float | None = None


class CutDetector:
    """Streaming cut detector. `is_suspect`: the last frame may begin a shot. Decisions follow later, in order."""

    def __init__(self) -> None:
        self.is_suspect = False
        self._steps: deque[Step] = deque()
        self._suspects: deque[Step] = deque()
        self._void_until = -1
        self._last_cut_seconds = 0.0
        self._light_seen = False
        self._light_seconds = 0.0
        self._lost_seconds: float | None = None

    def push(self, index: int, time_seconds: float, glance: Glance) -> list[Settled]:
        """Add the next frame; return the decisions that it makes possible."""
        before = self._steps[-1].glance if self._steps else glance
        if (before.is_black or glance.is_black) and not _is_lit(before, glance, _STILL_VISIBLE):
            self._lost_seconds = time_seconds
        past = self._light_seen, self._light_seconds, self._lost_seconds
        step = Step(index, time_seconds, glance, change(before, glance), *past)
        rises_from_black = before.is_black and not glance.is_black and self._light_seen
        is_large = step.change >= _FLOOR or self._is_retake(before, step)
        self.is_suspect = is_large or rises_from_black or self._emerges(step)
        if not glance.is_black:
            self._light_seen, self._light_seconds, self._lost_seconds = True, time_seconds, None
        self._steps.append(step)
        if self.is_suspect:
            self._suspects.append(step)
        decisions = self._settle(time_seconds - AROUND_SECONDS)
        while self._is_past(time_seconds - 3 * AROUND_SECONDS):
            self._steps.popleft()
        return decisions

    def _is_past(self, seconds: float) -> bool:
        """Return whether the oldest frame is no longer needed: it doesn't precede a suspect, however long ago."""
        is_old = len(self._steps) > 2 and self._steps[0].time_seconds < seconds
        return is_old and not (self._suspects and self._steps[1] is self._suspects[0])

    def flush(self) -> list[Settled]:
        """Return the decisions still pending at the end of the video."""
        return self._settle(float("inf"))

    def _is_retake(self, before: Glance, step: Step) -> bool:
        """Return whether another take of a scene seems to begin, by the known frames around."""
        if step.change < _RETAKE_FLOOR or likeness(before, step.glance) > _MOST_ALIKE_RETAKE:
            return False
        near = (
            other.change
            for other in self._steps
            if other is not step and abs(other.time_seconds - step.time_seconds) <= AROUND_SECONDS
        )
        if step.change < _OUTSTANDING_RETAKE * max(near, default=step.change):
            return False
        moved = ((step.glance.cells - before.cells) ** 2).sum(axis=0)
        return float((moved > _CELL_CHANGE**2).mean()) >= _LEAST_CHANGED_RETAKE

    def _emerges(self, step: Step) -> bool:
        """Return whether a dark picture becomes visible after an invisible frame, once any light was shown."""
        was_lost = bool(self._steps) and step.lost_seconds == self._steps[-1].time_seconds
        return was_lost and step.after_light and step.glance.is_black

    def _settle(self, until_seconds: float) -> list[Settled]:
        decisions = []
        while self._suspects and self._suspects[0].time_seconds <= until_seconds:
            suspect = self._suspects.popleft()
            is_cut = self._is_cut(suspect)
            if is_cut:
                self._last_cut_seconds = suspect.time_seconds
            before = next((step for step in reversed(self._steps) if step.index < suspect.index), None)
            decisions.append(Settled(suspect, is_cut, before, self._dark_since(before, suspect)))
        return decisions

    @staticmethod
    def _dark_since(before: Step | None, suspect: Step) -> float | None:
        """Return when light was last shown before a slow rise from black; None for an abrupt start."""
        rises = before is not None and before.glance.is_black and suspect.change < _LONELY_FLOOR
        return suspect.light_seconds if rises else None

    def _is_cut(self, suspect: Step) -> bool:
        if suspect.index <= self._void_until or suspect.time_seconds - self._last_cut_seconds < FLASH_SECONDS:
            return False
        index = next(i for i, step in enumerate(self._steps) if step.index == suspect.index)
        before, after = self._steps[index - 1], list(islice(self._steps, index + 1, None))
        if suspect.glance.is_black and before.time_seconds == suspect.lost_seconds:
            is_first = suspect.light_seconds > self._last_cut_seconds
            return is_first and _stays_dim(self._darkest(suspect), suspect, after)
        if before.glance.is_black and suspect.after_light and self._rises(before, suspect, after):
            return not self._stayed_visible(suspect) and not self._blinks(suspect)
        if is_light(before.glance, suspect.glance) or not self._is_outlier(before, suspect):
            return False
        return not self._is_flash(before, suspect, after)

    def _is_outlier(self, before: Step, suspect: Step) -> bool:
        if suspect.change < _FLOOR:
            return self._is_retake(before.glance, suspect)
        near = [
            (earlier, step)
            for earlier, step in pairwise([self._steps[0], *self._steps])
            if step is not suspect and abs(step.time_seconds - suspect.time_seconds) <= AROUND_SECONDS
        ]
        if len(near) < 3:
            return suspect.change >= _LONELY_FLOOR
        alike = _visible_likeness(before.glance, suspect.glance)
        past: list[float] = []
        coming: list[float] = []
        for earlier, step in near:
            side = past if step.index < suspect.index else coming
            side.append(0.0 if alike < _MOST_ALIKE and _is_flash_light(earlier, step) else step.change)
        around = sorted([*past, *coming])
        livelier = max(median(side) for side in (past, coming) if side)
        if suspect.change < _BUSIER * max(livelier, around[int(_BUSY_SHARE * len(around))]):
            return False
        if suspect.change >= max(_OUTSTANDING * median(around), _OUTSTANDING_LIVELIER * livelier):
            return True
        return alike < _OTHER and all(likeness(earlier.glance, step.glance) > _CONTINUES for earlier, step in near)

    def _rises(self, before: Step, suspect: Step, after: list[Step]) -> bool:
        """Return whether the light grows into a picture, be it words on black, instead of staying close to black."""
        if suspect.glance.peak <= before.glance.peak:
            return False
        dark = self._darkest(suspect)
        soon = [step for step in after if step.time_seconds - suspect.time_seconds <= 2 * AROUND_SECONDS]
        return suspect.change >= _FLOOR or any(step.glance.peak - dark >= _RISE for step in (suspect, *soon))

    def _darkest(self, suspect: Step) -> float:
        """Return the lowest peak of the remembered dark frames from which a picture rises."""
        dark = (step.glance.peak for step in self._steps if suspect.light_seconds < step.time_seconds)
        return min(suspect.glance.peak, *dark)

    def _stayed_visible(self, suspect: Step) -> bool:
        """Return whether the picture could be seen in the dark, since it was last lit or since the cut to it."""
        return suspect.lost_seconds is None or suspect.lost_seconds <= self._last_cut_seconds

    def _blinks(self, suspect: Step) -> bool:
        """Return whether the same picture was shown just before black: a light that went out for a moment."""
        lit = (step for step in reversed(self._steps) if step.index < suspect.index and not step.glance.is_black)
        last = next(lit, None)
        if last is None or suspect.time_seconds - last.time_seconds > FLASH_SECONDS:
            return False
        return is_light(last.glance, suspect.glance)

    def _is_flash(self, before: Step, suspect: Step, after: list[Step]) -> bool:
        """Return whether the picture before the suspect soon returns; then the return is not a cut either."""
        for step in after:
            if step.time_seconds - suspect.time_seconds > FLASH_SECONDS:
                return False
            if change(before.glance, step.glance) < _CAME_BACK * suspect.change:
                self._void_until = step.index
                return True
        return False


def is_light(before: Glance, after: Glance) -> bool:
    """Return whether both are the same picture in another light."""
    return _is_lit(before, after, _SAME_PICTURE)


def _visible_likeness(before: Glance, after: Glance) -> float:
    """Return the likeness of two pictures, or 1 if either is flat."""
    return likeness(before, after) if min(before.contrast, after.contrast) ** 2 >= _EMPTY else 1.0


def _is_lit(before: Glance, after: Glance, least_likeness: float) -> bool:
    return min(before.contrast, after.contrast) ** 2 >= _EMPTY and likeness(before, after) > least_likeness


def likeness(glance: Glance, other: Glance) -> float:
    """Return the correlation of the luma of two pictures, or 0 if either is flat."""
    spread = glance.contrast * other.contrast * glance.levels.shape[1]
    if not spread:
        return 0.0
    return float((glance.cells[0] - glance.brightness) @ (other.cells[0] - other.brightness) / spread)


def _is_flash_light(before: Step, step: Step) -> bool:
    """Return whether a large change is only another light on the same picture."""
    return step.change >= _FLOOR and is_light(before.glance, step.glance)


def _stays_dim(darkest: float, suspect: Step, after: list[Step]) -> bool:
    """Return whether a picture that rises from the dark can be seen from then on, but remains nearly black."""
    soon = [step for step in after if step.time_seconds - suspect.time_seconds <= AROUND_SECONDS]
    is_seen = all(step.glance.is_black and step.lost_seconds == suspect.lost_seconds for step in soon)
    return is_seen and bool(soon) and soon[-1].glance.peak - darkest >= _RISE
