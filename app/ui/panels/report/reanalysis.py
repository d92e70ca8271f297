"""New analyses that start from a finished report: other words or model, frames chosen by hand, or one range again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.analysis import parse_range
from app.core import MOST_FRAMES, Analysis, AnalysisRequest, AppError, InputError, Selection, clock
from app.i18n import t
from app.reports import named
from app.ui import Edits, page_state, plain, services
from app.ui.components import player, report_blocks
from app.ui.components.assets import component
from app.ui.panels.analyse import frame_options
from app.ui.panels.models import missing_model
from app.ui.panels.report.comparison import draw_other_model, template_name

if TYPE_CHECKING:
    from app.jobs import JobSnapshot

_DEFAULT_FRAMES = 16
"""Frames offered at first. Chosen by hand; not tuned."""
_NUMBER_WIDTH = 112
_mount_cards = component("frames")


def draw_follow_up(job: JobSnapshot) -> None:
    """Draw the button that opens the form, filled with the report's request."""
    with st.popover(t("ui.another"), icon=":material/quiz:"):
        st.caption(t("ui.another_why"))
        templates = list(services().templates.by_key)
        asked = job.request.template
        st.selectbox(
            t("ui.template"),
            templates,
            index=templates.index(asked) if asked in templates else 0,
            format_func={key: template_name(key) for key in templates}.__getitem__,
            key=f"another_template_{job.id}",
        )
        st.text_area(
            t("ui.question_optional"),
            job.request.question,
            key=f"another_question_{job.id}",
            max_chars=4000,
            height=96,
        )
        if changes := services().jobs.changes(job.id):
            names = ", ".join(named("condition", name) for name in changes)
            st.caption(plain(t("ui.another_changed", names=names)))
        now = missing_model.ready()
        if now.kind == "ready":
            _draw_buttons(job)
        else:
            missing_model.draw_short(now, key="another_choose")
        draw_other_model(key="another_model")


def _draw_buttons(job: JobSnapshot) -> None:
    with st.container(horizontal=True):
        for key, compares in (("another_compare", True), ("another_ask", False)):
            st.button(
                t(f"ui.{key}"),
                key=key,
                type="primary" if compares else "secondary",
                on_click=_ask_follow_up,
                args=(job, compares),
            )


def _ask_follow_up(job: JobSnapshot, compares: bool) -> None:
    state = page_state()
    with state.catching_errors():
        new = services().jobs.submit(_request(job), name=job.name, follows=job.id)
        if new == job.id:
            raise InputError("nothing_new")
        state.open_job(new)
        if compares:
            state.compare_with(job.id)


def _request(job: JobSnapshot) -> AnalysisRequest:
    """Build the request with the same selection, so that nothing is decoded again.

    Raises:
        InputError: The template needs a question.
    """
    template = st.session_state[f"another_template_{job.id}"]
    question = st.session_state[f"another_question_{job.id}"].strip()
    if services().templates.find(template).needs_question and not question:
        raise InputError("question_empty")
    return replace(job.request, template=template, question=question, use_model=True)


def draw_range(job: JobSnapshot) -> None:
    """Draw the number of frames, another question, and the button; nothing while there is no range."""
    state = page_state()
    if not any(state.range_texts):
        return
    with st.container(border=True):
        st.markdown(f"##### {t('ui.closer_look')}")
        with st.container(horizontal=True):
            frame_options.draw_time_range()
            st.number_input(
                t("ui.closer_look_frames"),
                1,
                MOST_FRAMES,
                max(_DEFAULT_FRAMES, min(MOST_FRAMES, job.request.frames)),
                key="look_frames",
                persist_state="session",
                width=_NUMBER_WIDTH,
            )
        frame_options.draw_time_range_error()
        st.text_input(
            t("ui.closer_look_question"),
            value=job.request.question,
            key=f"look_question_{job.id}",
            placeholder=t("ui.question_example"),
            max_chars=4000,
        )
        st.button(
            t("ui.closer_look_start"),
            key="look_start",
            type="primary",
            icon=":material/zoom_in:",
            disabled=state.range is None,
            on_click=_start,
            args=(job,),
        )


