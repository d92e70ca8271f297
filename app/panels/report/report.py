"""A finished report: its headline with the toolbar, its most serious notice, the document, and the details in a fold.

A report may hold ten thousand findings: the browser gets one page of them, and turning it redraws only that part.
A file is written only when its button in the export menu is pressed: a report with its pictures is not small.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, groupby
from typing import TYPE_CHECKING

import streamlit as st

from app.components import report_blocks, slots
from app.components.controls import button
from app.components.ranges import found_ranges, range_action
from app.context import may_change, services
from app.formatting import local_time
from app.panels.analyse import progress, request_form, stopped_job
from app.panels.report import speakers, toolbar
from app.state import page_state
from framelens import registry
from framelens.api.playback import video_for
from framelens.core.corrections import in_force
from framelens.core.domain import UNKNOWN_PATH, Analysis, Notice
from framelens.i18n import labelled, language, notice_text, t
from framelens.plugin_page import VideoRange
from framelens.reports.content.builder import sections
from framelens.reports.content.document import Block, Heading, Paragraph, plain_text
from framelens.reports.content.labels import NO_MODEL, headline, parts_of, shareable_text, unusable
from framelens.reports.content.page_text import plain

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot

PAGE = 40
"""Findings, frames or passages on a page: a few screens, drawn at once."""
_SEARCH_ABOVE = 24
"""The search appears above this number of them."""
_TABS = {
    "frames": ("frames",),
    "shots": ("timeline", "shots"),
    "transcript": ("transcript",),
    "record": ("notices", "record", "how"),
}
"""The sections of each tab of the details."""
_MARKS = {"error": ":red[:material/error:]", "warning": ":orange[:material/warning:]", "info": ":material/info:"}
_SIGNS = re.compile(r"^(?:⚠️|❌)\s*")
_END = re.compile(r"[:：]\s|[:：](?=[\u4e00-\u9fff])|[.。!！]\s|[。！]")
_PIECES_KEY = "report_pieces"


def draw_head(job: JobSnapshot, analysis: Analysis, *, has_video: bool) -> None:
    """Draw the headline, the toolbar, and the most serious notice."""
    reported = services().reports.get(job.id) or analysis
    st.markdown(f"### {plain(headline(analysis))}")
    shown = sections(replace(analysis, created=local_time(analysis.created)))
    for block in chain(shown["head"](), shown["note"]()):
        if isinstance(block, Paragraph):
            (st.caption if block.tone == "quiet" else st.info)(plain(plain_text(block.line)))
    toolbar.draw(job, analysis, reported, has_video=has_video)
    if not _answers_first(analysis):
        _draw_notice(job, analysis)


def _answers_first(analysis: Analysis) -> bool:
    """Return whether the question is answered, so that the notice may follow the document."""
    return analysis.is_answered


def _draw_notice(job: JobSnapshot, analysis: Analysis) -> None:
    """Draw the most serious notice, with the button that helps; the others are among the details."""
    if job.state == "describing":
        return
    if (broken := unusable(analysis)) and job.state != "failed":
        is_incomplete = analysis.outcome == "incomplete"
        with _notice_box("warning" if is_incomplete else "error", broken):
            if is_incomplete:
                stopped_job.draw_continue(job)
            elif not job.is_imported and may_change():
                again = t("ui.repeat_request")
                button(again, "unusable_again", request_form.resubmit, job, icon="refresh", kind="tertiary")
                _draw_models("unusable_model", "ui.use_another_model")
        return
    if any(notice.key == "text_mode" for notice in analysis.notices):
        full = next(notice_text(notice) for notice in analysis.notices if notice.key == "text_mode")
        with _notice_box("warning", t("ui.text_mode"), full):
            if not job.is_imported and may_change():
                _draw_models("text_mode_model", "ui.use_seeing_model")
        return
    for level in ("error", "warning"):
        if notice := next(
            (other_notice for other_notice in _other_notices(job, analysis) if other_notice.level == level), None
        ):
            text = notice_text(notice)
            with _notice_box(level, brief(text), text):
                return


@contextmanager
def _notice_box(level: str, summary: str, full: str = "") -> Iterator[None]:
    """Draw a notice with what the block adds to its line; its full text opens where that is longer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="notice_box"):
        st.caption(f"{_MARKS[level]} {plain(summary)}", width="content")
        if full and _SIGNS.sub("", full) != summary:
            with st.popover(t("ui.what_helps"), type="tertiary", key="notice"):
                st.markdown(plain(full))
        yield


