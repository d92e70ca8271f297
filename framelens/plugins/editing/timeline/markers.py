"""Timeline of a video: shots as clips, chapters, findings and keyframes as markers; chapters for YouTube and FFmpeg.

In editing programs a timeline shows one marker per frame, so everything that begins at a frame shares a marker, named
after the most important kind.

Chapters come from the model, or else from the pages or the speech of the video. YouTube's help asks for at least three
chapters in the description, the first at 0:00, each at least ten seconds long; a shorter chapter is merged with the
previous. The FFmpeg metadata file has the shots where there are no chapters. It adds them to a copy of the video, so
both have a player's times:

    ffmpeg -i VIDEO -i FILE -map 0 -map_metadata 0 -map_chapters 1 -codec copy OUTPUT
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal, get_args

from framelens import Analysis, Chapter, Language, VideoInfo
from framelens.plugin import in_language, t
from framelens.plugin.reports import ai_label, aigc_text, one_line, ranges_of, remarks, shortened, title_of
from framelens.plugin.texts import clock, origin, sentences
from framelens.plugins.editing.timeline.rates import Rate, first_frame, is_exact, timecode

Kind = Literal["moment", "chapter", "doubt", "finding", "frame", "about"]
"""In the order of importance for a marker's name. A "moment" is an interval in which something that was searched for is
visible, a "doubt" a finding or interval that could not be verified; "about" says how the markers were made, in a format
without a place for that."""
COLOURS: dict[Kind, str] = {
    "moment": "Red", "chapter": "Green", "doubt": "Yellow", "finding": "Blue", "frame": "Cyan", "about": "Purple",
}  # fmt: skip
"""Names of colours that DaVinci Resolve and OpenTimelineIO share."""
_LONGEST_NAME = 60  # characters


@dataclass(frozen=True)
class Marker:
    """A marker of `length` frames at `frame`, counted from 0.

    `note` is one line, or empty if the name says everything.
    """

    frame: int
    kind: Kind
    name: str
    note: str
    length: int = 1


@dataclass(frozen=True)
class ShotClip:
    """A shot as a clip: the frames [start, end) of the video, at the same place on the timeline."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class _Event:
    frame: int
    kind: Kind
    name: str
    text: str
    length: int = 1


def fits(analysis: Analysis) -> bool:
    """Return whether there is anything to mark or to cut."""
    return bool(analysis.keyframes) and analysis.decode.readable_seconds > 0


def clips_of(analysis: Analysis, rate: Rate, *, is_sound: bool = False) -> tuple[ShotClip, ...]:
    """Return the frames of the video, or its sound, cut at the shots, without gaps and with at least one frame.

    The sound may be longer than the frames.
    """
    held = 0.0 if is_sound else analysis.decode.held_seconds
    end = max(1, rate.frame(analysis.decode.readable_seconds - held))
    shots = {rate.frame(shot.start_seconds): shot.number for shot in analysis.decode.shots}
    starts = sorted({0, *(start for start in shots if start < end)})
    names = {start: f"{t('report.shot')} {number}" for start, number in shots.items()}
    whole = one_line(analysis.video.name)
    return tuple(
        ShotClip(names.get(start, whole), start, after) for start, after in zip(starts, [*starts[1:], end], strict=True)
    )


def markers_of(analysis: Analysis, rate: Rate) -> tuple[Marker, ...]:
    """Return the markers in time order, at most one per frame.

    A keyframe has a marker of its own if nothing else begins there. How the markers were made is in `notes_of`.
    """
    events: dict[int, list[_Event]] = {}
    for event in _events(analysis, rate):
        events.setdefault(event.frame, []).append(event)
    for frame in analysis.keyframes:
        name = t("report.frame", number=frame.number, time=clock(frame.time_seconds))
        index = rate.frame(frame.time_seconds)
        events.setdefault(index, [_Event(index, "frame", name, origin(frame))])
    return tuple(_marker(index, events[index]) for index in sorted(events))