def draw_way_back(job: JobSnapshot) -> None:
    """Draw the button that leads to the report that this one follows."""
    if not job.follows:
        return
    try:
        previous = services().jobs.snapshot(job.follows)
    except AppError:  # it was cleaned away
        return
    about = frame_options.format_selection(previous.request.selection) or t("ui.whole_video")
    st.button(
        t("ui.earlier_report"),
        key="way_back",
        type="tertiary",
        help=plain(t("ui.earlier_report_help", about=about)),
        icon=":material/arrow_back:",
        on_click=page_state().open_job,
        args=(previous.id,),
    )


def _start(job: JobSnapshot) -> None:
    state = page_state()
    with state.catching_errors():
        start, end = parse_range(*state.range_texts) or (0.0, None)
        question = st.session_state[f"look_question_{job.id}"].strip()
        if services().templates.find(job.request.template).needs_question and not question:
            raise InputError("question_empty")
        request = replace(
            job.request,
            frames=st.session_state["look_frames"],
            question=question,
            selection=Selection(start_seconds=start, end_seconds=end),
        )
        state.open_job(services().jobs.submit(request, name=job.name, follows=job.id))


def draw_entry(analysis: Analysis) -> None:
    """Draw the button that starts editing."""
    st.button(
        t("ui.edit_frames"),
        key="edit_frames",
        type="tertiary",
        icon=":material/photo_library:",
        help=t("ui.edit_frames_help"),
        on_click=_begin,
        args=(analysis,),
    )


def draw_bar(job: JobSnapshot, edits: Edits) -> None:
    """Draw the number of frames, the button that asks about them, and the one that discards the changes."""
    count = len(edits.times)
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        changed = t("ui.edits_made", removed=len(edits.removed), added=len(edits.added))
        st.markdown(f"**{t('ui.edits_count', n=count)}** · {changed}", width="content")
        with st.container(horizontal=True, width="content"):
            st.button(t("ui.edits_discard"), key="edits_leave", on_click=_leave)
            st.button(
                t("ui.edits_ask"),
                key="edits_ask",
                type="primary",
                icon=":material/auto_awesome:",
                disabled=not edits.num_changes or not 1 <= count <= MOST_FRAMES,
                on_click=_ask_about_frames,
                args=(job, edits),
            )


def draw_cards(job: JobSnapshot, edits: Edits) -> None:
    """Draw the frames as cards, each with a button."""
    st.markdown(f"##### {t('ui.edit_frames')}")
    st.caption(t("ui.edits_how"))
    removed = edits.removed
    renderer = report_blocks.Renderer(job.id, job.progress.keyframes)
    cards = [_card(renderer.picture(frame), frame.time_seconds in removed) for frame in job.progress.keyframes]
    cards += [_card(_added(seconds), False) for seconds in edits.added]
    _mount_cards(key="editing", data={"frames": sorted(cards, key=lambda card: float(str(card["seconds"])))})


def _card(picture: dict[str, object], is_removed: bool) -> dict[str, object]:
    kind = "add" if is_removed else "remove"
    words = t("ui.frame_restore" if is_removed else "ui.frame_remove")
    return picture | {"removed": is_removed, "change": {"kind": kind, "words": words}}


def _added(seconds: float) -> dict[str, object]:
    """Return a picture that only the browser has."""
    time = clock(seconds)
    about = {"title": t("ui.frame_added"), "time": time, "why": "", "alt": t("ui.go_to", time=time)}
    return {"src": "", "srcset": "", "seconds": seconds, **about}


def _begin(analysis: Analysis) -> None:
    times = tuple(frame.time_seconds for frame in analysis.keyframes)
    page_state().edits = Edits(analysis.id, times, player.frame_seconds(analysis.video))


def _leave() -> None:
    page_state().edits = None


def _ask_about_frames(job: JobSnapshot, edits: Edits) -> None:
    state = page_state()
    selection = _selection(job.request.selection, edits.times)
    request = replace(job.request, frames=len(edits.times), selection=selection)
    with state.catching_errors():
        state.open_job(services().jobs.submit(request, name=job.name, follows=job.id))


def _selection(before: Selection, times: tuple[float, ...]) -> Selection:
    """Select exactly these times, within the same range unless a frame outside of it was added."""
    inside = before.start_seconds <= times[0] and (before.end_seconds is None or times[-1] < before.end_seconds)
    part = (before.start_seconds, before.end_seconds) if inside else (0.0, None)
    return Selection("times", None, times, *part)
