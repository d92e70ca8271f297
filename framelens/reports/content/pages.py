"""Section with the outline of a video: its pages with their text, and what is said there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from framelens.core.domain import Analysis, Chapter, Cue, Transcript
from framelens.core.outline import Outline, OutlinePage, ends_sentence, outline_of
from framelens.core.page_text import TextBlock
from framelens.i18n import t
from framelens.i18n.formatting import attributed
from framelens.reports.content import labels
from framelens.reports.content.document import Block, Fold, Heading, Line, Listing, Paragraph, Span, Verbatim, text_line
from framelens.reports.content.measurements import picture_of

MOST_OPEN = 40
"""Pages that are shown open with their pictures; of more the titles are listed, and the pages are folded."""
_MOST_CHARACTERS, _MOST_SPOKEN = 1500, 600
"""Characters of a page, and of the speech there, that a short report shows open."""
_PARAGRAPH_SECONDS, _PARAGRAPH_CHARACTERS = 2.5, 500
"""Pause before a paragraph of speech, and its length from which on it ends with a sentence."""


def pages_section(analysis: Analysis, *, is_brief: bool = False) -> Iterator[Block]:
    """Yield the pages of the video with their text and the speech there.

    Without pages and a model's answer it is the speech, by chapters; an answer is based on it, and leaves it to the
    transcript.

    Args:
        analysis: The analysis.
        is_brief: Fold long texts.
    """
    outline = outline_of(analysis)
    before, *spoken = outline.speech_of(analysis.transcript.cues if analysis.transcript else ())
    is_answered = analysis.outcome in ("done", "incomplete")
    if not outline.pages and (is_answered or not (before or any(spoken))):
        return
    yield Heading(2, text_line(t("report.pages" if outline.pages else "report.speech")), "pages")
    if outline.standing:
        lines = " · ".join(outline.standing)
        yield Paragraph(text_line(t("report.on_every_page", lines=labels.shortened(lines, _MOST_SPOKEN))), "quiet")
    entries = list(_entries(analysis, outline, spoken, is_brief=is_brief))
    yield from _speech(analysis.transcript, before, is_brief=is_brief)
    if len(outline.pages) > MOST_OPEN:
        titles = [
            (*labels.span_of(page.start_seconds, page.end_seconds, is_exact=False), Span(f" {page.title}"))
            for page in outline.pages
            if not page.returns_to
        ]
        yield Listing(tuple(titles), (0,) * len(titles))
        yield Fold(t("report.pages_folded", n=len(outline.pages)), tuple(entries))
    else:
        yield from entries


def _entries(
    analysis: Analysis, outline: Outline, spoken: Sequence[Sequence[Cue]], *, is_brief: bool
) -> Iterator[Block]:
    pictures = {frame.number: picture_of(frame) for frame in analysis.keyframes if frame.jpeg}
    returns = [page for page, cues in zip(outline.pages, spoken, strict=False) if page.returns_to and not cues]
    if not outline.pages:
        for number, (chapter, cues) in enumerate(zip(outline.chapters, spoken, strict=True), start=1):
            yield _heading(chapter, number)
            yield from _speech(analysis.transcript, cues, is_brief=is_brief)
        return
    for page, cues in zip(outline.pages, spoken, strict=True):
        if page in returns:
            continue
        yield _heading(page, page.number)
        if page.returns_to:
            yield Paragraph(text_line(t("report.page_again", n=page.returns_to)), "quiet")
        elif page.frame in pictures:
            yield pictures[page.frame]
        yield from _body(page.body, is_brief=is_brief)
        again = [other for other in returns if other.returns_to == page.number]
        if again:
            yield Paragraph(tuple(_return_spans(again)), "quiet")
        yield from _speech(analysis.transcript, cues, is_brief=is_brief)


def _heading(entry: OutlinePage | Chapter, number: int) -> Heading:
    times = labels.span_of(entry.start_seconds, entry.end_seconds, is_exact=False)
    doubt = (Span(" "), _doubt()) if isinstance(entry, OutlinePage) and entry.is_doubtful else ()
    title = Span(labels.one_line(entry.title), "quoted")
    return Heading(3, (title, *doubt, Span(" · "), *times), f"page-{number}")


def _return_spans(pages: Iterable[OutlinePage]) -> Iterator[Span]:
    yield Span(t("report.page_again_at"))
    for index, page in enumerate(pages):
        yield Span(t("facts.list") if index else " ")
        yield from labels.span_of(page.start_seconds, page.end_seconds, is_exact=False)


def _doubt() -> Span:
    return Span(t("report.reading_uncertain"), "doubt")


def _body(body: Sequence[TextBlock], *, is_brief: bool) -> Iterator[Block]:
    """Yield the text of a page; the part that is too long for a short report is folded."""
    open_, budget = 0, _MOST_CHARACTERS
    while open_ < len(body) and (not is_brief or budget > 0):
        budget -= len(body[open_].text)
        open_ += 1
    yield from _text(body[:open_])
    if folded := body[open_:]:
        yield Fold(t("report.more_text", n=len(folded)), tuple(_text(folded)))


def _text(body: Sequence[TextBlock]) -> Iterator[Block]:
    for kind, group in groupby(body, key=lambda block: block.type):
        blocks = list(group)
        if kind == "item":
            yield Listing(tuple(map(_line, blocks)), tuple(block.level for block in blocks))
        for block in blocks if kind != "item" else ():
            if kind == "code":
                yield Verbatim("", labels.printable(block.text))
                if block.is_doubtful:
                    yield Paragraph((_doubt(),), "quiet")
            else:
                yield Paragraph(_line(block))


def _line(block: TextBlock) -> Line:
    text = Span(labels.printable(block.text), "quoted")
    return (text, Span(" "), _doubt()) if block.is_doubtful else (text,)


# ---- speech ---------------------------------------------------------------------------------------------------------


def _speech(transcript: Transcript | None, cues: Sequence[Cue], *, is_brief: bool) -> Iterator[Block]:
    """Yield what is said as paragraphs, each with the time at which it begins."""
    if transcript is None:
        return
    spoken = attributed(replace(transcript, cues=tuple(_paragraphs(cues))))
    shown, budget = 0, _MOST_SPOKEN
    while shown < len(spoken) and (not is_brief or budget > 0):
        budget -= len(spoken[shown].text)
        shown += 1
    paragraphs = [Paragraph(_cue_line(cue)) for cue in spoken]
    yield from paragraphs[:shown]
    if folded := paragraphs[shown:]:
        yield Fold(t("report.more_speech", n=len(folded)), tuple(folded))


def _paragraphs(cues: Sequence[Cue]) -> Iterator[Cue]:
    """Join cues to paragraphs, which end at a pause, with the speaker, or with a sentence when they are long."""
    held: Cue | None = None
    for cue in cues:
        if held and not _begins_paragraph(held, cue):
            held = replace(held, end_seconds=max(held.end_seconds, cue.end_seconds), text=f"{held.text} {cue.text}")
            continue
        if held:
            yield held
        held = cue
    if held:
        yield held


def _begins_paragraph(held: Cue, cue: Cue) -> bool:
    if held.speaker != cue.speaker or cue.start_seconds - held.end_seconds > _PARAGRAPH_SECONDS:
        return True
    return len(held.text) > _PARAGRAPH_CHARACTERS and ends_sentence(held.text)


def _cue_line(cue: Cue) -> Line:
    (start,) = labels.clocks([cue.start_seconds])
    text = Span(labels.one_line(cue.text), "quoted")
    return (Span(start, at_seconds=cue.start_seconds), Span(" "), text)
