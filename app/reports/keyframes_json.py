"""Chosen keyframes as JSON, for programs: times, reasons, shots and boundaries, without their pictures."""

from __future__ import annotations

import json
from typing import Any

from app.domain import Boundary, Keyframe, KeyframesChosen, Language, VideoInfo
from app.i18n import t
from app.reports.json_report import notice_of, shot_of, source_of

FORMAT_VERSION = 1


def write(video: VideoInfo, sha256: str, chosen: KeyframesChosen, *, reused: bool, language: Language) -> bytes:
    """One JSON object as UTF-8, indented, with a final newline. Seconds count from the first frame of the video.

    `reused` tells that the video was not decoded for this.
    """
    decode = chosen.decode
    document = {
        "format_version": FORMAT_VERSION,
        "source": source_of(video, decode, sha256),
        "keyframes": [_keyframe(frame, language) for frame in chosen.keyframes],
        "boundaries": [_boundary(boundary) for boundary in decode.boundaries],
        "shots": [shot_of(shot) for shot in decode.shots],
        "notices": [notice_of(notice, language) for notice in decode.notices],
        "reused": reused,
    }
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def _keyframe(frame: Keyframe, language: Language) -> dict[str, Any]:
    return {
        "number": frame.number,
        "time_seconds": frame.time_seconds,
        "frame_index": frame.frame_index,
        "reason": frame.reason,
        "reason_text": t(f"reason.{frame.reason}", language),
        "shot": frame.shot,
        "width": frame.width,
        "height": frame.height,
    }


def _boundary(boundary: Boundary) -> dict[str, Any]:
    """`time_seconds` is the middle of a gradual change, and where the new shot begins for a cut."""
    return {
        "time_seconds": (boundary.start_seconds + boundary.end_seconds) / 2,
        "start_seconds": boundary.start_seconds,
        "end_seconds": boundary.end_seconds,
        "type": boundary.type,
    }
