"""What is seen and what is said, as the cues of subtitles: each begins at the time of a frame or of a cue of the video.

What is seen is on show until the next begins, or as long as it holds and takes to read; what begins so soon after
another that nobody could read that one joins it. Findings that rest on no frame have no time, and are no cues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from unicodedata import east_asian_width

from app.domain import Analysis, Cue, Language
from app.reports.content.request_parts import seconds_of, times_of
from app.reports.content.single_line_text import one_line, said

SHORTEST_SECONDS = 1.0
_CHARACTERS_A_SECOND = 15
"""A wide character counts for two. Less than the guides of Netflix allow: 20 for English, 9 for Chinese."""
_LEAST_SECONDS = 0.001


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
