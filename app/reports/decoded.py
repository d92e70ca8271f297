"""What the decoding of a video found, as plain values for JSON: the file, shots, boundaries, measures and stretches.

Both JSON reports are made of these. Seconds count from the first frame of the video track; ranges are half-open.
"""

from __future__ import annotations

from typing import Any

from app.domain import Boundary, DecodeSummary, Language, Measures, Notice, Shot, Stretch, VideoInfo
from app.i18n import notice_text

_DIGITS, _SHARPNESS_DIGITS = 4, 1


def found_in(decode: DecodeSummary) -> dict[str, Any]:
    """Shots, boundaries, measures (None where nothing was measured) and stretches, under their names."""
    return {
        "shots": [_shot(shot) for shot in decode.shots],
        "boundaries": [_boundary(boundary) for boundary in decode.boundaries],
        "measures": decode.measures and _measures(decode.measures),
        "stretches": [_stretch(stretch) for stretch in decode.stretches],
    }


def notice_of(notice: Notice, language: Language) -> dict[str, Any]:
    """A notice with its words."""
    return {"key": notice.key, "level": notice.level, "text": notice_text(notice, language)}


def source_of(video: VideoInfo, decode: DecodeSummary, sha256: str) -> dict[str, Any]:
    """The file: what its header says and what was really read."""
    return {
        "name": video.name,
        "sha256": sha256,
        "size_bytes": video.size_bytes,
        "container": video.container,
        "codec": video.codec,
        "pixel_format": video.pixel_format,
        "width": video.width,
        "height": video.height,
        "rotation_degrees": video.rotation_degrees,
        "frame_rate": video.frame_rate,
        "is_variable_frame_rate": decode.is_variable_frame_rate,
        "duration_seconds_from_header": video.duration_seconds_from_header,
        "readable_seconds": decode.readable_seconds,
        "frames_decoded": decode.frames_decoded,
        "num_frames_from_header": video.num_frames_from_header,
        "start_seconds": video.start_seconds,
        "has_audio": video.has_audio,
        "reader": decode.reader,
    }


def _shot(shot: Shot) -> dict[str, Any]:
    """A shot with its range."""
    return {"number": shot.number, "start_seconds": shot.start_seconds, "end_seconds": shot.end_seconds}


def _boundary(boundary: Boundary) -> dict[str, Any]:
    """`time_seconds` is the middle of a gradual change, and where the new shot begins for a cut."""
    return {
        "time_seconds": round((boundary.start_seconds + boundary.end_seconds) / 2, 9),
        "start_seconds": boundary.start_seconds,
        "end_seconds": boundary.end_seconds,
        "type": boundary.type,
    }


def _measures(measures: Measures) -> dict[str, Any]:
    """Lists of equal length, a value for each step; more places than these would be noise."""
    return {
        "start_seconds": measures.start_seconds,
        "step_seconds": measures.step_seconds,
        "change": _rounded(measures.change),
        "motion": _rounded(measures.motion),
        "brightness": _rounded(measures.brightness),
        "sharpness": _rounded(measures.sharpness, _SHARPNESS_DIGITS),
        "colourfulness": _rounded(measures.colourfulness),
    }


def _rounded(values: tuple[float, ...], digits: int = _DIGITS) -> list[float]:
    return [round(value, digits) for value in values]


def _stretch(stretch: Stretch) -> dict[str, Any]:
    return {"start_seconds": stretch.start_seconds, "end_seconds": stretch.end_seconds, "type": stretch.type}
