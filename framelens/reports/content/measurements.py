"""Sections with measurements: timeline, frames, shots and transcript."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar, get_args

from framelens.core.domain import (
    Analysis,
    Boundary,
    FrameFacts,
    Keyframe,
    Measures,
    Shot,
    Stretch,
    StretchType,
    Transcript,
)
from framelens.core.files import single_line
from framelens.core.outline import outline_of
from framelens.core.units import clock
from framelens.i18n import t
from framelens.i18n.formatting import attributed, exactly, length_text, measured, origin, screen_texts, speaker_name
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
    text_line,
)
from framelens.reports.content.footage import (
    Activity,
    activities,
    footage_of,
    light_changes,
    picture_at,
    picture_of_shot,
    quiet_spans,
    transitions,
)
from framelens.reports.graphics.chart import busiest_minute, chart_of, cuts_chart

T = TypeVar("T")
MOST_TIMES = 8
"""Most segments listed per type: the longest are listed, the others counted."""
_MOST_IN_SHEET = 12
"""Most pictures of a contact sheet: two rows of a page."""


def picture_of(frame: Keyframe) -> blocks.PictureBlock:
    """Return the stored picture of a keyframe, named by its number and its time."""
    (time,) = labels.clocks([frame.time_seconds])
    alt = t("report.frame", number=frame.number, time=time)
    seconds = frame.time_seconds
    return blocks.PictureBlock(frame.number, seconds, frame.width, frame.height, frame.jpeg, alt, seconds, time)


def contact_sheet(analysis: Analysis) -> Iterator[Block]:
    """Yield small pictures of the frames, spread over the video if there are many."""
    stored = [frame for frame in analysis.keyframes if frame.jpeg]
    if not stored:
        return
    last, most = len(stored) - 1, min(len(stored), _MOST_IN_SHEET)
    shown = [stored[index * last // max(1, most - 1)] for index in range(most)]
    is_all = len(shown) == len(stored)
    title = t("report.frames") if is_all else t("report.sheet_some", shown=len(shown), n=len(stored))
    yield Heading(2, text_line(title), SHEET)
    yield blocks.Gallery(tuple(map(picture_of, shown)))


def timeline(analysis: Analysis) -> Iterator[Block]:
    """Yield the chart of the video along its time."""
    if chart := chart_of(analysis):
        values = {"time": clock(chart.seconds), "shots": len(chart.shots), "frames": len(chart.frames)}
        heading = Heading(2, text_line(t("report.timeline")), "timeline")
        yield blocks.Timeline(heading, chart, t("report.timeline_alt", **values))


def frames_section(analysis: Analysis) -> Iterator[Block]:
    """Yield the frames, each with its measurements."""
    yield Heading(2, text_line(t("report.frames_measured")), "frames")
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
    by_number = {fact.number: fact for fact in facts}
    for frame in keyframes:
        name = t("report.frame", number=frame.number, time=clock(frame.time_seconds))
        yield Heading(3, (Span(name, at_seconds=frame.time_seconds),), f"frame-{frame.number}")
        if frame.jpeg:  # an imported report may have no pictures
            yield picture_of(frame)
        if lines := tuple(_text_lines(frame, by_number.get(frame.number), transcript)):
            yield Listing(lines)
        yield Measurements(tuple(_numbers(frame, by_number.get(frame.number))))


def _text_lines(frame: Keyframe, facts: FrameFacts | None, transcript: Transcript | None) -> Iterator[Line]:
    """Yield the text on the screen and what is said at that moment."""
    if facts and facts.texts:
        yield text_line(screen_texts(facts))
    cues = attributed(transcript)
    speech = [single_line(cue.text) for cue in cues if cue.start_seconds <= frame.time_seconds < cue.end_seconds]
    if speech:
        yield text_line(t("report.said", text=" ".join(speech)))


def _numbers(frame: Keyframe, facts: FrameFacts | None) -> Iterator[Line]:
    """Yield why the frame was chosen, and its colours, brightness, sharpness and movement."""
    yield text_line(t("report.measured", origin=origin(frame)))
    if facts is None:
        return
    yield from map(text_line, measured(facts))
    brightness = f"{100 * facts.brightness:.0f}"
    numbers = t("report.numbers", brightness=brightness, sharpness=f"{facts.sharpness:.0f}")
    moved = "" if facts.motion is None else t("report.motion", motion=f"{100 * facts.motion:.1f}")
    yield text_line(f"{numbers}{moved}")


def shots(analysis: Analysis) -> Iterator[Block]:
    """Yield a table of the shots, the segments of black picture and the like, and what moves before a camera."""
    yield Heading(2, text_line(t("report.shots")), "shots")
    heads = tuple(text_line(t(f"report.{column}")) for column in ("shot", "start", "end", "length", "transition"))
    begun = transitions(analysis.decode)
    rows = tuple(
        (
            text_line(str(shot.number)),
            (labels.moment(shot.start_seconds),),
            (labels.moment(shot.end_seconds),),
            text_line(length_text(shot.end_seconds - shot.start_seconds)),
            text_line(_transition(begun.get(shot.number))),
        )
        for shot in analysis.decode.shots
    )
    yield Table(heads, rows, numbers=True)
    if lines := segment_lines(analysis.decode.stretches):
        yield Listing(tuple(map(text_line, lines)))
    moves = activities(analysis.decode.measures, analysis.decode.readable_seconds)
    if moves and footage_of(analysis.decode) == "camera":
        yield Heading(3, text_line(t("report.moves")), "record-moves")
        yield Listing(tuple(_activity_card(activity, ()).line for activity in moves))


def footage(analysis: Analysis, most: int | None = None) -> Iterator[Block]:
    """Yield what a report is about without a usable answer: the shots of a film, or what moves before a camera.

    A video with pages is about these, and its outline is another section.

    Args:
        analysis: The analysis.
        most: Most shots or stretches shown with their pictures.
    """
    decode = analysis.decode
    if not analysis.rests_on_measures or outline_of(analysis).pages or decode.readable_seconds <= 0:
        return
    if decode.frames_decoded == 1:
        yield Paragraph(text_line(t("report.single_picture")))
    elif footage_of(decode) == "film":
        yield from _film(analysis, most)
    else:
        yield from _camera(analysis, most)


def _film(analysis: Analysis, most: int | None) -> Iterator[Block]:
    shots, begun, seconds = analysis.decode.shots, transitions(analysis.decode), analysis.decode.readable_seconds
    yield Heading(2, text_line(t("report.shots")), "film")
    values = {"n": len(shots), "rate": f"{60 * len(begun) / seconds:.3g}", "length": exactly(seconds / len(shots))}
    yield Paragraph(text_line(t("report.film_about", **values)))
    if chart := cuts_chart(analysis, [transition.time_seconds for transition in begun.values()]):
        start, number = busiest_minute([transition.time_seconds for transition in begun.values()])
        times = labels.clocks([start, min(start + 60, seconds)])
        alt = t("report.cuts_alt", n=number, range=" – ".join(times))
        yield blocks.Timeline(Heading(3, text_line(t("report.cuts")), "cuts"), chart, alt)
    pictures = {shot.number: picture_of_shot(analysis.keyframes, shot) for shot in shots}
    cards = (_shot_card(shot, begun.get(shot.number), pictures[shot.number]) for shot in shots)
    shown = set(_spread_evenly([shot.number for shot in shots if pictures[shot.number]] or [1], most))
    if most is None or len(shots) <= most:
        shown = set(pictures)
    yield blocks.Chapters(tuple(card for shot, card in zip(shots, cards, strict=True) if shot.number in shown))
    if num_left := len(shots) - len(shown):
        yield Paragraph(text_line(t("report.shots_more", n=num_left)), "quiet")
    if lines := segment_lines(analysis.decode.stretches):
        yield Listing(tuple(map(text_line, lines)))


def _shot_card(shot: Shot, boundary: Boundary | None, frame: Keyframe | None) -> blocks.ChapterCard:
    length = length_text(shot.end_seconds - shot.start_seconds)
    text = t("facts.list").join(filter(None, (length, _transition(boundary))))
    name = t("report.shot_named", n=shot.number)
    times = labels.span_of(shot.start_seconds, shot.end_seconds)
    return blocks.ChapterCard(times, name, text, picture_of(frame) if frame else None)


def _transition(boundary: Boundary | None) -> str:
    """Return the kind of the transition that a shot begins with; "" for the first shot."""
    return t(f"report.transition_{boundary.type}") if boundary else ""


def _camera(analysis: Analysis, most: int | None) -> Iterator[Block]:
    decode = analysis.decode
    start, end = decode.measures.start_seconds if decode.measures else 0.0, decode.readable_seconds
    moves = activities(decode.measures, end)
    yield Heading(2, text_line(t("report.moves")), "moves")
    moving = sum(activity.end_seconds - activity.start_seconds for activity in moves)
    skipped = [stretch for stretch in decode.stretches if stretch.type == "skipped"]
    quiet = quiet_spans([*moves, *skipped], start, end)
    is_always = not (skipped or quiet)
    never = "report.moves_never_seen" if skipped else "report.moves_never"
    key = never if not moves else "report.moves_always" if is_always else "report.moves_about"
    values = {"n": len(moves), "time": exactly(moving), "length": exactly(end - start)}
    yield Paragraph(text_line(t(key, **values)))
    shown = set(_spread_evenly(sorted(moves, key=lambda activity: activity.start_seconds), most))
    if shown:
        yield blocks.Chapters(
            tuple(_activity_card(activity, analysis.keyframes) for activity in moves if activity in shown)
        )
    if num_left := len(moves) - len(shown):
        yield Paragraph(text_line(t("report.moves_more", n=num_left)), "quiet")
    lines = [*_quiet_lines(quiet if moves else [], decode.measures), *map(text_line, segment_lines(decode.stretches))]
    if lines:
        yield Listing(tuple(lines))


def _quiet_lines(quiet: Sequence[tuple[float, float]], measures: Measures | None) -> Iterator[Line]:
    """Yield the longest spans in which nothing moves, and changes of the light, in time order."""
    longest = sorted(quiet, key=_length)[-MOST_TIMES:]
    lines = [(start, (*labels.span_of(start, end), Span(f" {t('report.moves_not')}"))) for start, end in longest]
    for light_change in light_changes(measures):
        text = t("report.light_on" if light_change.is_on else "report.light_off")
        lines.append((light_change.time_seconds, (labels.moment(light_change.time_seconds), Span(f" {text}"))))
    yield from (line for _, line in sorted(lines, key=lambda entry: entry[0]))
    if num_left := len(quiet) - len(longest):
        yield text_line(t("report.moves_not_more", n=num_left))


def _activity_card(activity: Activity, frames: Sequence[Keyframe]) -> blocks.ChapterCard:
    length = exactly(activity.end_seconds - activity.start_seconds)
    frame = picture_at(frames, activity)
    times = labels.span_of(activity.start_seconds, activity.end_seconds)
    picture = picture_of(frame) if frame else None
    title, text = t("report.moves_for", length=length), t("report.moves_most", time=clock(activity.peak_seconds))
    return blocks.ChapterCard(times, title, text, picture)


def _spread_evenly(values: Sequence[T], most: int | None) -> list[T]:
    """Return all values, or as many as allowed, spread evenly."""
    if most is None or len(values) <= most:
        return list(values)
    return [values[index * (len(values) - 1) // (most - 1)] for index in range(most)]


def segment_lines(stretches: Sequence[Stretch]) -> list[str]:
    """Return a line per type of segment that was found, with its times."""
    by_type = {
        kind: [(stretch.start_seconds, stretch.end_seconds) for stretch in stretches if stretch.type == kind]
        for kind in get_args(StretchType)
    }
    return [t(f"report.segment_{kind}", ranges=_ranges(spans)) for kind, spans in by_type.items() if spans]


def _ranges(spans: Sequence[tuple[float, float]]) -> str:
    longest = sorted(spans, key=_length, reverse=True)[:MOST_TIMES]
    spans_text = [f"{clock(start)} – {clock(end)}" for start, end in spans if (start, end) in longest]
    times = t("facts.list").join(spans_text)
    num_left = len(spans) - len(spans_text)
    return t("report.segments_more", ranges=times, count=num_left) if num_left else times


def _length(span: tuple[float, float]) -> float:
    return span[1] - span[0]


def transcript(analysis: Analysis) -> Iterator[Block]:
    """Yield the transcript with its source, if there is a transcript."""
    heard = analysis.transcript
    if heard is None:
        return
    yield Heading(2, text_line(t("report.transcript")), "transcript")
    source = t(f"report.transcript_{heard.source}", label=heard.label)
    if heard.cues:
        about = [source, t("report.transcript_cues", n=len(heard.cues)), *_about_speakers(heard)]
        yield Paragraph(text_line(" · ".join(about)))
        yield Listing(
            tuple(
                (*labels.span_of(cue.start_seconds, cue.end_seconds), Span(f" {cue.text}")) for cue in attributed(heard)
            )
        )
    else:
        yield Paragraph(text_line(source))
        yield Paragraph(text_line(t("report.transcript_nothing")))


def _about_speakers(heard: Transcript) -> Iterator[str]:
    """Yield the number of speakers, and whether the number is a guess."""
    if heard.speakers:
        people = len({speaker_name(heard, number) for number in range(1, len(heard.speakers) + 1)})
        yield t("report.speakers_guessed" if heard.speakers_guessed else "report.speakers", n=people)
