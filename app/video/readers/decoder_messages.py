"""Messages of FFmpeg's decoders that say that a picture is damaged; most such pictures are given back without a flag.

FFmpeg writes them to standard error, from threads of its own, and that is where they are read. PyAV could hand them to
Python instead, but takes the interpreter's lock for it in those threads, which can block for ever while a decoder is
closed.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from typing import BinaryIO

import av.logging

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