def _events(analysis: Analysis, rate: Rate) -> Iterator[_Event]:
    for part in ranges_of(analysis):
        frame, kind = rate.frame(part.start_seconds), part.kind
        name = shortened(part.note if kind == "finding" else part.name, _LONGEST_NAME)
        if kind == "chapter":
            yield _Event(frame, "chapter", part.name, part.note)
        elif kind == "interval":
            length = max(1, rate.frame(part.end_seconds) - frame)
            yield _Event(frame, "doubt" if part.doubts else "moment", name, part.note, length)
        else:
            yield _Event(frame, "doubt" if part.doubts else "finding", name, part.note)


def notes_of(analysis: Analysis, rate: Rate) -> list[str]:
    """Return how the markers were made, one line each, for the head of a file: warnings, the model, the frame rate."""
    timeline = t("report.timeline_rate", rate=str(rate), start=timecode(first_frame(rate), rate))
    uneven = "" if is_exact(rate, analysis.video, analysis.decode) else t("report.timeline_uneven")
    return [note for note in (f"FrameLens {analysis.app_version}", *remarks(analysis), timeline, uneven) if note]


def about(analysis: Analysis, markers: Sequence[Marker], rate: Rate) -> Marker:
    """Return a marker after the others, at the last frame of the video, that says how they were made."""
    name, *notes = notes_of(analysis, rate)
    last = clips_of(analysis, rate)[-1].end - 1
    return Marker(max(last, *(marker.frame + 1 for marker in markers)), "about", name, sentences(notes))


def _marker(frame: int, events: list[_Event]) -> Marker:
    order = get_args(Kind)
    first, *others = sorted(events, key=lambda event: order.index(event.kind))
    own = [first.text] if first.text != first.name else []
    texts = [*own, *(other.text or other.name for other in others)]
    return Marker(frame, first.kind, first.name, " / ".join(filter(None, texts)), first.length)


# ---- chapters --------------------------------------------------------------------------------------------------------

_FEWEST, _SHORTEST_SECONDS, _LONGEST_YOUTUBE_TITLE = 3, 10, 100
_REFUSED = str.maketrans({"<": "‹", ">": "›"})
"""YouTube doesn't save a description with angle brackets."""
_SPECIAL = re.compile(r"([=;#\\\n])")
_UNITS = 1_000_000
"""Time units per second, fine enough that no chapter begins before its frame."""


def chapters_of(analysis: Analysis) -> tuple[Chapter, ...]:
    """Return the chapters in time order, or the shots if there are no chapters and more than one shot.

    Each has a title on one line; if the model gave no title, the beginning of its text.
    """
    ranges = takewhile(lambda part: part.kind == "chapter", ranges_of(analysis))
    chapters = [Chapter(part.name, part.note, 0, part.start_seconds, part.end_seconds) for part in ranges]
    return tuple(chapters or _shots(analysis))


def has_chapters(analysis: Analysis) -> bool:
    """Return whether the chapters come from a model, or from pages or speech, and aren't only the shots."""
    with in_language("en"):  # any: the answer doesn't depend on it
        return any(part.kind == "chapter" for part in ranges_of(analysis))


def _shots(analysis: Analysis) -> list[Chapter]:
    shots = analysis.decode.shots
    named = ((shot, f"{t('report.shot')} {shot.number}") for shot in shots if len(shots) > 1)
    return [Chapter(name, "", 0, shot.start_seconds, shot.end_seconds) for shot, name in named]


def fits_youtube(analysis: Analysis) -> bool:
    """Return whether enough chapters are long enough for YouTube. Shots have no names that a viewer would want."""
    with in_language("en"):  # any: titles don't matter
        return has_chapters(analysis) and len(_lines(analysis)) >= _FEWEST


