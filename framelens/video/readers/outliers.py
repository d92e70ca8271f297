"""Outliers among the times of packets: a few that leave the line of the others, which continues behind them.

Live recordings have them where advertisements begin or a connection was lost. Every reader would take such a time for a
gap of hours. A jump that stays is a gap or another clock and isn't changed, see `framelens.video.readers.restarts`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from statistics import median
from typing import Any, TypeVar

from av.packet import Packet
from av.stream import Stream

_PASSED = 17
"""Packets after which a line has passed a time: a decoder reorders 16 pictures at most (H.264, A.3.1; HEVC, A.4.2)."""
_LEAST_SECONDS = 0.3
"""Shorter jumps are usual where the rate varies, and change little."""
_NEIGHBOURS = 8
"""Packets on either side among whose times the place of an outlier is searched; as many must follow at the end."""
_LONGEST_DELAY_SECONDS = 10.0
"""From decoding a picture to showing it, in a stream (ISO/IEC 13818-1, 2.14.3.1)."""
_LEFT_OUT = 1 << 62
"""Time of a packet of FLV without any: FFmpeg takes it away where it is a quarter of an hour or more from decoding."""
_VACANT = 1.5
"""Steps between two times from which on there is a place between them."""
_MOST_HELD = 400
"""Packets held back until one is decided: a stream may have a single packet, such as a cover."""

_Stream = TypeVar("_Stream", bound=Stream)


@dataclass(eq=False, slots=True)
class _Held:
    """A packet in the order of the file, its time in ticks, and whether that is off the line."""

    packet: Packet[Any]
    time: int = 0
    is_off: bool = False
    is_corrected: bool = False
    is_decided: bool = False


class _Line:
    """Line of the times of a stream's packets. `push` each; when a packet `is_decided`, its time is right."""

    def __init__(self, stream: Stream, outliers: list[float]) -> None:
        self._unit, self._outliers = float(stream.time_base or 1), outliers
        self._declared_end = _declared_end(stream)
        self._has_decoding_times = not stream.container.format.name.startswith("matroska")
        self._recent: deque[int] = deque(maxlen=_PASSED)
        self._held: deque[_Held] = deque()
        self._highest: float | None = None
        self._step = self._reach = 0.0
        self._num_measured = self._num_off = 0
        self._last_dts: int | None = None
        self._is_corrected = False

    def push(self, held: _Held) -> None:
        """Add the next packet, and decide about the packets that are known to be on the line, or off it."""
        self._held.append(held)
        if self._highest is None:
            self._begin()
            return
        self._compare(held)
        if self._num_off < _PASSED:
            self._decide(_PASSED)
            return
        times = [packet.time for packet in self._held][-_PASSED:]  # the jump stays
        self._release_all()
        self._measure(times)
        self._highest, self._num_off = max(times), 0

    def end(self) -> None:
        """Decide about the packets that are left."""
        if self._highest is None and len(self._held) >= _NEIGHBOURS:
            self._choose_line()
        self._decide(_NEIGHBOURS)
        if self._recent:
            impossible = [held for held in self._held if held.is_off and self._is_impossible(held)]
            self._correct(impossible, [held.time for held in self._held if not held.is_off])
        self._release_all()

    def _is_impossible(self, held: _Held) -> bool:
        """Return whether no picture is shown at a time by what else the file says."""
        if self._declared_end is not None and held.time > self._declared_end + self._reach:
            return True
        dts = held.packet.dts if self._has_decoding_times else held.time
        return dts is None or (held.time - dts) * self._unit > _LONGEST_DELAY_SECONDS

    def _begin(self) -> None:
        """Begin with two packets that are near each other, or find out which of more are on a line."""
        times = [held.time for held in self._held]
        if len(times) == 2 and abs(times[1] - times[0]) * self._unit < _LEAST_SECONDS:
            self._measure(times)
            self._highest = max(times)
            self._decide(_PASSED)
        elif len(times) == _PASSED:
            self._choose_line()
            self._decide(_PASSED)

    def _choose_line(self) -> None:
        """Take the times around the median for the line; times before it that are earlier are followed by a gap."""
        times = [held.time for held in self._held]
        self._measure(times)
        middle = median(times)
        self._highest = max(time for time in times if abs(time - middle) <= self._reach)
        is_before = True
        for held in self._held:
            is_near = abs(held.time - middle) <= self._reach
            is_before &= not is_near
            held.is_off = not is_near and (not is_before or held.time > middle)
            self._num_off = 0 if is_near else self._num_off + 1

    def _measure(self, times: Sequence[int]) -> None:
        """Measure the usual step between times, and how far from each other they may be on one line."""
        rising = sorted(times)
        self._step = median(after - before for before, after in pairwise(rising))
        self._reach = max(_LEAST_SECONDS / self._unit, _PASSED * self._step)
        self._num_measured = 0

    def _compare(self, held: _Held) -> None:
        assert self._highest is not None
        held.is_off = abs(held.time - self._highest) > self._reach
        self._num_off = self._num_off + 1 if held.is_off else 0
        if not held.is_off:
            self._highest = max(self._highest, held.time)

    def _decide(self, num_following: int) -> None:
        """Release packets on the line, and packets off it once so many others follow."""
        while self._held:
            off = list(takewhile(lambda held: held.is_off, self._held))
            if off:
                following = [held.time for held in self._held if not held.is_off]
                if len(following) < num_following:
                    return
                self._correct([held for held in off if self._is_left(held.time, following)], following)
            self._release(self._held.popleft())

    def _is_left(self, time: int, following: Sequence[int]) -> bool:
        """Return whether all others leave a time behind, and continue where the line was before it."""
        has_fallen = sum(before > min(following) for before in self._recent) > _NEIGHBOURS
        return not has_fallen and not min(following) <= time <= max(following)

    def _correct(self, outliers: Sequence[_Held], following: Sequence[int]) -> None:
        """Give outliers the places that are vacant between the times around them, in the order of their own times."""
        before = [*self._recent]
        for held in sorted(outliers, key=lambda held: held.time):
            held.time, held.is_off = round(self._vacant(before, following)), False
            held.is_corrected = True
            before.append(held.time)
            self._outliers.append(held.time * self._unit)

    def _vacant(self, before: Sequence[int], after: Sequence[int]) -> float:
        """Return the time of the widest gap near the end of `before`, or a step away where nothing is beyond."""
        if not before:
            return min(after) - self._step
        times = [*before, *after]
        if after and times == sorted(times):  # nothing is reordered
            low, high = before[-1], after[0]
        else:
            low, high = min(before[-_NEIGHBOURS:]), max(after[:_NEIGHBOURS], default=max(before))
        gaps = pairwise(sorted(time for time in times if low <= time <= high))
        start, end = max(gaps, key=lambda gap: gap[1] - gap[0], default=(high, high))
        if end - start >= _VACANT * self._step:
            return start + self._step
        return (start + end) / 2 if after and end > start else max(times) + self._step

    def _release_all(self) -> None:
        while self._held:
            self._release(self._held.popleft())

    def _release(self, held: _Held) -> None:
        packet, time = held.packet, held.time
        if held.is_corrected:
            self._is_corrected = True
            if packet.pts is None and packet.dts is not None:
                packet.dts = time
            else:
                packet.pts = time
        if self._is_corrected:
            self._check_decoding_time(packet, time)
        if packet.dts is not None:
            self._last_dts = packet.dts
        held.is_decided = True
        self._recent.append(time)
        self._num_measured += 1
        if self._num_measured == _PASSED:
            self._measure(self._recent)

    def _check_decoding_time(self, packet: Packet[Any], time: int) -> None:
        """Remove a decoding time that can't be: FFmpeg makes them up from outliers where a container has none."""
        dts, last = packet.dts, self._last_dts
        if dts is not None and (dts > time or (last is not None and dts <= last)):
            packet.dts = None if packet.pts is not None else time


