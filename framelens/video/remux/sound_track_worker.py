"""Worker that joins pictures and sound by copying packets; see framelens.video.remux.sound_track."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from typing import Any, NoReturn

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from framelens.core.errors import DecodeError, VideoError
from framelens.video import limits
from framelens.video.files import printable_path
from framelens.video.readers.base import OPEN_OPTIONS
from framelens.video.readers.packets import demuxed
from framelens.video.readers.pyav import open_video
from framelens.video.remux.sound_track import WORKER, JoinRequest
from framelens.video.remux.written_file import WrittenBytes, WrittenFile
from framelens.video.worker import serve

_PIECE_BYTES = 1 << 20
_WITHOUT_CLOCK = frozenset({"aac", "mp3", "ac3", "eac3", "flac"})
"""Formats whose times begin at zero wherever the pictures begin."""


def joined(request: JoinRequest) -> Iterator[WrittenBytes]:
    """Yield the joined file.

    Raises:
        VideoError: A file can't be read, or has no such track.
        DecodeError: The codecs don't go into an MP4.
    """
    pictures, stream = open_video(request.path)
    with pictures, _opened(request) as sounds:
        sound = sounds.streams.audio[0]
        into = WrittenFile()
        try:
            with av.open(into, "w", format="mp4") as container:
                copies = {id(one): container.add_stream_from_template(one) for one in (stream, sound)}
                shift = _start(stream) - _start(sound) if sounds.format.name in _WITHOUT_CLOCK else 0.0
                for _, source, packet in merge(_timed(stream, pictures), _timed(sound, sounds, shift)):
                    limits.move_on()
                    packet.stream = copies[source]
                    container.mux(packet)
                    if into.num_waiting >= _PIECE_BYTES:
                        yield from into.taken()
        except (av.error.FFmpegError, ValueError) as error:
            raise DecodeError("video_not_joined", name=printable_path(request.path.name)) from error
        yield from into.taken()


def _opened(request: JoinRequest) -> InputContainer:
    """Open the file with the sound."""
    try:
        container = av.open(str(request.sound), options=OPEN_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError("video_not_joined", name=printable_path(request.path.name)) from error
    if not container.streams.audio:
        container.close()
        raise VideoError("video_not_joined", name=printable_path(request.path.name))
    return container


def _start(stream: VideoStream | AudioStream) -> float:
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _timed(
    stream: VideoStream | AudioStream, container: InputContainer, shift: float = 0.0
) -> Iterator[tuple[float, int, Packet[Any]]]:
    """Yield the packets of a stream with the time of decoding and the stream's identity."""
    unit = stream.time_base or 1
    ticks = round(shift / unit)
    for packet in demuxed(container, stream):
        if packet.size and packet.dts is not None:
            packet.dts += ticks
            packet.pts = packet.pts if packet.pts is None else packet.pts + ticks
            yield float(packet.dts * unit), id(stream), packet


def main() -> NoReturn:
    """Handle a request."""
    serve(JoinRequest, WORKER, lambda request: [request.path, request.sound], joined)


if __name__ == "__main__":
    main()
