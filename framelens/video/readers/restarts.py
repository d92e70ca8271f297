"""Clocks of containers that start again in the middle: recordings that were joined without rewriting their times.

Every stream continues where it ended. FFmpeg's command does the same with the formats that allow such jumps. FFmpeg
takes a clock that falls back in a transport stream for a clock that ran over, and adds 26 hours; that is a jump
forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Stream

_FALLS_SECONDS = 1.0
"""A decoding time that falls back by more belongs to another clock; a shorter step is a fault of the muxer."""
_FALLS_TO_START_SECONDS = 0.1
"""The same where the time is not after the stream's first, in a format that allows jumps: joined recordings may be
shorter than a second. The value is FFmpeg's."""
_JUMPS_SECONDS = 10.0
"""In a format that allows jumps, a jump forward by more belongs to another clock, too; a shorter jump is a gap. The
value is FFmpeg's."""
_USUAL_STEPS = 4.0
"""A jump is longer than the longest step before by this factor: slides may stand for longer than ten seconds."""
_ALSO_JOINED = frozenset({"flv", "live_flv"})
"""Formats without FFmpeg's mark for such jumps, which are joined often: recordings of live streams."""

_Stream = TypeVar("_Stream", bound=Stream)


@dataclass
class _Clock:
    """Clock of a stream: `end` and `shown` are where its packets end, by decoding and presentation.

    All are in ticks of `unit_seconds`. `first` is the file's own time of the first packet.
    """

    unit_seconds: float
    first: int
    shift: int = 0
    last: int | None = None
    end: int = 0
    shown: int = 0
    longest: int = 0


class ContinuousClocks:
    """Clocks of the streams of a container. `follow` every packet in the order of the file.

    Attributes:
        have_restarted: Whether a clock has started again.
    """

    def __init__(self, container: InputContainer) -> None:
        self._may_jump = _may_jump(container)
        self._clocks: dict[int, _Clock] = {}
        self._reached = 0.0
        self.have_restarted = False

    def follow(self, packet: Packet[Any]) -> None:
        """Move the times of a packet so that its stream's clock continues where it was before it started again."""
        time = packet.pts if packet.dts is None else packet.dts
        if time is None or not packet.size:
            return
        clock = self._clocks.get(packet.stream.index) or self._clock_of(packet, time)
        unit = clock.unit_seconds
        is_in_order = packet.dts is not None  # times of presentation fall back where pictures are reordered
        if is_in_order and self._restarts(clock, time + clock.shift, unit, is_start=time <= clock.first):
            self.have_restarted = True
            shown = time if packet.pts is None else packet.pts
            clock.shift = clock.shown - shown
            clock.last = None
        _move(packet, clock.shift)
        time += clock.shift
        if is_in_order:
            clock.longest = max(clock.longest, 0 if clock.last is None else time - clock.last)
            clock.last = time
        clock.end = time + (packet.duration or 0)
        clock.shown = max(clock.shown, (packet.pts or time) + (packet.duration or 0))
        self._reached = max(self._reached, clock.end * unit)

    def _clock_of(self, packet: Packet[Any], first: int) -> _Clock:
        """Return a new clock for the stream of a packet; PyAV builds its unit as a fraction each time."""
        self._clocks[packet.stream.index] = clock = _Clock(float(packet.time_base), first)
        return clock

    def _restarts(self, clock: _Clock, time: int, unit: float, *, is_start: bool) -> bool:
        if clock.last is None:
            return False
        if (clock.last - time) * unit > (_FALLS_TO_START_SECONDS if is_start and self._may_jump else _FALLS_SECONDS):
            return True
        least = max(_JUMPS_SECONDS, _USUAL_STEPS * clock.longest * unit)
        return self._may_jump and clock.longest > 0 and time * unit - max(self._reached, clock.end * unit) > least


def _may_jump(container: InputContainer) -> bool:
    allows = int(container.format.flags) & cast(int, Flags.ts_discont.value)
    return bool(allows) or container.format.name in _ALSO_JOINED


def _move(packet: Packet[Any], shift: int) -> None:
    if shift:
        packet.pts = None if packet.pts is None else packet.pts + shift
        packet.dts = None if packet.dts is None else packet.dts + shift


def continuous(packets: Iterable[Packet[_Stream]], container: InputContainer) -> Iterator[Packet[_Stream]]:
    """Yield the packets of a container with times that continue where a clock starts again."""
    clocks = ContinuousClocks(container)
    for packet in packets:
        clocks.follow(packet)
        yield packet
