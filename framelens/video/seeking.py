"""Accurate seeking: the pictures shown at given times, decoding only what is needed.

A seek goes to the codec's keyframe before the wanted frame, and decoding continues to the wanted timestamp. It counts
only if the decoder returns a frame with exactly that timestamp. A file whose seeks can't be trusted is decoded from the
start, and `SeekReader` refuses it. Frame numbers and times refer to the whole video.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framelens.core.domain import VideoInfo
from framelens.video.keyframes.strategies import LONG_SECONDS, SAME_SECONDS, FrameTimes, rounding_of
from framelens.video.limits import move_on
from framelens.video.readers import damage, open_reader, tone_mapping
from framelens.video.readers.base import FrameReader, OpenedFile, Picture, held_end
from framelens.video.readers.damage import Damage
from framelens.video.readers.packets import FramePacing, NalUnits, PacketTable, demuxed
from framelens.video.readers.picture import AvPicture
from framelens.video.readers.pyav import (
    DISPOSABLE_CODECS,
    add_time,
    decoded,
    frame_rate_of,
    frames_a_second,
    open_video,
    presentation_of,
    sound_streams,
)
from framelens.video.readers.restarts import ContinuousClocks
from framelens.video.readers.transparency import decoder_of

_BACK_SECONDS = (0, 1, 5)
"""Seek targets before the frame, tried in order: a transport stream is searched by decoding time, and a seek may end
behind the frame."""


class InaccurateSeekError(Exception):
    """Raised for a file in which seeks can't be trusted; it must be read in order."""


def pictures_at(
    video: VideoInfo,
    reader: str,
    times_seconds: Sequence[float],
    *,
    edges: Sequence[tuple[int, float]] = (),
    exactly: bool = False,
    seeks: bool = True,
) -> Iterator[Picture]:
    """Yield the picture shown at each of the rising times: the last picture that is not later.

    Args:
        video: The metadata of the file.
        reader: The name of the reader that determined the times.
        times_seconds: Rising, from the start of the video.
        edges: (index, seconds) of frames that must be found at that place before seeks are trusted.
        exactly: Trust seeks only if a frame has exactly the time. Damaged pictures are yielded, too.
        seeks: Otherwise the file is decoded from its start, as in a survey.

    Raises:
        VideoError: The file is not a video any more.
        DecodeError: No reader can decode it.
    """
    num_yielded = 0
    if seeks and reader == "pyav":
        try:
            with AccurateSeeker(video) as jumper:
                jumper.check(edges)
                for time in times_seconds:
                    picture = jumper.at(time)
                    if exactly and abs(picture.time_seconds - time) > SAME_SECONDS:
                        raise InaccurateSeekError
                    yield picture
                    num_yielded += 1
            return
        except (InaccurateSeekError, av.error.FFmpegError):
            pass
    yield from _in_order(video.path, times_seconds[num_yielded:], also_damaged=exactly)


def _in_order(path: Path, times_seconds: Sequence[float], *, also_damaged: bool) -> Iterator[Picture]:
    left = list(reversed(times_seconds))
    shown: Picture | None = None
    with open_reader(path) as reader:
        rounding = rounding_of(reader.info.frame_rate)
        for picture in reader.frames():
            move_on()
            if picture.is_damaged and shown is not None and not also_damaged:
                continue  # the picture before is shown instead
            while (
                left
                and shown is not None
                and (
                    picture.time_seconds > left[-1] + rounding
                    or _is_nearer(shown.time_seconds, picture.time_seconds, left[-1])
                )
            ):
                left.pop()
                yield shown
            if not left:
                return
            shown = picture
        for _ in left:
            if shown is not None:
                yield shown


def _is_nearer(before: float, after: float, seconds: float) -> bool:
    """Return whether the first of two frames is nearer to a time than the other; frames may be microseconds apart."""
    return abs(before - seconds) < abs(after - seconds)


