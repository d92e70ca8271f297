"""Container of a clip in the worker: what FFmpeg writes becomes messages, since the sandbox lets no file be written."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from framelens.core.errors import VideoError
from framelens.video.limits import move_on
from framelens.video.readers.pyav import sound_streams
from framelens.video.remux.written_file import WrittenBytes, WrittenFile

_PIECE_BYTES = 1 << 18


def known_sound(container: InputContainer, video: VideoStream) -> list[AudioStream]:
    """List the sound tracks of a video that have a decoder."""
    return [one for one in sound_streams(container, video) if one.codec_context is not None]


class ClipContainer:
    """Container that is being written. Use it in a `with` block, and send `rest` after the last packet."""

    def __init__(self, name: str, video: str) -> None:
        """Open the container.

        Args:
            name: FFmpeg's name of the format.
            video: Name of the video, for messages.
        """
        self._name, self._video = name, video
        self._file = WrittenFile()
        self.container: OutputContainer = av.open(self._file, "w", format=name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._file.taken()
        self.container.close()

    def copy_of(self, stream: Stream, timecode: str = "") -> Stream:
        """Add a stream for the packets of `stream`. Raises VideoError if the format doesn't take its codec.

        Args:
            stream: The stream of the video. Its tags are kept, except its timecode.
            timecode: Timecode of the first picture, "" without a timecode.
        """
        try:
            copy = self.container.add_stream_from_template(stream, opaque=True)  # its codec may have no encoder
        except ValueError as error:
            raise self._refused(error) from error
        copy.metadata.update({name: value for name, value in stream.metadata.items() if name.lower() != "timecode"})
        if timecode:
            copy.metadata["timecode"] = timecode
        return copy

    def begin(self) -> None:
        """Write the head. Raises VideoError if the format doesn't take all streams."""
        try:
            self.container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            raise self._refused(error) from error

    def add(self, packet: Packet[Stream]) -> Iterator[WrittenBytes]:
        """Write a packet and yield the bytes that wait, if many. Raises VideoError if the format refuses the packet."""
        move_on()
        try:
            self.container.mux_one(packet)
        except (av.error.FFmpegError, ValueError) as error:
            raise self._refused(error) from error
        if self._file.num_waiting >= _PIECE_BYTES:
            yield from self._file.taken()

    def rest(self) -> Iterator[WrittenBytes]:
        """Close the file and yield the remaining bytes."""
        try:
            self.container.close()
        except av.error.FFmpegError as error:
            raise self._refused(error) from error
        yield from self._file.taken()

    def _refused(self, error: Exception) -> VideoError:
        reason = getattr(error, "strerror", None) or str(error)
        return VideoError("clip_refused", name=self._video, format=self._name, reason=reason)
