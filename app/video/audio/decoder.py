"""Decoder of a video's sound, in pieces on the time axis of its pictures. Runs in the decoder worker.

Damaged packets are left out. Of several sound tracks the one marked as default is decoded, else the first.
"""

from __future__ import annotations

from collections.abc import Iterator

import av.error
import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition

from app.core.domain import SoundPiece, VideoInfo
from app.core.errors import DecodeError
from app.video.audio.segmenter import RATE, AudioSegmenter, Samples
from app.video.files import printable
from app.video.limits import move_on
from app.video.readers.pyav import open_video

_GAP_SECONDS = 0.1
"""Timestamps of sound are often a little off; a larger difference is a gap, or a clock that restarted. Chosen by hand;
not tuned."""
_EARLY_SECONDS = 2.0
"""Decoding starts this long before a range: more than a codec needs to produce correct samples. Chosen by hand; not
tuned."""
_BLOCK = RATE
Block = tuple[float, Samples]


def pieces(info: VideoInfo, start_seconds: float, end_seconds: float | None) -> Iterator[SoundPiece]:
    """Yield the sound of [start_seconds, end_seconds) in pieces; see app.video.sound_pieces.

    Raises:
        DecodeError: None of the sound can be decoded.
    """
    cutter = AudioSegmenter()
    for time, samples in _joined(_within(_blocks(info, start_seconds), start_seconds, end_seconds)):
        yield from cutter.push(time, samples)
    yield from cutter.finish()


def _joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """Merge blocks to about a second each; a decoder's own are too small to process one by one."""
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
        wanted = samples[skipped : None if end == float("inf") else max(0, round((end - time) * RATE))]
        if len(wanted):
            yield time + skipped / RATE, wanted


def _blocks(info: VideoInfo, start_seconds: float) -> Iterator[Block]:
    container, _ = open_video(info.path)
    with container:
        stream = _stream(container)
        if stream is None:
            return
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        if start_seconds > _EARLY_SECONDS:
            _seek(container, start_seconds - _EARLY_SECONDS + info.start_seconds)
        track = _Track(info.start_seconds)
        for frame in _frames(container, stream):
            yield from track.resampled(frame)
        yield from track.rest()
        if not track.num_frames and not start_seconds:
            name, codec = printable(info.name), stream.codec_context.name
            raise DecodeError("sound_undecodable", name=name, codec=codec)


def _stream(container: InputContainer) -> AudioStream | None:
    known = [one for one in container.streams.audio if one.codec_context is not None]
    return max(known, key=lambda one: bool(one.disposition & Disposition.default), default=None)


def _seek(container: InputContainer, container_seconds: float) -> None:
    try:
        container.seek(round(container_seconds * av.time_base))
    except av.error.FFmpegError:  # not every format can seek; then it is read from the current position
        return


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    packets = container.demux(stream)
    while True:
        move_on()
        try:
            packet = next(packets)
        except (StopIteration, IndexError, av.error.FFmpegError):
            return
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


class _Track:
    """Converter of decoded frames to blocks at RATE, each with its time on the axis of the pictures."""

    def __init__(self, origin_seconds: float) -> None:
        self.num_frames = 0
        self._origin = origin_seconds
        self._resampler: AudioResampler | None = None
        self._kind: tuple[object, ...] = ()
        self._start = 0.0  # of the samples that went through the current resampler
        self._num_pushed = self._num_returned = 0
        self._shift = 0.0

    def resampled(self, frame: AudioFrame) -> Iterator[Block]:
        """Yield the blocks that a frame completes."""
        if not frame.samples or not frame.sample_rate:
            return
        self.num_frames += 1
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        time = self._time(frame)
        if kind != self._kind or abs(time - self._expected()) > _GAP_SECONDS:
            yield from self.rest()
            self._resampler, self._kind = AudioResampler("s16", "mono", RATE), kind
            self._start, self._num_pushed, self._num_returned = time, 0, 0
        self._num_pushed += frame.samples
        frame.pts = None  # from here on samples are counted; the file's time was read above
        yield from self._through(frame)

    def rest(self) -> Iterator[Block]:
        """Yield what the resampler still holds."""
        if self._resampler is not None and self._num_pushed:
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

    def _expected(self) -> float:
        return self._start + self._num_pushed / float(str(self._kind[2])) if self._kind else 0.0

    def _time(self, frame: AudioFrame) -> float:
        """Return the seconds since the first picture; a clock that falls back was restarted and is shifted."""
        expected = self._expected()
        if frame.pts is None or frame.time_base is None:
            return expected
        raw = frame.pts * frame.time_base.numerator / frame.time_base.denominator - self._origin
        if self._kind and raw + self._shift < expected - _GAP_SECONDS:
            self._shift = expected - raw
        return raw + self._shift
