"""Subtitle files in SubRip (.srt), WebVTT (.vtt) and SubStation Alpha (.ass): findings or transcript as cues.

Without findings, the title of each page is shown when the page begins.

A finding is shown for as long as it lasts and takes to read, at most until the next finding begins. A finding that
starts too soon after another finding to be read joins its cue. Findings that cite no frame have no time and are left
out. A moment that a search has found for an answer has a cue of its own until it is gone. Cues hold text that a viewer
reads or hears, with a mark at unverified claims. SubRip has no field for remarks; WebVTT has them before the cues.
Times are as in a player that shows the file with the video.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from itertools import pairwise
from unicodedata import east_asian_width

from framelens.core.domain import Analysis, Cue, Language, Transcript, VideoInfo
from framelens.core.outline import outline_of
from framelens.core.units import clock
from framelens.i18n import in_language, t
from framelens.i18n.formatting import attributed, speaker_name
from framelens.reports.content.labels import one_line, remarks
from framelens.reports.content.provenance import aigc_text
from framelens.reports.content.ranges import ranges_of
from framelens.reports.content.searches import interval_issues

_LETTERS = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})
"""Substitutes for characters of tags and codes, since SubRip has no escapes."""
_TIME = re.compile(r"(:\d{1,2})[.,](?=\d)")
"""Seconds with decimals after a colon. Some parsers read every line with two such times as the beginning of a cue."""
_vtt_escaped = partial(escape, quote=False)
_ASS_LETTERS = str.maketrans({"{": "(", "}": ")", "\\": "/"})
"""Substitutes for characters of codes, since the format has no escapes."""
_ASS_HEAD = """\
[Script Info]
ScriptType: v4.00+
WrapStyle: 0
ScaledBorderAndShadow: yes
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"""
"""The defaults of FFmpeg's own writer, including the size of the canvas."""
_ASS_LINE = "Dialogue: 0,{},{},Default,{},0,0,0,,{}"
SHORTEST_SECONDS = 1.0
"""The shortest time that a finding is shown."""
_CHARACTERS_A_SECOND = 15
"""Reading speed; a wide character counts as two. Below Netflix's limits (20 for English, 9 for Chinese)."""
_LEAST_SECONDS = 0.001  # the resolution of both formats


def write_srt(analysis: Analysis, language: Language) -> bytes:
    """Return the findings as SubRip in UTF-8 with CRLF line ends; empty without findings."""
    with in_language(language):
        return _srt_file(finding_cues(analysis))


def write_transcript_srt(analysis: Analysis, language: Language) -> bytes:
    """Return the transcript as SubRip in UTF-8 with CRLF line ends; empty without a transcript."""
    with in_language(language):
        return _srt_file(transcript_cues(analysis, attributed(analysis.transcript)))


def _srt_file(cues: Iterable[Cue]) -> bytes:
    return "\n".join(format_cues(cues, point=",", escaped=_srt_escaped)).replace("\n", "\r\n").encode()


def _srt_escaped(text: str) -> str:
    return _TIME.sub(r"\1․", text.translate(_LETTERS))


def write_vtt(analysis: Analysis, language: Language) -> bytes:
    """Return the findings as WebVTT; without findings a valid file without cues."""
    analysis = analysis.without_conversations()
    with in_language(language):
        return _vtt_file((*remarks(analysis), aigc_text(analysis)), finding_cues(analysis))


def write_transcript_vtt(analysis: Analysis, language: Language) -> bytes:
    """Return the transcript as WebVTT, with its source as a note."""
    transcript = analysis.transcript
    with in_language(language):
        origin = t(f"report.transcript_{transcript.source}", label=transcript.label) if transcript else ""
        return _vtt_file((origin,), transcript_cues(analysis), partial(_voice_tag, transcript))


def _voice_tag(transcript: Transcript | None, cue: Cue) -> str:
    name = speaker_name(transcript, cue.speaker) if transcript else ""
    return f"<v {_vtt_escaped(one_line(name))}>" if name else ""


def write_transcript_ass(analysis: Analysis, language: Language) -> bytes:
    """Return the transcript as Advanced SubStation Alpha in UTF-8, with the speaker in the field Name."""
    transcript = analysis.transcript
    with in_language(language):
        lines = [
            _ASS_LINE.format(
                *map(ass_clock, (cue.start_seconds, cue.end_seconds)),
                one_line(speaker_name(transcript, cue.speaker) if transcript else "").replace(",", " "),
                cue.text.translate(_ASS_LETTERS).replace("\n", r"\N"),
            )
            for cue in transcript_cues(analysis)
        ]
    return "\n".join([_ASS_HEAD, *lines, ""]).encode()


def ass_clock(seconds: float) -> str:
    """Return a time in the form of Advanced SubStation Alpha, such as "0:00:04.50"."""
    return clock(seconds, digits=2, form="hh").removeprefix("0")


