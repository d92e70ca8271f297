"""Header of a video track in MP4 and Matroska: cropping, pixel aspect and orientation.

PyAV reports no cropping, and OpenCV all three incompletely. Only headers are read, and every size in them is checked.

Sources: ISO/IEC 14496-12 (12.1.4, clean aperture and pixel aspect; 8.3.2, track header; 8.6.6, edit list); RFC 9559
(5.1.4.1.28, Video); Dolby Vision Streams Within the ISO Base Media File Format, 2.4 (3.2), and its mapping to Matroska.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from framelens.video.files import open_input
from framelens.video.readers.geometry import WHOLE, Crop, Orientation

_MOST_PARTS = 4096
"""Parts read of a parent; an index has fewer before its tracks."""
_MOST_BYTES = 1 << 16
"""Bytes read of a part: more than any of the needed parts has."""
_MOST_TABLE_BYTES = 1 << 24
"""The same of tables with entries for frames."""
_REORDERED = 17
"""Usual steps from which on a frame is late; a decoder reorders 16 pictures at most."""
_ENTRY_BYTES = 78
"""Fields of a visual sample entry before the boxes in it."""
_COUNTED = 24
"""Place of the number of frames in a timecode sample entry (QuickTime File Format, timecode media)."""
_SEGMENT, _SEEK_HEAD, _SEEK, _TRACKS, _CLUSTER = 0x18538067, 0x114D9B74, 0x4DBB, 0x1654AE6B, 0x1F43B675
_SEEK_ID, _SEEK_POSITION, _TRACK_ENTRY, _TRACK_TYPE, _VIDEO = 0x53AB, 0x53AC, 0xAE, 0x83, 0xE0
_PIXEL_SIZE = (0xB0, 0xBA)
_CROPS = (0x54CC, 0x54BB, 0x54DD, 0x54AA)
"""PixelCropLeft, Top, Right and Bottom."""
_DISPLAY_SIZE, _DISPLAY_UNIT, _UNKNOWN_UNIT = (0x54B0, 0x54BA), 0x54B2, 4
_PROJECTION, _YAW, _ROLL = 0x7670, 0x7673, 0x7675
_VIDEO_TYPE = 1
_DOLBY_VISION_BOXES = (b"dvcC", b"dvvC", b"dvwC")
_ADDITION, _ADDITION_TYPE, _ADDITION_DATA = 0x41E4, 0x41E7, 0x41ED
"""BlockAdditionMapping, whose type is the code of one of these boxes."""


@dataclass(frozen=True)
class TrackHeader:
    """Presentation of a track's pictures by its header; None where it says nothing.

    A track of MP4 may have `several` descriptions of its samples, each for a part of the video: then this header is
    true for the first part alone. With `has_other_speeds` an edit in MP4 has another speed than 1, or holds a picture;
    FFmpeg and browsers play every edit at speed 1.
    """

    crop: Crop = WHOLE
    pixel_aspect: Fraction | None = None
    orientation: Orientation | None = None
    dolby_vision_profile: int | None = None
    several: bool = False
    has_other_speeds: bool = False


class _Part(NamedTuple):
    """A box or element: the place of its content in the file."""

    kind: bytes | int
    start: int
    end: int


def read(path: Path, *, number: int = 0, track_id: int | None = None) -> TrackHeader:
    """Read the header of a video track; empty for other containers and damaged headers.

    Args:
        path: The file.
        number: Place among the video tracks, from 0.
        track_id: The track's ID, by which a track of MP4 is found instead.
    """
    try:
        with open_input(path) as file:
            start, size = file.read(12), os.fstat(file.fileno()).st_size
            if start[:4] == b"\x1a\x45\xdf\xa3":
                return _matroska(file, size, number)
            if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return _mp4(file, size, number, track_id)
    except (OSError, struct.error, ValueError, OverflowError, ZeroDivisionError, IndexError):
        pass
    return TrackHeader()


def timecode_rate(path: Path) -> int:
    """Return how many frames a second the timecode track of a QuickTime file counts; 0 without such a track."""
    way = b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"
    try:
        with open_input(path) as file:
            whole = _Part(b"", 0, os.fstat(file.fileno()).st_size)
            entries = (box for part in _inside(file, whole, *way) for box in _boxes(file, part, 8))
            return next((_read(file, box)[_COUNTED] for box in entries if box.kind == b"tmcd"), 0)
    except (OSError, struct.error, IndexError):
        return 0


def tracks_of(path: Path, kind: bytes) -> frozenset[int]:
    """Return the numbers of the tracks of an MP4 whose samples are of a kind, such as b"wvtt"."""
    way = b"mdia", b"minf", b"stbl", b"stsd"
    try:
        with open_input(path) as file:
            tracks = _inside(file, _Part(b"", 0, os.fstat(file.fileno()).st_size), b"moov", b"trak")
            return frozenset(
                _track_id(file, track)
                for track in tracks
                if any(box.kind == kind for part in _inside(file, track, *way) for box in _boxes(file, part, 8))
            )
    except (OSError, struct.error, IndexError):
        return frozenset()


def has_outlying_times(path: Path) -> bool:
    """Return whether a track of an MP4 with an edit list has frames that are shown long after they are decoded.

    FFmpeg takes them for the end of the edit, and leaves out what follows.
    """
    way = b"mdia", b"minf", b"stbl"
    try:
        with open_input(path) as file:
            tracks = _inside(file, _Part(b"", 0, os.fstat(file.fileno()).st_size), b"moov", b"trak")
            for track in tracks:
                if _is_video(file, track) and _inside(file, track, b"edts", b"elst"):
                    offsets, steps = (_runs(file, _inside(file, track, *way, kind)) for kind in (b"ctts", b"stts"))
                    if len(offsets) and len(steps):
                        late = offsets[:, 1] - np.median(offsets[:, 1])
                        return bool(late.max() > _REORDERED * np.average(steps[:, 1], weights=steps[:, 0]))
    except (OSError, struct.error, ValueError, ZeroDivisionError, IndexError):
        pass
    return False


def _runs(file: BinaryIO, parts: list[_Part]) -> NDArray[Any]:
    """Return (count, value) of a table that stores runs of equal values."""
    data = _read(file, parts[0], _MOST_TABLE_BYTES)[8:] if parts else b""
    return np.frombuffer(data[: len(data) // 8 * 8], ">i4").reshape(-1, 2)


def _read(file: BinaryIO, part: _Part, most_bytes: int = _MOST_BYTES) -> bytes:
    file.seek(part.start)
    return file.read(min(part.end - part.start, most_bytes))


def _mp4(file: BinaryIO, size: int, number: int, track_id: int | None) -> TrackHeader:
    tracks = [track for movie in _inside(file, _Part(b"", 0, size), b"moov") for track in _inside(file, movie, b"trak")]
    videos = [track for track in tracks if _is_video(file, track)]
    same_id = [track for track in videos if track_id is not None and _track_id(file, track) == track_id]
    return next((_mp4_track(file, track) for track in same_id or videos[number:]), TrackHeader())


def _boxes(file: BinaryIO, parent: _Part, skipped: int = 0) -> Iterator[_Part]:
    position = parent.start + skipped
    while position + 8 <= parent.end:
        file.seek(position)
        length, kind, head = *struct.unpack(">I4s", file.read(8)), 8
        if length == 1:
            length, head = struct.unpack(">Q", file.read(8))[0], 16
        end = position + length if length else parent.end
        if end < position + head:
            return
        yield _Part(kind, position + head, min(end, parent.end))
        position = end


def _inside(file: BinaryIO, parent: _Part, *kinds: bytes) -> list[_Part]:
    """Return the boxes of the last of `kinds` on the way through the others."""
    parts = [box for box in islice(_boxes(file, parent), _MOST_PARTS) if box.kind == kinds[0]]
    return parts if len(kinds) == 1 else [inner for part in parts for inner in _inside(file, part, *kinds[1:])]


def _is_video(file: BinaryIO, track: _Part) -> bool:
    return any(_read(file, part)[8:12] == b"vide" for part in _inside(file, track, b"mdia", b"hdlr"))


def _track_id(file: BinaryIO, track: _Part) -> int:
    head = _read(file, _inside(file, track, b"tkhd")[0])
    return int(struct.unpack_from(">I", head, 20 if head[0] else 12)[0])


def _mp4_track(file: BinaryIO, track: _Part) -> TrackHeader:
    head = _read(file, _inside(file, track, b"tkhd")[0])
    a, b, _, c, d = struct.unpack_from(">5i", head, 52 if head[0] else 40)
    described = _inside(file, track, b"mdia", b"minf", b"stbl", b"stsd")
    entries = list(islice((box for part in described for box in _boxes(file, part, 8)), 2))
    entry = entries[0] if entries else None
    crop, aspect, profile = WHOLE, None, None
    if entry is not None:
        size = struct.unpack_from(">2H", _read(file, entry), 24)
        for box in islice(_boxes(file, entry, _ENTRY_BYTES), _MOST_PARTS):
            if box.kind == b"clap":
                crop = _clean_aperture(struct.unpack_from(">8i", _read(file, box)), *size)
            elif box.kind == b"pasp":
                across, down = struct.unpack_from(">2I", _read(file, box))
                aspect = Fraction(across, down) or None
            elif box.kind in _DOLBY_VISION_BOXES:
                profile = _dolby_vision_profile(_read(file, box))
    has_other_speeds = any(_is_faster_or_slower(_read(file, part)) for part in _inside(file, track, b"edts", b"elst"))
    return TrackHeader(crop, aspect, Orientation.of_matrix(a, b, c, d), profile, len(entries) > 1, has_other_speeds)


def _is_faster_or_slower(edits: bytes) -> bool:
    """Return whether an edit that shows media has another speed than 1, by the content of an edit list."""
    form = ">qqhh" if edits[:1] == b"\1" else ">iihh"
    entries = edits[8:]
    whole = entries[: len(entries) // struct.calcsize(form) * struct.calcsize(form)]
    return any(media_time != -1 and speed != [1, 0] for _, media_time, *speed in struct.iter_unpack(form, whole))


def _dolby_vision_profile(record: bytes) -> int | None:
    """Return the profile in a DOVIDecoderConfigurationRecord: seven bits after the version."""
    return record[2] >> 1 if len(record) > 2 else None


def _clean_aperture(numbers: tuple[int, ...], width: int, height: int) -> Crop:
    """Return the crop to a size at an offset of its centre from the picture's centre, given as four fractions."""
    across, down, right, below = (Fraction(*numbers[index : index + 2]) for index in range(0, 8, 2))
    left, top = round(right + (width - across) / 2), round(below + (height - down) / 2)
    crop = Crop(left, top, width - left - round(across), height - top - round(down))
    return crop if crop.fits(width, height) else WHOLE