def _draw_models(key: str, label_key: str) -> None:
    """Draw the button that leads to the Models page, if a plugin has it."""
    if "models" in registry.page_names():
        button(t(label_key), key, page_state().go_to_page, "models", icon="neurology", kind="tertiary")


def _other_notices(job: JobSnapshot, analysis: Analysis) -> tuple[Notice, ...]:
    """List the notices that aren't shown elsewhere, as measuring progress and the job's error are."""
    hidden = {"text_mode", *({"facts_pending"} if job.state == "measuring" else ())}
    return tuple(
        notice
        for notice in analysis.notices
        if notice.key not in hidden
        and not (job.error and notice.level == "error")
        and not (notice.key in NO_MODEL and job.is_without_model)
    )


@st.fragment
def draw_document(job_id: str) -> None:
    """Draw the report's content: answer, summary, chapters and findings; without a model the measurements."""
    job = services().jobs.snapshot(job_id)
    if job.analysis is None or not job.is_readable:
        st.rerun()  # it was restarted elsewhere
    if slots.draw("report.document", job, job.analysis):
        return
    _draw_pieces(job, job.analysis, "document")
    if _answers_first(job.analysis):
        _draw_notice(job, job.analysis)
    if job.can_describe:
        stopped_job.draw_continue(job)


@st.fragment
def draw_details(job_id: str) -> None:
    """Draw frames, shots, transcript and record in tabs below a fold; only the open tab is drawn."""
    job = services().jobs.snapshot(job_id)
    analysis = job.analysis
    if analysis is None or not job.is_readable:
        st.rerun()
    is_measuring = job.state == "measuring"
    with st.expander(t("ui.details"), key="details", icon=":material/list:", on_change="rerun") as fold:
        if not fold.open:
            return
        if is_measuring:
            st.fragment(progress.draw_measuring, run_every=progress.POLL_SECONDS)(job.id)
        names = [name for name in _TABS if name != "transcript" or analysis.transcript]
        tabs = st.tabs([t(f"ui.tab_{name}") for name in names], key="report_tab", on_change="rerun")
        for tab, name in zip(tabs, names, strict=True):
            if tab.open:
                with tab:
                    if name == "transcript" and job.is_over:
                        speakers.draw(job.id, analysis)
                    _draw_pieces(job, analysis, name)


def _sections_of(name: str, analysis: Analysis, job: JobSnapshot) -> tuple[str, ...]:
    """Return the sections; conversations of an imported report are part of it, others are listed below it."""
    if name != "document":
        return _TABS[name]
    if job.state == "describing":  # what is said so far is drawn below
        return ("answer",)
    pictures = ("sheet",) if analysis.rests_on_measures else ()
    questions = ("questions",) if job.is_imported else ()
    return ("answer", "summary", "chapters", "findings", "pages", "footage", *pictures, *questions, "sources")


def _draw_pieces(job: JobSnapshot, analysis: Analysis, name: str) -> None:
    """Draw the blocks of the document or of a tab, a page at a time, with a search where there are many."""
    reported = services().reports.get(job.id, conversations=job.is_imported) or analysis
    has_player = video_for(services().videos, services().jobs, job) is not None  # which has the timeline
    pieces = _pieces(job, analysis, name, reported, has_player=has_player)
    renderer = report_blocks.Renderer(
        job.id,
        analysis.keyframes,
        _actions(analysis, pieces),
        range_action=range_action() if has_player else None,
        intervals=_intervals(reported),
        left_out=_left_out(analysis),
    )
    matching = _draw_search(name, pieces) if len(pieces) > _SEARCH_ABOVE else pieces
    units = [tuple(group) for _, group in groupby(matching, key=lambda piece: piece.fold or id(piece))]  # a fold is one
    first = _draw_pages(name, len(units))
    shown = chain.from_iterable(units[first : first + PAGE])
    report_blocks.draw(shown, renderer, key=f"blocks_{name}", on_action=partial(_retry, job.id))


def _left_out(analysis: Analysis) -> frozenset[int]:
    """Return the numbers of the frames whose pictures a person has left out."""
    state = in_force(analysis.corrections.log) if analysis.corrections else {}
    return frozenset(frame.number for frame in analysis.keyframes if f"p{frame.number}" in state)


