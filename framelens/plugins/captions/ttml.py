"""Reader of TTML and DFXP: files, and the documents in tracks of MP4. Times are nested, and may count frames or ticks.

Source: W3C Timed Text Markup Language 2 (timing, section 12; parameters, section 7.2).
"""

from __future__ import annotations

import html
import html.entities
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import cast
from xml.etree import ElementTree

from framelens.plugin.subtitles import Timed, Unread, clock_seconds, cue_text, language_code, spoken
from framelens.plugins.captions.timecode import timecode_seconds

_OFFSET = re.compile(r"([\d.]+)(h|ms|m|s|f|t)")
_OFFSET_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DEFAULT_FRAME_RATE = 30.0
_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)(\w+;)?")
_DROP_MINUTES = {"dropNTSC": 1, "dropPAL": 2}
_SAME_SECONDS = 0.001
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_ID = "{http://www.w3.org/XML/1998/namespace}id"
_SPEAKER = "speaker"
"""Attribute in which the names of an element's agents are kept; no TTML has it."""
_PRONUNCIATION = frozenset({"text", "textContainer", "delimiter"})
"""Values of tts:ruby: how the characters before are pronounced."""
_TIMES = ("begin", "end", "dur")
_HIDDEN = frozenset({("display", "none"), ("visibility", "hidden")})
_Read = Callable[[str], float | None]
_Spoken = tuple[str, Timed]
"""A text with its language, "" if unknown."""


def read_ttml(text: str, frame_rate: float = 0.0, languages: Collection[str] = ()) -> Iterator[Timed | Unread]:
    """Yield the paragraphs of TTML or DFXP, with the times of the elements around them.

    Of translations that are shown at the same time, a single translation is read: the document's first of `languages`,
    or else its first. A document that is cut off or malformed is read up to that place.

    Raises:
        ValueError: It is no TTML.
    """
    root, fault = parse_xml(text)
    if _local(root.tag) != "tt":
        raise ValueError(f"<{_local(root.tag)}>")
    parameters = {_local(name): value for name, value in root.attrib.items()}
    _name_speakers(root)
    read = _reader(parameters, frame_rate)
    items = list(_timed_texts(root, -_programme_start(root, parameters, read), None, read))
    yield from (item for item in [*items, *fault] if isinstance(item, Unread))
    yield from _one_language([item for item in items if not isinstance(item, Unread)], languages)


def parse_xml(text: str) -> tuple[ElementTree.Element, list[Unread]]:
    """Return the root of a document, and the line up to which it could be parsed unless it is whole.

    Entities of HTML and lone ampersands are read, too.

    Raises:
        ValueError: It isn't XML.
    """
    parser: ElementTree.XMLPullParser[ElementTree.Element] = ElementTree.XMLPullParser(["start"])
    fault: list[Unread] = []
    try:
        parser.feed(_AMPERSAND.sub(_as_xml, text.lstrip("\ufeff \n\r\t")))  # text: the declared encoding doesn't count
        parser.close()
    except ElementTree.ParseError as error:
        line = error.position[0]
        fault = [Unread(line, "".join(text.splitlines()[line - 1 : line]), ends=True)]
        reason = str(error)
    for _, root in cast(Iterable[tuple[str, ElementTree.Element]], parser.read_events()):
        return root, fault
    raise ValueError(reason)


def _name_speakers(root: ElementTree.Element) -> None:
    """Give elements that refer to agents (ttm:agent) the names of those, if they have any, as an attribute."""
    names = {
        agent.get(_ID, ""): next((name.text for name in agent if _local(name.tag) == "name" and name.text), "")
        for agent in root.iter()
        if _local(agent.tag) == "agent"
    }
    for element in root.iter() if names else ():
        for attribute, value in list(element.attrib.items()):
            if _local(attribute) == "agent":
                element.set(_SPEAKER, ", ".join(filter(None, (names.get(agent) for agent in value.split()))))


def _programme_start(root: ElementTree.Element, parameters: Mapping[str, str], read: _Read) -> float:
    """Return the time code at which the video begins (EBU Tech 3390, documentStartOfProgramme)."""
    if parameters.get("timeBase") != "smpte":
        return 0.0
    starts = (element.text for element in root.iter() if _local(element.tag) == "documentStartOfProgramme")
    return read(next(starts, None) or "") or 0.0


def _one_language(spoken: Sequence[_Spoken], languages: Collection[str]) -> Iterator[Timed]:
    """Yield the texts in one language, and phrases in other languages, most of which are shown alone."""
    counts = Counter(language for language, _ in spoken)
    whole = [language for language, count in counts.items() if 2 * count >= max(counts.values())]
    chosen = next((language for language in whole if language in languages), next(iter(whole), ""))
    main = sorted(timed for language, timed in spoken if language == chosen)
    starts = [start for start, _, _ in main]
    num_beside: Counter[str] = Counter()
    for language, (start, end, _) in spoken:
        index = bisect_left(starts, max(end, start + _SAME_SECONDS)) - 1
        num_beside[language] += index >= 0 and main[index][1] > start
    yield from (
        timed for language, timed in spoken if language == chosen or 2 * num_beside[language] < counts[language]
    )


def _as_xml(match: re.Match[str]) -> str:
    """Return an entity of HTML as its character, and any other ampersand as XML writes it."""
    return html.unescape(match[0]) if match[1] and match[1] in html.entities.html5 else f"&amp;{match[1] or ''}"


