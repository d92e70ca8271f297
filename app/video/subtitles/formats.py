"""Readers of the forms of subtitle files: each yields timed texts, and the lines that it could not read.

Nothing here opens a file. Files are read as people and programs write them, not as a standard has it: times without
hours or milliseconds, with blanks, full-width or wrong marks, and arrows of other kinds.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, pairwise
from xml.etree import ElementTree

from app.video.subtitles.captions import read_scc
from app.video.subtitles.cues import TOUCHING_SECONDS, Timed, plain

_TIME = r"(?:\d+\s*:\s*){0,2}\d+(?:\s*[.,:;]\s*\d+)?"
_TIMING = re.compile(rf"\s*({_TIME})\s*(-+\s*>|[-=]+>|[→–—]+>?)\s*({_TIME})\s*(?:\s[^\d\s].*)?$")
_STANDARD_ARROW = "-->"
_ARROWS = ("->", "- >", "=>", "→", "–", "—")
_NUMBERS = re.compile(r"[\d\s:,.-]*")  # the number of a cue and a time that was cut off
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>|<[\d:.]{5,20}>")
_WORD_TIME = re.compile(r"<\d+:[\d:.]{4,17}>")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?:\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
_OVERRIDE = re.compile(r"\{[^{}]*\}")
_ASS_BREAK = re.compile(r"\\[Nnh]")
_ASS_FIELDS = ("Layer", "Start", "End", "Style", "Name", "MarginL", "MarginR", "MarginV", "Effect", "Text")
_FRAMES = re.compile(r"\s*\{(\d+)\}\{(\d*)\}(.*)")
_TENTHS = re.compile(r"\s*\[(\d+)\]\[(\d*)\](.*)")
_LYRIC = re.compile(r"\[(\d+):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_SYNC = re.compile(r"<sync[^>]*?start\s*=\s*[\"']?(\d+)[^>]*>", re.IGNORECASE)
_SAMI_HEAD = re.compile(r"<(style|title|head)\b.*?</\1>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_PARAGRAPH = re.compile(r"<p\b[^>]*?class\s*=\s*[\"']?(\w+)[^>]*>", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_OFFSET = re.compile(r"([\d.]+)(h|ms|m|s|f|t)")
_OFFSET_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_ROLLING_SHARE = 0.5
"""Share of the touching pairs of cues, of which the second begins with lines of the first, from which captions roll.
Chosen by hand; not tuned."""
_DEFAULT_FRAME_RATE = 25.0
"""Frames a second of forms that count frames, where neither the file nor the video says otherwise (TTML has 30)."""


@dataclass(frozen=True)
class Unread:
    """A line that should hold times and doesn't. `line` counts from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class _Block:
    """The lines of a cue."""

    start: float
    end: float
    lines: tuple[str, ...]


Found = Timed | Unread
Reader = Callable[[str, float], Iterable[Found]]
"""Reads a text; the second argument is the frame rate of the video, 0 if it is unknown."""


def from_ass(text: str) -> str:
    """Return the text of an ASS event without its markup and drawings."""
    return plain(_TAG.sub("", _ASS_BREAK.sub(" ", _OVERRIDE.sub("", _DRAWING.sub("", text)))))


def from_markup(text: str) -> str:
    """Return the text of a SubRip or WebVTT cue without its markup."""
    return plain(html.unescape(_TAG.sub("", _OVERRIDE.sub("", text))))


# ---- SubRip, SubViewer and WebVTT ------------------------------------------------------------------------------------


def read_arrows(text: str, frame_rate: float = 0.0) -> Iterator[Found]:
    """Yield the cues of WebVTT: a line `start --> end`, then lines up to an empty one; a line of blanks isn't empty."""
    return _cues(text, ends_with_empty_line=True)


def read_srt(text: str, frame_rate: float = 0.0) -> Iterator[Found]:
    """Yield the cues of SubRip, in which a cue may have empty lines: what follows it up to the next cue is its text."""
    return _cues(text, ends_with_empty_line=False)


