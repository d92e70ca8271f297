"""Timelines for editing software: CMX 3600 EDL, Final Cut Pro 7 XML and OpenTimelineIO."""

from collections.abc import Iterator, Sequence
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from app.core import Analysis, Language
from app.i18n import in_language
from app.reports.content import KEY, aigc, aigc_text, escape_comment, one_line, remarks, shortened
from app.reports.json.encoding import json_text
from app.reports.timeline import markers as timeline

_LONGEST_TITLE = 70  # characters; chosen by hand, not tuned
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n'
_FILE = "file-1"
_Object = dict[str, object]


def write_edl(analysis: Analysis, language: Language) -> bytes:
    """Return the EDL in UTF-8, with timecodes of a timeline that begins at 01:00:00:00.

    Remarks are in the first marker, because comments of the format would become part of other markers' notes.
    """
    rate = timeline.rate_of(analysis.video, analysis.decode)
    with in_language(language):
        return "\n".join(_lines(analysis, rate)).encode()


def _lines(analysis: Analysis, rate: timeline.Rate) -> Iterator[str]:
    yield f"TITLE: {shortened(analysis.video.name, _LONGEST_TITLE)}"
    yield f"FCM: {'DROP FRAME' if rate.drops else 'NON-DROP FRAME'}"
    yield ""
    for number, marker in enumerate(timeline.markers_of(analysis, rate), start=1):
        start, end = (
            timeline.timecode(timeline.first_frame(rate) + frame, rate) for frame in (marker.frame, marker.frame + 1)
        )
        yield f"{number:03d}  001      V     C        {start} {end} {start} {end}"
        name = f"|C:ResolveColor{timeline.COLOURS[marker.kind]} |M:{_escape(marker.name)}"
        yield f"{_note(marker)} {name} |D:{marker.length}"
        yield ""


def _note(marker: timeline.Marker) -> str:
    """Return a marker's note; one that begins with a digit would look like an event and gets a dash."""
    note = _escape(marker.note)
    return f"- {note}" if note[:1].isdigit() else note


def _escape(text: str) -> str:
    return text.replace("|", "¦")


def write_fcp7_xml(analysis: Analysis, language: Language) -> bytes:
    """Return the XML in UTF-8. Times are frames of a sequence that begins at 01:00:00:00.

    The video is referred to by its file name alone, so editing programs ask for its folder.
    """
    rate = timeline.rate_of(analysis.video, analysis.decode)
    with in_language(language):
        pieces, markers = timeline.clips_of(analysis, rate), timeline.markers_of(analysis, rate)
    root = Xml.Element("xmeml", version="5")
    _sequence(root, analysis, pieces, markers, rate)
    Xml.indent(root)
    label = escape_comment(aigc_text(analysis))
    head = _HEAD + (f"<!-- {one_line(label)} -->\n" if label else "")
    return (head + Xml.tostring(root, encoding="unicode") + "\n").encode()


def _sequence(
    root: Xml.Element,
    analysis: Analysis,
    pieces: Sequence[timeline.ShotClip],
    markers: Sequence[timeline.Marker],
    rate: timeline.Rate,
) -> None:
    sequence = Xml.SubElement(root, "sequence", id="sequence-1")
    _texts(sequence, name=one_line(analysis.video.name), duration=pieces[-1].end)
    _rate(sequence, rate)
    _timecode(sequence, timeline.first_frame(rate), rate)
    for marker in markers:
        place = {"in": marker.frame, "out": marker.frame + marker.length if marker.length > 1 else -1}
        _texts(Xml.SubElement(sequence, "marker"), comment=marker.note, name=marker.name, **place)
    video = Xml.SubElement(Xml.SubElement(sequence, "media"), "video")
    _picture(Xml.SubElement(video, "format"), analysis, rate)
    track = Xml.SubElement(video, "track")
    for number, piece in enumerate(pieces, start=1):
        clip = Xml.SubElement(track, "clipitem", id=f"clipitem-{number}")
        _texts(clip, name=piece.name, enabled="TRUE", duration=pieces[-1].end)
        _rate(clip, rate)
        _texts(clip, start=piece.start, end=piece.end, **{"in": piece.start}, out=piece.end)
        file = Xml.SubElement(clip, "file", id=_FILE)
        if number == 1:  # the others refer to it
            _file(file, analysis, pieces[-1].end, rate)


