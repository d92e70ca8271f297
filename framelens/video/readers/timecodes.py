"""Timecode of a video's first picture, from a track, a tag, or the header of an MPEG-2 group of pictures."""

import re
from fractions import Fraction
from itertools import chain
from pathlib import Path

from av import VideoFrame
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.video.stream import VideoStream

from framelens.video.readers import track_header
from framelens.video.readers.base import side_data_of

_TIMECODE = re.compile(r"(\d\d)[:;.](\d\d)[:;.](\d\d)([:;.,])(\d{2,3})")


def timecode_of(
    path: Path, rate: Fraction | None, container: InputContainer, stream: VideoStream, first: VideoFrame
) -> str:
    """Return the timecode of the first picture, as "HH:MM:SS:FF", or with ";" if numbers are dropped; "" if missing.

    FF counts frames of the video, at `rate` a second, also where a timecode track counts every second frame, as cameras
    write it for 50 and 60 frames a second.
    """
    owners = (stream.metadata, *(data.metadata for data in container.streams.data), container.metadata)
    for name, value in chain.from_iterable(tags.items() for tags in owners):
        if name.lower() == "timecode" and (match := _TIMECODE.fullmatch(value.strip())):
            step = _step(path, rate) if container.format.name.startswith("mov") else 1
            number = f"{int(match[5]) * step:0{len(match[5])}}"
            return f"{':'.join(match.group(1, 2, 3))}{':' if match[4] == ':' else ';'}{number}"
    header = side_data_of(first).get(Type.GOP_TIMECODE)
    return "" if header is None else _group_timecode(int.from_bytes(bytes(header)[:8], "little"))


def _step(path: Path, rate: Fraction | None) -> int:
    """Return how many frames of the video share a number of its timecode track."""
    counted = track_header.timecode_rate(path)
    return max(1, round(rate / counted)) if rate and counted else 1


def _group_timecode(bits: int) -> str:
    """Return the 25 bits `time_code` of a group of pictures (ISO/IEC 13818-2, 6.3.8) as text; "" for zeros.

    Encoders write zeros into every file that was given no timecode.
    """
    hours, minutes, seconds, pictures = bits >> 19 & 31, bits >> 13 & 63, bits >> 6 & 63, bits & 63
    if not (hours or minutes or seconds or pictures):
        return ""
    return f"{hours:02}:{minutes:02}:{seconds:02}{';' if bits >> 24 & 1 else ':'}{pictures:02}"
