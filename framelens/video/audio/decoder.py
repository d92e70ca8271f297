"""Decoder of a video's sound on the time axis of its pictures, and its segmenter. Runs in the decoder worker.

Damaged packets are left out. Of several sound tracks, tracks in the wanted language are preferred, then the track
marked as default, then the first. Sound is cut at quiet places, and silence is dropped.
"""

import io
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import av.error
import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from numpy.typing import NDArray

from framelens.core.domain import SoundPiece, VideoInfo
from framelens.core.errors import DecodeError
from framelens.video.files import printable_path
from framelens.video.limits import move_on
from framelens.video.readers.packets import demuxed
from framelens.video.readers.pyav import open_video, own_channel_order, sound_streams
from framelens.video.readers.restarts import continuous
from framelens.video.subtitles.names import language_code

RATE = 16_000
"""Samples a second, one channel of 16 bit: the input of speech models."""
MOST_SECONDS = 30
"""Length of a piece, at most."""
Samples = NDArray[np.int16]
_WINDOW = RATE // 50
"""Samples of a window: 20 ms."""
_A_SECOND = 50  # windows
_MOST = MOST_SECONDS * _A_SECOND
_EARLIEST_CUT = 20 * _A_SECOND
"""Windows of a piece before it may be cut at a quiet place."""
_MARGIN = _A_SECOND // 5
"""Windows of silence kept around sound: the beginning of a word may be softer than the limit for sound."""
_PAUSE = 15
"""Windows that must be quiet together for a good place to cut; the gap between two words is shorter."""
_NO_SOUND = 4
"""Inaudible peak, of 32768; lossy codecs produce such values for silence."""
_SAME_SECONDS = 0.002
"""A block whose time differs by more doesn't continue the previous block."""
GAP_SECONDS = 0.1
"""Timestamps of sound are often a little off; a larger difference is a gap, or a clock that restarted."""
EARLY_SECONDS = 2.0
"""Decoding starts this long before a range: more than a codec needs to produce correct samples."""
_PLACES = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR")
"""FFmpeg's names of the usual places of channels, in its order."""
_BLOCK = RATE
Block = tuple[float, Samples]


def pieces(
    info: VideoInfo, start_seconds: float, end_seconds: float | None, language: str = ""
) -> Iterator[SoundPiece]:
    """Yield the sound of [start_seconds, end_seconds) in pieces; see framelens.video.extractor.sound_pieces.

    Raises:
        DecodeError: No sound can be decoded.
    """
    cutter = AudioSegmenter()
    for time, samples in _join(_within(_blocks(info, start_seconds, language), start_seconds, end_seconds)):
        yield from cutter.push(time, samples)
    yield from cutter.finish()


def _join(blocks: Iterator[Block]) -> Iterator[Block]:
    """Merge blocks to about a second each; a decoder's own are too small to process individually."""
    held: list[Samples] = []
    start, length = 0.0, 0
    for time, samples in blocks:
        if held and (length >= _BLOCK or abs(start + length / RATE - time) > 1 / RATE):
            yield start, np.concatenate(held)
            held, length = [], 0
        if not held:
            start = time
        held.append(samples)
        length += len(samples)
    if held:
        yield start, np.concatenate(held)


def _within(blocks: Iterator[Block], start_seconds: float, end_seconds: float | None) -> Iterator[Block]:
    end = float("inf") if end_seconds is None else end_seconds
    for time, samples in blocks:
        if time >= end:
            return
        skipped = max(0, round((start_seconds - time) * RATE))
        selected = samples[skipped : None if end == float("inf") else max(0, round((end - time) * RATE))]
        if len(selected):
            yield time + skipped / RATE, selected


def sound_frames(info: VideoInfo, start_seconds: float, language: str = "") -> Iterator[AudioFrame]:
    """Yield the frames of the sound track, those of a range with some before its start.

    Raises:
        DecodeError: No sound can be decoded.
    """
    container, video = open_video(info.path)
    with container:
        stream = _stream(sound_streams(container, video), language)
        if stream is None:
            return
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        if start_seconds > EARLY_SECONDS:
            seek(container, start_seconds - EARLY_SECONDS + info.start_seconds)
        is_decoded = bool(start_seconds)
        for frame in decoded_frames(container, stream):
            if frame.samples and frame.sample_rate:
                is_decoded = True
                yield frame
        if not is_decoded:
            name, codec = printable_path(info.name), stream.codec_context.name
            raise DecodeError("sound_undecodable", name=name, codec=codec)


