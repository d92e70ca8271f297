"""OpenTimelineIO timeline: the video cut into shots, with markers, for editing programs that read OTIO.

The JSON is written directly, in the schemas of OpenTimelineIO 0.15 and later, without the library.
"""

from __future__ import annotations

from urllib.parse import quote

from app.core.domain import Analysis, Language
from app.reports.content.ai_disclosure import KEY, aigc
from app.reports.content.labels import remarks
from app.reports.content.plain_text import one_line
from app.reports.json.encoding import json_text
from app.reports.timeline.markers import COLOURS, Marker, Piece, markers_of, pieces_of
from app.reports.timeline.timecode import Rate, first_frame, rate_of

_Object = dict[str, object]


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the timeline as JSON in UTF-8.

    The video is referred to by its file name alone. Times count from its first frame; the timeline begins at
    01:00:00:00.
    """
    rate = rate_of(analysis.video, analysis.decode)
    pieces = pieces_of(analysis, language, rate)
    kinds = ("Video", "Audio") if analysis.video.has_audio else ("Video",)
    tracks = [_track(kind, [_clip(piece, analysis, pieces[-1].end, rate) for piece in pieces]) for kind in kinds]
    markers = [_marker(marker, rate) for marker in markers_of(analysis, language, rate)]
    return json_text(
        _object(
            "Timeline.1",
            one_line(analysis.video.name),
            metadata=_metadata(analysis, language),
            global_start_time=_time(first_frame(rate), rate),
            tracks=_item("Stack.1", "tracks", markers=markers, children=tracks),
        )
    )


def _metadata(analysis: Analysis, language: Language) -> _Object:
    label = aigc(analysis)
    about = {"version": analysis.app_version, "sha256": analysis.sha256, "remarks": list(remarks(analysis, language))}
    return {"framelens": about, **({KEY: label} if label else {})}


def _track(kind: str, clips: list[_Object]) -> _Object:
    return _item("Track.1", kind, kind=kind, children=clips)


def _clip(piece: Piece, analysis: Analysis, end: int, rate: Rate) -> _Object:
    name = analysis.video.name
    media = _object(
        "ExternalReference.1",
        one_line(name),
        target_url=quote(name, safe=""),
        available_range=_range(0, end, rate),
        available_image_bounds=None,
    )
    return _item(
        "Clip.2",
        piece.name,
        source_range=_range(piece.start, piece.end, rate),
        media_references={"DEFAULT_MEDIA": media},
        active_media_reference_key="DEFAULT_MEDIA",
    )


def _marker(marker: Marker, rate: Rate) -> _Object:
    return _object(
        "Marker.2",
        marker.name,
        color=COLOURS[marker.kind].upper(),
        comment=marker.note,
        marked_range=_range(marker.frame, marker.frame + 1, rate),
        # where DaVinci Resolve looks for it
        metadata={"framelens": {"kind": marker.kind}, "Resolve_OTIO": {"Keywords": [], "Note": marker.note}},
    )


def _item(schema: str, name: str, **fields: object) -> _Object:
    return _object(schema, name, **{"source_range": None, "effects": [], "markers": [], "enabled": True, **fields})


def _object(schema: str, name: str, **fields: object) -> _Object:
    return {"OTIO_SCHEMA": schema, "name": name, "metadata": {}, **fields}


def _range(start: int, end: int, rate: Rate) -> _Object:
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": _time(start, rate),
        "duration": _time(end - start, rate),
    }


def _time(frame: int, rate: Rate) -> _Object:
    return {"OTIO_SCHEMA": "RationalTime.1", "value": float(frame), "rate": float(rate.frames_per_second)}