def _matroska(file: BinaryIO, size: int, number: int) -> TrackHeader:
    segment = next((element for element in _elements(file, _Part(0, 0, size)) if element.kind == _SEGMENT), None)
    tracks = _tracks(file, segment) if segment else None
    entries = [element for element in _elements(file, tracks) if element.kind == _TRACK_ENTRY] if tracks else []
    videos = [entry for entry in entries if _number(file, _children(file, entry).get(_TRACK_TYPE)) == _VIDEO_TYPE]
    if number >= len(videos) or _VIDEO not in (parts := _children(file, videos[number])):
        return TrackHeader()
    header = _matroska_track(file, parts[_VIDEO])
    additions = (_children(file, element) for element in _elements(file, videos[number]) if element.kind == _ADDITION)
    records = (
        _read(file, addition[_ADDITION_DATA])
        for addition in additions
        if _ADDITION_DATA in addition
        and _number(file, addition.get(_ADDITION_TYPE)).to_bytes(8)[4:] in _DOLBY_VISION_BOXES
    )
    return replace(header, dolby_vision_profile=next(map(_dolby_vision_profile, records), None))


def _elements(file: BinaryIO, parent: _Part) -> Iterator[_Part]:
    position = parent.start
    for _ in range(_MOST_PARTS):
        file.seek(position)
        head = file.read(12)
        if position >= parent.end or not head or not head[0]:
            return
        id_bytes = 9 - head[0].bit_length()
        size_bytes = 9 - head[id_bytes].bit_length() if len(head) > id_bytes else 9
        start = position + id_bytes + size_bytes
        if id_bytes > 4 or size_bytes > 8 or id_bytes + size_bytes > len(head):
            return
        length = int.from_bytes(head[id_bytes : id_bytes + size_bytes]) & ((1 << 7 * size_bytes) - 1)
        is_unknown = length == (1 << 7 * size_bytes) - 1
        position = parent.end if is_unknown else min(start + length, parent.end)
        yield _Part(int.from_bytes(head[:id_bytes]), start, position)


