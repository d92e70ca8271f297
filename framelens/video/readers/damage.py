"""Damage that a decoder reports, and the frames that show it. Nothing is decoded here.

At best, a decoder flags the frame whose data is broken; the following frames repeat or smear its picture until the
next keyframe.

FFmpeg's own threads write its messages to standard error, and they are read there. PyAV could pass them to Python, but
it takes the interpreter's lock in those threads, which can deadlock while a decoder closes.
"""

import os
import re
import sys
import tempfile
from typing import BinaryIO

import av.logging

HEALED_SECONDS = 12.0
"""Encoders store a frame whole every few seconds. Without such a frame for this long, blocks were refreshed
individually."""
_DAMAGE = re.compile(
    rb"^Corrupt JPEG data: |"  # libjpeg's
    rb"^\[(?:ffv1|mjpeg|h264|hevc|mpeg\w+|msmpeg4\w*|h263\w*|wmv\d|vc1|prores|dnxhd|libdav1d) @ [^]]*\] (?:"
    rb"slice CRC mismatch|bitstream end mismatching|overread|mjpeg_decode_dc: bad vlc|error (?:y=|count|dc|ac)|"
    rb"error while decoding MB|.*unavailable for requested intra|cabac decode of|Error at MB|illegal [ad]c vlc|"
    rb".* damaged at|.*outside the valid range|dc overflow|invalid mb type|MV errors|Error parsing|"
    rb"mismatching checksum|Verifying checksum failed|ac tex damaged|slice is damaged|concealing \d+ DC)",
    re.MULTILINE,
)
"""Messages that decoders write for flipped bits in real footage, see benchmarks.damage. Messages that undamaged files
cause too, such as missing references after a cut, are left out. For a picture of H.264 or MPEG-4 that ends too early,
"concealing" is the only message; frames that are predicted from the picture carry no flag and may be shown before
it."""

_LOST_END = re.compile(rb"^Failed to reallocate parser buffer", re.MULTILINE)
"""Message of a parser that gets no memory for a picture, such as gigabytes of zeros behind a raw stream. It then ends
the file without an error."""


_MOST_BYTES = 1 << 20
"""Size from which a file of messages is emptied; what is written at that moment would be lost."""


class Damage:
    """Tracker of damage along a video. Call `shows` for every frame in display order."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._num_reported = 0
        self._num_messages = 0
        self._num_doubtful = 0

    def shows(
        self, seconds: float, *, num_reported: int, is_whole: bool, num_messages: int = 0, num_in_flight: int = 1
    ) -> bool:
        """Return whether the frame at `seconds` shows damage.

        Args:
            seconds: The time of the frame.
            num_reported: Flags and errors reported up to this frame.
            is_whole: The codec stored the frame whole.
            num_messages: Decoder messages about damage up to this frame.
            num_in_flight: Frames that the decoder works on at once; a message may be about any of them.
        """
        is_new, self._num_reported = num_reported > self._num_reported, num_reported
        if num_messages > self._num_messages:
            self._num_doubtful = num_in_flight
        self._num_messages = num_messages
        if self._num_doubtful:
            self._num_doubtful -= 1
            is_new = True
        if is_new:
            self._since = seconds
        elif self._since is not None and (is_whole or seconds - self._since > HEALED_SECONDS):
            self._since = None
        return self._since is not None


class Messages:
    """Reader of the decoder messages written to `file`.

    Threads write while it reads, and a message comes in pieces: of an unfinished line nothing is read yet.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._num_read = 0
        self.lost_end = False

    def take(self) -> bool:
        """Return whether a decoder has reported damage since the last call."""
        number = self._file.fileno()
        if not (size := os.fstat(number).st_size - self._num_read):
            return False
        text = os.pread(number, size, self._num_read)
        text = text[: text.rfind(b"\n") + 1]
        self._num_read += len(text)
        if self._num_read > _MOST_BYTES and len(text) == size:
            os.ftruncate(number, 0)
            os.lseek(number, 0, os.SEEK_SET)
            self._num_read = 0
        self.lost_end = self.lost_end or _LOST_END.search(text) is not None
        return _DAMAGE.search(text) is not None


_messages: Messages | None = None


def watch() -> None:
    """Collect what libraries write to standard error in this process; Python's own output is not redirected."""
    global _messages
    if _messages is not None:
        return
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
    os.dup2(file.fileno(), 2)
    _messages = Messages(file)
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.INFO)


def has_damage() -> bool:
    """Return whether a decoder has reported damage since the last call; False without an earlier `watch`."""
    return _messages is not None and _messages.take()


def has_lost_end() -> bool:
    """Return whether the rest of the file that was read last didn't fit into memory; call it at its end."""
    if _messages is None:
        return False
    _messages.take()
    has_lost, _messages.lost_end = _messages.lost_end, False
    return has_lost
