"""Files that were joined byte by byte, of which FFmpeg reads the first alone, or mixes the next file into the first.

Only the bytes are examined. Formats that FFmpeg reads on through, such as transport streams and Matroska, are not here;
`framelens.video.readers.restarts` continues their clocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from av.container import InputContainer
from av.packet import Packet

from framelens.video.files import input_status, open_input
from framelens.video.readers.base import boxes

_BEGINNINGS = {
    "flv": rb"FLV\x01[\0\x01\x04\x05]\0\0\0\x09\0\0\0\0",
    "asf": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c",
    "rm": rb"\.RMF\0\0\0[\x10-\x20]\0",
    "wtv": rb"\xb7\xd8\0\x20\x37\x49\xda\x11\xa6\x4e\0\x07\xe9\x5e\xad\x8d",
    "ivf": rb"DKIF\0\0\x20\0",
    "yuv4mpegpipe": rb"YUV4MPEG2 ",
    "apng": rb"\x89PNG\r\n\x1a\n",
}
"""How a file begins, by FFmpeg's name of the format."""
_SEARCHED_BYTES = 32 << 20
"""Bytes behind the last packet, or from a footer on, in which a beginning is searched for: a packet of FLV has at most
16 MiB, and an index is shorter."""
_MXF_HEADER = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"
"""First bytes of the key of a header partition (SMPTE ST 377-1)."""
_KEY_BYTES, _FOOTER_PLACE = 16, 24
"""Bytes of a key, and where a partition pack says at which byte the footer begins."""
_MOST_RUN_IN_BYTES = 1 << 16
_FRAGMENT_BYTES = 4096
"""Bytes of a fragment in which the time of its first track is."""
_TRACK = re.compile(rb"tfhd.{4}(.{4})", re.DOTALL)
_TIME = re.compile(rb"tfdt(?:\x00.{3}(.{4})|\x01.{3}(.{8}))", re.DOTALL)
"""ID of a track, and time at which its part of a fragment begins (ISO/IEC 14496-12, 8.8)."""


def end_of_first(container: InputContainer) -> int | None:
    """Return at which byte another file begins that FFmpeg would mix into the first; None if there is no such file."""
    find = _FINDERS.get(container.format.name.partition(",")[0])
    if find is None:
        return None
    path = Path(container.name)
    return _find_once(find, path, input_status(path).st_mtime_ns)


def is_followed(container: InputContainer, last_byte: int) -> bool:
    """Return whether a file of the same format follows that isn't read.

    Args:
        container: The opened file.
        last_byte: Where the last packet that was read begins.
    """
    beginning = _BEGINNINGS.get(container.format.name)
    if beginning is None:
        return end_of_first(container) is not None
    with open_input(Path(container.name)) as file:
        file.seek(last_byte)
        return re.search(beginning, file.read(_SEARCHED_BYTES), re.DOTALL) is not None


class FirstFile:
    """Packets of the first of several joined files. Ask for every packet in order."""

    def __init__(self, container: InputContainer) -> None:
        self._end = end_of_first(container)
        self._reached: dict[int, int] = {}

    def has(self, packet: Packet[Any]) -> bool:
        """Return whether a packet is of the first file.

        Fragments of the second may count bytes from its own beginning, which FFmpeg reads from the first once more.
        """
        if self._end is None or packet.pos is None or not packet.size:
            return True
        before = self._reached.get(packet.stream_index, -1)
        self._reached[packet.stream_index] = packet.pos
        return before <= packet.pos < self._end


@lru_cache
def _find_once(find: Callable[[Path], int | None], path: Path, _changed_ns: int) -> int | None:
    return find(path)


def _second_mp4(path: Path) -> int | None:
    """Return where a second movie begins; fragments of a live stream whose times continue may repeat the header."""
    has_movie, begin, second = False, None, None
    times: dict[bytes, int] = {}
    for kind, start, _ in boxes(path):
        if kind == b"ftyp" and has_movie:
            begin = start
        elif kind == b"moov":
            second = begin if has_movie else None
            has_movie = True
        elif kind == b"moof":
            track, time = _fragment(path, start)
            before = times.get(track)
            times[track] = time
            if second is not None and before is not None:
                if time <= before:
                    return second
                begin = second = None
    return second


def _fragment(path: Path, start: int) -> tuple[bytes, int]:
    """Return the ID of the first track in a fragment and the time at which it begins, 0 if it doesn't say."""
    with open_input(path) as file:
        file.seek(start)
        data = file.read(_FRAGMENT_BYTES)
    track, time = _TRACK.search(data), _TIME.search(data)
    return track[1] if track else b"", int.from_bytes(time[1] or time[2]) if time else 0


def _second_mxf(path: Path) -> int | None:
    """Return where a header follows the footer of the first file."""
    with open_input(path) as file:
        head = file.read(_MOST_RUN_IN_BYTES)
        start = head.find(_MXF_HEADER)
        length = head[start + _KEY_BYTES] if start >= 0 else 0
        position = start + _KEY_BYTES + 1 + (length & 127 if length & 128 else 0) + _FOOTER_PLACE
        footer = int.from_bytes(head[position : position + 8])
        if start < 0 or not footer:
            return None
        file.seek(start + footer)
        offset = file.read(_SEARCHED_BYTES).find(_MXF_HEADER)
    return start + footer + offset if offset >= 0 else None


_FINDERS = {"mov": _second_mp4, "mxf": _second_mxf}
"""Formats of which FFmpeg reads packets of the next file, too, with wrong times or from wrong places."""