def _blocks(info: VideoInfo, start_seconds: float, language: str) -> Iterator[Block]:
    track = _Track(info.start_seconds)
    for frame in sound_frames(info, start_seconds, language):
        yield from track.resampled(frame)
    yield from track.rest()


def _stream(tracks: Sequence[AudioStream], language: str) -> AudioStream | None:
    """Return the track to decode; `language` is an ISO 639-1 code, "" for any."""
    decodable = [track for track in tracks if track.codec_context is not None]
    if language:
        spoken = [track for track in decodable if language_code(track.language or "") == language]
        decodable = spoken or decodable
    return max(decodable, key=lambda track: bool(track.disposition & Disposition.default), default=None)


def seek(container: InputContainer, container_seconds: float) -> None:
    """Seek to a time of the container, or stay where no seek is possible."""
    try:
        container.seek(round(container_seconds * av.time_base))
    except av.error.FFmpegError:  # not every format can seek; then it is read from the current position
        return


def decoded_frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Yield the frames of a sound track from the current place on; damaged frames are left out."""
    order = ChannelOrder(own_channel_order(Path(container.name), stream))
    packets = continuous(demuxed(container, stream), container)
    while True:
        move_on()
        try:
            packet = next(packets)
        except (StopIteration, IndexError, av.error.FFmpegError):
            return
        try:
            yield from map(order.placed, packet.decode())
        except av.error.FFmpegError:
            continue


class ChannelOrder:
    """Order of the channels in the frames of a sound track, where it differs from FFmpeg's."""

    def __init__(self, names: Sequence[str]) -> None:
        """Start with FFmpeg's names of the channels in the order of the file; without any, frames stay as they are."""
        is_known = set(names) <= set(_PLACES) and len(set(names)) == len(names)
        self._sorted = sorted(names, key=_PLACES.index) if is_known else []
        self._sources = [names.index(name) for name in self._sorted]

    def placed(self, frame: AudioFrame) -> AudioFrame:
        """Return a frame with its channels in FFmpeg's order, each at its place."""
        if len(self._sources) != frame.layout.nb_channels or frame.format.is_planar:
            return frame
        samples = frame.to_ndarray().reshape(frame.samples, -1)[:, self._sources]
        placed = AudioFrame.from_ndarray(samples.reshape(1, -1), frame.format.name, "+".join(self._sorted))
        placed.sample_rate, placed.pts, placed.time_base = frame.sample_rate, frame.pts, frame.time_base
        return placed


