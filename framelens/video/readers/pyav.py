"""Default reader on PyAV, with the exact presentation timestamp of every frame.

Packets are demuxed and decoded once, in order; damaged packets are counted and skipped.
"""

from __future__ import annotations

import errno
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, pairwise
from math import inf
from pathlib import Path
from statistics import median
from typing import Any, Final, cast

import av
import av.error
from av.audio.stream import AudioStream
from av.container import Flags, InputContainer
from av.format import Flags as FormatFlags
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framelens.core.domain import MOST_CHANNELS, AudioTrack, VideoInfo
from framelens.core.errors import DecodeError, VideoError
from framelens.core.files import readable
from framelens.video.files import VIDEO_SUFFIXES, printable_path
from framelens.video.limits import check_pixels, move_on
from framelens.video.readers import base, damage, tone_mapping, track_header
from framelens.video.readers.damage import Damage
from framelens.video.readers.geometry import Orientation, PixelAspects
from framelens.video.readers.joined_files import is_followed
from framelens.video.readers.packets import (
    PACKET_SECONDS,
    DecodePlan,
    DecodingTimes,
    DisplayOrder,
    DisposableFrames,
    EmptySlots,
    FramePacing,
    NalUnits,
    demuxed,
    flush_of,
    gif_length,
)
from framelens.video.readers.picture import AvPicture, ColourTags, Presentation
from framelens.video.readers.restarts import ContinuousClocks
from framelens.video.readers.timecodes import timecode_of
from framelens.video.readers.transparency import announces_alpha, decoder_of, has_alpha, lacks_alpha
from framelens.video.subtitles.discovery import is_subtitle_name

DISPOSABLE_CODECS = frozenset({"h264", "hevc"})
"""Codecs whose packets say which frames no other frame depends on; these can be skipped without harm to any other."""
_REORDERED_CODECS = frozenset({"h264", "hevc", "vvc"})
"""Codecs for which FFmpeg, where the container has no presentation times, makes up times in the order of decoding."""
_WITHOUT_PRESENTATION_TIMES = frozenset({"avi", "asf", "mpegvideo", "m4v"})
_DOUBTFUL_FRAMES = 8
"""First frames in which times fall, if the container gives the times of decoding: groups of B-frames are shorter."""
_IN_DECODING_ORDER = frozenset({"mxf"})
"""Containers that may give times in the order of decoding, if their index lacks the order of display."""
_HABIT_MESSAGES = 8
"""A decoder that writes this many messages, plus a message for every second packet, writes them all the time: they are
no longer counted."""
_WITHOUT_HABITS = frozenset({"ffv1"})
"""Codecs whose messages always count: their encoders end every slice exactly, mostly with a checksum."""
_TIMED_BY_DECODING = frozenset({"mpegvideo", "gxf"})
"""Formats of MPEG-1 or 2 whose times FFmpeg makes up from decoding times: it leaves out the second picture of a raw
stream, and halves the last step of GXF, which counts fields.
"""
_COUNTS_TICKS = "ivf"
"""A format whose header may hold the duration in ticks in place of the number of frames, as FFmpeg writes it."""
_NEAR_RATE = 0.02
"""Share by which the average rate of fragments may be off."""
_USUAL_CHANNELS, _USUAL_SAMPLE_RATE = 2, 48_000
_HIGHEST_RATE = 10_000
"""Frames a second that are believed although they are the file's clock."""
_FIELDS = 1.5
"""From this multiple of the coded rate on, a rate counts fields: it is twice as high then."""
_LEAST_RATE = 20.0
"""Frames a second from which on frames are skipped, so that several a second are left."""
_MOST_THREADS = 16
"""FFmpeg's own limit: more threads hold frames without decoding sooner."""
_MOST_PIXELS_OF_FRAME_THREADS = 4096 * 2304
"""With larger pictures, threads share each picture: threads with a picture each would hold too many of them, since a
picture of ten-bit 8K takes 100 MB."""
_LONGEST_SECONDS = 1e9
"""Thirty years; a longer declared duration is not believed."""
_LONGEST_DELAY_SECONDS = 1
"""Of an encoder of pictures: fragments may begin as late as that."""
_LONGEST_PRIMING_SECONDS = 0.15
"""Longest delay of a sound encoder, which some containers give as a start before 0: 2,048 + 4,096 samples of HE-AAC at
44.1 kHz, rounded up. Players don't show it."""
_OF_KEY: Final = "encryption_info"
"""Side data of the encrypted packets of MP4 (Common Encryption)."""
_KEY_TAG = "enc_key_id"
"""Tag of Matroska's encrypted tracks."""
_COVER_CODECS = frozenset({"mjpeg", "png"})
_NO_TIME = "00:00:00.0"
_UNPLACED, _OWN_ORDER = re.compile(r"\d+ channels"), re.compile(r"\d+ channels \((.*)\)")
"""FFmpeg's names of a layout whose channels have no places, and of a layout with an unusual order."""
_MOST_DISPOSABLE = 64
"""Disposable frames that are kept: some seconds of them."""
_WIDEST_GAP_SECONDS = 0.17
"""A wider gap ends the skipping of frames, so that several a second are left; a usual stream keeps every second
frame.
"""


