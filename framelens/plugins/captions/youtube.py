"""Readers of YouTube's captions as yt-dlp saves them: json3, and XML of the forms srv1, srv2 and srv3.

Captions that a machine heard roll: a line stays while the next is spoken. Here a line ends when the next begins.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any

from framelens.plugin.subtitles import Timed, Unread, cue_text
from framelens.plugins.captions.ttml import parse_xml

_UNIT_SECONDS = {"t": 0.001, "d": 0.001, "start": 1.0, "dur": 1.0}
_PARAGRAPHS = frozenset({"p", "text"})


def read_json3(text: str, *_: object) -> Iterator[Timed | Unread]:
    """Yield the captions of json3.

    Raises:
        ValueError: It is no JSON, or none of this form.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("events"), list):
        raise ValueError("events")
    try:
        events = [_event(event) for event in document["events"] if "segs" in event]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(str(error)) from error
    yield from _timed_texts(events, rolls=any("aAppend" in event for event in document["events"]))


def _event(event: dict[str, Any]) -> Timed:
    start = event["tStartMs"] / 1000
    return (
        start,
        start + event.get("dDurationMs", 0) / 1000,
        cue_text("".join(segment.get("utf8", "") for segment in event["segs"])),
    )


def read_srv(text: str, *_: object) -> Iterator[Timed | Unread]:
    """Yield the captions of srv1, srv2 or srv3; a document that is cut off is read up to there.

    Raises:
        ValueError: It is no XML.
    """
    root, fault = parse_xml(text)
    marked = [
        element
        for element in root.iter()
        if element.tag in _PARAGRAPHS and ("t" in element.attrib or "start" in element.attrib)
    ]
    timed: list[Timed] = []
    for element in marked:
        times = {
            name: float(element.attrib[name]) * unit for name, unit in _UNIT_SECONDS.items() if name in element.attrib
        }
        start = times.get("t", times.get("start", 0.0))
        length = times.get("d", times.get("dur", 0.0))
        timed.append((start, start + length, cue_text(html.unescape("".join(element.itertext())))))
    yield from fault
    yield from _timed_texts(timed, rolls=any("a" in element.attrib or "append" in element.attrib for element in marked))


def _timed_texts(timed: list[Timed], *, rolls: bool) -> Iterator[Timed]:
    spoken = [cue for cue in timed if cue[2]]
    for (start, end, text), following in zip(spoken, [*spoken[1:], None], strict=False):
        yield start, min(end, following[0]) if rolls and following else end, text
