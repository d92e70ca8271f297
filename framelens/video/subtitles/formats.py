"""Readers of the forms of subtitle files: each yields timed texts, and the lines that it could not read.

Nothing here opens a file. Files are read as people and programs write them, not as a standard has it: times without
hours or milliseconds, with blanks, full-width or wrong marks, and arrows of other kinds.
"""

import html
import re
import unicodedata
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, pairwise
from operator import itemgetter

from framelens.video.subtitles.cues import (
    TOUCHING_SECONDS,
    PluginNeededError,
    Timed,
    Unread,
    clock_seconds,
    cue_text,
    spoken,
)
from framelens.video.subtitles.encodings import UnknownEncodingError, decoded
from framelens.video.subtitles.names import language_code

_TIME = r"-?(?:\d+\.\d+\.\d+[.,]\d+|(?:\d+\s*:\s*-?){0,2}\d+(?:\s*[.,:;]\s*-?\d+(?:\.\d+)?)?)"
_TIMING = re.compile(
    rf"[\s(\[]*({_TIME})\s*(?:-+\s*>|[-=]+>|[→–—]+-*>?)\s*({_TIME})\s*(?:[])]\s*(.*)|[<:;].*|\s([^\d\s].*))?$"
)
_SETTINGS = re.compile(r"(?:\s*(?:(?:region|vertical|line|position|size|align|[XY][12])\s*:\s*\S+|[<({\[:;].*))+", re.I)
"""What follows the times of a cue and isn't text: places of SubRip and settings of WebVTT."""
_CLOCK = r"\d+:\d+(?::\d+(?:[.,:;]\d+)?|[.,]\d+)"
_TIMING_OF_CLOCKS = re.compile(
    rf"[\s(\[]*({_CLOCK})\s*(?:[^\w\s.:;](?:\s?[^\w\s.:;])*|to|至|到)\s*({_CLOCK})\W*()()$", re.I
)
"""Times with anything between them: too doubtful for times without hours or fractions, which speech may contain."""
_TWO_CLOCKS = re.compile(rf"\W*{_CLOCK}\W.*?\b{_CLOCK}")
_DIGITS_BEYOND = re.compile(r"(:\d+,\d{3})\.\d+$")
"""A fraction of milliseconds, as programs write it that reckon with floating point numbers."""
_STANDARD_ARROW = "-->"
_CUE_NUMBER = re.compile(r"\s*[#(\[]?\d{1,6}[A-Za-z]?[.)\]:]?\s*")
"""The number of a cue: people who insert a cue write "12a" or "1B"."""
_NUMBERS = re.compile(r"[\d\s:,.#-]*")  # the number of a cue and a time that was cut off
_ANY_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>|<[\d:.]{5,20}>")
_TAG = re.compile(
    r"</?[bicspu](?:\.[^<>\s]*)?(?:\s[^<>=\n]*=[^<>\n]{0,200})?\s*/?>"
    r"|</?(?:v|lang|ruby|r[tp]|font|span|div|em|strong|big|small|br|center|su[bp])\b[^<>\n]{0,200}>"
    r"|<[\d:.]{5,20}>|<\s*/?\s*[bius]\s*>",
    re.IGNORECASE,
)
"""Marks of forms without a standard, in which other words between angle brackets are text."""
_VOICE = re.compile(r"<v(?:\.[^<>\s]*)?(?:\s+([^<>]{0,200}))?>", re.IGNORECASE)
"""A voice of WebVTT, with who speaks from there on: "<v.loud Esme>"."""
_RUBY = re.compile(r"<r([tp])\b[^>]*>.*?(?:</r\1>|(?=</ruby>|<r[tp]\b)|$)", re.IGNORECASE | re.DOTALL)
"""How the characters before it are pronounced: they would be read twice."""
_TIMESTAMP_MAP = re.compile(r"X-TIMESTAMP-MAP\s*=(?=.*MPEGTS:(\d+))(?=.*LOCAL:([\d:.]+))")
"""In a segment of HLS (RFC 8216, 3.5): which time of the transport stream, in ticks, a time of its cues is."""
_REMARK = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
"""How remarks, styles and regions of WebVTT begin."""
_SEGMENT_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
_TICKS, _WRAP_SECONDS = 90_000, (1 << 33) / 90_000
_WORD_TIME = re.compile(r"<\d+:[\d:.]{4,17}>")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?:\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
_OVERRIDE = re.compile(r"(?<!\\)\{[^{}]*\}")
_ASS_BRACE = re.compile(r"\\([{}])")
_SET = re.compile(r"\{(?:\\|[A-Za-z]:)[^{}]*\}|\{/?[biuBIU]\}")
"""Settings of ASS, MicroDVD and SubRip, which are written into other forms; what else is in braces there is text."""
_COPIED_BREAK = re.compile(r"(?<!:)\\[Nh]")
"""Breaks of ASS in other forms, unless they belong to a path."""
_ASS_BREAK = re.compile(r"\\[Nnh]")
_ASS_FIELDS = ("Layer", "Start", "End", "Style", "Name", "MarginL", "MarginR", "MarginV", "Effect", "Text")
_SUNG = re.compile(r"^comment:[^{\n]*,\s*karaoke\s*,", re.IGNORECASE | re.MULTILINE)
"""A line from which Aegisub's templater has made effects: it becomes a comment, its syllables lines named "fx"."""
_FRAMES = re.compile(r"\s*\{(\d+)\}\{(\d*)\}(.*)")
_COMMA_TIMES = re.compile(r"\s*(\d+:\d+:\d+(?:[.,:]\d+)?)\s*,\s*(\d+:\d+:\d+(?:[.,:]\d+)?)\s*$")
_COLON_FRACTION = re.compile(r"^(\d+:\d+:\d+):(?=\d+$)")
"""A colon before hundredths."""
_TENTHS = re.compile(r"\s*\[(\d+)\]\[(\d*)\](.*)")
_STARTS = re.compile(r"\s*(\d{1,2}:\d\d:\d\d)(?:,\d)?[:=]\s*(\D.*|$)")
_RATE = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*(?:fps)?\s*", re.IGNORECASE)
_LYRIC_CLOCK = r"(?:(\d+):(?=\d+:\d+\.))?(\d+):(\d{1,2}(?:[.,:]\d{1,3})?)"
_LYRIC = re.compile(rf"\s*\[{_LYRIC_CLOCK}\]")
_LYRIC_WORD = re.compile(rf"[<\[]{_LYRIC_CLOCK}[>\]]")
"""The time of a word within a line; after the last word it is the end of the line."""
_LYRIC_OFFSET = re.compile(r"\[offset:\s*([+-]?\d+)\s*\]", re.IGNORECASE)
_SYNC = re.compile(r"<sync[^>]*?start\s*=\s*[\"']?(-?\d+)(?:[^>]*?\bend\s*=\s*[\"']?(\d+))?[^>]*>", re.IGNORECASE)
_SAMI_HEAD = re.compile(r"<(style|title|head)\b.*?</\1>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_SAMI_LANGUAGE = re.compile(r"\.(\w+)\s*\{[^{}]*?\blang\s*:\s*([\w-]+)", re.IGNORECASE)
_PARAGRAPH = re.compile(r"<p\b[^>]*?class\s*=\s*[\"']?(\w+)[^>]*>", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_ROLLING_SHARE = 0.5
"""Share of the touching pairs of cues, of which the second begins with lines of the first, from which captions roll."""
_DEFAULT_FRAME_RATE = 25.0
"""Frames a second of forms that count frames, where neither the file nor the video says otherwise (TTML has 30)."""


@dataclass(frozen=True)
class Block:
    """The lines of a cue."""

    start: float
    end: float
    lines: tuple[str, ...]


Reader = Callable[[str, float], Iterable[Timed | Unread]]
"""Reads a text; the second argument is the frame rate of the video, 0 if it is unknown."""


@dataclass(frozen=True)
class SubtitleForms:
    """What a plugin reads beside the forms of this module.

    Attributes:
        readers: Functions by the endings of files and names in `PLUGIN_FORMS`. Each takes a text, the frame rate of the
            video and codes of the language to read of a text with several, and yields what it found.
        captions: Decodes closed captions. It takes the seconds and the triples of bytes of pictures in order, and
            whether to decode CEA-708, not CEA-608.
        hour_seconds: Returns how long an hour of the times of a text is.
    """

    readers: Mapping[str, Callable[[str, float, Collection[str]], Iterable[Timed | Unread]]]
    captions: Callable[[Iterable[tuple[float, bytes]], bool], Iterable[Timed]]
    hour_seconds: Callable[[str], float]


def from_ass(text: str, name: str = "", style: str = "") -> str:
    """Return the text of an ASS event without its markup and drawings, after who speaks.

    Args:
        text: The field Text.
        name: The field Name, which programs fill with "NTP" or the style where there is none.
        style: The field Style.
    """
    shown = _ASS_BRACE.sub(r"\1", _OVERRIDE.sub("", _DRAWING.sub("", text)))
    plain = cue_text(_TAG.sub("", _with_voices(_ASS_BREAK.sub(" ", shown))))
    return plain if name.strip() in ("NTP", style.strip()) else spoken(name, plain)


def from_markup(text: str, tags: re.Pattern[str] = _TAG) -> str:
    """Return the text of a SubRip or WebVTT cue without its markup."""
    spaced = _BREAK.sub(" ", _COPIED_BREAK.sub(" ", _SET.sub("", text)))
    return cue_text(html.unescape(tags.sub("", _RUBY.sub("", _with_voices(spaced)))))


def _with_voices(text: str) -> str:
    """Return a text in which who speaks is named where another voice begins."""
    before, *voices = _VOICE.split(text)
    parts, latest = [before], ""
    for name, line in zip(voices[::2], voices[1::2], strict=True):
        parts.append(spoken(name or "", line.lstrip()) if name != latest else line)
        latest = name
    return "".join(parts)


# ---- SubRip, SubViewer and WebVTT ------------------------------------------------------------------------------------


def read_arrows(text: str, frame_rate: float = 0.0) -> Iterator[Timed | Unread]:
    """Yield the cues of WebVTT: a line `start --> end`, then lines up to an empty line; a line of blanks isn't empty.

    Players show a cue without lines empty; here it has the paragraph after it, if that is neither a remark nor the name
    of the next cue.
    """
    return _cues(text, ends_with_empty_line=True)


def read_srt(text: str, frame_rate: float = 0.0) -> Iterator[Timed | Unread]:
    """Yield the cues of SubRip, in which a cue may have empty lines: what follows it up to the next cue is its text."""
    return _cues(text, ends_with_empty_line=False)


def _cues(text: str, *, ends_with_empty_line: bool) -> Iterator[Timed | Unread]:
    blocks = list(_blocks(text, ends_with_empty_line=ends_with_empty_line))
    yield from (block for block in blocks if isinstance(block, Unread))
    yield from cues_of([block for block in blocks if isinstance(block, Block)], is_webvtt=ends_with_empty_line)


def cues_of(blocks: Sequence[Block], *, is_webvtt: bool) -> Iterator[Timed]:
    """Yield the cues of SubRip or WebVTT without their markup; each line of captions that roll appears once."""
    tags = _ANY_TAG if is_webvtt else _TAG
    has_word_times = any(_WORD_TIME.search(line) for block in blocks for line in block.lines)
    for block in _unroll(blocks, has_word_times=has_word_times):
        yield block.start, block.end, from_markup("\n".join(block.lines), tags)


def _blocks(text: str, *, ends_with_empty_line: bool) -> Iterator[Block | Unread]:
    timing: tuple[float, float] | None = None
    lines: list[str] = []
    before = ""
    text_of = _lines_of_paragraph if ends_with_empty_line else _lines_of_paragraphs
    numbered = _lines_of_segments(text) if ends_with_empty_line else ((line, 0.0) for line in text.splitlines())
    for number, (line, shift) in enumerate(numbered, 1):
        is_start = not before.strip() or bool(_CUE_NUMBER.fullmatch(before))
        times = _timing(line, is_start=is_start)
        is_unread = times is None and is_start and (_STANDARD_ARROW in line or bool(_TWO_CLOCKS.match(line)))
        is_ended = ends_with_empty_line and not line and any(earlier.strip() for earlier in lines)
        is_remark = ends_with_empty_line and not before and bool(_REMARK.match(line))
        if timing and (times or is_unread or is_ended or is_remark):
            is_name = ends_with_empty_line and lines[:1] == [""] and not is_ended  # the name of the next cue
            yield Block(*timing, () if is_name else text_of(lines, is_followed=bool(line)))
            timing = None
        if is_unread:
            yield Unread(number, line)
        elif times:
            timing, lines = (times[0] + shift, times[1] + shift), [words_beside] if (words_beside := times[2]) else []
        elif timing:
            lines.append(line)
        before = line
    if timing:
        yield Block(*timing, text_of(lines, is_followed=False))


def _lines_of_segments(text: str) -> Iterator[tuple[str, float]]:
    """Yield the lines of WebVTT, whose segments may have been joined, and by how many seconds each segment is later.

    Headers of segments become empty lines.
    """
    first: float | None = None
    shift = 0.0
    for line in text.splitlines():
        if match := _TIMESTAMP_MAP.match(line):
            starts = int(match[1]) / _TICKS - clock_seconds(match[2])
            first = starts if first is None else first
            shift = (starts - first + _WRAP_SECONDS / 2) % _WRAP_SECONDS - _WRAP_SECONDS / 2
        yield "" if match or _SEGMENT_HEADER.fullmatch(line) else line, shift


def _lines_of_paragraph(lines: Sequence[str], *, is_followed: bool) -> tuple[str, ...]:
    """Return the lines that aren't blank, without the number of a cue that follows at once."""
    has_number = is_followed and bool(lines) and bool(_CUE_NUMBER.fullmatch(lines[-1]))
    return tuple(line for line in (lines[:-1] if has_number else lines) if line.strip())


def _lines_of_paragraphs(lines: Sequence[str], *, is_followed: bool) -> tuple[str, ...]:
    """Return the lines of a cue with empty lines, without paragraphs of cue numbers and cut-off times."""
    groups = [(is_blank, tuple(group)) for is_blank, group in groupby(lines, lambda line: not line.strip())]
    paragraphs = [
        group
        for index, (is_blank, group) in enumerate(groups)
        if not is_blank and (index == 0 or _has_words(group) or _is_first_number(group, index, len(groups)))
    ]
    return tuple(
        chain.from_iterable(
            _lines_of_paragraph(paragraph, is_followed=is_followed and paragraph is groups[-1][1])
            for paragraph in paragraphs
        )
    )


def _is_first_number(lines: Sequence[str], index: int, num_groups: int) -> bool:
    """Return whether lines after an empty line are a spoken number: the next cue's number comes later."""
    return index == 1 and num_groups > index + 2 and len(lines) == 1 and lines[0].strip().isdecimal()


def _has_words(lines: Sequence[str]) -> bool:
    return not _NUMBERS.fullmatch("\n".join(lines))


def _timing(line: str, *, is_start: bool) -> tuple[float, float, str] | None:
    """Return the times of a line, and the words after them, which aren't settings.

    Without the standard arrow they count only where a cue can start.
    """
    if not (is_start or _STANDARD_ARROW in line) or _is_number_or_words(line):
        return None
    visible = "".join(char for char in line if unicodedata.category(char) != "Cf").strip("\x00")
    shown = unicodedata.normalize("NFKC", html.unescape(visible))
    match = _TIMING.match(shown) or (_TIMING_OF_CLOCKS.match(shown) if is_start else None)
    if not match:
        return None
    start, end = _clock(match[1]), _clock(match[2])
    beside = match[4] if match[4] and not _SETTINGS.fullmatch(match[4]) else ""
    return None if start is None or end is None else (start, end, match[3] or beside)


def _is_number_or_words(line: str) -> bool:
    return line.strip().isdecimal() or not any(map(str.isdecimal, line))


def _clock(text: str) -> float | None:
    """Return the seconds of `[[hours:]minutes:]seconds[.fraction]`; None if it may mean something else.

    A sign counts for the whole time, wherever it is: programs that shift times write it before any of the numbers.
    """
    text = "".join(text.split()).replace(";", ":")
    if "-" in text:
        seconds = _clock(text.replace("-", ""))
        return None if seconds is None else -seconds
    text = _DIGITS_BEYOND.sub(r"\1", text)
    parts, num_colons = re.split("[:.,]", text), text.count(":")
    if num_colons in (0, 3) and len(parts[-1]) != 3:  # a plain number, or perhaps frames
        return None
    if len(parts[-1]) == 3 and (num_colons, len(parts)) in ((3, 4), (2, 3), (0, 4)):  # milliseconds after another mark
        text = f"{':'.join(parts[:-1])}.{parts[-1]}"
    return clock_seconds(text)


def _unroll(blocks: Sequence[Block], *, has_word_times: bool) -> Iterator[Block]:
    """Yield the blocks of captions that roll with each line once: a block repeats lines that are still shown."""
    touching = [pair for pair in pairwise(blocks) if _touch(*pair)]
    num_repeating = sum(_num_repeated(*pair) > 0 for pair in touching)
    if not num_repeating or not (has_word_times or num_repeating >= _ROLLING_SHARE * len(touching)):
        yield from blocks
        return
    held: Block | None = None
    for before, block in zip([None, *blocks], blocks, strict=False):
        new = block.lines[_num_repeated(before, block) if before and _touch(before, block) else 0 :]
        if held and not new:
            held = Block(held.start, max(held.end, block.end), held.lines)
            continue
        if held:
            yield held
        held = Block(block.start, block.end, new)
    if held:
        yield held


def _touch(before: Block, block: Block) -> bool:
    return before.start <= block.start <= before.end + TOUCHING_SECONDS


def _num_repeated(before: Block, block: Block) -> int:
    """Return how many lines at the start of a block repeat the last lines of the block before it."""
    last, first = (tuple(map(from_markup, item.lines)) for item in (before, block))
    return max((count for count in range(1, len(first) + 1) if first[:count] == last[-count:]), default=0)


# ---- ASS, SAMI, MicroDVD, MPL2, TMPlayer and lyrics ------------------------------------------------------------------


def read_ass(text: str, frame_rate: float = 0.0) -> Iterator[Timed | Unread]:
    """Yield the dialogue of an ASS or SSA file; sung lines whole, not the syllables that an effect is made of."""
    names: tuple[str, ...] = _ASS_FIELDS
    kinds = {"dialogue", "comment"} if _SUNG.search(text) else {"dialogue"}
    for number, line in enumerate(text.splitlines(), 1):
        kind, _, rest = line.partition(":")
        if kind.strip().lower() == "format" and "Text" in rest and "Start" in rest:
            names = tuple(name.strip() for name in rest.split(","))
        elif kind.strip().lower() in kinds:
            event = dict(zip(names, rest.split(",", len(names) - 1), strict=False))
            effect = event.get("Effect", "").strip().lower() if len(kinds) > 1 else ""
            if effect == "fx" or (effect != "karaoke" and kind.strip().lower() == "comment"):
                continue
            try:
                start, end = (
                    clock_seconds(_COLON_FRACTION.sub(r"\1.", event[column].strip())) for column in ("Start", "End")
                )
                yield start, end, from_ass(event.get("Text", ""), event.get("Name", ""), event.get("Style", ""))
            except (KeyError, ValueError):
                yield Unread(number, line)


def read_sami(text: str, frame_rate: float = 0.0, *, languages: Collection[str] = ()) -> Iterator[Timed | Unread]:
    """Yield one language of a SAMI file, the first of `languages` or else of the file.

    An empty paragraph ends the previous paragraph.
    """
    body = _SAMI_HEAD.sub(" ", text)
    parts = list(_SYNC.finditer(body))
    classes = [match[1].lower() for match in _PARAGRAPH.finditer(body)]
    spoken = {match[1].lower(): language_code(match[2]) for match in _SAMI_LANGUAGE.finditer(text)}
    class_name = next((name for name in classes if spoken.get(name) in languages), classes[0] if classes else "")
    cues: list[Timed] = []
    for part, following in zip(parts, [*parts[1:], None], strict=False):
        content = body[part.end() : following.start() if following else len(body)]
        paragraph = _words_of_class(content, class_name)
        if paragraph is not None:
            cues.append((int(part[1]) / 1000, int(part[2] or 0) / 1000, paragraph))
    yield from _shown_until_next(cues)


def _words_of_class(content: str, class_name: str) -> str | None:
    """Return the words before all paragraphs and of the wanted class; None if all are of other classes."""
    marked = list(_PARAGRAPH.finditer(content))
    if not marked:
        return _sami_words(content)
    parts = [
        content[mark.end() : following.start() if following else len(content)]
        for mark, following in zip(marked, [*marked[1:], None], strict=True)
        if mark[1].lower() == class_name
    ]
    return _sami_words(" ".join([content[: marked[0].start()], *parts])) if parts else None


def _sami_words(content: str) -> str:
    return from_markup(html.unescape(content).replace("\xa0", " "), _ANY_TAG)


def _shown_until_next(cues: Sequence[Timed]) -> Iterator[Timed]:
    """Yield the texts, each until a later text begins if it has no end; empty texts only end the previous text."""
    starts = sorted(start for start, _, _ in cues)
    later = [*starts, 0.0]
    for start, end, text in cues:
        if text:
            yield start, end or later[bisect_right(starts, start)], text


def read_frames(text: str, frame_rate: float = 0.0) -> Iterator[Timed | Unread]:
    """Yield the cues of MicroDVD, `{first}{last}text` in frames; SubViewer's in the same ending have commas.

    A first line `{1}{1}25.000` names the frame rate.
    """
    rate = frame_rate or _DEFAULT_FRAME_RATE
    lines = text.splitlines()
    if not any(_FRAMES.match(line) for line in lines):
        yield from read_subviewer(text)
        return
    for number, line in enumerate(lines, 1):
        match = _FRAMES.match(line)
        if match and match[1] == match[2] and (rate_line := _RATE.fullmatch(match[3])):
            rate = float(rate_line[1].replace(",", ".")) or rate
        elif line.startswith("{DEFAULT}"):  # the style of all
            continue
        elif match:
            yield int(match[1]) / rate, int(match[2] or 0) / rate, _split_at_pipes(match[3])
        elif line.strip():
            yield Unread(number, line)


def _split_at_pipes(text: str) -> str:
    """Return a text whose lines are between "|"; a slash, backslash or "_" before a line is its style."""
    return " ".join(filter(None, (from_markup(_SET.sub("", line).lstrip("/\\_")) for line in text.split("|"))))


def read_subviewer(text: str, frame_rate: float = 0.0) -> Iterator[Timed | Unread]:
    """Yield the cues of SubViewer: a line `start,end`, then lines up to an empty line, or with [br] between them."""
    times: tuple[float, float] | None = None
    lines: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        match = _COMMA_TIMES.match(line)
        if times and (match or not line.strip()):
            yield *times, from_markup(" ".join(lines).replace("[br]", " "))
            times, lines = None, []
        if match:
            start, end = (clock_seconds(_COLON_FRACTION.sub(r"\1.", group)) for group in match.groups())
            times = start, end
        elif times:
            lines.append(line)
        elif _TWO_CLOCKS.match(line):
            yield Unread(number, line)


def read_tenths(text: str, frame_rate: float = 0.0) -> Iterator[Timed | Unread]:
    """Yield the cues of MPL2, `[start][end]text` in tenths of a second."""
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TENTHS.match(line):
            yield int(match[1]) / 10, int(match[2] or 0) / 10, _split_at_pipes(match[3])
        elif line.strip():
            yield Unread(number, line)


def read_starts(text: str, frame_rate: float = 0.0) -> Iterator[Timed | Unread]:
    """Yield the cues of TMPlayer, `hours:minutes:seconds:text`, without ends; an empty text ends the previous cue."""
    timed: list[Timed] = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := _STARTS.match(line):
            timed.append((clock_seconds(match[1]), 0.0, _split_at_pipes(match[2])))
        elif _TWO_CLOCKS.match(line):
            yield Unread(number, line)
    for (start, end, content), following in zip(timed, [*timed[1:], None], strict=False):
        yield start, following[0] if following and not following[2] else end, content


def read_lyrics(text: str, frame_rate: float = 0.0) -> Iterator[Timed | Unread]:
    """Yield the lines of lyrics, `[minutes:seconds]text`, each shown until the next line.

    A positive `[offset:…]` in milliseconds shows them earlier.
    """
    offset = _LYRIC_OFFSET.search(text)
    earlier = int(offset[1]) / 1000 if offset else 0.0
    timed: list[Timed] = []
    for line in text.splitlines():
        starts, rest = [], line
        while match := _LYRIC.match(rest):
            starts.append(_lyric_seconds(match) - earlier)
            rest = rest[match.end() :]
        last = deque(_LYRIC_WORD.finditer(rest), maxlen=1)
        lyric = cue_text(_LYRIC_WORD.sub("", rest))
        end = next((_lyric_seconds(word) - earlier for word in last if not rest[word.end() :].strip()), 0.0)
        timed += [(start, end if len(starts) == 1 else 0.0, lyric) for start in starts]
    yield from _shown_until_next(sorted(timed, key=itemgetter(0)))


def _lyric_seconds(match: re.Match[str]) -> float:
    return 3600 * int(match[1] or 0) + 60 * int(match[2]) + float(re.sub("[,:]", ".", match[3]))


READERS: dict[str, Reader] = {
    ".srt": read_srt,
    ".vtt": read_arrows,
    ".ass": read_ass,
    ".ssa": read_ass,
    ".smi": read_sami,
    ".sami": read_sami,
    ".sub": read_frames,
    ".sbv": read_subviewer,
    ".mpl": read_tenths,
    ".mpl2": read_tenths,
    ".lrc": read_lyrics,
}
"""Readers by the ending of a file."""
PLUGIN_FORMS = frozenset(
    (".ttml", ".dfxp", ".itt", ".scc", ".json3", ".srv3", ".srv2", ".srv1", "Whisper JSON", "Whisper TSV")
)
"""Endings of files, or names, of forms that a plugin reads; here they are only known."""
_MULTILINGUAL = ".smi"
"""Form that may hold several languages, of whose ending the others are spellings."""
_WITHOUT_ENDING: dict[str, Reader] = {"TMPlayer": read_starts}
"""Readers of forms without an ending of their own, by their names."""

_WHISPER_JSON = re.compile(
    r'\{\s*"text"\s*:\s*"|'
    r'\{.*?"(?:segments|transcription|chunks)"\s*:\s*\[\s*\{[^{}]*?"(?:start|timestamps?)"\s*:',
    re.DOTALL,
)
_BEGINNINGS = (
    (re.compile(r"WEBVTT\b"), ".vtt"),
    (re.compile(r"\[Script Info\]|\[Events\]|Dialogue:", re.IGNORECASE), ".ass"),
    (re.compile(r"<sami\b", re.IGNORECASE), ".smi"),
    (re.compile(r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:\w+:)?tt\b", re.DOTALL), ".ttml"),
    (re.compile(r"Scenarist_SCC"), ".scc"),
    (re.compile(r'\{\s*"wireMagic"'), ".json3"),
    (re.compile(r"(?:<\?xml[^>]*>\s*)?<(?:timedtext|transcript)\b"), ".srv3"),
    (re.compile(r"\{(?:\d+|DEFAULT)\}\{\d*\}"), ".sub"),
    (re.compile(r"\[\d+\]\[\d*\]"), ".mpl"),
    (re.compile(r"\d{1,2}:\d\d:\d\d(?:,\d)?[:=]\s*\D"), "TMPlayer"),
    (_WHISPER_JSON, "Whisper JSON"),
    (re.compile(r"start\tend\ttext\s"), "Whisper TSV"),
    (re.compile(r"(?:\d+\s*\n)?\s*\[?(?:\d+:)?\d+:\d+[,.]\d+\s*-->"), ".srt"),
)
"""How files of a form begin, and the ending or name of that form."""


def begins_as_subtitles(data: bytes) -> bool:
    """Return whether the beginning of a file is that of a known form."""
    try:
        text = decoded(data).text.lstrip()
    except UnknownEncodingError:
        return False
    return any(beginning.match(text) for beginning, _ in _BEGINNINGS)


def reader_of(suffix: str, text: str, languages: Collection[str] = (), forms: SubtitleForms | None = None) -> Reader:
    """Return the reader for a text, by how it begins or else by the ending of its file: players don't trust endings.

    Args:
        suffix: The ending.
        text: The whole text.
        languages: Codes of the language to read of a file that has several.
        forms: What a plugin reads.

    Raises:
        PluginNeededError: `forms` lack the form.
    """
    begun = text.lstrip()
    ending = next((ending for beginning, ending in _BEGINNINGS if beginning.match(begun)), suffix)
    if ending == _MULTILINGUAL:
        return partial(read_sami, languages=languages)
    if ending in PLUGIN_FORMS:
        return plugin_reader(ending, forms, languages)
    return (READERS | _WITHOUT_ENDING).get(ending, read_srt)


def plugin_reader(form: str, forms: SubtitleForms | None, languages: Collection[str] = ()) -> Reader:
    """Return a plugin's reader of a form; see `reader_of`."""
    reader = forms.readers.get(form) if forms else None
    if reader is None:
        raise PluginNeededError(form)
    return lambda text, frame_rate: reader(text, frame_rate, languages)
