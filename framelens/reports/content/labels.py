"""Texts of reports in the reader's language, the parts of an analysis, and the sanitizer of untrusted text.

Results are identified by the number of their first frame; parts are shown to people by their count and times.

A key without a text, which a report of another version may hold, is shown unchanged. Characters that a file format may
refuse or misread are shown as code points.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from framelens.core.corrections import Authorship, in_force
from framelens.core.domain import Analysis, ChunkResult, Finding, Layout, Notice, NoticeValue, VideoInfo, times_of
from framelens.core.files import base_name
from framelens.core.outline import title_of
from framelens.core.units import clock, date_of, floored
from framelens.i18n import aside, gap, label, notice_text, sentences, t
from framelens.reports.content.document import DocumentFacts, Line, Span

NO_MODEL = ("no_model", "no_model_because")
"""Notices that no model has seen the video, which the document itself says."""
_QUOTED = 200
"""Characters quoted from an answer that repeats itself: about two lines, enough to see the repetition."""
_IS_PATH = re.compile(r"[/~\\]|[A-Za-z]:[/\\]|\.{1,2}[/\\]")
_PLACE = re.compile(r"https?://\S+")
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")
"""Characters that XML 1.0 (section 2.2) forbids, and the control characters that it discourages."""
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
"""Marks that change the direction of the text after them, even beyond the end of a sentence or a cell."""


@dataclass(frozen=True)
class RequestPart:
    """The frames of a request, which cover [start_seconds, end_seconds), up to the first frame of the next part.

    `position` counts from 1; `number` is the first frame's. `result` is None if the part is not answered.
    """

    position: int
    number: int
    frames: tuple[int, ...]
    start_seconds: float
    end_seconds: float
    result: ChunkResult | None


def finding_seconds(finding: Finding, times: Mapping[int, float]) -> list[float]:
    """List the times of the frames that a finding cites, without missing frames, and the time that a person named."""
    seconds = [times[number] for number in finding.frames if number in times]
    named = finding.person.time_seconds if finding.person else None
    return seconds if named is None else [*seconds, named]


def finding_times(finding: Finding, times: Mapping[int, float], *, is_exact: bool = False) -> Line:
    """Return the times of a finding, linked: those of its frames, or the time that a person named."""
    if not finding.frames and finding.person and (named := finding.person.time_seconds) is not None:
        (text,) = clocks([named], is_exact=is_exact)
        return (Span(text, at_seconds=named),)
    return format_times(finding.frames, times, is_exact=is_exact)


def written_by(person: Authorship | None) -> Line:
    """Return the mark behind a text that a person wrote: who it was and when; () for a text of the model."""
    if person is None:
        return ()
    rewritten = "rewritten_by" if person.name else "rewritten"
    key = rewritten if person.model else "corrected_by" if person.original else "added_by"
    values = {"name": person_name(person.name), "when": local_minute(person.created), "model": one_line(person.model)}
    text = t(f"report.{key}", **values)
    return (Span(gap()), Span(text, "person", was=person.original))


def marks(finding: Finding) -> Line:
    """Return what could not be verified in a statement, and which person wrote it."""
    doubts = t("facts.list").join(issues(finding))
    doubt = (Span(" "), Span(t("report.unverified", issues=doubts), "doubt")) if doubts else ()
    return (*doubt, *written_by(finding.person))


def person_name(name: str) -> str:
    """Return the name of a person who corrected something, in words if it isn't known."""
    return one_line(name) or t("report.somebody")


def corrections_text(analysis: Analysis) -> str:
    """Return who corrected a report, how often and when last; "" for a report of the model alone."""
    corrections = analysis.corrections
    count = len(in_force(corrections.log)) - len(corrections.unmatched) if corrections else 0
    if corrections is None or not count:
        return ""
    names = t("facts.list").join(map(person_name, corrections.authors))
    return t("report.corrected_note", names=names, n=count, when=local_minute(corrections.log[-1].created))


def parts_of(analysis: Analysis) -> tuple[RequestPart, ...]:
    """Return all planned and all answered parts in time order."""
    times, start = times_of(analysis.keyframes), analysis.request.selection.start_seconds
    return layout_parts(analysis.layout, analysis.chunks, times, start, analysis.decode.readable_seconds)