def frame_times(video: VideoInfo) -> FrameTimes:
    """Return the times of all frames by their packets, also where seeks can't be trusted.

    Raises:
        VideoError: The file is not a video any more.
    """
    container, stream = open_video(video.path)
    with container:
        sounds = [sound for sound in sound_streams(container, stream) if sound.codec_context is not None]
        start = video.start_seconds
        nominal, unit = 1 / float(frame_rate_of(stream) or 25), float(stream.time_base or 1)
        clocks = ContinuousClocks(container)
        shown: list[float] = []
        keys: list[int] = []
        closed: list[int] = []
        codec = stream.codec_context
        units = NalUnits(codec.name, codec.extradata) if codec.name == "h264" else None
        end = sound_end = 0.0
        with suppress(av.error.FFmpegError, IndexError):  # damage; at the end PyAV fails for a stream that appeared
            for packet in demuxed(container, stream, *sounds):
                move_on()
                if not packet.size:
                    continue
                if packet.stream is stream:
                    add_time(packet, stream)
                clocks.follow(packet)
                time = packet.dts if packet.pts is None else packet.pts
                if time is None or packet.is_discard:
                    continue
                length = float((packet.duration or 0) * packet.time_base)
                if packet.stream is not stream:
                    sound_end = max(sound_end, float(time * packet.time_base) + length - start)
                    continue
                if packet.is_keyframe:
                    keys.append(len(shown))
                    closed += [len(shown)] if units is None or units.is_closed(packet) else []
                shown.append(time * unit - start)
                end = max(end, shown[-1] + (length or nominal))
        first = (container.start_time or 0) / av.time_base
        indexes = tuple(sound.index for sound in sounds)
        restarts = clocks.have_restarted
        ends = held_end(end, sound_end)
        return FrameTimes(tuple(shown), tuple(keys), tuple(closed), ends, first, stream.index, indexes, restarts)


