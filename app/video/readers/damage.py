"""Damage that a decoder reports, and the frames that show it.

A decoder flags the frame whose data was broken, at best; the following frames repeat its picture or smear it until the
next keyframe. Nothing is decoded here.

FFmpeg writes its messages to standard error, from its own threads, and they are read there. PyAV could pass them to
Python instead, but takes the interpreter's lock for that in those threads, which can deadlock while a decoder closes.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from typing import BinaryIO

import av.logging

_HEALED_SECONDS = 12.0
"""Encoders store a frame whole every few seconds. Where none comes for this long, blocks were renewed one by one."""
_DAMAGE = re.compile(
    rb"^Corrupt JPEG data: |"  # libjpeg's
    rb"^\[(?:ffv1|mjpeg|h264|hevc|mpeg\w+|msmpeg4\w*|h263\w*|wmv\d|vc1|prores|dnxhd|libdav1d) @ [^]]*\] (?:"
    rb"slice CRC mismatch|bitstream end mismatching|overread|mjpeg_decode_dc: bad vlc|error (?:y=|count|dc|ac)|"
    rb"error while decoding MB|.*unavailable for requested intra|cabac decode of|Error at MB|illegal [ad]c vlc|"
    rb".* damaged at|.*outside the valid range|dc overflow|invalid mb type|MV errors|Error parsing|"
    rb"mismatching checksum|Verifying checksum failed|ac tex damaged|slice is damaged)",
    re.MULTILINE,
)
"""What decoders write for flipped bits in real footage, see benchmarks.damage. Not what whole files give cause for too,
such as references that are missing behind a cut."""


class Damage:
    """Ask `shows` of every frame in display order."""

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
            seconds: Its time.
            num_reported: How often damage was reported up to this frame, in flags or errors.
            is_whole: Whether the codec stored it by itself.
            num_messages: How often a decoder wrote of damage up to this frame.
            num_in_flight: How many frames the decoder works on at once. A message may be about any of them.
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
        elif self._since is not None and (is_whole or seconds - self._since > _HEALED_SECONDS):
            self._since = None
        return self._since is not None


class Messages:
    """What has been written to `file` since it was asked last."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self) -> bool:
        """Return whether a decoder has reported damage since the last call."""
        number = self._file.fileno()
        if not (size := os.fstat(number).st_size):
            return False
        os.lseek(number, 0, os.SEEK_SET)
        text = os.read(number, size)
        os.ftruncate(number, 0)
        os.lseek(number, 0, os.SEEK_SET)
        return _DAMAGE.search(text) is not None


_messages: Messages | None = None


def watch() -> None:
    """Redirect what libraries write to standard error in this process; Python's own goes where it went before."""
    global _messages
    if _messages is not None:
        return
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
    os.dup2(file.fileno(), 2)
    _messages = Messages(file)
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.ERROR)


def has_damage() -> bool:
    """Return whether a decoder has reported damage since the last call; False where nobody watches."""
    return _messages is not None and _messages.take()
