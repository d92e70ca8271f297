"""Toolbar of a report: save it, copy it, compare it, and in a menu what else can be done with it or its video."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, get_args

import streamlit as st

from app.components import exports, slots
from app.components.assets import component
from app.components.controls import button, menu
from app.context import may_change, services
from app.panels.analyse import frame_options, request_form
from app.panels.report import comparison
from app.state import page_state
from framelens.core.domain import Analysis
from framelens.core.errors import AppError
from framelens.i18n import label, language, t
from framelens.plugin_page import SaveButton, SaveGroup
from framelens.reports.content.page_text import plain
from framelens.reports.format import Use
from framelens.reports.formats import FORMATS
from framelens.reports.text.markdown import without_pictures

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot

_mount_copy = component("copy")


def draw(job: JobSnapshot, analysis: Analysis, reported: Analysis, *, has_video: bool) -> None:
    """Draw the buttons in one row.

    Args:
        job: The job.
        analysis: The analysis as its job has it.
        reported: The analysis with its conversations.
        has_video: Whether the video can be played, and so be analysed again.
    """
    with st.container(horizontal=True, wrap=False, gap="xsmall", vertical_alignment="center", key="report_actions"):
        pdf = exports.export_url(f"jobs/{job.id}/exports/pdf", conversations="0")
        exports.draw([SaveGroup((SaveButton(t("ui.download_pdf"), pdf),))], key="save_pdf", width="content")
        with st.popover(t("ui.save"), icon=":material/download:", key="save"):
            _draw_export(job, analysis, reported)
        _draw_copy(analysis)
        comparison.draw_entry()
        can_analyse = has_video or not job.is_imported  # without its video, an imported report isn't analysed again
        if can_analyse or may_change():
            with st.container(key="report_menu", width="content"), _menu():
                if can_analyse:
                    _draw_more(job, has_video=has_video)
                slots.draw("report.actions", job, reported)
        if may_change():
            choose = page_state().choose_video
            button(t("ui.new"), "new", choose, None, icon="add", help=t("ui.new"))


def _menu() -> AbstractContextManager[Any]:
    """Return the menu, whose button has a name for screen readers beside its dots."""
    return menu(t("ui.more"), icon=":material/more_horiz:", help=t("ui.more"))


def _draw_copy(analysis: Analysis) -> None:
    """Draw the button that copies the short report as Markdown, without its pictures."""
    texts = {"copy": t("ui.copy"), "copied": t("ui.copied")}
    _mount_copy(
        key="copy_report", data={"text": without_pictures(analysis, language()), "words": texts}, width="content"
    )


def _draw_more(job: JobSnapshot, *, has_video: bool) -> None:
    _draw_way_back(job)
    if not may_change():
        return
    why, act = None if has_video else t("ui.ask_again_without_video"), request_form.reopen_form
    button(t("ui.ask_again"), "ask_again", act, job, icon="edit", kind="tertiary", disabled=not has_video, help=why)
    if job.is_imported:
        return
    button(t("ui.repeat_request"), "repeat", request_form.resubmit, job, icon="refresh", kind="tertiary")
    comparison.draw_other_model(key="another_model")


def _draw_way_back(job: JobSnapshot) -> None:
    """Draw the button that leads to the report that this report follows."""
    if not job.follows:
        return
    try:
        previous = services().jobs.snapshot(job.follows)
    except AppError:  # it was cleaned away
        return
    about = frame_options.format_selection(previous.request.selection) or t("ui.whole_video")
    title, about = t("ui.earlier_report"), plain(t("ui.earlier_report_help", about=about))
    button(title, "way_back", page_state().open_job, previous.id, icon="arrow_back", kind="tertiary", help=about)


def _draw_export(job: JobSnapshot, analysis: Analysis, reported: Analysis) -> None:
    """Draw the formats, and what plugins offer."""
    has_conversations = bool(reported.conversations) and st.toggle(
        t("ui.save_conversations"), value=True, key="save_conversations"
    )
    analysis = reported if has_conversations else analysis
    appendix = st.toggle(t("ui.save_appendix"), help=t("ui.save_appendix_help"), key="save_appendix")
    options = {"conversations": str(int(has_conversations)), "appendix": str(int(appendix))}
    exports.draw(_save_groups(job, analysis, options), key="exports", has_choices=True)
    if may_change():
        slots.draw("report.files", job, analysis)


def _save_groups(job: JobSnapshot, analysis: Analysis, options: Mapping[str, str]) -> list[SaveGroup]:
    """Return the buttons for the formats that the analysis fits, by their use, and for pictures and everything."""

    def button(name: str, about: str) -> SaveButton:
        url = exports.export_url(f"jobs/{job.id}/exports/{name}", **options)
        return SaveButton(label(f"ui.download_{name}", name), url, about)

    groups = []
    for use in get_args(Use):
        fitting = [name for name, form in FORMATS.items() if form.use == use and form.fits(analysis)]
        items = tuple(button(name, label(f"ui.download_{name}_help", "")) for name in fitting)
        groups += [SaveGroup(items, t(f"ui.save_{use}"), is_folded=use == "cut")] if items else []
    pictures = []
    if analysis.keyframes:
        pictures = [button("frames", _size_of_frames(analysis)), button("sheet", t("ui.download_sheet_help"))]
    everything = button("everything", t("ui.download_everything_help"))
    return [*groups, SaveGroup((*pictures, everything), t("ui.save_pictures"))]


def _size_of_frames(analysis: Analysis) -> str:
    kept_side = max(max(frame.width, frame.height) for frame in analysis.keyframes)
    key = "ui.download_frames_help" if analysis.video.path.is_file() else "ui.download_frames_small"
    return t(key, side=kept_side)
