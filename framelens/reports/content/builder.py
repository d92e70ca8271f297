"""Builder of a report from an Analysis: its sections, and the documents that files are made of.

A document is short: one or two pages with answer, summary, chapters, findings and a contact sheet. Its appendix is the
full record, with exact times. The page shows the sections in its own way.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

from framelens.core.domain import Analysis, VideoInfo
from framelens.core.files import file_address, single_line
from framelens.core.outline import outline_of
from framelens.core.units import human_size
from framelens.i18n import language, notice_text, t
from framelens.reports.content import document as blocks
from framelens.reports.content import labels, measurements, statements
from framelens.reports.content.document import Block, Chapters, Document, Paragraph, text_line
from framelens.reports.content.pages import pages_section
from framelens.reports.content.provenance import aigc_text, provenance_section
from framelens.reports.content.questions import questions_section

Section = Callable[[], Iterator[Block]]
_BRIEF = statements.Extent(sentences=5, chapters=12, findings=12, characters=200)
"""Limits so that the text fits on two pages with a contact sheet below it."""
_ROW = 4
"""Pictures of chapters in a row, at least."""
_LEVELS = ("error", "warning", "info")


def document(analysis: Analysis, *, appendix: bool = False) -> Document:
    """Build the report as a short document; the model's texts stay in the language of the request.

    Args:
        analysis: The analysis.
        appendix: Add the full record. The frames are shown there, and not on a contact sheet as well.
    """
    facts = blocks.DocumentFacts(
        video=analysis.video.name,
        video_address=file_address(analysis.video.name.rpartition("/")[2], analysis.video.path),
        video_start_seconds=analysis.video.browser_start_seconds,
        created=analysis.created,
        generator=_generator(analysis),
        model=labels.models(analysis),
        ai_label=labels.ai_label(analysis),
        aigc=aigc_text(analysis),
        content_id=analysis.id,
    )
    recorded = tuple(_blocks_of(_record(analysis))) if appendix else ()
    return Document(labels.headline(analysis), language(), facts, tuple(_brief(analysis, appendix)), recorded)


def _brief(analysis: Analysis, has_appendix: bool) -> Iterator[Block]:
    extent = statements.Extent(**{**vars(_BRIEF), "has_appendix": has_appendix})
    answered = partial(statements.answer, analysis, extent)
    warned = partial(notices, analysis, levels=_LEVELS if has_appendix else _LEVELS[:2])
    yield from head(analysis)
    yield from statements.note(analysis)
    yield from measured_note(analysis)
    yield from _blocks_of((answered, warned) if labels.unusable(analysis) else (warned, answered))
    yield from statements.summary(analysis, extent)
    yield from statements.chapters(analysis, extent)
    yield from statements.findings(analysis, extent)
    yield from pages_section(analysis, is_brief=True)
    yield from measurements.footage(analysis, most=_BRIEF.chapters)
    yield from questions_section(analysis, is_brief=True)
    if not has_appendix:
        yield from sheet(analysis)
    yield from sources(analysis)


def _record(analysis: Analysis) -> Iterable[Section]:
    return (
        partial(measurements.timeline, analysis),
        partial(statements.record, analysis),
        partial(questions_section, analysis),
        partial(measurements.frames_section, analysis),
        partial(measurements.shots, analysis),
        partial(measurements.transcript, analysis),
        partial(provenance_section, analysis),
    )


def _blocks_of(sections: Iterable[Section]) -> Iterator[Block]:
    return chain.from_iterable(section() for section in sections)


def sections(analysis: Analysis, *, is_shared: bool = True) -> dict[str, Section]:
    """Map the names of all sections to functions that yield their blocks without limits, in reading order.

    Args:
        analysis: The analysis.
        is_shared: Leave out private values of this machine, such as the folder of a model, and what to do on it.
    """
    return {
        "head": partial(head, analysis),
        "note": partial(statements.note, analysis),
        "measured_note": partial(measured_note, analysis),
        "notices": partial(notices, analysis, is_shared=is_shared),
        "answer": partial(statements.answer, analysis),
        "summary": partial(statements.summary, analysis),
        "chapters": partial(statements.chapters, analysis),
        "findings": partial(statements.findings, analysis),
        "pages": partial(pages_section, analysis),
        "footage": partial(measurements.footage, analysis),
        "sheet": partial(sheet, analysis),
        "questions": partial(questions_section, analysis),
        "sources": partial(sources, analysis),
        "record": partial(statements.record, analysis),
        "timeline": partial(measurements.timeline, analysis),
        "frames": partial(measurements.frames_section, analysis),
        "shots": partial(measurements.shots, analysis),
        "transcript": partial(measurements.transcript, analysis),
        "how": partial(provenance_section, analysis, is_shared=is_shared),
    }


def head(analysis: Analysis) -> Iterator[Block]:
    """Yield a line with the video's name, its length and timecode, what a quick look decoded, and the report's date."""
    seconds = analysis.decode.readable_seconds
    (length,) = labels.clocks([seconds], digits=0 if seconds >= 1 else 1)
    timecode = f"{t('report.timecode')} {analysis.video.timecode}" if analysis.video.timecode else ""
    facts = _video_facts(analysis.video) if analysis.is_measured_only else ()
    name = single_line(analysis.video.name)
    shown_name = "" if labels.headline(analysis) == labels.one_line(name) else name
    share = analysis.decode.decoded_share
    is_limited = analysis.request.selection.limit_seconds is not None
    key = "report.limited_look" if is_limited else "report.quick_look"
    looked = t(key, percent=f"{100 * share:.0f}") if share < 1 else ""
    about = (shown_name, length, *facts, looked, timecode, labels.local_minute(analysis.created))
    yield Paragraph(text_line(" · ".join(filter(None, about))), "quiet")
    if link := analysis.link:
        source = t("report.fetched", url=link.url, when=labels.local_minute(link.retrieved))
        texts = map(single_line, filter(None, (link.title, link.uploader, source)))
        yield Paragraph(text_line(" · ".join(texts)), "quiet")


def _video_facts(video: VideoInfo) -> Iterator[str]:
    """Yield the size of the file and the picture, the frame rate, and whether there is sound."""
    yield human_size(video.size_bytes)
    yield f"{video.width} × {video.height}"
    yield t("ui.fps", n=f"{video.frame_rate:.4g}") if video.frame_rate else ""
    yield t("ui.audio" if video.has_audio else "ui.no_audio")


def measured_note(analysis: Analysis) -> Iterator[Block]:
    """Yield that no model has seen the video, if none has."""
    if analysis.is_measured_only:
        yield Paragraph(text_line(t("notice.no_model")), "quiet")


def notices(analysis: Analysis, levels: Iterable[str] = _LEVELS, *, is_shared: bool = True) -> Iterator[Block]:
    """Yield the notices of these levels, the most serious first; shared ones don't say what to do on this machine."""
    text = labels.shareable_text if is_shared else (lambda notice: notice_text(labels.shareable_notice(notice)))
    for level in levels:
        for notice in labels.shown_notices(analysis):
            if notice.level == level:
                yield Paragraph(text_line(text(notice)), notice.level)


def sheet(analysis: Analysis) -> Iterator[Block]:
    """Yield a contact sheet, unless pages or a row of pictures of shots or stretches show the same."""
    if outline_of(analysis).pages:
        return
    cards = (card for block in measurements.footage(analysis) if isinstance(block, Chapters) for card in block.cards)
    if sum(card.picture is not None for card in cards) < _ROW:
        yield from measurements.contact_sheet(analysis)


def sources(analysis: Analysis) -> Iterator[Block]:
    """Yield a line with the model and the version of the program, and the label of generated texts."""
    model = labels.models(analysis)
    by = t("report.by_model", model=model) if model else ""
    yield Paragraph(text_line(" · ".join(filter(None, (by, _generator(analysis))))), "quiet")
    if label := labels.ai_label(analysis) or labels.corrections_text(analysis):
        yield Paragraph(text_line(label), "label")


def _generator(analysis: Analysis) -> str:
    return f"FrameLens {analysis.app_version}"