def layout_parts(
    layout: Layout | None,
    chunks: Iterable[ChunkResult],
    times: Mapping[int, float],
    start_seconds: float,
    end_seconds: float,
) -> tuple[RequestPart, ...]:
    """Return the parts that are known so far, in time order.

    Args:
        layout: The planned parts, if known.
        chunks: The results so far.
        times: Seconds by frame number; a missing frame counts as 0.
        start_seconds: The start of the first part, before its first frame.
        end_seconds: The end of the last part.
    """
    answered = {chunk.number: chunk for chunk in chunks if chunk.is_chunk}
    planned = {part[0]: part for part in (layout.parts if layout else ()) if part}
    runs = planned | {number: chunk.frames or planned.get(number, ()) for number, chunk in answered.items()}
    numbers = sorted(runs)
    starts = [start_seconds, *(times.get(number, 0.0) for number in numbers[1:])]
    ends = [*starts[1:], end_seconds]
    return tuple(
        RequestPart(position, number, runs[number], start, max(start, end), answered.get(number))
        for position, (number, start, end) in enumerate(zip(numbers, starts, ends, strict=False), start=1)
    )


def named(table: str, key: str) -> str:
    """Return the text of `key` in a table of i18n such as "trouble" or "condition", or the key itself."""
    return label(f"{table}.{key}", key)


def shareable_settings(analysis: Analysis) -> dict[str, str]:
    """Return the settings that the answers depend on, without private values.

    The address of an engine becomes "remote", and a path on this machine its last component.
    """
    return {key: _without_private_values(value) for key, value in analysis.conditions.items()}


def _without_private_values(value: str) -> str:
    if value.startswith(("http://", "https://")):
        return "remote"
    path, note, rest = value.partition(" (")
    return f"{base_name(path)}{note}{rest}" if _IS_PATH.match(path) else value


def shareable_notice(notice: Notice) -> Notice:
    """Return a notice without private values, as `shareable_settings` does; an address becomes "…"."""
    return replace(notice, values={name: _shareable(value) for name, value in notice.values.items()})


def shareable_text(notice: Notice) -> str:
    """Return the text of a notice in a document: without private values, and without what only an operator can do."""
    text = notice_text(shareable_notice(notice))
    return label(f"reader.{notice.key}", text) if notice.table == "notice" else text


def shareable_value(text: str) -> str:
    """Return a value of a notice or an error without private parts."""
    return _without_private_values(_PLACE.sub("…", text))


def _shareable(value: NoticeValue) -> NoticeValue:
    if isinstance(value, Notice):
        return shareable_notice(value)
    return shareable_value(value) if isinstance(value, str) else value


def headline(analysis: Analysis) -> str:
    """Return the headline of a report: the question, the model's title, or the title of the first page.

    Otherwise it names the video. A question that nothing has answered is no headline of what was measured.
    """
    title = one_line(title_of(analysis))
    if analysis.corrections and analysis.corrections.title:
        return title
    if analysis.is_measured_only and not analysis.is_answered:
        return title or one_line(analysis.video.name)
    return one_line(analysis.request.question) or title or t("report.title", name=analysis.video.name)


def title_and_details(name: str, *, title: str, question: str, part: str) -> tuple[str, str]:
    """Return a headline for an analysis and a line that distinguishes it from other analyses of the same video.

    The headline is the model's title, or else the video's name. The line has the name if it isn't the headline, the
    question and the range of the video.
    """
    quoted = f"“{question}”" if question else ""
    rest = (name if title else "", quoted, part)
    return title or name, " · ".join(filter(None, rest))


def models(analysis: Analysis) -> str:
    """Return the names of the models that wrote the report and its answers, "" if no model has answered."""
    return t("facts.list").join(analysis.models)