def _cues(text: str, *, ends_with_empty_line: bool) -> Iterator[Found]:
    found = list(_blocks(text, ends_with_empty_line=ends_with_empty_line))
    yield from (one for one in found if isinstance(one, Unread))
    blocks = [one for one in found if isinstance(one, _Block)]
    for block in _unrolled(blocks, has_word_times=bool(_WORD_TIME.search(text))):
        yield block.start, block.end, from_markup("\n".join(block.lines))


def _blocks(text: str, *, ends_with_empty_line: bool) -> Iterator[_Block | Unread]:
    timing: tuple[float, float] | None = None
    lines: list[str] = []
    before = ""
    words = _lines_of_paragraph if ends_with_empty_line else _lines_of_paragraphs
    for number, line in enumerate(text.splitlines(), 1):
        is_start = not before.strip() or before.strip().isdecimal()
        times = _timing(line, is_start=is_start)
        is_unread = times is None and is_start and _STANDARD_ARROW in line
        if timing and (times or is_unread or (ends_with_empty_line and not line)):
            yield _Block(*timing, words(lines, is_followed=bool(line)))
            timing = None
        if is_unread:
            yield Unread(number, line)
        elif times:
            timing, lines = times, []
        elif timing:
            lines.append(line)
        before = line
    if timing:
        yield _Block(*timing, words(lines, is_followed=False))


def _lines_of_paragraph(lines: Sequence[str], *, is_followed: bool) -> tuple[str, ...]:
    """Return the lines that aren't blank, without the number of a cue that follows at once."""
    has_number = is_followed and bool(lines) and lines[-1].strip().isdecimal()
    return tuple(line for line in (lines[:-1] if has_number else lines) if line.strip())


def _lines_of_paragraphs(lines: Sequence[str], *, is_followed: bool) -> tuple[str, ...]:
    """Return the lines of a cue with empty lines, without paragraphs of numbers: those of cues, and times cut off."""
    groups = [(is_blank, tuple(group)) for is_blank, group in groupby(lines, lambda line: not line.strip())]
    paragraphs = [
        group for place, (is_blank, group) in enumerate(groups) if not is_blank and (place == 0 or _has_words(group))
    ]
    return tuple(
        chain.from_iterable(
            _lines_of_paragraph(one, is_followed=is_followed and one is groups[-1][1]) for one in paragraphs
        )
    )


def _has_words(lines: Sequence[str]) -> bool:
    return not _NUMBERS.fullmatch("\n".join(lines))


def _timing(line: str, *, is_start: bool) -> tuple[float, float] | None:
    """Return the times of a line; an arrow that speech may contain counts only where a cue can start."""
    if not any(arrow in line for arrow in (_STANDARD_ARROW, *_ARROWS)):
        return None
    found = _TIMING.match(unicodedata.normalize("NFKC", line).strip("\ufeff\x00"))
    if not found or not (is_start or _STANDARD_ARROW in line):
        return None
    times = _clock(found[1]), _clock(found[3])
    return times if times[0] is not None and times[1] is not None else None  # type: ignore[return-value]


def _clock(text: str) -> float | None:
    """Return the seconds of `[[hours:]minutes:]seconds[.fraction]`; None if it may mean something else."""
    text = "".join(text.split()).replace(";", ":")
    parts = re.split("[:.,]", text)
    if text.count(":") == 3:  # milliseconds after a colon; two digits may be frames
        if len(parts[-1]) != 3:
            return None
        text = f"{':'.join(parts[:-1])}.{parts[-1]}"
    elif ":" not in text and len(parts[-1]) != 3:  # a plain number
        return None
    return _seconds(text)


