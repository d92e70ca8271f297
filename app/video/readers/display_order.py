"""Display index of frames, computed from packets in decoding order, and detection of variable frame rates.

Frames are numbered correctly although some are never decoded. Nothing is decoded here.
"""

from __future__ import annotations

from collections import Counter
from heapq import heappop, heappush
from statistics import median


class FramePacing:
    """Distances between successive frames. `push` the time of every frame in order."""

    def __init__(self) -> None:
        self._steps_ms: Counter[int] = Counter()
        self._last: float | None = None

    def push(self, seconds: float) -> None:
        """Add the time of the next frame."""
        if self._last is not None:
            self._steps_ms[round(1000 * (seconds - self._last))] += 1
        self._last = seconds

    def is_variable(self) -> bool:
        """Return whether more than 2 % of the distances, and at least two, differ from the median.

        A distance differs if it is off by more than 2 ms and by more than a tenth. Chosen by hand; not tuned.
        """
        if not self._steps_ms:
            return False
        usual = median(self._steps_ms.elements())
        odd = sum(count for step, count in self._steps_ms.items() if abs(step - usual) > max(2, 0.1 * usual))
        return odd >= 2 and odd > 0.02 * self._steps_ms.total()


class DisplayOrder:
    """Display order of the frames of a stream.

    `note` the timestamp of every packet, then get the `place` of each decoded frame, in display order. A decoder
    returns a frame only after the packets of all frames shown before it, so these are known by then.
    """

    def __init__(self, unit_seconds: float) -> None:
        self.pace = FramePacing()
        self._unit = unit_seconds
        self._ahead: list[int] = []
        self._num = 0
        self._is_started = False

    def note(self, pts: int) -> None:
        """Add the timestamp of a packet, in decoding order."""
        heappush(self._ahead, pts)

    def place(self, pts: int) -> int:
        """Return the 0-based display index of the frame with this timestamp, higher than that of the frame before."""
        if not self._is_started:
            # Frames before the first one that can be decoded are never shown, and not counted.
            self._is_started = True
            while self._ahead and self._ahead[0] < pts:
                heappop(self._ahead)
        before = self._num
        while self._ahead and self._ahead[0] <= pts:
            self.pace.push(heappop(self._ahead) * self._unit)
            self._num += 1
        self._num = max(self._num, before + 1)
        return self._num - 1

    def ahead(self) -> list[int]:
        """Return the noted timestamps that no frame has reached yet, rising."""
        return sorted(self._ahead)
