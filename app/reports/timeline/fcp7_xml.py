"""Final Cut Pro 7 XML (xmeml 5) for Premiere Pro, DaVinci Resolve and others: the video cut into shots, with markers.

It has no audio track: the number of channels is not known here, and a wrong one would be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from app.core.domain import Analysis, Language
from app.reports.content.ai_disclosure import aigc_text, escape_comment
from app.reports.content.plain_text import one_line
from app.reports.timeline.markers import Marker, Piece, markers_of, pieces_of
from app.reports.timeline.timecode import Rate, first_frame, rate_of, timecode

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n'
_FILE = "file-1"


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the XML in UTF-8. Times are frames of a sequence that begins at 01:00:00:00.

    The video is referred to by its file name alone, so editing programs ask for its folder.
    """
    rate = rate_of(analysis.video, analysis.decode)
    pieces, markers = pieces_of(analysis, language, rate), markers_of(analysis, language, rate)
    root = Xml.Element("xmeml", version="5")
    _sequence(root, analysis, pieces, markers, rate)
    Xml.indent(root)
    label = escape_comment(aigc_text(analysis))
    head = _HEAD + (f"<!-- {one_line(label)} -->\n" if label else "")
    return (head + Xml.tostring(root, encoding="unicode") + "\n").encode()


def _sequence(
    root: Xml.Element, analysis: Analysis, pieces: Sequence[Piece], markers: Sequence[Marker], rate: Rate
) -> None:
    sequence = Xml.SubElement(root, "sequence", id="sequence-1")
    _texts(sequence, name=one_line(analysis.video.name), duration=pieces[-1].end)
    _rate(sequence, rate)
    _timecode(sequence, first_frame(rate), rate)
    for marker in markers:
        _texts(
            Xml.SubElement(sequence, "marker"), comment=marker.note, name=marker.name, **{"in": marker.frame}, out=-1
        )
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


def _file(file: Xml.Element, analysis: Analysis, end: int, rate: Rate) -> None:
    name = analysis.video.name
    _texts(file, name=one_line(name), pathurl=f"file://localhost/{quote(name, safe='')}")
    _rate(file, rate)
    _texts(file, duration=end)
    _timecode(file, 0, rate)
    _picture(Xml.SubElement(Xml.SubElement(file, "media"), "video"), analysis, rate)


def _picture(parent: Xml.Element, analysis: Analysis, rate: Rate) -> None:
    traits = Xml.SubElement(parent, "samplecharacteristics")
    _rate(traits, rate)
    _texts(traits, width=analysis.video.width, height=analysis.video.height, pixelaspectratio="square")


def _timecode(parent: Xml.Element, frame: int, rate: Rate) -> None:
    element = Xml.SubElement(parent, "timecode")
    _rate(element, rate)
    _texts(element, string=timecode(frame, rate), frame=frame, displayformat="DF" if rate.drops else "NDF")


def _rate(parent: Xml.Element, rate: Rate) -> None:
    element = Xml.SubElement(parent, "rate")
    _texts(element, timebase=rate.timebase, ntsc="TRUE" if rate.is_ntsc else "FALSE")


def _texts(parent: Xml.Element, **values: object) -> None:
    for name, value in values.items():
        Xml.SubElement(parent, name).text = str(value)
