"""From packets in the order of decoding to each frame's place in the order of display, and whether its pace is even.

This is how frames are counted right although some of them are never decoded. Nothing is decoded here.
"""

from __future__ import annotations

from collections import Counter
from heapq import heappop, heappush
from statistics import median


class FramePacing:
    """`push` the time of every frame in order; `is_variable` tells whether they follow each other unevenly."""

    def __init__(self) -> None:
        self._steps_ms: Counter[int] = Counter()
        self._last: float | None = None

    def push(self, seconds: float) -> None:
        if self._last is not None:
            self._steps_ms[round(1000 * (seconds - self._last))] += 1
        self._last = seconds

    def is_variable(self) -> bool:
        if not self._steps_ms:
            return False
        usual = median(self._steps_ms.elements())
        odd = sum(count for step, count in self._steps_ms.items() if abs(step - usual) > max(2, 0.1 * usual))
        return odd >= 2 and odd > 0.02 * self._steps_ms.total()


class DisplayOrder:
    """`note` the timestamp of every packet, then ask for the `place` of each frame that comes out, in display order.

    A decoder gives a frame only when all that is shown before it has been fed, so their packets are known by then.
    """

    def __init__(self, unit_seconds: float) -> None:
        self.pace = FramePacing()
        self._unit = unit_seconds
        self._ahead: list[int] = []
        self._num = 0
        self._is_begun = False

    def note(self, pts: int) -> None:
        heappush(self._ahead, pts)

    def place(self, pts: int) -> int:
        """The 0-based place of the frame with this timestamp; each has a higher place than the one before."""
        if not self._is_begun:
            # What comes before the first frame that can be decoded is never shown, and not counted.
            self._is_begun = True
            while self._ahead and self._ahead[0] < pts:
                heappop(self._ahead)
        before = self._num
        while self._ahead and self._ahead[0] <= pts:
            self.pace.push(heappop(self._ahead) * self._unit)
            self._num += 1
        self._num = max(self._num, before + 1)
        return self._num - 1

    def ahead(self) -> list[int]:
        """The timestamps that were noted and not reached, rising."""
        return sorted(self._ahead)