class AccurateSeeker(OpenedFile):
    """An opened video with a list of all its packets, for accurate seeks."""

    def __init__(self, video: VideoInfo, *, rough: bool = False) -> None:
        """Open the file and list its packets.

        Args:
            video: The metadata of the file.
            rough: Decode without the loop filter, which smooths the edges of blocks. That saves a fifth of the decoding
                and doesn't change the mean of an area, so it suits pictures that are compared and not shown.

        Raises:
            InaccurateSeekError: The timestamps of the packets don't rise, are missing, or guessed.
            VideoError: The file is not a video any more.
            DecodeError: The file can't be decoded.
        """
        if video.has_guessed_times:
            raise InaccurateSeekError
        self.num_damaged = 0
        self._video = video
        self._rounding = rounding_of(video.frame_rate)
        self._container, self._stream = open_video(video.path)
        self.sound_seconds = 0.0
        if rough:
            context = self._stream.codec_context
            context.options = {**context.options, "skip_loop_filter": "all"}
        try:
            self._unit = self._stream.time_base or Fraction(0)
            self.presentation = presentation_of(video.path, self._container, self._stream)
            self._decoder = decoder_of(self._stream)
            self._names_whole = self._decoder is self._stream.codec_context  # libvpx doesn't
            self._nominal_seconds = 1 / float(frame_rate_of(self._stream) or 25)
            self._bytes_at: dict[int, int | None] = {}
            self.packets = PacketTable()
            self._shown, self._whole = self._list_packets()
            self._first = self._index_at(video.start_seconds)
        except BaseException:
            self.close()
            raise
        self._decoded: Iterator[VideoFrame] = iter(())
        self._reached: int | None = None
        self._target_pts = 0
        self._may_skip = self._stream.codec.canonical_name in DISPOSABLE_CODECS

    def close(self) -> None:
        """Close the container."""
        self._container.close()

    @property
    def unit_seconds(self) -> float:
        """Return the seconds of a tick of the packets' timestamps."""
        return float(self._unit)

    def is_variable_frame_rate(self) -> bool:
        """Return whether the frames of the whole file follow each other unevenly."""
        pace = FramePacing()
        for pts in self._shown:
            pace.push(float(pts * self._unit))
        return pace.is_variable()

    def check(self, edges: Sequence[tuple[int, float]]) -> None:
        """Raise InaccurateSeekError unless each frame (index, seconds) is at that place in the list of packets."""
        for index, seconds in edges:
            position = self._index_at(self._video.start_seconds + seconds)
            if position - self._first != index or abs(self._seconds(self._shown[position]) - seconds) > SAME_SECONDS:
                raise InaccurateSeekError

    def cost(self, seconds: float) -> int:
        """Return the number of frames to decode for the frame shown at `seconds`. Raises InaccurateSeekError."""
        shown = self._shown[self._index_at(self._video.start_seconds + seconds)]
        start = self._whole[max(0, bisect_right(self._whole, shown) - 1)]
        if self._reached is not None and self._reached < shown:
            start = max(start, self._reached)
        return 1 + bisect_left(self._shown, shown) - bisect_left(self._shown, start)

    def times_between(self, after_seconds: float, before_seconds: float) -> list[float]:
        """Return the times of the frames between two times. Raises InaccurateSeekError."""
        first, last = (self._index_at(self._video.start_seconds + time) for time in (after_seconds, before_seconds))
        return [self._seconds(pts) for pts in self._shown[first + 1 : last]]

    def at(self, seconds: float) -> Picture:
        """Return the picture shown at `seconds`. Raises InaccurateSeekError if the decoder doesn't return it."""
        position = self._index_at(self._video.start_seconds + seconds)
        if position < self._first:
            raise InaccurateSeekError
        return self._picture(self._frame(self._shown[position]), position)

    def pictures_from(self, seconds: float) -> Iterator[Picture]:
        """Yield all pictures from the first picture at or after `seconds`, or else from the last picture.

        It begins with the previous frame where that is shown for long. Only the first is verified: see `num_damaged`.

        Raises InaccurateSeekError if the decoder doesn't return the first picture.
        """
        start = bisect_left(self._shown, (self._video.start_seconds + seconds - self._rounding) / float(self._unit))
        while start + 1 < len(self._shown) and _is_nearer(
            self._seconds(self._shown[start + 1]), self._seconds(self._shown[start]), seconds
        ):
            start += 1
        if start == len(self._shown) or self._seconds(self._shown[start]) > seconds + LONG_SECONDS:
            start -= 1
        position = max(start, self._first)
        yield self._picture(self._frame(self._shown[position]), position)
        damage = Damage()
        for frame in self._decoded:
            if frame.pts is None:
                continue
            self.num_damaged += frame.is_corrupt
            position = bisect_left(self._shown, frame.pts)
            if position < len(self._shown) and self._shown[position] == frame.pts:
                whole, reported = bool(frame.key_frame), self.num_damaged
                shows = damage.shows(self._seconds(frame.pts), num_reported=reported, is_whole=whole)
                yield self._picture(frame, position, is_damaged=shows)

    def _picture(self, frame: VideoFrame, index: int, *, is_damaged: bool = False) -> Picture:
        return AvPicture(
            frame,
            index - self._first,
            self._seconds(self._shown[index]),
            float(frame.duration * self._unit) if frame.duration else self._nominal_seconds,
            self.presentation,
            is_damaged,
            self.presentation.orientations.latest,
        )

    def _seconds(self, pts: int) -> float:
        return float(pts * self._unit) - self._video.start_seconds

    def _index_at(self, container_seconds: float) -> int:
        """Return the place in display order of the frame shown at a time of the container."""
        index = bisect_right(self._shown, (container_seconds + self._rounding) / float(self._unit)) - 1
        if index < 0:
            raise InaccurateSeekError
        before, shown = (float(self._shown[max(0, position)] * self._unit) for position in (index - 1, index))
        while _is_nearer(before, shown, container_seconds):
            index -= 1
            before, shown = float(self._shown[max(0, index - 1)] * self._unit), before
        return index

    def _list_packets(self) -> tuple[list[int], list[int]]:
        """Return (timestamps of all frames, timestamps of frames stored whole), both rising."""
        shown, whole, last_dts = [], [], None
        codec = self._stream.codec_context
        units = NalUnits(codec.name, codec.extradata) if codec.name == "h264" else None
        is_avi = self._container.format.name == "avi"
        clocks = ContinuousClocks(self._container)
        for packet in self._packets(*sound_streams(self._container, self._stream)):
            move_on()
            if packet.size == 0:
                continue
            clocks.follow(packet)
            if packet.stream is not self._stream:
                self._note_sound(packet)
                continue
            disordered = packet.dts is not None and last_dts is not None and packet.dts <= last_dts
            disordered |= is_avi and last_dts is not None and packet.dts != last_dts + 1  # a frame is shown again
            disordered |= clocks.have_restarted  # seeks go to a time of one of several clocks
            disordered |= packet.has_sidedata("palette")  # a decoder needs all palettes before the picture
            if packet.pts is None or disordered or packet.is_corrupt or not self._unit:
                raise InaccurateSeekError
            last_dts = packet.dts
            if packet.is_discard:
                continue
            shown.append(packet.pts)
            begins = packet.is_keyframe and (units is None or units.is_closed(packet))
            self.packets.add(packet.pts, packet.size, begins_group=begins)
            if packet.is_keyframe:
                whole.append(packet.pts)
                self._bytes_at[packet.pts] = packet.pos
        if not whole or len(set(shown)) < len(shown) or self._counts_fields(shown):
            raise InaccurateSeekError
        return sorted(shown), sorted(whole)

    def _counts_fields(self, shown: list[int]) -> bool:
        """Return whether each field of interlaced frames has a packet of its own."""
        seconds = (max(shown) - min(shown)) * self._unit
        rate = (len(shown) - 1) / seconds if seconds else None
        return self._video.is_interlaced and frames_a_second(self._stream, rate) != rate

    def _note_sound(self, packet: Packet[Any]) -> None:
        if packet.pts is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base) - self._video.start_seconds
            self.sound_seconds = max(self.sound_seconds, end)

    def _packets(self, *sound: AudioStream) -> Iterator[Packet[Any]]:
        # At the end PyAV flushes every stream, and fails for a stream that appeared while it read.
        with suppress(IndexError):
            try:
                for packet in demuxed(self._container, self._stream, *sound):
                    add_time(packet, self._stream)
                    yield packet
            except av.error.FFmpegError as error:
                raise InaccurateSeekError from error

    def _frame(self, pts: int) -> VideoFrame:
        index = bisect_right(self._whole, pts) - 1
        if index < 0:
            raise InaccurateSeekError
        self._target_pts = pts
        if self._reached is None or not self._whole[index] <= self._reached < pts:
            self._decoded = self._from(self._whole[index])
        for frame in self._decoded:
            self._reached = frame.pts
            # Damage on the way damages the wanted frame, which is predicted from the frames before; so does a start
            # that is a frame stored whole for the container but not for the decoder.
            is_false_start = frame.pts == self._whole[index] and not frame.key_frame and self._names_whole
            if frame.pts is None or frame.pts > pts or frame.is_corrupt or is_false_start or self.num_damaged:
                break
            if frame.pts == pts:
                return frame
        raise InaccurateSeekError

    def _from(self, whole_pts: int) -> Iterator[VideoFrame]:
        """Yield the frames from the frame stored whole at `whole_pts`, or from an earlier frame that a seek reaches."""
        for back_seconds in _BACK_SECONDS:
            try:
                self._container.seek(whole_pts - round(back_seconds / self._unit), stream=self._stream)
            except av.error.FFmpegError as error:
                raise InaccurateSeekError from error
            self._decoder.flush_buffers()
            packets = self._packets()
            # Some containers only seek approximately; frames before a frame stored whole would be guessed.
            first = next((packet for packet in packets if packet.is_keyframe and packet.size), None)
            if first is not None and first.pts is not None and first.pts <= whole_pts:
                if first.pos != self._bytes_at.get(first.pts):  # a damaged index gives the times of other frames
                    raise InaccurateSeekError
                for packet in chain([first], packets):
                    move_on()
                    yield from self._frames_of(packet)
                return

    def _frames_of(self, packet: Packet[VideoStream]) -> Iterator[VideoFrame]:
        """Decode the packet, unless no other frame depends on it and the wanted frame is shown later."""
        if self._may_skip:
            is_before = packet.pts is not None and packet.pts < self._target_pts
            self._stream.codec_context.skip_frame = "NONREF" if is_before else "DEFAULT"
        try:
            frames = decoded(packet, self._decoder)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            self.num_damaged += 1
            return
        self.num_damaged += damage.has_damage()
        self.presentation.aspects.note(self._stream.codec_context)
        for frame in frames:
            self.presentation.orientations.of(frame)
            yield self.presentation.tags.completed(frame)


