"""Fast clips: packets copied from the key frame before the range, without decoding.

Pictures depend on earlier and later pictures. A copy therefore begins with a closed key frame: the pictures shown after
it need no earlier picture, and the pictures shown before it are left out. The copy ends after the last picture that a
picture of the range needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import inf

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from framelens.core.domain import VideoInfo
from framelens.core.errors import VideoError
from framelens.core.units import clock
from framelens.plugins.editing.clips.container import ClipContainer, known_sound
from framelens.plugins.editing.clips.messages import ClipPictures, ClipProgress, ClipRequest
from framelens.plugins.editing.timeline.rates import timecode_at
from framelens.video.files import printable_path
from framelens.video.keyframes.strategies import SAME_SECONDS, rounding_of
from framelens.video.limits import move_on
from framelens.video.readers.base import held_end
from framelens.video.readers.packets import demuxed
from framelens.video.readers.pyav import add_time, frame_rate_of, open_video
from framelens.video.readers.restarts import have_clocks_restarted
from framelens.video.remux.written_file import WrittenBytes

_BACK_SECONDS = (0.0, 1.0, 5.0, 30.0)
"""Seek targets before the range, tried in order: a seek may end behind the key frame. Then the file is read from its
start."""
_INTERLEAVED_SECONDS = 2.0
"""Sound of a picture is at most this much before it in the file; not measured."""
_WITHOUT_TIMES = "avi"
"""A container without times: after a seek, FFmpeg's are off where pictures were left out. It is read from its start."""
_OPEN_SECONDS = 30.0
"""How much sooner than at the last key frame a copy may begin where key frames open no closed group of pictures."""
_LOOKAHEAD = 64
"""Packets behind the range that are read to see which belong to it; codecs reorder at most 16."""


def copied(info: VideoInfo, request: ClipRequest) -> Iterator[WrittenBytes | ClipProgress | ClipPictures]:
    """Yield the bytes of the clip, how far it is, and its pictures.

    Raises:
        VideoError: The file has no times, no key frames, or a clock that starts again; the range is behind its end, or
            the container of the clip doesn't take its streams.
    """
    if info.has_guessed_times:
        raise VideoError("clip_without_times", name=printable_path(info.name))
    container, stream = open_video(info.path)
    with container:
        if have_clocks_restarted(container, stream):
            raise VideoError("clip_clock_restarts", name=printable_path(info.name))
        yield from _Copy(info, request, container, stream).messages()