def _children(file: BinaryIO, parent: _Part) -> dict[bytes | int, _Part]:
    return {element.kind: element for element in _elements(file, parent)}


def _tracks(file: BinaryIO, segment: _Part) -> _Part | None:
    """Return the tracks; where pictures come before them, as the segment's list of places says."""
    places: dict[int, int] = {}
    for part in _elements(file, segment):
        if part.kind == _TRACKS:
            return part
        if part.kind == _SEEK_HEAD:
            for seek in (_children(file, element) for element in _elements(file, part) if element.kind == _SEEK):
                places[_number(file, seek.get(_SEEK_ID))] = _number(file, seek.get(_SEEK_POSITION))
        elif part.kind == _CLUSTER:
            break
    if _TRACKS not in places:
        return None
    begins = _Part(0, segment.start + places[_TRACKS], segment.end)
    return next((element for element in _elements(file, begins) if element.kind == _TRACKS), None)


def _number(file: BinaryIO, part: _Part | None) -> int:
    return int.from_bytes(_read(file, part)[:8]) if part else 0


def _matroska_track(file: BinaryIO, video: _Part) -> TrackHeader:
    parts = _children(file, video)
    width, height = (_number(file, parts.get(kind)) for kind in _PIXEL_SIZE)
    crop = Crop(*(_number(file, parts.get(kind)) for kind in _CROPS))
    crop = crop if crop.fits(width, height) else WHOLE
    shown = [
        _number(file, parts.get(kind)) or side
        for kind, side in zip(_DISPLAY_SIZE, crop.size(width, height), strict=True)
    ]
    aspect = None
    if any(kind in parts for kind in _DISPLAY_SIZE) and _number(file, parts.get(_DISPLAY_UNIT)) < _UNKNOWN_UNIT:
        across, down = crop.size(width, height)
        aspect = Fraction(shown[0] * down, shown[1] * across)
    return TrackHeader(crop, aspect, _orientation(file, parts.get(_PROJECTION)))


def _orientation(file: BinaryIO, projection: _Part | None) -> Orientation:
    """Return the orientation of a flat projection: its roll is counter-clockwise, and half a turn of yaw mirrors."""
    parts = _children(file, projection) if projection else {}
    yaw, roll = (_degrees(file, parts.get(kind)) for kind in (_YAW, _ROLL))
    return Orientation(round(-roll / 90) * 90 % 360, abs(yaw) == 180)


def _degrees(file: BinaryIO, part: _Part | None) -> float:
    data = _read(file, part) if part else b""
    return float(struct.unpack(">f" if len(data) == 4 else ">d", data)[0]) if len(data) in (4, 8) else 0.0