def shown_notices(analysis: Analysis) -> list[Notice]:
    """List the notices for readers.

    The notices that no model has seen the video, why the question of the request has no usable answer, and why the
    description is incomplete are left out, since the document itself says it. What to do about a missing model is
    nothing for readers.
    """
    answer = analysis.question_answer
    failure = answer.why if answer and not answer.is_usable else None
    return [
        notice
        for notice in analysis.notices
        if notice.key not in NO_MODEL
        and not (notice.key == "incomplete" and analysis.description_break)
        and (failure is None or notice.values.get("reason") != failure)
    ]


def stated_notices(analysis: Analysis) -> list[Notice]:
    """List all notices for programs, including the absence of a usable answer, which readers see in the report."""
    missing_answer = Notice("no_usable_answer", level="error", table="error")
    return [*([missing_answer] if analysis.outcome == "no_usable_answer" else ()), *analysis.notices]


def ai_label(analysis: Analysis) -> str:
    """Return that a model generated the texts, with its name, and who corrected them; empty if no model was asked."""
    model = models(analysis)
    answers = [answer for conversation in analysis.all_conversations for answer in conversation.answers]
    key = "report.ai_label_answers" if any(answer.model and answer.answer for answer in answers) else "report.ai_label"
    return sentences((t(key, model=model), corrections_text(analysis))) if model else ""


def troubles(result: ChunkResult) -> list[str]:
    """List the problems of an answer."""
    return [named("trouble", key) for key in result.troubles]


def unusable(analysis: Analysis) -> str:
    """Return why no answer of the model is usable, or why the description is incomplete; "" if it is neither."""
    key = analysis.description_break
    if analysis.outcome == "no_usable_answer" and key:
        return t("report.answer_unusable", why=named("trouble", key))
    if not key:
        return ""
    reasons = (notice.values.get("reason") for notice in analysis.notices if notice.key == "incomplete")
    reason = next((shareable_text(notice) for notice in reasons if isinstance(notice, Notice)), "")
    unaffected = [t("report.answer_unaffected")] if analysis.is_answered else []
    return sentences([t(f"report.incomplete.{key}", reason=reason), *unaffected])


def repeated_text(analysis: Analysis) -> str:
    """Return the beginning of an answer on the whole video that only repeats itself, or "" for any other answer.

    It is quoted in the report in place of a summary.
    """
    answer = analysis.broken_answer
    if answer is None or "repeats" not in answer.troubles:
        return ""
    return answer.answer if len(answer.answer) <= _QUOTED else f"{answer.answer[:_QUOTED]}…"


def issues(finding: Finding) -> list[str]:
    """List the claims of a finding that could not be verified."""
    return [named("unverified", key) for key in finding.issues]


def field_names(analysis: Analysis) -> dict[str, str]:
    """Map the keys of the fields that findings have to their names, in the order of the template."""
    used = {key: None for finding in analysis.findings for key in finding.fields}
    declared = [key for key in analysis.field_names if key in used]
    return {key: analysis.field_names.get(key, key) for key in dict.fromkeys([*declared, *used])}


def part_name(part: RequestPart, *, is_exact: bool = True) -> str:
    """Return the name of a part, such as "Part 2 · 00:10.000 – 00:20.000", or with brief times."""
    start, end = clocks((part.start_seconds, part.end_seconds), is_exact=is_exact)
    return t("report.part", n=part.position, range=f"{start} – {end}")


def clocks(seconds: Sequence[float], *, is_exact: bool = False, digits: int = 0) -> list[str]:
    """Format times that are shown together, as a player does: "00:04", "00:09".

    Args:
        seconds: The times.
        is_exact: Show milliseconds.
        digits: The fewest decimals otherwise; there are more where two times would look the same.
    """
    for places in range(digits, 2) if not is_exact else ():
        shown = [floored(value, places) for value in seconds]
        if len(set(shown)) == len(set(seconds)):
            return [clock(value, digits=places) for value in shown]
    return [clock(value) for value in seconds]


def span_of(start_seconds: float, end_seconds: float, *, is_exact: bool = True) -> Line:
    """Return a linked time range, such as "00:01.000 – 00:04.000"; unless exact, "00:01 – 00:04"."""
    edges = (start_seconds, end_seconds)
    start, end = clocks(edges, is_exact=is_exact, digits=0 if end_seconds - start_seconds >= 1 else 1)
    return (Span(start, at_seconds=start_seconds), Span(" – "), Span(end, at_seconds=end_seconds))