class AvReader(base.FrameReader):
    """A FrameReader on PyAV, exact to the frame."""

    name = "pyav"
    num_damaged = 0
    reached_seconds = 0.0

    def __init__(self, path: Path, *, every_frame: bool = True, plan: DecodePlan | None = None) -> None:
        """Open `path` and decode its first frame.

        Args:
            path: The video file.
            every_frame: Decode all frames, also those that no other depends on.
            plan: What to decode, None for everything.

        Raises:
            VideoError: The file is not a video.
            DecodeError: PyAV can't decode a frame of it.
        """
        self._num_messages = 0
        self._num_packets = 0
        self._path = path
        self._container = _open_container(path)
        try:
            self._stream = video_stream(self._container, path)
            check_pixels(path.name, self._stream.width, self._stream.height)  # before a picture is decoded
            _set_threads(self._stream)
            self._plan = plan
            self._unit = self._stream.time_base or Fraction(1, 1000)
            self._presentation = presentation_of(path, self._container, self._stream)
            self.changes = self._presentation.changes
            self._decoder = decoder_of(self._stream)
            self._rate = frame_rate_of(self._stream)
            self._gif_end = 0
            if self._container.format.name == "gif":
                num_pictures, self._gif_end = gif_length(self._container)
                self._rate = num_pictures / (self._gif_end * self._unit) if self._gif_end else self._rate
            self._nominal_seconds = 1 / float(self._rate or 25)
            self._pace = FramePacing()
            self._declared_until: float | None = None
            self._times: DecodingTimes | None = DecodingTimes()  # until the first frame shows whether they are needed
            self._has_guessed_times = self._counts_fields = self._announces_alpha = False
            self._is_encrypted = _KEY_TAG in self._stream.metadata
            self._empty_slots = EmptySlots() if self._has_slots() else None
            can_skip = not every_frame and self._can_skip()
            self._order = DisplayOrder(float(self._unit)) if can_skip or self._plan is not None else None
            self._wants_all = self._decodes_disposable = self._has_begun = False
            self._nal_units: NalUnits | None = None
            self._disposable_frames: DisposableFrames | None = None
            if can_skip:
                context = self._stream.codec_context
                self._nal_units = NalUnits(context.name, context.extradata)
                if context.name == "h264":
                    self._disposable_frames = DisposableFrames(self._nal_units)
            self._early_pts: set[int] = set()
            self._disposable_pts: set[int] = set()
            self._disposable: deque[tuple[float, base.Image]] = deque(maxlen=_MOST_DISPOSABLE)
            self._units: dict[int, tuple[int, int]] = {}
            self._sound_seconds, self._last_byte = 0.0, 0
            self._sounds = {
                sound_stream.index: sound_stream for sound_stream in sound_streams(self._container, self._stream)
            }
            self._clocks = ContinuousClocks(self._container)
            self._latest: float | None = None
            self._decoded: Iterator[VideoFrame] = self._decode()
            self._first = self._first_frame()
            self._clock = base.Clock(self._nominal_seconds)
            if self._first is not None and self._first.interlaced_frame:
                self._order = None  # each field may have a packet of its own, so packets don't count frames
                rate, self._rate = self._rate, frames_a_second(self._stream, self._rate)
                self._counts_fields = rate != self._rate
                self._nominal_seconds = 1 / float(self._rate or 25)
            self._begin_skipping()
            self._declared_until = self._declared()
            self.info = self._describe()
            self.mapped_colours = tone_mapping.colours_of(self._first) if self._first else ""
            self.loses_alpha = self._announces_alpha and self._first is not None and not has_alpha(self._first)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the container and free the decoder with its pictures; what was read stays known."""
        self._container.close()
        for name in ("_stream", "_decoder"):
            vars(self).pop(name, None)

    @property
    def decoded_share(self) -> float:
        """Return the share of the packets that were decoded; less than 1 where a DecodePlan left out others."""
        return self._plan.decoded_share if self._plan else 1.0

    @property
    def declared_seconds(self) -> float | None:
        """Return the end according to the file; None if it doesn't say, or by times that can't be believed."""
        is_doubtful = self._clocks.have_restarted or self.changes.outliers_seconds
        return None if is_doubtful else self._declared_until

    @property
    def is_variable_frame_rate(self) -> bool:
        """Return whether the frames read until now, including skipped frames, follow each other unevenly."""
        return (self._order.pace if self._order else self._pace).is_variable()

    @property
    def tail(self) -> tuple[int, float]:
        """Return the number of frames skipped at the end, and the seconds they fill; zero for a damaged video."""
        ahead = self._order.ahead() if self._order and not self.num_damaged else []
        if not ahead:
            return 0, 0.0
        return len(ahead), (len(ahead) - 1) * self._nominal_seconds

    @property
    def held_until_seconds(self) -> float:
        """Return until when the last frame is shown because the sound that was read is longer."""
        return self._sound_seconds - self.info.start_seconds

    def passed_over(self, after_seconds: float, before_seconds: float) -> list[tuple[float, base.Image]]:
        """Return (seconds, levels) of the disposable frames between two times that were decoded and kept."""
        return [sample for sample in list(self._disposable) if after_seconds < sample[0] < before_seconds]

    def frames(self) -> Iterator[AvPicture]:
        """Yield the frames once, in display order; those that can't be decoded are left out."""
        unit, parts = self._unit.numerator, self._unit.denominator
        index, last = -1, 0.0
        damage = Damage()
        num_in_flight = max(1, self._stream.codec_context.thread_count)
        for frame in self._all_frames():
            length = frame.duration * unit / parts if frame.duration else self._nominal_seconds
            raw = self._raw_seconds(frame)
            orientation = self._presentation.orientations.of(frame)
            if self._early_pts and frame.pts in self._early_pts:
                self._early_pts.discard(frame.pts or 0)
                continue
            if self._disposable_pts and frame.pts in self._disposable_pts:
                self._keep_disposable(frame, raw, length)
                continue
            self.num_damaged += frame.is_corrupt
            time = self._clock.stamp(raw)
            self._pace.push(time)
            before, index = index, self._display_index(frame, index)
            gap: base.Gap = self._plan.gap_before(frame.pts) if self._plan else ""
            self._wants_all |= not gap and index > before + 1 and time - last > _WIDEST_GAP_SECONDS
            last = time
            is_damaged = damage.shows(
                time,
                num_reported=self.num_damaged - self._num_messages,
                is_whole=bool(frame.key_frame),
                num_messages=self._num_messages,
                num_in_flight=num_in_flight,
            )
            if self._is_late(raw):
                self.changes.has_late_frames = is_damaged = True
            yield AvPicture(frame, index, time, length, self._presentation, is_damaged, orientation, gap)

    def _keep_disposable(self, frame: VideoFrame, raw: float | None, length: float) -> None:
        self._disposable_pts.discard(frame.pts or 0)
        if raw is None or frame.is_corrupt or self.num_damaged or frame.format.name not in base.PLANAR_8_BIT:
            return
        time = raw - self.info.start_seconds
        picture = AvPicture(frame, 0, time, length, self._presentation)
        self._disposable.append((time, picture.levels()))

    def _can_skip(self) -> bool:
        """Return whether frames can be skipped: the codec marks disposable frames, at a high rate."""
        return self._stream.codec_context.name in DISPOSABLE_CODECS and float(self._rate or 0) >= _LEAST_RATE

    def _begin_skipping(self) -> None:
        """Skip disposable frames from now on, including frames that were decoded after the first frame already."""
        self._has_begun = True
        if self._order is None or self._nal_units is None:
            self._nal_units = self._disposable_frames = None
            self._early_pts.clear()
            self._disposable_pts.clear()
            self._stream.codec_context.skip_frame = "DEFAULT"
            return
        if self._first is not None and self._first.pts is not None:
            self._early_pts.discard(self._first.pts)
            self._disposable_pts.discard(self._first.pts)
        self._stream.codec_context.skip_frame = "DEFAULT" if self._decodes_disposable else "NONREF"

    def _display_index(self, frame: VideoFrame, before: int) -> int:
        if self._order is None or frame.pts is None:
            return before + 1
        return self._order.place(frame.pts, is_whole=bool(frame.key_frame))

    def _is_late(self, raw: float | None) -> bool:
        """Return whether a frame can't be shown at its time, since a later frame already was: the time is wrong.

        A time that falls back by a second or more is no such frame's; its packets kept their order.
        """
        if raw is not None and self._latest is not None and 0.0 < self._latest - raw < 1.0:
            return True
        self._latest = raw
        return False

    def _note(self, packet: Packet[Stream]) -> bool:
        """Count a packet; return whether to decode it.

        Decoding every frame can start only at a frame stored whole.
        """
        if not packet.size or packet.is_discard:
            return True
        if self._empty_slots is not None:
            self._empty_slots.note(packet)
        if self._times is not None and not self._has_guessed_times:
            self._times.note(packet)
        if self._order is not None:
            if packet.pts is None:  # frames can't be counted by such packets
                self._order, self._wants_all = None, True
            else:
                self._order.note(packet.pts, is_whole=packet.is_keyframe)
        if self._plan is not None and not self._plan.takes(packet):
            return False
        if self._wants_all and packet.is_keyframe:
            self._stream.codec_context.skip_frame = "DEFAULT"
            self._disposable_frames = self._nal_units = None
        if self._disposable_frames is not None and self._select_disposable(packet, self._disposable_frames):
            return True
        if self._nal_units is None or not self._nal_units.is_disposable(packet):
            return True
        if not self._has_begun and packet.pts is not None:
            self._early_pts.add(packet.pts)  # how many there are depends on the number of threads
        return not self._has_begun

    def _select_disposable(self, packet: Packet[Stream], frames: DisposableFrames) -> bool:
        """Return whether to decode a disposable frame before a new picture; it is kept and not yielded."""
        takes = frames.takes(packet)
        if takes and packet.pts is not None:
            self._disposable_pts.add(packet.pts)
        if takes != self._decodes_disposable:
            self._decodes_disposable = takes
            self._stream.codec_context.skip_frame = "DEFAULT" if takes else "NONREF"
        return takes

    def _raw_seconds(self, frame: VideoFrame) -> float | None:
        # A single division of integers is exact to the last digit and much cheaper than fractions.
        return None if frame.pts is None else frame.pts * self._unit.numerator / self._unit.denominator

    def _all_frames(self) -> Iterator[VideoFrame]:
        first, self._first = self._first, None
        decoded = self._decoded if first is None else chain([first], self._decoded)
        yield from decoded if self._empty_slots is None else self._with_repeats(decoded, self._empty_slots)

    def _with_repeats(self, frames: Iterable[VideoFrame], slots: EmptySlots) -> Iterator[VideoFrame]:
        """Yield the frames, each once more for every empty slot after it."""
        before: VideoFrame | None = None
        for frame in frames:
            if before is not None and frame.pts is not None:
                yield from self._repeat(before, frame.pts, slots)
            yield frame
            before = frame
        if before is not None and base.is_whole_riff(self._path):
            slots.reach(self._stream.frames)
            self.reached_seconds = max(self.reached_seconds, float(self._stream.frames * self._unit))
            yield from self._repeat(before, inf, slots)

    def _repeat(self, frame: VideoFrame, until: float, slots: EmptySlots) -> Iterator[VideoFrame]:
        """Yield a frame in each empty slot between its own and `until`."""
        if frame.pts is None:
            return
        delay = self._times.delay if self._times is not None else 0
        for slot in slots.between(frame.pts, until, delay):
            frame.pts = slot
            yield frame

    def _has_slots(self) -> bool:
        """Return whether times of packets count places for frames, in some of which nothing may be written."""
        rate = self._stream.base_rate
        return self._container.format.name == "avi" and rate is not None and self._unit * rate == 1

    def _decode(self) -> Iterator[VideoFrame]:
        """Yield the frames with their times; the first are held until they show whether the container's are right."""
        frames, complete = self._frames_as_stored(), self._presentation.tags.completed
        head: list[VideoFrame] = []
        for frame in frames:
            head.append(frame)
            if self._times is not None:
                self._times.begin()
            if not self._may_be_in_decoding_order(head):
                break
        if head:
            self._choose_times(head)
        yield from (complete(self._with_time(frame)) for frame in chain(head, frames))

    def _frames_as_stored(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            move_on()
            self._clocks.follow(packet)
            self.changes.has_continued_clock = self._clocks.have_restarted
            self._note_reach(packet)
            if packet.stream.index != self._stream.index:  # only this shows the stream of the last, empty packet
                continue
            add_time(packet, self._stream)
            if self._num_packets == 0:
                self._announces_alpha = announces_alpha(self._stream, packet)
            if not self._note(packet):
                self._num_packets += 1
                continue
            try:
                frames = decoded(packet, self._decoder)
            except av.error.EOFError:
                return
            except MemoryError:
                raise
            except av.error.FFmpegError:
                self.num_damaged += 1
                self._is_encrypted |= packet.has_sidedata(_OF_KEY)
                damage.has_damage()  # clear the message about the same error
                continue
            self._num_packets += 1
            self._presentation.aspects.note(self._stream.codec_context)
            if damage.has_damage():
                self._note_message(frames)
            yield from (frame for frame in frames if isinstance(frame, VideoFrame))

    def _choose_times(self, head: Sequence[VideoFrame]) -> None:
        """Choose the container's times or, if it has no presentation times, those that follow from the order."""
        if not (self._is_untimed() if head[0].pts is None else self._is_in_decoding_order(head)):
            self._times = None
            return
        self._has_guessed_times, self._order = True, None
        self._rate = self._stream.guessed_rate or self._rate  # the average counts empty packets
        self._nominal_seconds = 1 / float(self._rate or 25)

    def _with_time(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame, with a time if the container has no presentation times."""
        if self._times is not None:
            frame.pts, frame.duration = self._times.time(frame), 0
        return frame

    def _is_untimed(self) -> bool:
        """Return whether the container gives decoding times only, or no times; others may lack times of some frames."""
        return self._has_no_times() or (self._times is not None and self._times.has_start)

    def _has_no_times(self) -> bool:
        """Return whether the container is none: FFmpeg counts the frames of such a stream, at its rate or 25 Hz."""
        return bool(self._container.format.flags & cast(int, FormatFlags.no_timestamps.value))

    def _may_be_in_decoding_order(self, head: Sequence[VideoFrame]) -> bool:
        """Return whether the first frames leave open that the container gives times in the order of decoding."""
        if head[0].pts is None or len(head) >= _DOUBTFUL_FRAMES or _have_fallen(head):
            return False
        return bool(self._stream.codec_context.has_b_frames) and self._has_doubtful_times()

    def _has_doubtful_times(self) -> bool:
        """Return whether times of packets rise although their frames may be shown in another order."""
        is_reordered = self._stream.codec.canonical_name in _REORDERED_CODECS
        return is_reordered and self._times is not None and self._times.has_risen

    def _is_in_decoding_order(self, head: Sequence[VideoFrame]) -> bool:
        """Return whether the container gives times in the order of decoding as if they were display times."""
        if not self._stream.codec_context.has_b_frames or self._times is None:
            return False
        if self._container.format.name in _TIMED_BY_DECODING:
            return True
        is_probable = self._container.format.name in _IN_DECODING_ORDER or _have_fallen(head)
        return self._times.is_packed or (is_probable and self._has_doubtful_times())

    def _note_message(self, frames: Iterable[object]) -> None:
        """Count damage that the decoder reported in a message, unless one of the frames is flagged for it.

        A decoder that writes messages all the time is ignored: some cameras end every picture a few bytes early.
        """
        is_flagged = any(frame.is_corrupt for frame in frames if isinstance(frame, VideoFrame))
        is_habit = self._num_messages >= _HABIT_MESSAGES + self._num_packets // 2
        if not is_flagged and (not is_habit or self._stream.codec_context.name in _WITHOUT_HABITS):
            self._num_messages += 1
            self.num_damaged += 1

    def _packets(self) -> Iterator[Packet[Stream]]:
        """Yield the packets of every stream: where the sound ends shows whether a file without a length is whole."""
        try:
            yield from demuxed(self._container, outliers=self.changes.outliers_seconds)
        except IndexError:
            pass  # at the end PyAV flushes every stream, and fails for a stream that appeared meanwhile
        except av.error.FFmpegError:
            self.changes.is_followed = is_followed(self._container, self._last_byte)
            is_end = self.changes.is_followed or base.ends_as_its_format(self._path, self._container.format.name)
            self.num_damaged += not is_end
            yield flush_of(self._stream)  # the decoder still holds frames
        self.changes.is_followed |= is_followed(self._container, self._last_byte)
        if damage.has_lost_end() or self._lacks_end():
            self.num_damaged += 1

    def _lacks_end(self) -> bool:
        """Return whether an MP4 is cut off and its header doesn't say so by a later end."""
        if not self._container.format.name.startswith("mov") or self.reached_seconds < (self.declared_seconds or 0.0):
            return False
        return base.is_cut_off_mp4(self._path)

    def _note_reach(self, packet: Packet[Stream]) -> None:
        self._last_byte = max(self._last_byte, packet.pos or 0)
        time = packet.dts if packet.pts is None else packet.pts
        if time is not None:
            unit, parts = self._units.get(packet.stream.index) or self._unit_of(packet)
            end = (time + (packet.duration or 0)) * unit / parts
            self.reached_seconds = max(self.reached_seconds, end)
            if packet.stream.index in self._sounds:
                self._sound_seconds = max(self._sound_seconds, end)

    def _unit_of(self, packet: Packet[Stream]) -> tuple[int, int]:
        """Return numerator and denominator of a stream's time base; cached, since PyAV builds a fraction each time."""
        unit = packet.time_base
        self._units[packet.stream.index] = fraction = unit.numerator, unit.denominator
        return fraction

    def _first_frame(self) -> VideoFrame | None:
        name = printable_path(self._path.name)
        first = next(self._decoded, None)
        if first is None and self._is_encrypted:
            raise VideoError("video_encrypted", name=name)
        if first is None:
            raise DecodeError("video_no_frames", name=name, codec=self._stream.codec.canonical_name)
        if base.is_moving_image(self._container.format.name) and self._has_ended():
            raise VideoError("video_is_image", name=name, format=self._container.format.name)
        return first

    def _has_ended(self) -> bool:
        second = next(self._decoded, None)
        if second is None:
            return True
        self._decoded = chain([second], self._decoded)
        return False

    def _declared(self) -> float | None:
        """Return the declared end in seconds, or None if it is missing or no video is that long."""
        declared = self._declared_by_file()
        return declared if declared is not None and 0 < declared < _LONGEST_SECONDS else None

    def _declared_by_file(self) -> float | None:
        stream, container = self._stream, self._container
        if self._has_no_times():  # FFmpeg guesses the duration by the rate of bits
            return None
        if self._gif_end:
            return float(self._gif_end * self._unit)
        if container.format.name == "avi" and stream.frames:
            return float(
                stream.frames / (stream.average_rate or 25)
            )  # a truncated file's duration is computed from what is left
        is_matroska = container.format.name.startswith("matroska")
        if stream.duration and not is_matroska:  # else it is the container's, for a stream without a start
            start = 0 if self._lacks_beginning() else stream.start_time or 0
            end = float((start + stream.duration) * self._unit)
            sound = max(map(_declared_end, self._sounds.values()), default=0.0)
            return base.held_end(end, sound)
        if container.duration:
            # Matroska's duration is the end of the last frame, not the time since the first.
            start = 0 if is_matroska else container.start_time or 0
            return (start + container.duration) / av.time_base
        return None

    def _lacks_beginning(self) -> bool:
        """Return whether an MP4 has later fragments of a recording alone; its duration is the whole recording's."""
        is_late = (self._stream.start_time or 0) * self._unit > _LONGEST_DELAY_SECONDS
        return is_late and self._container.format.name.startswith("mov") and base.is_fragmented_mp4(self._path)

    def _describe(self) -> VideoInfo:
        first, stream, container = self._first, self._stream, self._container
        assert first is not None
        start = self._raw_seconds(first) or 0.0
        # FFmpeg makes up times where a container has no times, and puts the first frame after the delay of the decoder.
        has_delay = container.format.name in _WITHOUT_PRESENTATION_TIMES and stream.start_time is not None
        shown = float((stream.start_time or 0) * self._unit) if has_delay else start
        orientation = Orientation.of(first)
        width, height = orientation.size(*self._presentation.shown_size(first))
        duration = None if self.declared_seconds is None else self.declared_seconds - shown
        counts_other = self._counts_fields or container.format.name == _COUNTS_TICKS
        return VideoInfo(
            path=self._path,
            name=readable(self._path.name),
            size_bytes=self._path.stat().st_size,
            container=container.format.name,
            codec=stream.codec.canonical_name,
            pixel_format=first.format.name,
            width=width,
            height=height,
            rotation_degrees=orientation.rotation_degrees,
            is_mirrored=orientation.is_mirrored,
            is_interlaced=first.interlaced_frame,
            dynamic_range=tone_mapping.dynamic_range_of(first, self._presentation.dolby_vision_profile),
            duration_seconds_from_header=duration if duration and duration > 0 else None,  # a damaged header may lie
            frame_rate=float(self._rate) if self._rate else None,
            num_frames_from_header=None if counts_other else stream.frames or None,
            start_seconds=start,
            has_audio=bool(self._sounds),
            audio_tracks=tuple(map(_audio_track, self._sounds.values())),
            has_subtitle_tracks=bool(container.streams.subtitles or container.streams.data),
            has_guessed_times=self._has_guessed_times or self._has_no_times(),
            timecode=timecode_of(self._path, self._rate, container, stream, first),
            player_start_seconds=max(0.0, round(shown - _player_zero(container, shown), 6)),
        )


def _have_fallen(frames: Sequence[VideoFrame]) -> bool:
    """Return whether the time of a frame is before the previous frame's."""
    times = [frame.pts for frame in frames if frame.pts is not None]
    return any(after < before for before, after in pairwise(times))


def frame_rate_of(stream: VideoStream) -> Fraction | None:
    """Return the frames a second that the file states; FFmpeg's average of few frames may be its clock instead.

    In fragments of MP4, FFmpeg divides by a duration to which the delay of the sound's encoder is added. Where frames
    follow each other evenly but for a gap, its average is the rate of no frames.
    """
    average, base = stream.average_rate, stream.base_rate
    if "mp4" in stream.container.format.name and average and base:
        is_near = abs(average / base - 1) < _NEAR_RATE
        average = base if (is_near and not stream.frames) or (not is_near and _has_gaps(stream, base)) else average
    rates = (average, stream.guessed_rate, base)
    clock = 1 / stream.time_base if stream.time_base and not stream.frames else None
    return next((rate for rate in rates if rate and (rate <= _HIGHEST_RATE or rate != clock)), None)


def _has_gaps(stream: VideoStream, rate: Fraction) -> bool:
    """Return whether the frames of an index follow each other at this rate, but for few gaps."""
    unit, ticks = float(stream.time_base or 0), [entry.timestamp for entry in stream.index_entries]
    usual_seconds = unit * median(after - before for before, after in pairwise(ticks)) if len(ticks) > 1 else 0.0
    if abs(usual_seconds * float(rate) - 1) >= _NEAR_RATE:
        return False
    pace = FramePacing()
    for tick in ticks:
        pace.push(tick * unit)
    return not pace.is_variable()


def frames_a_second(stream: VideoStream, rate: Fraction | None) -> Fraction | None:
    """Return the rate of an interlaced stream, which is half of `rate` if that counts fields."""
    coded = stream.codec_context.framerate
    return coded if coded and rate and _FIELDS * coded < rate else rate


def _audio_track(stream: AudioStream) -> AudioTrack:
    """Return the properties of a sound track; unknown values, as without a decoder, are as in most tracks."""
    context = stream.codec_context
    channels, rate = (context.layout.nb_channels, context.sample_rate) if context else (0, 0)
    return AudioTrack(min(channels or _USUAL_CHANNELS, MOST_CHANNELS), rate or _USUAL_SAMPLE_RATE)


def _declared_end(stream: AudioStream) -> float:
    if stream.duration is None or stream.time_base is None:
        return 0.0
    return float(((stream.start_time or 0) + stream.duration) * stream.time_base)


def _player_zero(container: InputContainer, first_seconds: float) -> float:
    """Return the container time that players show as 0: its start, or 0 if only the delay of an encoder is before."""
    begins = (container.start_time or 0) / av.time_base
    return max(begins, min(0.0, first_seconds)) if -_LONGEST_PRIMING_SECONDS < begins < 0 else begins


def add_time(packet: Packet[Any], stream: VideoStream) -> None:
    """Set a packet's missing presentation time where frames are shown in the order of decoding."""
    if packet.pts is None and not stream.codec_context.has_b_frames:
        packet.pts = packet.dts


def decoded(packet: Packet[Any], decoder: VideoCodecContext) -> list[VideoFrame]:
    """Return the frames that a packet completes; at the end of the file, the remaining frames.

    Raises:
        av.error.FFmpegError: The packet is damaged, or encrypted: a decoder would make pictures of noise from it.
    """
    if packet.has_sidedata(_OF_KEY):
        raise av.error.InvalidDataError(errno.EINVAL, "encrypted")
    return decoder.decode(packet if packet.size else None)


def open_video(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open `path`; return the container, which the caller closes, and its video stream.

    Raises:
        VideoError: The file is not a video.
        DecodeError: The video has no index, or no decoder knows its codec.
    """
    container = _open_container(path)
    try:
        stream = video_stream(container, path)
    except BaseException:
        container.close()
        raise
    _set_threads(stream)
    return container, stream


def sound_streams(container: InputContainer, video: VideoStream) -> list[AudioStream]:
    """List the sound tracks of a video: of several programmes in a transport stream, its own programme's."""
    best = container.streams.best
    programme = best("video", related=video)
    return [track for track in container.streams.audio if best("video", related=track) is programme]


def own_channel_order(path: Path, sound: AudioStream) -> tuple[str, ...]:
    """Return the names of the channels of a sound track in an order of its own, such as "FL"; empty for usual orders.

    The file is opened once more where the track may have such an order, since `_leave_out_own_order` took it away.
    """
    if not _UNPLACED.fullmatch(sound.codec_context.layout.name):
        return ()
    with av.open(str(path), options=base.OPEN_OPTIONS, metadata_errors="replace") as container:
        orders = {track.index: _leave_out_own_order(track) for track in container.streams.audio}
    return orders.get(sound.index, ())


def presentation_of(path: Path, container: InputContainer, stream: VideoStream) -> Presentation:
    """Return how the pictures of a stream are shown; call before any is decoded."""
    is_mp4 = container.format.name.startswith("mov")
    number = [s.index for s in container.streams.video if not s.disposition & Disposition.attached_pic].index(
        stream.index
    )
    header = track_header.read(path, number=number, track_id=stream.id if is_mp4 else None)
    declared, own = stream.sample_aspect_ratio, stream.codec_context.sample_aspect_ratio
    is_fixed = not header.several and (header.pixel_aspect is not None or declared != own)
    aspects = PixelAspects((header.pixel_aspect if header.crop else declared) or Fraction(1) if is_fixed else None)
    context = stream.codec_context
    aspects.note(context)
    tags = ColourTags(context.colorspace, context.color_primaries, context.color_trc)
    return Presentation(
        (stream.width, stream.height),
        header.crop,
        aspects,
        tags,
        header.dolby_vision_profile,
        is_opaque=lacks_alpha(container, stream),
    )


def _is_one_picture(stream: VideoStream) -> bool:
    """Return whether a stream has a single picture: a cover without its flag, or the still of a moving AVIF."""
    if stream.codec_context.name in _COVER_CODECS and "matroska" in stream.container.format.name:
        return stream.metadata.get("DURATION", "").startswith(_NO_TIME)
    return stream.frames == 1


def _set_threads(stream: VideoStream) -> None:
    """Let the decoder use as many threads as there are cores.

    FFmpeg's default is one thread more, for a main thread that waits; here the main thread compares pictures, and on
    two cores the third thread costs 1 to 4 % of processor time.
    """
    is_large = stream.width * stream.height > _MOST_PIXELS_OF_FRAME_THREADS
    stream.thread_type = "SLICE" if is_large else "AUTO"
    stream.codec_context.thread_count = min(_MOST_THREADS, os.cpu_count() or 1)


def _open_container(path: Path) -> InputContainer:
    name = printable_path(path.name)
    try:
        container = _open(path)
        if base.may_be_motion_jpeg(container, path):
            container.close()
            container = _open(path, "mjpeg")
    except PermissionError as error:
        raise VideoError("video_no_permission", path=printable_path(path)) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if base.begins_like_video(path):
            raise DecodeError("video_index_missing", name=name) from error
        raise _not_a_video(path) from error
    if base.is_still_image(container):
        container.close()
        if base.is_animated_webp(path):
            raise VideoError("video_webp_animated", name=name)
        raise VideoError("video_is_image", name=name, format=container.format.name)
    for sound in container.streams.audio:
        _leave_out_own_order(sound)
    return container


def _open(path: Path, form: str | None = None) -> InputContainer:
    """Open a file as the format that FFmpeg recognises, or as `form`."""
    options = base.OPEN_OPTIONS
    if track_header.has_outlying_times(path):
        options = {**options, "advanced_editlist": "0"}  # the edit list moves the times and leaves out nothing
    limit = (None, PACKET_SECONDS)
    return av.open(str(path.absolute()), format=form, options=options, metadata_errors="replace", timeout=limit)


def _leave_out_own_order(sound: AudioStream) -> tuple[str, ...]:
    """Give the channels of a sound track no places where they have an order of their own, as QuickTime allows.

    PyAV frees such an order with every object that refers to it, and the second time ends the process.

    Returns:
        The names of the channels, empty if their order is usual.
    """
    if sound.codec_context is None:
        return ()
    layout = sound.codec_context.layout
    own = _OWN_ORDER.fullmatch(layout.name)
    if own is None:
        return ()
    sound.codec_context.layout = f"{layout.nb_channels} channels"  # from here on `layout` alone has the order
    return tuple(own[1].split("+"))


def _not_a_video(path: Path) -> VideoError:
    """Return the error for a file without a video, by its kind or the suffix of its name."""
    if part := base.part_of_stream(path):
        key = f"video_is_{part}"
    elif path.suffix.lower() in VIDEO_SUFFIXES:
        key = "video_not_a_video"
    else:
        key = "video_is_subtitles" if is_subtitle_name(path.name) else "video_other_file"
    return VideoError(key, name=printable_path(path.name))


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the video stream marked as default, else the largest; without cover art, and a single picture last."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        if container.streams.audio:
            raise VideoError("video_audio_only", name=printable_path(path.name))
        raise _not_a_video(path)
    decodable = [s for s in streams if s.codec_context is not None]
    if not decodable:
        raise DecodeError("video_no_frames", name=printable_path(path.name), codec="?")
    stream = max(
        decodable, key=lambda s: (not _is_one_picture(s), bool(s.disposition & Disposition.default), s.width * s.height)
    )
    stream.codec_context.options = {"err_detect": "crccheck"}  # compare checksums if the file has them
    if stream.codec.canonical_name in _REORDERED_CODECS:
        container.flags = int(container.flags) & ~cast(int, Flags.gen_pts.value)
    return stream