def _seconds(clock: str) -> float:
    seconds = 0.0
    for part in clock.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def _unrolled(blocks: Sequence[_Block], *, has_word_times: bool) -> Iterator[_Block]:
    """Yield the blocks of captions that roll with each line once: a block repeats lines that are still shown."""
    touching = [pair for pair in pairwise(blocks) if _touch(*pair)]
    num_repeating = sum(_num_repeated(*pair) > 0 for pair in touching)
    if not num_repeating or not (has_word_times or num_repeating >= _ROLLING_SHARE * len(touching)):
        yield from blocks
        return
    held: _Block | None = None
    for before, block in zip([None, *blocks], blocks, strict=False):
        new = block.lines[_num_repeated(before, block) if before and _touch(before, block) else 0 :]
        if held and not new:
            held = _Block(held.start, max(held.end, block.end), held.lines)
            continue
        if held:
            yield held
        held = _Block(block.start, block.end, new)
    if held:
        yield held


def _touch(before: _Block, block: _Block) -> bool:
    return before.start <= block.start <= before.end + TOUCHING_SECONDS


def _num_repeated(before: _Block, block: _Block) -> int:
    """Return how many lines at the start of a block are the last ones of the block before it."""
    last, first = (tuple(map(from_markup, one.lines)) for one in (before, block))
    return max((count for count in range(1, len(first) + 1) if first[:count] == last[-count:]), default=0)


# ---- ASS, SAMI, TTML, MicroDVD, MPL2 and lyrics ----------------------------------------------------------------------


def read_ass(text: str, frame_rate: float = 0.0) -> Iterator[Found]:
    """Yield the dialogue of an ASS or SSA file."""
    names: tuple[str, ...] = _ASS_FIELDS
    for number, line in enumerate(text.splitlines(), 1):
        kind, _, rest = line.partition(":")
        if kind.strip() == "Format" and "Text" in rest and "Start" in rest:
            names = tuple(name.strip() for name in rest.split(","))
        elif kind.strip() == "Dialogue":
            event = dict(zip(names, rest.split(",", len(names) - 1), strict=False))
            try:
                yield _seconds(event["Start"].strip()), _seconds(event["End"].strip()), from_ass(event.get("Text", ""))
            except (KeyError, ValueError):
                yield Unread(number, line)


def read_sami(text: str, frame_rate: float = 0.0) -> Iterator[Found]:
    """Yield the first language of a SAMI file; an empty paragraph ends the one before it."""
    body = _SAMI_HEAD.sub(" ", text)
    parts = list(_SYNC.finditer(body))
    classes = [found[1].lower() for found in _PARAGRAPH.finditer(body)]
    first = classes[0] if classes else ""
    cues: list[tuple[float, str]] = []
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        content = body[part.end() : following.start() if following else len(body)]
        marked = _PARAGRAPH.search(content)
        if not marked or marked[1].lower() == first:
            shown = html.unescape(_BREAK.sub(" ", content)).replace("\xa0", " ")
            cues.append((int(part[1]) / 1000, from_markup(shown)))
    for (start, words), (end, _) in zip(cues, [*cues[1:], (0.0, "")], strict=True):
        if words:
            yield start, end, words


def read_ttml(text: str, frame_rate: float = 0.0) -> Iterator[Found]:
    """Yield the paragraphs of TTML or DFXP, with the times of the elements around them.

    Raises:
        ValueError: It is no TTML.
    """
    try:
        root = ElementTree.fromstring(text.lstrip("\ufeff \n\r\t").encode())
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    if _local(root.tag) != "tt":
        raise ValueError(f"<{_local(root.tag)}>")
    given = {_local(name): value for name, value in root.attrib.items()}
    rate = float(given.get("frameRate") or frame_rate or 30.0)
    factors = given.get("frameRateMultiplier", "").replace(":", " ").split()
    rate *= int(factors[0]) / int(factors[1]) if len(factors) == 2 else 1.0
    ticks = float(given.get("tickRate") or 1.0)
    yield from _paragraphs(root, 0.0, lambda clock: _ttml_seconds(clock, rate, ticks))


def _paragraphs(element: ElementTree.Element, start: float, read: Callable[[str], float | None]) -> Iterator[Found]:
    begin = read(element.get("begin", "")) or 0.0
    if _local(element.tag) == "p":
        end, duration = read(element.get("end", "")), read(element.get("dur", ""))
        if element.get("begin") and read(element.get("begin", "")) is None:
            yield Unread(0, element.get("begin", ""))
            return
        until = start + end if end is not None else start + begin + (duration or 0.0)
        yield start + begin, until, plain("".join(_ttml_text(element)))
        return
    for child in element:
        yield from _paragraphs(child, start + begin, read)