def _pieces(
    job: JobSnapshot, analysis: Analysis, name: str, reported: Analysis, *, has_player: bool
) -> list[report_blocks.ReportPiece]:
    """Return the pieces of a tab; they are kept, because each click asks for thousands of them again.

    Args:
        job: The job of the analysis.
        analysis: The analysis as its job has it.
        name: The tab.
        reported: The analysis with its conversations.
        has_player: Whether the video is beside the report, with the timeline.
    """
    cache_key = (name, language(), has_player, reported.conversations, job.state)
    cached = st.session_state.get(f"{_PIECES_KEY}_{name}")
    if cached is None or cached[0] is not analysis or cached[1] != cache_key:
        local = replace(reported, created=local_time(analysis.created))
        shown = sections(local, is_shared=False)
        names = [section for section in _sections_of(name, analysis, job) if section != "timeline" or not has_player]
        is_shown = partial(_is_new_text, _stated_texts(job, analysis)) if name == "document" else None
        split = (report_blocks.pieces(filter(is_shown, shown[section]())) for section in names)  # each by itself
        cached = st.session_state[f"{_PIECES_KEY}_{name}"] = (analysis, cache_key, [*chain.from_iterable(split)])
    pieces: list[report_blocks.ReportPiece] = cached[2]
    return pieces


def _intervals(analysis: Analysis) -> Iterator[VideoRange]:
    """Yield the intervals that were found in this video for the answers of a report."""
    for conversation in analysis.all_conversations:
        for answer in conversation.answers:
            for search in (search for search in answer.searches if not search.video):
                yield from found_ranges(search.moments)


def _stated_texts(job: JobSnapshot, analysis: Analysis) -> frozenset[str]:
    """Return what is said outside of the document: why the answer failed, or why the description is incomplete."""
    why = analysis.question_answer.why if analysis.question_answer else None
    is_stated = why and job.state == "failed" and job.error and why.key == job.error.key
    return frozenset(filter(None, (unusable(analysis), shareable_text(why) if why and is_stated else "")))


def _is_new_text(stated: frozenset[str], block: Block) -> bool:
    """Return whether a block of the document isn't said outside of it: the failure of an answer is."""
    if not isinstance(block, Paragraph):
        return True
    return block.tone != "error" and plain_text(block.line) not in stated


def _actions(analysis: Analysis, pieces: Iterable[report_blocks.ReportPiece]) -> dict[str, report_blocks.Action]:
    """Return a button for each part without a whole answer that asks it again, at the first heading above it."""
    if analysis.video.path == UNKNOWN_PATH:
        return {}
    anchors = {
        block.anchor for piece in pieces for block in (*piece.headings, *piece.blocks) if isinstance(block, Heading)
    }
    parts = parts_of(analysis)
    actions = {}
    for part in (part for part in parts if part.result is None or part.result.troubles):
        places = (f"part-{part.position}", *(["findings"] if len(parts) == 1 else []), f"frame-{part.number}")
        caption = t("ui.part_retry" if part.result else "ui.part_ask")
        title = t("ui.answer_part", n=part.position) if len(parts) > 1 else t("ui.part_only")
        anchor = next((candidate for candidate in places if candidate in anchors), "")
        actions[anchor] = report_blocks.Action(caption, labelled(caption, title), part.number)
    return actions


def _retry(job_id: str, number: int) -> None:
    with page_state().catching_errors():
        services().jobs.retry(job_id, number)
    st.rerun()  # the tab is a fragment, but the whole page shows that a part is asked again


def _draw_search(name: str, pieces: Sequence[report_blocks.ReportPiece]) -> list[report_blocks.ReportPiece]:
    """Draw the search and, where something could not be verified, its filter; return the matching pieces."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label, icon = t("ui.report_search"), ":material/search:"
        text = st.text_input(label, key=f"search_{name}", icon=icon, max_chars=200, width=320).strip().casefold()
        doubtful = [piece for piece in pieces if piece.is_doubtful]
        only = bool(doubtful) and st.toggle(t("ui.findings_doubtful"), key=f"doubtful_{name}")
    if not (text or only):
        return list(pieces)
    return [replace(piece, fold="") for piece in (doubtful if only else pieces) if text in piece.text]


def _draw_pages(name: str, count: int) -> int:
    """Draw the page buttons where there are several pages, and return the place of the first piece of the page."""
    if not count:
        st.caption(t("ui.findings_none"))
    if count <= PAGE:
        return 0
    pages = -(-count // PAGE)
    with st.container(horizontal=True, vertical_alignment="center"):
        first = PAGE * (st.pagination(pages, key=f"page_{name}_{pages}") - 1)
        st.caption(t("ui.report_shown", first=first + 1, last=min(count, first + PAGE), total=count))
    return first


def brief(text: str) -> str:
    """Return the first clause of a notice, without the sign before it."""
    text = _SIGNS.sub("", text)
    end = _END.search(text)
    return text if end is None else text[: end.start()]