def _file(file: Xml.Element, analysis: Analysis, end: int, rate: timeline.Rate) -> None:
    name = analysis.video.name
    _texts(file, name=one_line(name), pathurl=f"file://localhost/{quote(name, safe='')}")
    _rate(file, rate)
    _texts(file, duration=end)
    _timecode(file, 0, rate)
    _picture(Xml.SubElement(Xml.SubElement(file, "media"), "video"), analysis, rate)


def _picture(parent: Xml.Element, analysis: Analysis, rate: timeline.Rate) -> None:
    traits = Xml.SubElement(parent, "samplecharacteristics")
    _rate(traits, rate)
    _texts(traits, width=analysis.video.width, height=analysis.video.height, pixelaspectratio="square")


def _timecode(parent: Xml.Element, frame: int, rate: timeline.Rate) -> None:
    element = Xml.SubElement(parent, "timecode")
    _rate(element, rate)
    _texts(element, string=timeline.timecode(frame, rate), frame=frame, displayformat="DF" if rate.drops else "NDF")


def _rate(parent: Xml.Element, rate: timeline.Rate) -> None:
    element = Xml.SubElement(parent, "rate")
    _texts(element, timebase=rate.timebase, ntsc="TRUE" if rate.is_ntsc else "FALSE")


def _texts(parent: Xml.Element, **values: object) -> None:
    for name, value in values.items():
        Xml.SubElement(parent, name).text = str(value)


def write_otio(analysis: Analysis, language: Language) -> bytes:
    """Return the timeline as JSON in UTF-8.

    The video is referred to by its file name alone. Times count from its first frame; the timeline begins at
    01:00:00:00.
    """
    rate = timeline.rate_of(analysis.video, analysis.decode)
    with in_language(language):
        pieces = timeline.clips_of(analysis, rate)
        kinds = ("Video", "Audio") if analysis.video.has_audio else ("Video",)
        tracks = [_track(kind, [_clip(piece, analysis, pieces[-1].end, rate) for piece in pieces]) for kind in kinds]
        markers = [_marker(marker, rate) for marker in timeline.markers_of(analysis, rate)]
        return json_text(
            _object(
                "Timeline.1",
                one_line(analysis.video.name),
                metadata=_metadata(analysis),
                global_start_time=_time(timeline.first_frame(rate), rate),
                tracks=_item("Stack.1", "tracks", markers=markers, children=tracks),
            )
        )


def _metadata(analysis: Analysis) -> _Object:
    label = aigc(analysis)
    about = {"version": analysis.app_version, "sha256": analysis.sha256, "remarks": list(remarks(analysis))}
    return {"framelens": about, **({KEY: label} if label else {})}


def _track(kind: str, clips: list[_Object]) -> _Object:
    return _item("Track.1", kind, kind=kind, children=clips)


def _clip(piece: timeline.ShotClip, analysis: Analysis, end: int, rate: timeline.Rate) -> _Object:
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


def _marker(marker: timeline.Marker, rate: timeline.Rate) -> _Object:
    return _object(
        "Marker.2",
        marker.name,
        color=timeline.COLOURS[marker.kind].upper(),
        comment=marker.note,
        marked_range=_range(marker.frame, marker.frame + marker.length, rate),
        # where DaVinci Resolve looks for it
        metadata={"framelens": {"kind": marker.kind}, "Resolve_OTIO": {"Keywords": [], "Note": marker.note}},
    )


def _item(schema: str, name: str, **fields: object) -> _Object:
    return _object(schema, name, **{"source_range": None, "effects": [], "markers": [], "enabled": True, **fields})


def _object(schema: str, name: str, **fields: object) -> _Object:
    return {"OTIO_SCHEMA": schema, "name": name, "metadata": {}, **fields}


def _range(start: int, end: int, rate: timeline.Rate) -> _Object:
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": _time(start, rate),
        "duration": _time(end - start, rate),
    }


def _time(frame: int, rate: timeline.Rate) -> _Object:
    return {"OTIO_SCHEMA": "RationalTime.1", "value": float(frame), "rate": float(rate.frames_per_second)}
