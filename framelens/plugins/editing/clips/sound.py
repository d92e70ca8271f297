"""Sound tracks of exact clips: decoded, cut to the sample and encoded again as AAC.

Gaps are filled with silence, so that sound stays with its pictures; what overlaps is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, cast

import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from numpy.typing import NDArray

from framelens.core.domain import VideoInfo
from framelens.video.audio.decoder import EARLY_SECONDS, decoded_frames, seek
from framelens.video.readers.pyav import open_video

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""Samples a second that AAC knows."""
_USUAL_RATE = 48_000
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""Layouts that AAC knows, by number of channels, for files that don't name the channels' places, as PCM in AVI."""
_KEPT_LAYOUTS = frozenset({"mono", "stereo", "2.1", "3.0", "3.0(back)", "4.0", "quad", "5.0", "5.1", "7.1"})
"""Layouts whose places FFmpeg finds again in AAC. Places of all other layouts are lost, also of AC-3's and DTS's, whose
surround channels are at the sides."""
_WIDER_LAYOUTS = {3: "5.1", 4: "5.1", 5: "5.1", 6: "5.1", 7: "7.1", 8: "7.1"}
"""Layouts by number of channels that have a place for each channel of another layout or mix it into its neighbours."""
_IS_UNNAMED = re.compile(r"\d+ channels")
_FORMAT = "flt"
"""All channels in one plane: PyAV looks for planes beyond the eighth, which don't exist, and crashes."""
_BITS_A_CHANNEL = 96_000
_GAP_SECONDS = 0.1
"""Times of sound are often a little off; a larger difference is a gap, or a clock that restarted."""
_MOST_SECONDS = 1e9
Samples = NDArray[np.float32]
"""Channels x samples."""


class SoundTrack:
    """A sound track of a clip."""

    def __init__(self, info: VideoInfo, clip: OutputContainer, source: AudioStream | None, *, is_fitted: bool) -> None:
        """Add the track to the clip.

        Args:
            info: The video.
            clip: The clip.
            source: The track of the video, None for silence.
            is_fitted: Whether it becomes stereo at the usual rate, with silence where the video has no sound.
        """
        self._info, self._is_fitted = info, is_fitted
        self._index = None if source is None else source.index
        self._rate, self._layout = (_USUAL_RATE, "stereo") if source is None or is_fitted else _traits(source)
        self._stream = clip.add_stream("aac", rate=self._rate, layout=self._layout)
        self._channels = self._stream.codec_context.layout.nb_channels
        self._stream.codec_context.bit_rate = _BITS_A_CHANNEL * self._channels
        if source is not None and not is_fitted:
            self._stream.metadata.update({key: value for key, value in source.metadata.items() if key == "language"})

    def packets(self, start_seconds: float, end_seconds: float) -> Iterator[tuple[float, Packet[Any]]]:
        """Encode the sound of a range and yield the packets, each with its time in the clip."""
        num = 0
        blocks = self._decoded(start_seconds)
        if self._is_fitted:
            blocks = chain(blocks, [(end_seconds, np.zeros((self._channels, 0), np.float32))])
        for samples in _joined(blocks, start_seconds, end_seconds, self._rate):
            frame = AudioFrame.from_ndarray(samples.T.reshape(1, -1), format=_FORMAT, layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, num, Fraction(1, self._rate)
            num += samples.shape[1]
            yield from map(_timed, self._stream.encode(frame))
        yield from map(_timed, self._stream.encode(None) if num else ())

    def _decoded(self, start_seconds: float) -> Iterator[tuple[float, Samples]]:
        """Yield the decoded sound with its times, from somewhat before `start_seconds` on."""
        if self._index is None:
            return
        container, _ = open_video(self._info.path)
        with container:
            stream = container.streams[self._index]
            assert isinstance(stream, AudioStream)
            if start_seconds > EARLY_SECONDS:
                seek(container, start_seconds - EARLY_SECONDS + self._info.start_seconds)
            resampler, kind = AudioResampler(_FORMAT, self._layout, self._rate), None
            for frame in decoded_frames(container, stream):
                if frame.pts is None or frame.time_base is None or not frame.samples:
                    continue
                time = float(frame.pts * frame.time_base) - self._info.start_seconds
                if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):
                    resampler = AudioResampler(_FORMAT, self._layout, self._rate)
                frame.pts = None
                for result in resampler.resample(frame):
                    yield time, cast(Samples, result.to_ndarray().reshape(-1, self._channels).T)
                    time += result.samples / self._rate


def _traits(source: AudioStream) -> tuple[int, str]:
    """Return the rate and the layout that a track has when it is encoded as AAC."""
    rate, channels = source.codec_context.sample_rate, source.codec_context.layout.nb_channels
    layout = source.codec_context.layout.name
    if _IS_UNNAMED.fullmatch(layout):
        layout = _USUAL_LAYOUTS.get(channels, "stereo")
    elif layout == "5.0(side)":
        layout = "5.0"
    elif layout not in _KEPT_LAYOUTS:
        layout = _WIDER_LAYOUTS.get(channels, "stereo")
    return rate if rate in _RATES else _USUAL_RATE, layout


def _joined(
    blocks: Iterator[tuple[float, Samples]], start_seconds: float, end_seconds: float, rate: int
) -> Iterator[Samples]:
    """Yield what lies between two times without gaps, from the first of them on."""
    num, total = 0, int(min(end_seconds - start_seconds, _MOST_SECONDS) * rate)
    for time, samples in blocks:
        place = round((time - start_seconds) * rate)
        if num and abs(place - num) < _GAP_SECONDS * rate:
            place = num
        while num < min(place, total):
            silence = np.zeros((samples.shape[0], min(rate, place - num, total - num)), np.float32)
            num += silence.shape[1]
            yield silence
        wanted = samples[:, max(0, num - place) :][:, : total - num]
        if wanted.shape[1]:
            num += wanted.shape[1]
            yield wanted
        if num >= total:
            return


def _timed(packet: Packet[Any]) -> tuple[float, Packet[Any]]:
    return float((packet.dts or 0) * packet.time_base), packet
