"""Reels in the worker: exact clips with the same parameters, joined without encoding them again, with chapters.

The clips are MP4: Matroska stores no decoding times.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from framelens.plugins.editing.clips.container import ClipContainer, known_sound
from framelens.plugins.editing.clips.messages import ClipPictures, ClipProgress, ClipRequest
from framelens.video.limits import move_on
from framelens.video.readers.pyav import open_video
from framelens.video.remux.written_file import WrittenBytes

if TYPE_CHECKING:
    from av.container.core import Chapter

_UNIT = Fraction(1, 1000)
"""Of chapters."""


def joined(request: ClipRequest) -> Iterator[WrittenBytes | ClipProgress | ClipPictures]:
    """Yield the bytes of the reel, how far it is, and its pictures.

    Raises:
        VideoError: A clip can't be read, or the container doesn't take its streams.
    """
    first, stream = open_video(request.clips[0].path)
    times: list[float] = []
    offset = 0.0
    with first, ClipContainer(request.format, request.path.name) as reel:
        copies = [reel.copy_of(one) for one in (stream, *known_sound(first, stream))]
        if request.has_chapters:
            reel.container.set_chapters(list(_chapters(request)))
        reel.begin()
        last = [-(1 << 62)] * len(copies)
        for clip in request.clips:
            container, pictures = open_video(clip.path)
            with container:
                streams = [pictures, *known_sound(container, pictures)]
                for place, packet in _packets(container, streams, offset, clip.seconds):
                    if place == 0:
                        times.append(float((packet.pts or 0) * packet.time_base))
                    packet.dts = last[place] = max(packet.dts or 0, last[place] + 1)
                    packet.stream = copies[place]
                    yield from reel.add(packet)
            offset += clip.seconds
            yield ClipProgress(offset)
        yield from reel.rest()
    yield ClipPictures(0.0, offset, tuple(sorted(times)))


def _packets(
    container: InputContainer, streams: list[Stream], offset_seconds: float, length_seconds: float
) -> Iterator[tuple[int, Packet[Stream]]]:
    """Yield the packets of a clip at their times in the reel, each with the place of its track."""
    places = {stream.index: place for place, stream in enumerate(streams)}
    for packet in container.demux(*streams):
        move_on()
        if packet.pts is None or packet.dts is None or not packet.size:
            continue
        place, seconds = places[packet.stream.index], float(packet.pts * packet.time_base)
        # What an encoder of sound puts before the first sample is heard only at the start of the reel.
        if place and not (0 <= seconds < length_seconds or (not offset_seconds and seconds < 0)):
            continue
        shift = round(Fraction(offset_seconds) / packet.time_base)
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        yield place, packet


def _chapters(request: ClipRequest) -> Iterator[Chapter]:
    start = 0.0
    for number, clip in enumerate(request.clips, start=1):
        edges = (round(start / _UNIT), round((start + clip.seconds) / _UNIT))
        title = {"title": clip.title}
        yield {"id": number, "start": edges[0], "end": edges[1], "time_base": _UNIT, "metadata": title}
        start += clip.seconds