def write_youtube(analysis: Analysis, language: Language) -> bytes:
    """Return one line per chapter, then the label of generated texts; nothing without chapters."""
    analysis = analysis.without_conversations()
    with in_language(language):
        label = one_line(ai_label(analysis))
        lines = [*_lines(analysis), *(["", label] if label else [])] if has_chapters(analysis) else []
    return "".join(f"{line}\n" for line in lines).translate(_REFUSED).encode()


def _lines(analysis: Analysis) -> list[str]:
    chapters = chapters_of(analysis)
    starts = [int(analysis.video.player_seconds(chapter.start_seconds)) for chapter in chapters]
    if starts and starts[0] < _SHORTEST_SECONDS:
        starts[0] = 0
    titles = [chapter.title for chapter in chapters]
    if starts and starts[0]:  # only a part of the video was analysed
        starts, titles = [0, *starts], [_title(analysis), *titles]
    groups = _group(starts, _end(analysis, chapters))
    return [
        f"{clock(starts[group[0]], digits=0, form='m')} {_join([titles[index] for index in group])}" for group in groups
    ]


def _group(starts: Sequence[int], end: float) -> list[list[int]]:
    """Group the indices of chapters that are merged into one chapter."""
    groups: list[list[int]] = []
    for index, start in enumerate(starts):
        if groups and start - starts[groups[-1][0]] < _SHORTEST_SECONDS:
            groups[-1].append(index)
        else:
            groups.append([index])
    if len(groups) > 1 and end - starts[groups[-1][0]] < _SHORTEST_SECONDS:
        last = groups.pop()
        groups[-1] += last
    return groups


def _join(titles: Sequence[str]) -> str:
    """Join titles; of more than two only the first and the last."""
    named = " · ".join(titles) if len(titles) < 3 else f"{titles[0]} … {titles[-1]}"
    return shortened(named, _LONGEST_YOUTUBE_TITLE)


def _title(analysis: Analysis) -> str:
    return shortened(title_of(analysis) or analysis.video.name, _LONGEST_YOUTUBE_TITLE)


def _end(analysis: Analysis, chapters: Iterable[Chapter]) -> float:
    end = max([analysis.decode.readable_seconds, *(chapter.end_seconds for chapter in chapters)])
    return analysis.video.player_seconds(end)


def fits_ffmetadata(analysis: Analysis) -> bool:
    """Return whether there are chapters."""
    return has_chapters(analysis) or len(analysis.decode.shots) > 1


def write_ffmetadata(analysis: Analysis, language: Language) -> bytes:
    """Return an FFmpeg metadata file in UTF-8.

    Remarks are comments, which FFmpeg doesn't copy into the video: the texts are generated, not the video.
    """
    analysis = analysis.without_conversations()
    with in_language(language):
        notes = (*remarks(analysis), aigc_text(analysis)) if has_chapters(analysis) else ()
        lines = [
            ";FFMETADATA1",
            *(f"; {note} " for note in notes if note),
        ]  # a backslash at the end would be a continuation
        return "\n".join([*lines, *_sections(chapters_of(analysis), analysis.video), ""]).encode()


def _sections(chapters: Iterable[Chapter], video: VideoInfo) -> Iterator[str]:
    for chapter in chapters:
        edges = (chapter.start_seconds, chapter.end_seconds)
        start, end = (round(video.player_seconds(seconds) * _UNITS) for seconds in edges)
        yield "[CHAPTER]"
        yield f"TIMEBASE=1/{_UNITS}"
        yield f"START={start}"
        yield f"END={max(end, start + 1)}"
        yield f"title={escape_ffmetadata(chapter.title)}"


def escape_ffmetadata(text: str) -> str:
    """Escape the special characters of a value with backslashes.

    A backslash at the end gets a space after it, because FFmpeg reads a backslash before a line end as a continuation.
    """
    escaped = _SPECIAL.sub(r"\\\1", text)
    return f"{escaped} " if escaped.endswith("\\") else escaped
