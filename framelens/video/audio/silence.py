"""Silent stretches of a video's sound, exact to about 20 ms. Runs in the decoder worker.

All channels are measured as they are stored: nothing is resampled or mixed, so that channels of opposite phase don't
cancel each other out.
"""

from collections.abc import Iterator

import numpy as np
from av import AudioFrame

from framelens.core.domain import Stretch, VideoInfo
from framelens.video.audio.decoder import GAP_SECONDS, TrackClock, sound_frames
from framelens.video.features.timeline_metrics import Spans

SILENT_LEVEL = 0.001
"""Peak below which a window is silent, of full scale: -60 dBFS, FFmpeg's default for `silencedetect`. Quiet music and
the hiss of a microphone in an empty room (-55 to -50 dBFS) are sound."""
SILENT_SECONDS = 2.0
"""Shortest silent stretch, also of `silencedetect`; pauses of speech are shorter."""
_WINDOW_SECONDS = 0.02
"""A block of a codec, such as 1,024 samples of AAC; uncompressed sound can come in blocks of a second."""


def silent_stretches(info: VideoInfo, start_seconds: float, end_seconds: float) -> tuple[Stretch, ...]:
    """Return the stretches of [start_seconds, end_seconds) without sound, of which the hundred longest are kept.

    Before the sound begins, in its gaps and after its end nothing is heard either.

    Raises:
        DecodeError: No sound can be decoded.
    """
    spans, reached = Spans("silent", SILENT_SECONDS), start_seconds
    for start, end, peak in _windows(info, start_seconds):
        if start >= end_seconds:
            break
        if end <= reached:
            continue
        if start > reached + GAP_SECONDS:
            spans.on(reached)
            spans.on(start)
        if peak < SILENT_LEVEL:
            spans.on(max(start, reached))
            spans.on(min(end, end_seconds))
        else:
            spans.off(max(start, reached))
        reached = end
    if reached < end_seconds:
        spans.on(reached)
        spans.on(end_seconds)
    return tuple(spans.until(end_seconds))


def _windows(info: VideoInfo, start_seconds: float) -> Iterator[tuple[float, float, float]]:
    """Yield start, end and peak of each window of the sound."""
    clock = TrackClock(info.start_seconds)
    for frame in sound_frames(info, start_seconds):
        time, _ = clock.place(frame)
        peaks = _peaks(frame, max(1, round(_WINDOW_SECONDS * frame.sample_rate)))
        length = frame.samples / frame.sample_rate / len(peaks)
        for index, peak in enumerate(peaks):
            yield time + index * length, time + (index + 1) * length, peak


def _peaks(frame: AudioFrame, window: int) -> list[float]:
    """Return the largest distance from zero in all channels, of full scale, in windows of about that many samples."""
    samples = frame.to_ndarray()
    if samples.dtype == np.uint8:
        samples = samples.astype(np.int16) - 128
        scale = 128.0
    else:
        scale = 2.0 ** (8 * samples.itemsize - 1) if samples.dtype.kind == "i" else 1.0
    number = max(1, frame.samples // window)
    if number == 1:
        return [max(-float(samples.min()), float(samples.max())) / scale]
    parts = np.array_split(samples, number, axis=1)  # of interleaved channels as well
    return [max(-float(part.min()), float(part.max())) / scale for part in parts]