def _ttml_text(element: ElementTree.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if _local(child.tag) == "br":
            yield " "
        elif _local(child.tag) != "metadata":
            yield from _ttml_text(child)
        yield child.tail or ""


def _ttml_seconds(clock: str, rate: float, ticks: float) -> float | None:
    if found := _OFFSET.fullmatch(clock.strip()):
        unit = {"f": 1 / rate, "t": 1 / ticks}.get(found[2]) or _OFFSET_SECONDS[found[2]]
        return float(found[1]) * unit
    parts = clock.strip().split(":")
    try:
        frames = float(parts.pop()) / rate if len(parts) == 4 else 0.0
        return _seconds(":".join(parts)) + frames if len(parts) == 3 else None
    except ValueError:
        return None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def read_frames(text: str, frame_rate: float = 0.0) -> Iterator[Found]:
    """Yield the cues of MicroDVD, `{first}{last}text` in frames; SubViewer's in the same ending have commas.

    A first line `{1}{1}25.000` names the frame rate.
    """
    rate = frame_rate or _DEFAULT_FRAME_RATE
    lines = text.splitlines()
    if not any(_FRAMES.match(line) for line in lines):
        yield from read_subviewer(text)
        return
    for number, line in enumerate(lines, 1):
        found = _FRAMES.match(line)
        if found and found[1] == found[2] and re.fullmatch(r"\s*[\d.]+\s*", found[3]):
            rate = float(found[3]) or rate
        elif found:
            yield int(found[1]) / rate, int(found[2] or 0) / rate, from_markup(found[3].replace("|", " "))
        elif line.strip():
            yield Unread(number, line)


def read_subviewer(text: str, frame_rate: float = 0.0) -> Iterator[Found]:
    """Yield the cues of SubViewer: a line `start,end`, then the text with [br] for a new line."""
    times = re.compile(r"\s*(\d+:\d+:\d+[.:]\d+)\s*,\s*(\d+:\d+:\d+[.:]\d+)\s*$")
    lines = text.splitlines()
    for line, following in pairwise([*lines, ""]):
        if found := times.match(line):
            yield _seconds(found[1]), _seconds(found[2]), from_markup(following.replace("[br]", " "))


def read_tenths(text: str, frame_rate: float = 0.0) -> Iterator[Found]:
    """Yield the cues of MPL2, `[start][end]text` in tenths of a second; "/" begins a line in italics."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TENTHS.match(line):
            words = " ".join(one.lstrip("/") for one in found[3].split("|"))
            yield int(found[1]) / 10, int(found[2] or 0) / 10, from_markup(words)
        elif line.strip():
            yield Unread(number, line)


def read_lyrics(text: str, frame_rate: float = 0.0) -> Iterator[Found]:
    """Yield the lines of lyrics, `[minutes:seconds]text`, each shown until the next one."""
    timed: list[tuple[float, str]] = []
    for line in text.splitlines():
        moments = _LYRIC.findall(line)
        words = plain(_WORD_TIME.sub("", _LYRIC.sub("", line)))
        timed += [(60 * int(minutes) + float(seconds.replace(":", ".")), words) for minutes, seconds in moments]
    timed.sort()
    for (start, words), (end, _) in zip(timed, [*timed[1:], (0.0, "")], strict=True):
        if words:
            yield start, end, words


READERS: dict[str, Reader] = {
    ".srt": read_srt,
    ".vtt": read_arrows,
    ".ass": read_ass,
    ".ssa": read_ass,
    ".ttml": read_ttml,
    ".dfxp": read_ttml,
    ".smi": read_sami,
    ".sami": read_sami,
    ".sub": read_frames,
    ".sbv": read_subviewer,
    ".mpl": read_tenths,
    ".mpl2": read_tenths,
    ".lrc": read_lyrics,
    ".scc": read_scc,
}
"""Readers by the ending of a file."""