class TrackClock:
    """Times of the frames of a sound track on the axis of the pictures; a clock that falls back was restarted."""

    def __init__(self, origin_seconds: float) -> None:
        self._origin = origin_seconds
        self._kind: tuple[object, ...] = ()
        self._start = 0.0  # of the frames that continue each other
        self._num_samples = 0
        self._shift = 0.0

    def place(self, frame: AudioFrame) -> tuple[float, bool]:
        """Return when the next frame begins, and whether it continues the previous frame."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        time = self._time(frame)
        continues = kind == self._kind and abs(time - self._expected_seconds()) <= GAP_SECONDS
        if not continues:
            self._kind, self._start, self._num_samples = kind, time, 0
        self._num_samples += frame.samples
        return time, continues

    def _expected_seconds(self) -> float:
        return self._start + self._num_samples / float(str(self._kind[2])) if self._kind else 0.0

    def _time(self, frame: AudioFrame) -> float:
        expected = self._expected_seconds()
        if frame.pts is None or frame.time_base is None:
            return expected
        raw = frame.pts * frame.time_base.numerator / frame.time_base.denominator - self._origin
        if self._kind and raw + self._shift < expected - GAP_SECONDS:
            self._shift = expected - raw
        return raw + self._shift


class _Track:
    """Converter of decoded frames to blocks at RATE, each with its time on the axis of the pictures."""

    def __init__(self, origin_seconds: float) -> None:
        self._clock = TrackClock(origin_seconds)
        self._resampler: AudioResampler | None = None
        self._start = 0.0  # of the samples that went through the current resampler
        self._num_returned = 0

    def resampled(self, frame: AudioFrame) -> Iterator[Block]:
        """Yield the blocks that a frame completes."""
        time, continues = self._clock.place(frame)
        if not continues:
            yield from self.rest()
            self._resampler, self._start, self._num_returned = AudioResampler("s16", "mono", RATE), time, 0
        frame.pts = None  # from here on samples are counted; the file's time was read above
        yield from self._through(frame)

    def rest(self) -> Iterator[Block]:
        """Yield what the resampler still holds."""
        if self._resampler is not None:
            yield from self._through(None)
        self._resampler = None

    def _through(self, frame: AudioFrame | None) -> Iterator[Block]:
        assert self._resampler
        try:
            results = self._resampler.resample(frame)
        except (av.error.FFmpegError, ValueError):
            return
        for result in results:
            samples = result.to_ndarray().reshape(-1).astype(np.int16, copy=False)
            yield self._start + self._num_returned / RATE, samples
            self._num_returned += len(samples)


class AudioSegmenter:
    """Streaming segmenter: `push` blocks in order, then `finish`. Holds about 30 s at most."""

    def __init__(self) -> None:
        self._held: Samples = np.empty(0, np.int16)
        self._start = 0.0

    def push(self, time_seconds: float, samples: Samples) -> Iterator[SoundPiece]:
        """Add a block; yield the pieces that are complete. A time that doesn't continue the last starts a new piece."""
        if len(self._held) and abs(self._start + len(self._held) / RATE - time_seconds) > _SAME_SECONDS:
            yield from self.finish()
        if not len(self._held):
            self._start = time_seconds
        self._held = np.concatenate([self._held, samples])
        yield from self._complete()

    def finish(self) -> Iterator[SoundPiece]:
        """Yield the rest, if it is audible."""
        yield from self._complete()
        if (peaks := _peaks(self._held)).size and peaks.max() > _NO_SOUND:
            yield self._piece(len(self._held))
        self._held = np.empty(0, np.int16)

    def _complete(self) -> Iterator[SoundPiece]:
        while True:
            self._drop_silent_head()
            loud = _peaks(self._held) > _NO_SOUND
            if (end := _end_of_sound(loud)) is not None:
                yield self._piece(end * _WINDOW)
            elif len(loud) > _MOST:
                yield self._piece(_quiet_place(self._held) * _WINDOW)
            else:
                return

    def _drop_silent_head(self) -> None:
        loud = _peaks(self._held) > _NO_SOUND
        first = int(loud.argmax()) if loud.any() else len(loud)
        self._drop(max(0, first - _MARGIN) * _WINDOW)

    def _piece(self, length: int) -> SoundPiece:
        start = self._start
        samples = self._drop(length)
        return SoundPiece(round(start, 6), round(start + len(samples) / RATE, 6), _wav(samples))

    def _drop(self, length: int) -> Samples:
        dropped, self._held = self._held[:length], self._held[length:]
        self._start += len(dropped) / RATE
        return dropped


def _peaks(samples: Samples) -> NDArray[np.int32]:
    """Return the peak of each window, including an incomplete window at the end."""
    whole = len(samples) // _WINDOW * _WINDOW
    levels = np.abs(samples.astype(np.int32))
    parts = [levels[:whole].reshape(-1, _WINDOW).max(axis=1)] if whole else []
    if whole < len(samples):
        parts.append(levels[whole:].max(keepdims=True))
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def _end_of_sound(loud: NDArray[np.bool_]) -> int | None:
    """Return the window where the piece ends, if a second of silence follows."""
    silent_for = 0
    for window, is_loud in enumerate(loud[:_MOST].tolist()):
        silent_for = 0 if is_loud else silent_for + 1
        if silent_for == _A_SECOND and window >= _A_SECOND:
            return window + 1 - _A_SECOND + _MARGIN
    return None


def _quiet_place(samples: Samples) -> int:
    """Return the quietest window in the last third of the longest piece; the later of equals."""
    windows = samples[: _MOST * _WINDOW].astype(np.float32).reshape(-1, _WINDOW)
    energy = np.convolve((windows**2).mean(axis=1), np.ones(_PAUSE), mode="same")[_EARLIEST_CUT : _MOST - _PAUSE]
    return _EARLIEST_CUT + len(energy) - 1 - int(energy[::-1].argmin())


def _wav(samples: Samples) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
        file.writeframes(bytes(2 * max(0, RATE - len(samples))))  # servers refuse very short recordings
    return buffer.getvalue()
