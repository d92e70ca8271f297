"""From times to the very pictures shown at them, decoding only what is needed; in order from the start where the file
cannot be trusted with jumps.

A jump goes to the frame stored whole before the wanted one, and decoding goes on from there to the wanted timestamp.
It counts only if a frame with exactly that timestamp comes out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Self

import av.error
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.domain import VideoInfo
from app.video.readers import open_reader
from app.video.readers.base import Picture
from app.video.readers.pyav import AvPicture, open_video

SAME_SECONDS = 1e-5
"""Two times nearer than this are one: timestamps are whole ticks, the finest in use is a microsecond or coarser."""

_BACK_SECONDS = (0, 1, 5)
"""A transport stream is searched by the time of decoding, and a jump may land behind the frame: then from before."""


class NotExact(Exception):
    """This file cannot be jumped in: read it in order."""


def pictures_at(
    video: VideoInfo,
    reader: str,
    times_seconds: Sequence[float],
    *,
    edges: Sequence[tuple[int, float]] = (),
    exactly: bool = False,
) -> Iterator[Picture]:
    """For each of the rising times the picture on show then, the last one that is not later.

    `reader` is the name of the one that gave the times. `edges` are (index, seconds) of frames that must be found at
    that place before a jump is trusted, and with `exactly` a jump must lead to the very times as well.
    """
    given = 0
    if reader == "pyav":
        try:
            with Jumper(video) as jumper:
                jumper.check(edges)
                for time in times_seconds:
                    picture = jumper.at(time)
                    if exactly and abs(picture.time_seconds - time) > SAME_SECONDS:
                        raise NotExact
                    yield picture
                    given += 1
            return
        except (NotExact, av.error.FFmpegError):
            pass
    yield from _in_order(video.path, times_seconds[given:])


def _in_order(path: Path, times_seconds: Sequence[float]) -> Iterator[Picture]:
    left = list(reversed(times_seconds))
    shown: Picture | None = None
    with open_reader(path) as reader:
        for picture in reader.frames():
            while left and shown is not None and picture.time_seconds > left[-1] + SAME_SECONDS:
                left.pop()
                yield shown
            if not left:
                return
            shown = picture
        for _ in left:
            if shown is not None:
                yield shown


class Jumper:
    """An opened video whose packets have all been listed. Raises NotExact for one without plain rising timestamps."""

    def __init__(self, video: VideoInfo) -> None:
        self.num_damaged = 0
        self._video = video
        self._container, self._stream = open_video(video.path)
        try:
            self._unit = self._stream.time_base or Fraction(0)
            self._pixel_aspect = float(self._stream.sample_aspect_ratio or 1) or 1.0
            self._nominal_seconds = 1 / float(self._stream.average_rate or 25)
            self._shown, self._whole = self._list_packets()
            self._first = self._place(video.start_seconds)
        except BaseException:
            self.close()
            raise
        self._decoded: Iterator[VideoFrame] = iter(())
        self._reached: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def check(self, edges: Sequence[tuple[int, float]]) -> None:
        """Raises NotExact unless each (index, seconds) is where the packets say."""
        for index, seconds in edges:
            place = self._place(self._video.start_seconds + seconds)
            if place - self._first != index or abs(self._seconds(self._shown[place]) - seconds) > SAME_SECONDS:
                raise NotExact

    def at(self, seconds: float) -> Picture:
        """The picture on show at `seconds`. Raises NotExact where it does not come out."""
        place = self._place(self._video.start_seconds + seconds)
        if place < self._first:
            raise NotExact
        return self._picture(self._frame(self._shown[place]), place)

    def pictures_from(self, seconds: float) -> Iterator[Picture]:
        """All pictures from the first at or after `seconds` on, at full trust only the first: see `num_damaged`.

        Raises NotExact where that one does not come out.
        """
        start = bisect_left(self._shown, (self._video.start_seconds + seconds - SAME_SECONDS) / float(self._unit))
        place = max(start, self._first)
        if place >= len(self._shown):
            raise NotExact
        yield self._picture(self._frame(self._shown[place]), place)
        for frame in self._decoded:
            if frame.pts is None:
                continue
            place = bisect_left(self._shown, frame.pts)
            if place < len(self._shown) and self._shown[place] == frame.pts:
                self.num_damaged += frame.is_corrupt
                yield self._picture(frame, place)

    def _picture(self, frame: VideoFrame, place: int) -> Picture:
        return AvPicture(
            frame,
            place - self._first,
            self._seconds(self._shown[place]),
            float(frame.duration * self._unit) if frame.duration else self._nominal_seconds,
            self._pixel_aspect,
            self._video.rotation_degrees,
        )

    def _seconds(self, pts: int) -> float:
        return float(pts * self._unit) - self._video.start_seconds

    def _place(self, container_seconds: float) -> int:
        """The place in display order of what is on show at a time of the container."""
        place = bisect_right(self._shown, (container_seconds + SAME_SECONDS) / float(self._unit)) - 1
        if place < 0:
            raise NotExact
        return place

    def _list_packets(self) -> tuple[list[int], list[int]]:
        """(timestamps of all frames, of those stored whole), both rising."""
        shown, whole, last_dts = [], [], None
        for packet in self._container.demux(self._stream):
            if packet.size == 0:
                continue
            disordered = packet.dts is not None and last_dts is not None and packet.dts <= last_dts
            if packet.pts is None or disordered or packet.is_corrupt or not self._unit:
                raise NotExact
            last_dts = packet.dts
            if packet.is_discard:
                continue
            shown.append(packet.pts)
            if packet.is_keyframe:
                whole.append(packet.pts)
        if not whole or len(set(shown)) < len(shown):
            raise NotExact
        return sorted(shown), sorted(whole)

    def _frame(self, pts: int) -> VideoFrame:
        place = bisect_right(self._whole, pts) - 1
        if place < 0:
            raise NotExact
        if self._reached is None or not self._whole[place] <= self._reached < pts:
            self._decoded = self._from(self._whole[place])
        for frame in self._decoded:
            self._reached = frame.pts
            if frame.pts == pts and not frame.is_corrupt and not self.num_damaged:
                return frame
            if frame.pts is None or frame.pts > pts:
                break
        raise NotExact

    def _from(self, whole_pts: int) -> Iterator[VideoFrame]:
        """The frames from the one stored whole at `whole_pts`, or from an earlier one that the container jumps to."""
        for back_seconds in _BACK_SECONDS:
            self._container.seek(whole_pts - round(back_seconds / self._unit), stream=self._stream)
            packets = self._container.demux(self._stream)
            # Some containers can only jump near; what comes before a frame stored whole would be guessed.
            first = next((packet for packet in packets if packet.is_keyframe and packet.size), None)
            if first is not None and first.pts is not None and first.pts <= whole_pts:
                for packet in chain([first], packets):
                    yield from self._frames_of(packet)
                return

    def _frames_of(self, packet: Packet[VideoStream]) -> Iterator[VideoFrame]:
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            self.num_damaged += 1
            return
        yield from (frame for frame in frames if isinstance(frame, VideoFrame))