def _reader(parameters: Mapping[str, str], frame_rate: float) -> _Read:
    """Return the function from a time to seconds that the parameters of a document ask for."""
    rate = float(parameters.get("frameRate") or frame_rate or _DEFAULT_FRAME_RATE)
    factors = parameters.get("frameRateMultiplier", "").replace(":", " ").split()
    rate *= int(factors[0]) / int(factors[1]) if len(factors) == 2 else 1.0
    parts_of_frame = float(parameters.get("subFrameRate") or 1.0)
    frames_of_ticks = float(parameters["frameRate"]) * parts_of_frame if parameters.get("frameRate") else 1.0
    ticks = float(parameters.get("tickRate") or frames_of_ticks)
    counts_frames = parameters.get("timeBase") == "smpte"
    drop_minutes = _DROP_MINUTES.get(parameters.get("dropMode", ""), 0)

    def seconds(clock: str) -> float | None:
        clock = clock.replace(";", ":")  # as time codes that drop numbers are written
        if match := _OFFSET.fullmatch(clock.strip()):
            unit = {"f": 1 / rate, "t": 1 / ticks}.get(match[2]) or _OFFSET_SECONDS[match[2]]
            return float(match[1]) * unit
        parts = clock.strip().split(":")
        try:
            if len(parts) == 4 and counts_frames:
                return timecode_seconds([int(part) for part in parts], rate, drop_minutes=drop_minutes)
            whole, _, rest = parts.pop().partition(".") if len(parts) == 4 else ("0", "", "")
            frames = int(whole) + int(rest or 0) / parts_of_frame
            return clock_seconds(":".join(parts)) + frames / rate if 1 <= len(parts) <= 3 else None
        except ValueError:
            return None

    return seconds


def _timed_texts(
    element: ElementTree.Element,
    start: float,
    limit: float | None,
    read: _Read,
    language: str = "",
    speaker: str = "",
) -> Iterator[_Spoken | Unread]:
    """Yield the texts of an element whose times count from `start` and that ends at `limit` at the latest."""
    begin_text = element.get("begin", "")
    if begin_text and read(begin_text) is None:
        yield Unread(0, begin_text)
        return
    if _is_hidden(element):
        return
    language = language_code(element.get(_LANGUAGE, "")) or language
    speaker = element.get(_SPEAKER, speaker)
    begin, until = _span(element, start, read)
    if limit is not None and limit > begin:  # else the times of the parts don't count from their parent's begin
        until = limit if until is None else min(until, limit)
    if _is_text(element):
        end = _end(element, start, read) if until is None else until
        yield language, (begin, end, spoken(speaker, cue_text("".join(_text_pieces(element)))))
        return
    for child, after in _starts(element, begin, read):
        yield from _timed_texts(child, after, until, read, language, speaker)


def _span(element: ElementTree.Element, start: float, read: _Read) -> tuple[float, float | None]:
    """Return begin and end of an element, the end None if unknown; both count from `start`."""
    begin = start + (read(element.get("begin", "")) or 0.0)
    end, duration = read(element.get("end", "")), read(element.get("dur", ""))
    ends = [origin + offset for origin, offset in ((start, end), (begin, duration)) if offset is not None]
    return begin, min(ends, default=None)


def _starts(element: ElementTree.Element, begin: float, read: _Read) -> Iterator[tuple[ElementTree.Element, float]]:
    """Yield the parts of an element, each with the time from which its times count: in turn, the previous end."""
    in_turn = element.get("timeContainer") == "seq"
    for child in element:
        yield child, begin
        if in_turn:
            begin = _end(child, begin, read)


def _end(element: ElementTree.Element, start: float, read: _Read) -> float:
    """Return the end of an element, or the latest end of its parts."""
    begin, until = _span(element, start, read)
    ends = (_end(child, after, read) for child, after in _starts(element, begin, read))
    return max(ends, default=begin) if until is None else until


def _is_text(element: ElementTree.Element) -> bool:
    """Return whether an element is shown as a whole: a paragraph, unless its parts alone have times.

    In a paragraph with times, too, parts that have all of its text are shown separately; words sung in turn are a line.
    """
    name = _local(element.tag)
    if name != "p":
        return name == "span"
    if not any(any(map(child.get, _TIMES)) for child in element.iter() if child is not element):
        return True
    return any(map(element.get, _TIMES)) and not _has_phrases(element)


def _has_phrases(element: ElementTree.Element) -> bool:
    """Return whether all text of an element is in one part with times, or in parts of which some have several words."""
    parts = ["".join(_text_pieces(child)).split() for child in element if any(map(child.get, _TIMES))]
    has_all = sum(map(len, parts)) == len(" ".join(_pieces(element)).split())
    return has_all and (len(parts) == 1 or any(len(words) > 1 for words in parts))


def _pieces(element: ElementTree.Element) -> Iterator[str]:
    """Yield the text of an element between its parts, and the text of each part."""
    yield element.text or ""
    for child in element:
        yield "".join(_text_pieces(child))
        yield child.tail or ""


def _is_hidden(element: ElementTree.Element) -> bool:
    attributes = [(_local(name), value) for name, value in element.attrib.items()]
    return any(
        attribute in _HIDDEN or (attribute[0] == "ruby" and attribute[1] in _PRONUNCIATION) for attribute in attributes
    )


def _text_pieces(element: ElementTree.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if _local(child.tag) == "br":
            yield " "
        elif _local(child.tag) != "metadata" and not _is_hidden(child):
            text = "".join(_text_pieces(child))
            yield spoken(child.get(_SPEAKER, ""), text.lstrip()) if _SPEAKER in child.attrib else text
        yield child.tail or ""


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