class _Copy:
    """Copy of a range."""

    def __init__(self, info: VideoInfo, request: ClipRequest, container: InputContainer, stream: VideoStream) -> None:
        self._info, self._request, self._container, self._stream = info, request, container, stream
        self._unit = stream.time_base or Fraction(1, 1000)
        self._nominal = 1 / float(frame_rate_of(stream) or 25)
        self._sound = known_sound(container, stream)
        self._shown: list[int] = []
        self._end = self._reached = 0.0

    def messages(self) -> Iterator[WrittenBytes | ClipProgress | ClipPictures]:
        """Yield the bytes of the clip, how far it is, and its pictures."""
        first = self._key_frame()
        origin, zero = float(first * self._unit), self._info.start_seconds
        with ClipContainer(self._request.format, printable_path(self._info.name)) as clip:
            begins = timecode_at(self._info, origin - zero)
            copies = {self._stream.index: clip.copy_of(self._stream, begins)}
            copies |= {one.index: clip.copy_of(one) for one in self._sound}
            clip.begin()
            for packet in self._selected(first):
                seconds = _seconds(packet)
                shift = round(origin / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts = None if packet.dts is None else packet.dts - shift
                packet.stream = copies[packet.stream.index]
                for piece in clip.add(packet):
                    yield piece
                    yield ClipProgress(seconds - zero)
            yield from clip.rest()
        times = tuple(float((pts - first) * self._unit) for pts in sorted(self._shown))
        yield ClipPictures(origin - zero, self._end - zero, times)

    # ---- where it begins

    def _key_frame(self) -> int:
        """Return the time of the last closed key frame that isn't later than the start of the range."""
        name = printable_path(self._info.name)
        wanted = self._info.start_seconds + self._request.start_seconds + rounding_of(self._info.frame_rate)
        last_open = None
        for back in (*_BACK_SECONDS, None):
            found, is_passed, self._reached = None, False, 0.0
            for packet in self._packets(None if back is None else wanted - back, [self._stream]):
                self._reached = max(self._reached, _seconds(packet) + self._length(packet))
                if packet.is_keyframe and not packet.is_discard and _seconds(packet) <= wanted:
                    if _is_closed(self._stream, bytes(packet)):
                        found = packet.pts
                    else:
                        last_open = _seconds(packet)
                if is_passed := _decoding_seconds(packet) > wanted:
                    break
            if found is None and (last_open is None or (back or 0.0) < _OPEN_SECONDS):
                continue
            if not is_passed and self._reached <= wanted and (end := self._held_until(wanted)) <= wanted:
                raise VideoError("clip_behind_end", name=name, end=clock(end - self._info.start_seconds))
            if found is not None and (last_open is None or last_open - float(found * self._unit) <= _OPEN_SECONDS):
                return found
            break
        raise VideoError("clip_without_key_frame" if last_open is None else "clip_open_groups", name=name)

    def _held_until(self, seconds: float) -> float:
        """Return until when the last picture is shown, by the sound around this time."""
        sound = self._packets(seconds, self._sound) if self._sound else iter(())
        return held_end(self._reached, max((_seconds(one) + self._length(one) for one in sound), default=0.0))

    def _packets(self, seconds: float | None, streams: Sequence[Stream]) -> Iterator[Packet[Stream]]:
        """Yield the packets of these streams from a time of the container on, or from the start of the file."""
        try:
            if seconds is None or self._info.container == _WITHOUT_TIMES:
                self._container.seek(self._container.start_time or 0)
            else:
                self._container.seek(round(seconds / self._unit), stream=self._stream)
            for packet in demuxed(self._container, *streams):
                move_on()
                if packet.stream.index == self._stream.index:
                    add_time(packet, self._stream)
                if packet.size and packet.pts is not None:
                    yield packet
        except av.error.FFmpegError:  # no seeks, or damage; the packets read until then are used
            return

    # ---- what belongs to it

    def _selected(self, first: int) -> Iterator[Packet[Stream]]:
        """Yield the packets of the clip in the order of the file, with all packets of its pictures."""
        origin = float(first * self._unit)
        for back in (_INTERLEAVED_SECONDS, *_BACK_SECONDS[2:], None):
            yield from self._from(first, None if back is None else origin - back)
            if self._shown:
                return

    def _from(self, first: int, seconds: float | None) -> Iterator[Packet[Stream]]:
        origin = float(first * self._unit) - SAME_SECONDS
        until = self._request.end_seconds
        end = inf if until is None else self._info.start_seconds + until - rounding_of(self._info.frame_rate)
        sound: list[Packet[Stream]] = []  # before the first picture in the file, or after the range
        tail: list[Packet[Stream]] = []
        sound_end = 0.0
        for packet in self._packets(seconds, [self._stream, *self._sound]):
            time = _seconds(packet)
            if packet.stream.index != self._stream.index:
                sound_end = max(sound_end, time + self._length(packet))
                if time >= origin and self._shown and time < end:
                    yield packet
                elif time >= origin:
                    sound.append(packet)
            elif tail or (self._shown and time >= end):
                tail.append(packet)
                if len(tail) > _LOOKAHEAD and _decoding_seconds(packet) >= end:
                    break
            elif packet.pts == first or (self._shown and time >= origin):
                if not self._shown:
                    yield from (one for one in sound if _seconds(one) < end)
                    sound = [one for one in sound if _seconds(one) >= end]
                yield self._noted(packet)
        num = _num_needed(tail, end)
        yield from map(self._noted, tail[:num])
        if self._shown and (later := [packet.pts for packet in tail[num:] if (packet.pts or 0) > max(self._shown)]):
            self._end = float(min(filter(None, later)) * self._unit)  # lengths of packets are guesses at uneven times
        elif num == len(tail):  # the last picture
            self._end = max(self._end, min(end, held_end(self._end, sound_end)))
        yield from (one for one in sound if self._shown and _seconds(one) < self._end - SAME_SECONDS)

    def _noted(self, packet: Packet[Stream]) -> Packet[Stream]:
        """Note when a picture of the clip is shown, and let players seek to closed key frames only."""
        if packet.pts is not None and not packet.is_discard:
            self._shown.append(packet.pts)
            self._end = max(self._end, _seconds(packet) + self._length(packet))
        if packet.is_keyframe:
            packet.is_keyframe = _is_closed(self._stream, bytes(packet))
        return packet

    def _length(self, packet: Packet[Stream]) -> float:
        return float(packet.duration * packet.time_base) if packet.duration else self._nominal


def _is_closed(stream: VideoStream, key_frame: bytes) -> bool:
    """Return whether no picture after a key frame needs a picture before it; for H.264, whether it is an IDR picture.

    HEVC's other key frames mark the pictures that can't be decoded after them, and these are shown before them.

    Units begin with start codes or, where the decoder's configuration begins with 1 (ISO/IEC 14496-15), with their
    lengths. The type is the low five bits of a unit's first byte; 5 is a slice of an IDR picture (ITU-T H.264, 7.4.1).
    """
    if stream.codec_context.name != "h264":
        return True
    setup = stream.codec_context.extradata or b""
    if setup[:1] != b"\x01":
        units = [unit[0] & 31 for unit in key_frame.split(b"\0\0\1")[1:] if unit]
        return 5 in units
    units, place, size = [], 0, (setup[4] & 3) + 1
    while place + size < len(key_frame):
        units.append(key_frame[place + size] & 31)
        place += size + int.from_bytes(key_frame[place : place + size], "big")
    return 5 in units


def _num_needed(tail: Sequence[Packet[Stream]], end_seconds: float) -> int:
    """Return how many packets of `tail`, which begins with the first packet behind the range, belong to the clip.

    These are all packets with a picture of the range, the packets that these pictures are predicted from, and the
    packets shown between.
    """
    times = [packet.pts or 0 for packet in tail]
    inside = [place for place, packet in enumerate(tail) if _seconds(packet) < end_seconds]
    num = inside[-1] + 1 if inside else 0
    while 0 < num < len(times) and max(times[:num]) > min(times[num:]):
        num += 1
    return num


def _seconds(packet: Packet[Stream]) -> float:
    return float((packet.pts or 0) * packet.time_base)


def _decoding_seconds(packet: Packet[Stream]) -> float:
    return _seconds(packet) if packet.dts is None else float(packet.dts * packet.time_base)
