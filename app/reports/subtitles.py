"""Subtitle files, SubRip (.srt) and WebVTT (.vtt): findings or transcript as cues, each at the time of a frame or cue.

A finding stays visible until the next one begins, or for as long as it lasts and takes to read; a finding that starts
too soon after another to be read joins its cue. Findings that cite no frame have no time and become no cue. SubRip has
no place for remarks; WebVTT shows them before the cues.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import pairwise
from unicodedata import east_asian_width

from app.domain import Analysis, Cue, Language
from app.i18n import t
from app.reports.content.ai_disclosure import aigc_text
from app.reports.content.labels import remarks, said
from app.reports.content.plain_text import one_line
from app.reports.content.request_parts import seconds_of, times_of

_LETTERS = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})
"""Players take these for tags and codes, and the format knows no way to escape them."""
_TIME = re.compile(r"(:\d{1,2})[.,](?=\d)")
"""Some readers take every line with two such times for the beginning of a cue."""
_vtt_escaped = partial(escape, quote=False)
SHORTEST_SECONDS = 1.0
_CHARACTERS_A_SECOND = 15
"""A wide character counts for two. Less than the guides of Netflix allow: 20 for English, 9 for Chinese."""
_LEAST_SECONDS = 0.001


def write_srt(analysis: Analysis, language: Language) -> bytes:
    """The findings, in UTF-8 with the line ends of Windows. Empty where there are none."""
    return _srt_file(seen(analysis, language))


def write_transcript_srt(analysis: Analysis, _: Language) -> bytes:
    """What is said, as `write`."""
    return _srt_file(heard(analysis))


def _srt_file(cues: Iterable[Cue]) -> bytes:
    return "\n".join(blocks(cues, point=",", escaped=_srt_escaped)).replace("\n", "\r\n").encode()


def _srt_escaped(text: str) -> str:
    return _TIME.sub(r"\1․", text.translate(_LETTERS))


def write_vtt(analysis: Analysis, language: Language) -> bytes:
    """The findings. Without any there are no cues, which is valid."""
    return _vtt_file((*remarks(analysis, language), aigc_text(analysis)), seen(analysis, language))


def write_transcript_vtt(analysis: Analysis, language: Language) -> bytes:
    """What is said, with where it was taken from."""
    said = analysis.transcript
    origin = t(f"report.said_{said.source}", language, label=said.label) if said else ""
    return _vtt_file((origin,), heard(analysis))


def _vtt_file(remarks: Iterable[str], cues: Iterable[Cue]) -> bytes:
    notes = [f"NOTE\n{one_line(remark).replace('-->', '→')}\n" for remark in remarks if remark]
    return "\n".join(["WEBVTT\n", *notes, *blocks(cues, point=".", escaped=_vtt_escaped)]).encode()


@dataclass
class _Shown:
    start_seconds: float
    end_seconds: float
    texts: list[str]


def seen(analysis: Analysis, language: Language) -> tuple[Cue, ...]:
    """What was found, in time order; no two overlap. Several findings of one cue stand on lines of their own."""
    shown = _shown(analysis, language)
    ends = [after.start_seconds for _, after in pairwise(shown)]
    last = max([analysis.decode.readable_seconds, *(one.start_seconds + SHORTEST_SECONDS for one in shown[-1:])])
    return tuple(_cue(one, end) for one, end in zip(shown, [*ends, last], strict=False))


def heard(analysis: Analysis) -> tuple[Cue, ...]:
    """The transcript in time order, without cues that hold no words. Lines stay lines; each lasts at least 1 ms."""
    cues = sorted(analysis.transcript.cues if analysis.transcript else (), key=lambda cue: cue.start_seconds)
    told = ((cue, "\n".join(filter(None, map(one_line, cue.text.splitlines())))) for cue in cues)
    return tuple(
        Cue(cue.start_seconds, max(cue.end_seconds, cue.start_seconds + _LEAST_SECONDS), text)
        for cue, text in told
        if text
    )


def are_seen(analysis: Analysis) -> bool:
    """Whether there is a finding that has a time."""
    return bool(_shown(analysis, "en"))


def are_heard(analysis: Analysis) -> bool:
    """Whether there are words in the transcript."""
    return bool(heard(analysis))


def blocks(cues: Iterable[Cue], *, point: str, escaped: Callable[[str], str]) -> list[str]:
    """The cues as both formats of subtitles write them: number, times, text. `point` stands between seconds and
    milliseconds; `escaped` gives a text in which nothing means anything in the format.
    """
    return [
        f"{number}\n{_stamp(cue.start_seconds, point)} --> {_stamp(cue.end_seconds, point)}\n{escaped(cue.text)}\n"
        for number, cue in enumerate(cues, start=1)
    ]


def _stamp(seconds: float, point: str) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    second = f"{milliseconds // 1000:02d}{point}{milliseconds % 1000:03d}"
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second}"


def _shown(analysis: Analysis, language: Language) -> list[_Shown]:
    shown: list[_Shown] = []
    for start, end, text in sorted(_found(analysis, language), key=lambda found: found[0]):
        if shown and start - shown[-1].start_seconds < SHORTEST_SECONDS:
            shown[-1].end_seconds = max(shown[-1].end_seconds, end)
            shown[-1].texts.append(text)
        else:
            shown.append(_Shown(start, end, [text]))
    return shown


def _found(analysis: Analysis, language: Language) -> Iterator[tuple[float, float, str]]:
    times = times_of(analysis.keyframes)
    for finding in analysis.findings:
        seconds = seconds_of(finding, times)
        if seconds and (text := said(finding, language)):
            yield min(seconds), max(seconds), text


def _cue(shown: _Shown, latest_end: float) -> Cue:
    text = "\n".join(dict.fromkeys(shown.texts))
    wide = sum(east_asian_width(character) in "WF" for character in text)
    read = shown.start_seconds + max(SHORTEST_SECONDS, (len(text) + wide) / _CHARACTERS_A_SECOND)
    return Cue(shown.start_seconds, min(latest_end, max(shown.end_seconds, read)), text)
