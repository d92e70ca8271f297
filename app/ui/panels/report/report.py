"""A finished report: its headline with the actions for it, its notices, and its blocks in tabs.

A report may hold ten thousand findings: the browser gets one page of them, and turning it redraws only the open tab.
A file is written only when its button in the export menu is pressed: a report with its pictures is not small.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, get_args

import streamlit as st

from app.core import UNKNOWN_PATH, Analysis, Notice
from app.i18n import labelled, language, notice_text, t
from app.reports import FORMATS, Use, content
from app.services import report_of, video_for
from app.ui import local_time, may_change, page_state, plain, services
from app.ui.components import exports, report_blocks
from app.ui.components.exports import SaveButton, SaveGroup
from app.ui.panels.analyse import progress, request_form
from app.ui.panels.ask import chat
from app.ui.panels.menu.engine import short_model_name
from app.ui.panels.report import comparison, reanalysis, sharing

if TYPE_CHECKING:
    from app.jobs import JobSnapshot

PAGE = 40
"""Findings, frames or passages on a page: a few screens, drawn at once. Chosen by hand; not tuned."""
_SEARCH_ABOVE = 24
"""The search appears above this number of them. Chosen by hand; not tuned."""
_TABS = {
    "report": ("timeline", "findings", "questions", "frames", "shots"),
    "transcript": ("transcript",),
    "details": ("how",),
}
"""The sections of each tab in the order of the report; its head is above the tabs. The tab with questions has none."""
_MARKS = {"error": ":red[:material/error:]", "warning": ":orange[:material/warning:]", "info": ":material/info:"}
_SIGNS = re.compile(r"^(?:⚠️|❌)\s*")
_END = re.compile(r"[:：]\s|[:：](?=[\u4e00-\u9fff])|[.。!！]\s|[。！]")
_PIECES_KEY = "report_pieces"


def draw_head(job: JobSnapshot, analysis: Analysis, *, can_edit: bool) -> None:
    """Draw the headline, the model, the actions and the notices."""
    reported = report_of(services(), job.id) or analysis
    shown = content.sections(replace(reported, notices=_other_notices(job, analysis)))
    broken = content.unusable(analysis)
    if broken:
        _draw_broken(job, broken)
    if analysis.chunks and (not broken or analysis.request.question.strip()):
        st.markdown(f"### {plain(content.headline(analysis))}")
    state = _state(job, analysis)
    model = t("ui.by_model", model=short_model_name(analysis.answered_by)) if analysis.answered_by else ""
    mode = t(f"report.mode_{analysis.mode}")
    if not job.is_without_model:  # stopped_job shows it, with the ways to a model
        st.caption(plain(" · ".join(filter(None, (state, model, mode)))))
    with st.container(horizontal=True, gap="small", key="report_actions"):
        _draw_export(job, analysis, reported, is_first=not broken and (job.is_imported or not job.is_without_model))
        if not job.is_imported and may_change():
            reanalysis.draw_follow_up(job)
    with st.container(horizontal=True, gap="medium", key="report_ways"):
        reanalysis.draw_way_back(job)
        if can_edit and page_state().edits_of(job.id) is None:
            reanalysis.draw_entry(analysis)
        comparison.draw_entry()
    with st.container(gap="xsmall", key="notices"):
        _draw_text_mode(job, analysis)
        _draw_notices(chain(shown["notices"](), shown["sources"]()))


def _state(job: JobSnapshot, analysis: Analysis) -> str:
    """Return what the report is in a few words; "" for a job that stopped, which is shown above."""
    if job.state not in ("done", "measuring", "no_usable_answer"):
        return ""
    return t("ui.state_no_usable_answer" if analysis.outcome == "no_usable_answer" else "ui.state_done")


def _draw_broken(job: JobSnapshot, problem: str) -> None:
    """Show why the answer is unusable, and what may help."""
    with st.container(border=True, gap="small", key="unusable"):
        st.markdown(f":red[:material/error:] **{plain(problem)}**")
        if job.is_imported or not may_change():
            return
        with st.container(horizontal=True):
            st.button(
                t("ui.repeat_request"),
                key="unusable_again",
                type="primary",
                icon=":material/refresh:",
                on_click=request_form.resubmit,
                args=(job,),
            )
            st.button(
                t("ui.use_another_model"),
                key="unusable_model",
                icon=":material/neurology:",
                on_click=page_state().go_to_page,
                args=("models",),
            )


def _other_notices(job: JobSnapshot, analysis: Analysis) -> tuple[Notice, ...]:
    """List the notices that aren't shown elsewhere, as measuring progress and the job's error are."""
    hidden = {"text_mode", *({"facts_pending"} if job.state == "measuring" else ())}
    return tuple(
        notice
        for notice in analysis.notices
        if notice.key not in hidden
        and not (job.error and notice.level == "error")
        and not (job.is_without_model and notice.key == "no_model")
    )


@st.fragment
def draw_tabs(job_id: str) -> None:
    """Draw the report, the transcript and the provenance in tabs; only the open tab is drawn."""
    job = services().jobs.snapshot(job_id)
    analysis = job.analysis
    if analysis is None or not job.is_readable:
        st.rerun()  # it was restarted elsewhere
    names = [name for name in (*_TABS, "ask") if name != "transcript" or analysis.transcript]
    labels = [t(f"ui.tab_{name}") for name in names]
    tabs = st.tabs(labels, default=labels[-1 if chat.is_open(job_id) else 0], key="report_tab", on_change="rerun")
    for tab, name in zip(tabs, names, strict=True):
        if tab.open:
            every = progress.POLL_SECONDS if job.state == "measuring" and name == "report" else None
            draw_tab = partial(chat.draw_tab, job_id) if name == "ask" else partial(_draw_tab, job_id, name)
            with tab:
                st.fragment(draw_tab, run_every=every)()


def _draw_tab(job_id: str, name: str) -> None:
    """Draw the statements on the whole video, and a page of the other blocks with a search."""
    job = services().jobs.snapshot(job_id)
    analysis = job.analysis
    if analysis is None:
        st.rerun()
    reported = report_of(services(), job_id, conversations=name == "report") or analysis
    pieces = _pieces(job, analysis, name, reported)
    renderer = report_blocks.Renderer(job_id, analysis.keyframes, _actions(analysis, pieces))
    whole = list(report_blocks.pieces(_whole(analysis))) if name == "report" else []
    if whole:
        report_blocks.draw(whole, renderer, key="whole")
    found = _draw_search(name, pieces) if len(pieces) > _SEARCH_ABOVE else pieces
    first = _draw_pages(name, len(found))
    retry = partial(_retry, job_id)
    report_blocks.draw(found[first : first + PAGE], renderer, key=f"blocks_{name}", on_action=retry)


def _whole(analysis: Analysis) -> Iterator[content.Block]:
    """Yield what is said of the whole video, without the failure that the head states."""
    shown = content.sections(analysis)
    for block in chain.from_iterable(shown[name]() for name in ("answer", "summary", "chapters")):
        if not (isinstance(block, content.Paragraph) and block.tone == "error"):
            yield block


def _pieces(job: JobSnapshot, analysis: Analysis, name: str, reported: Analysis) -> list[report_blocks.ReportPiece]:
    """Return the pieces of a tab; the last ones are kept, because each click asks for thousands of them again.

    Args:
        job: The job of the analysis.
        analysis: The analysis as its job has it.
        name: The tab.
        reported: The analysis with its conversations.
    """
    has_player = video_for(services(), job) is not None  # which has the timeline
    asked = (name, language(), has_player, reported.conversations)
    kept = st.session_state.get(_PIECES_KEY)
    if kept is None or kept[0] is not analysis or kept[1] != asked:
        local = replace(reported, created=local_time(analysis.created))
        shown = content.sections(local, is_shared=False)
        names = [section for section in _TABS[name] if section != "timeline" or not has_player]
        blocks = chain.from_iterable(shown[section]() for section in names)
        kept = st.session_state[_PIECES_KEY] = (analysis, asked, list(report_blocks.pieces(blocks)))
    pieces: list[report_blocks.ReportPiece] = kept[2]
    return pieces


def _actions(analysis: Analysis, pieces: Iterable[report_blocks.ReportPiece]) -> dict[str, report_blocks.Action]:
    """Return a button for each part that asks it again, at its heading or at the first heading below which it is."""
    if analysis.video.path == UNKNOWN_PATH:
        return {}
    anchors = {
        one.anchor for piece in pieces for one in (*piece.headings, *piece.blocks) if isinstance(one, content.Heading)
    }
    parts = content.parts_of(analysis)
    actions = {}
    for part in parts:
        places = (f"part-{part.place}", *(["findings"] if len(parts) == 1 else []), f"frame-{part.number}")
        said = t("ui.part_retry" if part.result else "ui.part_ask")
        title = t("ui.answer_part", n=part.place) if len(parts) > 1 else t("ui.part_only")
        anchor = next((place for place in places if place in anchors), "")
        actions[anchor] = report_blocks.Action(said, labelled(said, title), part.number)
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
    return [piece for piece in (doubtful if only else pieces) if not text or text in piece.text]


def _draw_pages(name: str, found: int) -> int:
    """Draw the page buttons where there are several pages, and return the place of the first piece of the page."""
    if not found:
        st.caption(t("ui.findings_none"))
    if found <= PAGE:
        return 0
    pages = -(-found // PAGE)
    with st.container(horizontal=True, vertical_alignment="center"):
        first = PAGE * (st.pagination(pages, key=f"page_{name}_{pages}") - 1)
        st.caption(t("ui.report_shown", first=first + 1, last=min(found, first + PAGE), total=found))
    return first


def _draw_text_mode(job: JobSnapshot, analysis: Analysis) -> None:
    """Say that the model hasn't seen the pictures, with the way to one that would."""
    for notice in (one for one in analysis.notices if one.key == "text_mode"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            _draw_notice("warning", t("ui.text_mode"), notice_text(notice), key="text_mode")
            if not job.is_imported and may_change():
                st.button(
                    t("ui.use_seeing_model"),
                    key="text_mode_model",
                    type="tertiary",
                    icon=":material/neurology:",
                    on_click=page_state().go_to_page,
                    args=("models",),
                )


def _draw_notices(blocks: Iterable[content.Block]) -> None:
    """Draw the other notices and the label."""
    for place, block in enumerate(blocks):
        if not isinstance(block, content.Paragraph) or block.tone == "quiet":
            continue  # names the model, as the head of the page does
        text = content.words(block.line)
        line = brief(text) if block.tone in _MARKS else text
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            _draw_notice(block.tone, line, text, key=str(place))


def _draw_notice(tone: str, line: str, text: str, *, key: str) -> None:
    """Draw the line of a notice; a popover shows its full text where that is longer."""
    st.caption(f"{_MARKS.get(tone, '')} {plain(line)}".strip(), width="content")
    if line != text:
        with st.popover(t("ui.what_helps"), type="tertiary", key=f"notice-{key}"):
            st.markdown(plain(text))


def brief(text: str) -> str:
    """Return the first clause of a notice, without the sign before it."""
    text = _SIGNS.sub("", text)
    end = _END.search(text)
    return text if end is None else text[: end.start()]


def _draw_export(job: JobSnapshot, analysis: Analysis, reported: Analysis, *, is_first: bool) -> None:
    """Draw the button that opens the menu of formats and links.

    Args:
        job: The job.
        analysis: The analysis as its job has it.
        reported: The analysis with its conversations.
        is_first: Whether it is the most important action of the page.
    """
    with st.popover(t("ui.save"), type="primary" if is_first else "secondary", icon=":material/download:"):
        has_conversations = bool(reported.conversations) and st.toggle(
            t("ui.save_conversations"), value=True, key="save_conversations"
        )
        analysis = reported if has_conversations else analysis
        exports.draw(_save_groups(job, analysis, has_conversations=has_conversations), key="exports")
        if may_change():
            sharing.draw(job.id, conversations=bool(analysis.conversations))


def _save_groups(job: JobSnapshot, analysis: Analysis, *, has_conversations: bool) -> list[SaveGroup]:
    """Return the buttons for the formats that the analysis fits, by their use, and for pictures and everything."""

    def button(name: str, about: str) -> SaveButton:
        url = exports.export_url(f"jobs/{job.id}/exports/{name}", conversations=str(int(has_conversations)))
        return SaveButton(t(f"ui.download_{name}"), url, about)

    groups = []
    for use in get_args(Use):
        fitting = [name for name, form in FORMATS.items() if form.use == use and form.fits(analysis)]
        items = tuple(button(name, t(f"ui.download_{name}_help")) for name in fitting)
        groups += [SaveGroup(items, t(f"ui.save_{use}"))] if items else []
    pictures = []
    if analysis.keyframes:
        pictures = [button("frames", _size_of_frames(analysis)), button("sheet", t("ui.download_sheet_help"))]
    everything = button("everything", t("ui.download_everything_help"))
    return [*groups, SaveGroup((*pictures, everything), t("ui.save_pictures"))]


def _size_of_frames(analysis: Analysis) -> str:
    kept_side = max(max(frame.width, frame.height) for frame in analysis.keyframes)
    key = "ui.download_frames_help" if analysis.video.path.is_file() else "ui.download_frames_small"
    return t(key, side=kept_side)