class SeekReader(FrameReader):
    """A FrameReader that starts with the first frame at or after `start_seconds`.

    It doesn't report whether the file is complete, which would mean reading all of it.
    """

    name = "pyav"
    reached_seconds = 0.0

    def __init__(self, video: VideoInfo, start_seconds: float) -> None:
        """Open the file and seek. Raises InaccurateSeekError if that can't be done to the frame."""
        self.info = video
        self._jumper = AccurateSeeker(video)
        try:
            self.changes = self._jumper.presentation.changes
            self._pictures = self._jumper.pictures_from(start_seconds)
            self._first = next(self._pictures)
            if isinstance(self._first, AvPicture):
                self.mapped_colours = tone_mapping.colours_of(self._first.frame)
        except (StopIteration, av.error.FFmpegError) as error:
            self.close()
            raise InaccurateSeekError from error
        except BaseException:
            self.close()
            raise

    @property
    def num_damaged(self) -> int:
        """Return how often damage was found until now."""
        return self._jumper.num_damaged

    @property
    def held_until_seconds(self) -> float:
        """Return until when the last frame is shown because the sound is longer."""
        return self._jumper.sound_seconds

    def close(self) -> None:
        """Release the file."""
        self._jumper.close()

    @property
    def is_variable_frame_rate(self) -> bool:
        """Return whether the frames of the whole file follow each other unevenly."""
        return self._jumper.is_variable_frame_rate()

    def frames(self) -> Iterator[Picture]:
        """Yield the frames once, in order."""
        return chain([self._first], self._pictures)