def format_times(frames: Sequence[int], times: Mapping[int, float], *, is_exact: bool = False) -> Line:
    """Return the times of frames, with three or more in a row as a range: "00:01 – 00:04, 00:09"."""
    runs = list(_runs([number for number in frames if number in times]))
    ends = [run if len(run) < 3 else [run[0], run[-1]] for run in runs]
    numbers = [number for run in ends for number in run]
    shown = dict(zip(numbers, clocks([times[number] for number in numbers], is_exact=is_exact), strict=True))
    spans: list[Span] = []
    for run, whole in zip(ends, runs, strict=True):
        between = Span(" – " if len(whole) > 2 else t("facts.list"))
        for index, number in enumerate(run):
            spans += [between] if index else [Span(t("facts.list"))] if spans else []
            spans.append(Span(shown[number], at_seconds=times[number], frame=number))
    return tuple(spans)


def in_parentheses(line: Line) -> Line:
    """Return a line in the parentheses of the language, to be put after other words; () for an empty line."""
    before, _, after = aside("\n").partition("\n")
    return (Span(before), *line, Span(after)) if line else ()


def moment(seconds: float) -> Span:
    """Return a time that leads to this moment of the video."""
    return Span(clock(seconds), at_seconds=seconds)


def _runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def finding_text(finding: Finding) -> str:
    """Return a finding on one line, followed by its unverified claims."""
    text = one_line(finding.text)
    doubts = t("facts.list").join(issues(finding))
    text = f"{text} ⚠️ {t('report.unverified', issues=doubts)}".strip() if doubts else text
    return f"{text}{''.join(span.text for span in written_by(finding.person))}"


def remarks(analysis: Analysis) -> tuple[str, ...]:
    """List the warnings of an analysis and the statement that a model generated the texts, each on a line."""
    warnings = [notice for notice in shown_notices(analysis) if notice.level != "info"]
    texts = [unusable(analysis), *(shareable_text(notice) for notice in warnings)]
    return tuple(one_line(text) for text in (*texts, ai_label(analysis) or corrections_text(analysis)) if text)


def moment_address(facts: DocumentFacts, seconds: float) -> str:
    """Return a relative URL that opens the video at a time if it is in the report's folder: "./clip.mp4#t=1.500".

    The fragment is a media fragment (W3C Media Fragments URI 1.0, section 4.2.1), on the time axis of browsers. It is
    rounded up, since browsers would show the previous frame at a time before the frame's.
    """
    milliseconds = math.ceil(round((seconds + facts.video_start_seconds) * 1000, 2))
    return f"./{facts.video_address}#t={milliseconds / 1000:.3f}"


def local_minute(created: str, zone: tzinfo | None = None) -> str:
    """Format a stored time for people, such as "2026-11-21 23:03".

    Args:
        created: An ISO time, in UTC if it has no time zone. Any other text is returned unchanged.
        zone: The reader's time zone; None for this machine's.
    """
    date = date_of(created)
    try:
        return f"{date.astimezone(zone):%Y-%m-%d %H:%M}" if date else created
    except (OverflowError, ValueError, OSError):  # beyond the first or the last day of the calendar
        return created


def printable(text: str) -> str:
    """Replace control characters and direction marks by code points such as "[U+202E]"; keep line breaks and tabs."""
    return _TURNING.sub(_code_point, _UNFIT.sub(_code_point, text))


def _code_point(match: re.Match[str]) -> str:
    return f"[U+{ord(match[0]):04X}]"


def dynamic_range(video: VideoInfo) -> str:
    """Name the HDR format of a video, and whether it was tone-mapped or its colours were lost."""
    key = "tone_mapped" if video.is_tone_mapped else "colours_lost"
    return t(f"report.picture_{key}", name=video.dynamic_range)


def one_line(text: str) -> str:
    """Return printable text with all white space collapsed to single spaces."""
    return " ".join(printable(text).split())


def shortened(text: str, most: int) -> str:
    """Return the text on one line of at most `most` characters, with "…" at the end if it was cut."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
