"""Chosen keyframes as JSON, for programs: times, reasons and what was found on the way, without their pictures."""

from __future__ import annotations

from typing import Any

from app.domain import Keyframe, KeyframesChosen, Language, VideoInfo
from app.i18n import t
from app.reports.decoded import found_in, notice_of, source_of
from app.reports.json_text import json_text

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
        **found_in(decode),
        "notices": [notice_of(notice, language) for notice in decode.notices],
        "reused": reused,
    }
    return json_text(document)


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
