"""Sections with measurements: timeline, frames, shots and transcript."""

from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from framelens.core.domain import Analysis, FrameFacts, Keyframe, Stretch, StretchType, Transcript
from framelens.core.files import single_line
from framelens.core.units import clock
from framelens.i18n import t
from framelens.i18n.formatting import attributed, measured, origin, screen_texts, speaker_name
from framelens.reports.content import document as blocks
from framelens.reports.content import labels
from framelens.reports.content.document import (
    SHEET,
    Block,
    Heading,
    Line,
    Listing,
    Measurements,
    Paragraph,
    Span,
    Table,
    plain,
)
from framelens.reports.graphics.chart import chart_of

MOST_TIMES = 8
"""Most segments listed per type: the longest are listed, the others counted."""
_MOST_IN_SHEET = 12
"""Most pictures of a contact sheet: two rows of a page."""


def picture_of(frame: Keyframe) -> blocks.PictureBlock:
    """Return the stored picture of a keyframe, named by its number and its time."""
    (time,) = labels.clocks([frame.time_seconds])
    alt = t("report.frame", number=frame.number, time=time)
    at = frame.time_seconds
    return blocks.PictureBlock(frame.number, at, frame.width, frame.height, frame.jpeg, alt, at, time)


def contact_sheet(analysis: Analysis) -> Iterator[Block]:
    """Yield small pictures of the frames, spread over the video if there are many."""
    stored = [frame for frame in analysis.keyframes if frame.jpeg]
    if not stored:
        return
    last, most = len(stored) - 1, min(len(stored), _MOST_IN_SHEET)
    shown = [stored[place * last // max(1, most - 1)] for place in range(most)]
    is_all = len(shown) == len(stored)
    title = t("report.frames") if is_all else t("report.sheet_some", shown=len(shown), n=len(stored))
    yield Heading(2, plain(title), SHEET)
    yield blocks.Gallery(tuple(map(picture_of, shown)))


def timeline(analysis: Analysis) -> Iterator[Block]:
    """Yield the chart of the video along its time."""
    if chart := chart_of(analysis):
        values = {"time": clock(chart.seconds), "shots": len(chart.shots), "frames": len(chart.frames)}
        heading = Heading(2, plain(t("report.timeline")), "timeline")
        yield blocks.Timeline(heading, chart, t("report.timeline_alt", **values))


def frames_section(analysis: Analysis) -> Iterator[Block]:
    """Yield the frames, each with its measurements."""
    yield Heading(2, plain(t("report.frames_measured")), "frames")
    yield from frames(analysis.keyframes, analysis.facts, analysis.transcript)


def frames(
    keyframes: Sequence[Keyframe],
    facts: Iterable[FrameFacts],
    transcript: Transcript | None = None,
) -> Iterator[Block]:
    """Yield each frame with its picture, the words seen and heard there, and its measurements.

    Args:
        keyframes: The frames.
        facts: The measurements so far.
        transcript: The transcript of the video.
    """
    known = {one.number: one for one in facts}
    for frame in keyframes:
        name = t("report.frame", number=frame.number, time=clock(frame.time_seconds))
        yield Heading(3, (Span(name, at_seconds=frame.time_seconds),), f"frame-{frame.number}")
        if frame.jpeg:  # an imported report may have no pictures
            yield picture_of(frame)
        if words := tuple(_words(frame, known.get(frame.number), transcript)):
            yield Listing(words)
        yield Measurements(tuple(_numbers(frame, known.get(frame.number))))


def _words(frame: Keyframe, facts: FrameFacts | None, transcript: Transcript | None) -> Iterator[Line]:
    """Yield the text on the screen and what is said at that moment."""
    if facts and facts.texts:
        yield plain(screen_texts(facts))
    cues = attributed(transcript)
    said = [single_line(cue.text) for cue in cues if cue.start_seconds <= frame.time_seconds < cue.end_seconds]
    if said:
        yield plain(t("report.said", text=" ".join(said)))


def _numbers(frame: Keyframe, facts: FrameFacts | None) -> Iterator[Line]:
    """Yield why the frame was chosen, and its colours, brightness, sharpness and movement."""
    yield plain(t("report.measured", origin=origin(frame)))
    if facts is None:
        return
    yield from map(plain, measured(facts, has_texts=False))
    brightness = f"{100 * facts.brightness:.0f}"
    numbers = t("report.numbers", brightness=brightness, sharpness=f"{facts.sharpness:.0f}")
    moved = "" if facts.motion is None else t("report.motion", motion=f"{100 * facts.motion:.1f}")
    yield plain(f"{numbers}{moved}")


def shots(analysis: Analysis) -> Iterator[Block]:
    """Yield a table of the shots, and the segments that are black, frozen or flashing."""
    yield Heading(2, plain(t("report.shots")), "shots")
    heads = tuple(plain(t(f"report.{column}")) for column in ("shot", "start", "end"))
    rows = tuple(
        (plain(str(shot.number)), (labels.moment(shot.start_seconds),), (labels.moment(shot.end_seconds),))
        for shot in analysis.decode.shots
    )
    yield Table(heads, rows, numbers=True)
    if lines := segment_lines(analysis.decode.stretches):
        yield Listing(tuple(map(plain, lines)))


def segment_lines(stretches: Sequence[Stretch]) -> list[str]:
    """Return a line per type of segment that was found, with its times."""
    by_type = {kind: [one for one in stretches if one.type == kind] for kind in get_args(StretchType)}
    return [t(f"report.segment_{kind}", ranges=_ranges(found)) for kind, found in by_type.items() if found]


def _ranges(found: Sequence[Stretch]) -> str:
    longest = sorted(found, key=_seconds_of, reverse=True)[:MOST_TIMES]
    named = [f"{clock(one.start_seconds)} – {clock(one.end_seconds)}" for one in found if one in longest]
    times = t("facts.list").join(named)
    left = len(found) - len(named)
    return t("report.segments_more", ranges=times, count=left) if left else times


def _seconds_of(stretch: Stretch) -> float:
    return stretch.end_seconds - stretch.start_seconds


def transcript(analysis: Analysis) -> Iterator[Block]:
    """Yield the transcript with its source, if there is a transcript."""
    heard = analysis.transcript
    if heard is None:
        return
    yield Heading(2, plain(t("report.transcript")), "transcript")
    source = t(f"report.transcript_{heard.source}", label=heard.label)
    if heard.cues:
        about = [source, t("report.transcript_cues", n=len(heard.cues)), *_about_speakers(heard)]
        yield Paragraph(plain(" · ".join(about)))
        yield Listing(
            tuple(
                (*labels.span_of(cue.start_seconds, cue.end_seconds), Span(f" {cue.text}")) for cue in attributed(heard)
            )
        )
    else:
        yield Paragraph(plain(source))
        yield Paragraph(plain(t("report.transcript_nothing")))


def _about_speakers(heard: Transcript) -> Iterator[str]:
    """Yield the number of speakers, and whether the number is a guess."""
    if heard.speakers:
        people = len({speaker_name(heard, number) for number in range(1, len(heard.speakers) + 1)})
        yield t("report.speakers_guessed" if heard.speakers_guessed else "report.speakers", n=people)