def _declared_end(stream: Stream) -> float | None:
    """Return the end of a stream in ticks by the index of an MP4, which sums the time of decoding."""
    if not stream.container.format.name.startswith("mov") or not stream.frames or not stream.duration:
        return None
    return (stream.start_time or 0) + stream.duration


class _Queue:
    """Packets in the order of the file, the first of which may be held back by the line of its stream."""

    def __init__(self, outliers: list[float]) -> None:
        self._outliers = outliers
        self._lines: dict[int, _Line | None] = {}
        self._held: deque[_Held] = deque()

    def push(self, packet: Packet[Any]) -> None:
        """Add the next packet."""
        stream, time = packet.stream, packet.dts if packet.pts is None else packet.pts
        if stream.index not in self._lines:
            self._lines[stream.index] = _Line(stream, self._outliers) if stream.type in ("video", "audio") else None
        line = self._lines[stream.index]
        if line is not None and time is None:
            if not packet.size:
                line.end()
            elif stream.container.format.name == "flv":
                time = _LEFT_OUT
        is_free = line is None or time is None
        self._held.append(held := _Held(packet, time or 0, is_decided=is_free))
        if line is not None and not is_free:
            line.push(held)
        if len(self._held) > _MOST_HELD and (first := self._lines[self._held[0].packet.stream.index]) is not None:
            first.end()

    def ready(self) -> Iterator[Packet[Any]]:
        while self._held and self._held[0].is_decided:
            yield self._held.popleft().packet

    def rest(self) -> Iterator[Packet[Any]]:
        for line in self._lines.values():
            if line is not None:
                line.end()
        return self.ready()


def without_outliers(packets: Iterable[Packet[_Stream]], outliers: list[float]) -> Iterator[Packet[_Stream]]:
    """Yield the packets of a container, those with an outlier for a time with the time of their place.

    Args:
        packets: In the order of the file, from its beginning or from a seek.
        outliers: Gets the time of each outlier, in seconds of the container.
    """
    queue = _Queue(outliers)
    try:
        for packet in packets:
            queue.push(packet)
            yield from queue.ready()
    except Exception:
        yield from queue.rest()
        raise
    yield from queue.rest()
