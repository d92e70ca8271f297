"""View models: findings, chapters and cues as plain values (text, times, labels, flags) for the components.

Every time here is the decoder's; nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.core import Finding, Keyframe, clock
from app.reports.content import issues
from app.ui import resources
from app.ui.context import language, t
from app.ui.formatting import short_clock

Line = dict[str, object]
_MAX_CHIPS = 6
"""Times shown per finding. Chosen by hand; not tuned."""
_MAX_PICTURES = 3
"""Pictures shown per finding. Chosen by hand; not tuned."""
_SIDE = 320
"""Longest side of these pictures in pixels. Chosen by hand; not tuned."""
_SHORT_SECONDS = 120
"""Up to this duration of the video, spans are shown in tenths of a second. Chosen by hand; not tuned."""


def line(finding: Finding, times: Mapping[int, float], names: Mapping[str, str] | None = None) -> Line:
    """Convert a finding.

    Args:
        finding: The finding.
        times: Times of the frames in seconds, by frame number.
        names: Labels of the finding's fields, by field key.
    """
    return {
        "text": finding.text,
        "chips": chips(finding.frames, times),
        "fields": [{"label": (names or {}).get(key, key), "text": value} for key, value in finding.fields.items()],
        "flags": flags(finding),
    }


def chips(frames: Sequence[int], times: Mapping[int, float]) -> list[dict[str, object]]:
    """List the times of these frames; of many, the first ones and the last."""
    known = [times[number] for number in frames if number in times]
    if len(known) <= _MAX_CHIPS:
        return [_chip(seconds) for seconds in known]
    return [*(_chip(seconds) for seconds in known[: _MAX_CHIPS - 1]), _chip(known[-1], "… ")]


def _chip(seconds: float, before: str = "") -> dict[str, object]:
    return {"label": before + clock(seconds), "seconds": seconds}


def flags(finding: Finding) -> list[str]:
    """List what could not be verified of a finding."""
    return [f"⚠️ {words}" for words in issues(finding, language())]


def pictures(frames: Sequence[int], shown: Mapping[int, Keyframe], job_id: str) -> list[Line]:
    """List small pictures of the first few of these frames."""
    known = [shown[number] for number in frames if number in shown][:_MAX_PICTURES]
    return [
        {
            "src": resources.picture_url(job_id, frame, _SIDE if max(frame.width, frame.height) > _SIDE else None),
            "seconds": frame.time_seconds,
            "alt": t("ui.go_to", time=clock(frame.time_seconds)),
            "width": frame.width,
            "height": frame.height,
        }
        for frame in known
    ]


def format_span(start_seconds: float, end_seconds: float, whole_seconds: float) -> str:
    """Format a span such as "01:00–01:20", in tenths of a second where the whole video is short."""
    edges = (start_seconds, end_seconds)
    if whole_seconds > _SHORT_SECONDS:
        return "–".join(short_clock(edge) for edge in edges)
    return "–".join(clock(edge, digits=1) for edge in edges)