def _vtt_file(remarks: Iterable[str], cues: Iterable[Cue], tag: Callable[[Cue], str] = lambda cue: "") -> bytes:
    notes = [f"NOTE\n{one_line(remark).replace('-->', '→')}\n" for remark in remarks if remark]
    return "\n".join(["WEBVTT\n", *notes, *format_cues(cues, point=".", escaped=_vtt_escaped, tag=tag)]).encode()


@dataclass
class _CueEntry:
    start_seconds: float
    end_seconds: float
    texts: list[str]


def finding_cues(analysis: Analysis) -> tuple[Cue, ...]:
    """Return the findings as cues without overlaps, and the moments beside them, in time order at a player's times.

    Findings that share a cue are on separate lines.
    """
    shown = _shown(analysis)
    ends = [after.start_seconds for _, after in pairwise(shown)]
    last = max([analysis.decode.readable_seconds, *(entry.start_seconds + SHORTEST_SECONDS for entry in shown[-1:])])
    cues = [_cue(entry, end) for entry, end in zip(shown, [*ends, last], strict=False)]
    cues = sorted([*cues, *_moment_cues(analysis)], key=lambda cue: cue.start_seconds)
    return tuple(_cue_for_player(cue, analysis.video) for cue in cues)


def transcript_cues(analysis: Analysis, cues: Iterable[Cue] | None = None) -> tuple[Cue, ...]:
    """Return the transcript, or these cues of it, in time order, at a player's times and without empty cues.

    Line breaks are kept; each cue lasts at least 1 ms.
    """
    if cues is None:
        cues = analysis.transcript.cues if analysis.transcript else ()
    cues = sorted(cues, key=lambda cue: cue.start_seconds)
    texts = ((cue, "\n".join(filter(None, map(one_line, cue.text.splitlines())))) for cue in cues)
    whole = (
        replace(cue, end_seconds=max(cue.end_seconds, cue.start_seconds + _LEAST_SECONDS), text=text)
        for cue, text in texts
        if text
    )
    return tuple(_cue_for_player(cue, analysis.video) for cue in whole)


def _cue_for_player(cue: Cue, video: VideoInfo) -> Cue:
    start, end = video.player_seconds(cue.start_seconds), video.player_seconds(cue.end_seconds)
    return replace(cue, start_seconds=start, end_seconds=end)


def has_findings(analysis: Analysis) -> bool:
    """Return whether there is a finding or a moment that has a time."""
    with in_language("en"):  # any language: the result is the same
        return bool(finding_cues(analysis))


def has_transcript(analysis: Analysis) -> bool:
    """Return whether there are words in the transcript."""
    return bool(transcript_cues(analysis))


def format_cues(
    cues: Iterable[Cue],
    *,
    point: str,
    escaped: Callable[[str], str],
    tag: Callable[[Cue], str] = lambda cue: "",
) -> list[str]:
    """Format cues as both subtitle formats write them: number, times, text.

    Args:
        cues: The cues in time order.
        point: The separator between seconds and milliseconds.
        escaped: Escapes a text for the format.
        tag: Returns the tag before the text of a cue.
    """
    texts = []
    for number, cue in enumerate(cues, start=1):
        start, end = (clock(edge, form="hh", point=point) for edge in (cue.start_seconds, cue.end_seconds))
        texts.append(f"{number}\n{start} --> {end}\n{tag(cue)}{escaped(cue.text)}\n")
    return texts


def _shown(analysis: Analysis) -> list[_CueEntry]:
    shown: list[_CueEntry] = []
    for start, end, text in sorted(_findings_of(analysis), key=lambda entry: entry[0]):
        if shown and start - shown[-1].start_seconds < SHORTEST_SECONDS:
            shown[-1].end_seconds = max(shown[-1].end_seconds, end)
            shown[-1].texts.append(text)
        else:
            shown.append(_CueEntry(start, end, [text]))
    return shown


def _findings_of(analysis: Analysis) -> Iterator[tuple[float, float, str]]:
    for part in ranges_of(analysis):
        if part.kind == "finding":
            yield part.start_seconds, part.end_seconds, part.note
    for page in outline_of(analysis).pages if not analysis.findings else ():
        yield page.start_seconds, page.start_seconds, one_line(page.title)


def _moment_cues(analysis: Analysis) -> Iterator[Cue]:
    """Yield the moments that a search has found for the question of the request, at their own times."""
    answer = analysis.question_answer
    for moments in (search.moments for search in (answer.searches if answer else ()) if not search.video):
        for interval in moments.intervals:
            doubts = t("facts.list").join(interval_issues(interval))
            marked = f" ⚠️ {t('report.unverified', issues=doubts)}" if doubts else ""
            yield Cue(interval.start_seconds, interval.end_seconds, f"{one_line(moments.thing)}{marked}")


def _cue(shown: _CueEntry, latest_end: float) -> Cue:
    text = "\n".join(dict.fromkeys(shown.texts))
    wide = sum(east_asian_width(character) in "WF" for character in text)
    read = shown.start_seconds + max(SHORTEST_SECONDS, (len(text) + wide) / _CHARACTERS_A_SECOND)
    return Cue(shown.start_seconds, min(latest_end, max(shown.end_seconds, read)), text)
