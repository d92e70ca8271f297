"""Request form: the question, the frames, the language, the estimate, and the start button."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.analysis import Estimate, details, exact_prompt, headline
from app.core import UNKNOWN_PATH, AnalysisRequest, AppError, InputError, Keyframe, VideoInfo, base_name
from app.i18n import LANGUAGES, language, sentences, t
from app.services import video_for
from app.ui import error_words, local_time, may_change, page_state, plain, resources, services
from app.ui.panels.analyse import frame_options, video_picker
from app.ui.panels.models import missing_model
from app.ui.panels.sidebar import engine

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.services import Readiness

_SAME_AS_PAGE = "page"
_PROMPT_HEIGHT = 300
"""Pixels. Chosen by hand; not tuned."""


def draw(video: VideoInfo | None) -> None:
    """Draw the form; without a video it can't be submitted.

    Its values survive a change of language and page.
    """
    _draw_template()
    needs_question = services().templates.find(st.session_state["template"]).needs_question
    st.text_area(
        t("ui.question_needed" if needs_question else "ui.question_optional"),
        key="question",
        placeholder=t("ui.question_example"),
        max_chars=4000,
        height=96,
        persist_state="session",
    )
    frame_options.draw()
    languages = {_SAME_AS_PAGE: t("ui.as_page")} | {code: t(f"language.{code}") for code in LANGUAGES}
    st.selectbox(
        t("ui.report_language"),
        list(languages),
        format_func=languages.__getitem__,
        key="report_language",
        persist_state="session",
    )
    if video:
        _draw_plan(video)
    _draw_start(video)
    engine.draw_line()


def _draw_start(video: VideoInfo | None) -> None:
    """Draw the start button, which says what will happen, and the one that starts without a download."""
    now, count = missing_model.ready(), _num_videos()
    missing_model.draw(now)
    st.button(
        missing_model.start_words(now, count),
        key="start",
        type="primary" if missing_model.fits(now) else "secondary",
        icon=":material/auto_awesome:",
        width="stretch",
        disabled=video is None or not now.has_room,
        on_click=_start,
        args=(now,),
    )
    if now.kind == "download":
        st.button(
            t("ui.start_without" if count < 2 else "ui.start_without_all", n=count),
            key="start_without",
            icon=":material/visibility_off:",
            width="stretch",
            disabled=video is None,
            on_click=_start,
            args=(None,),
        )


def draw_found(job: JobSnapshot) -> None:
    """Show that the report already existed when it was asked for, with its date and a button for a new one."""
    if page_state().found_before != job.id or not may_change():
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(plain(t("ui.analysed_before", created=local_time(job.created))))
        st.button(
            t("ui.repeat_request"),
            key="repeat_request",
            icon=":material/refresh:",
            on_click=resubmit,
            args=(job,),
        )


def _draw_template() -> None:
    templates = services().templates
    names = {key: template.name.text for key, template in templates.by_key.items()}
    st.selectbox(
        t("ui.template"),
        list(names),
        format_func=names.__getitem__,
        key="template",
        persist_state="session",
    )
    if about := templates.find(st.session_state["template"]).about.text:
        st.caption(plain(about))
    for problem in templates.problems:
        st.caption(f":orange[{plain(error_words(problem))}]")


def _draw_plan(video: VideoInfo) -> None:
    """Draw the estimate; nothing while a range or time is invalid, which the start button reports."""
    try:
        request = _request(video.path, video)
    except AppError:
        return
    draw_estimate(video, request, videos=_num_videos())


def _request(path: Path, video: VideoInfo | None) -> AnalysisRequest:
    """Build the request that the widgets describe.

    Raises:
        InputError: An entry is invalid, or the video can't be used.
        DecodeError: The video can't be decoded.
    """
    chosen = frame_options.read_choice()
    request = _request_for(path, chosen)
    return replace(request, frames=chosen.frames or held_frames(video, request))


def _request_for(path: Path, chosen: frame_options.FrameChoice) -> AnalysisRequest:
    code = st.session_state["report_language"]
    return AnalysisRequest(
        path=path,
        template=st.session_state["template"],
        question=st.session_state["question"].strip(),
        language=language() if code == _SAME_AS_PAGE else code,
        selection=chosen.selection,
        side=chosen.side,
    )


def _start(now: Readiness | None) -> None:
    """Submit a job for each video and open the first one.

    Args:
        now: Readiness as the button showed it, None to analyse without a model.
    """
    state = page_state()
    with state.catching_errors():
        template = services().templates.find(st.session_state["template"])
        if template.needs_question and not st.session_state["question"].strip():
            raise InputError("question_empty")
        if now:
            missing_model.confirm(now)
        if state.folder or len(state.video_ids) > 1:
            _start_batch(use_model=now is not None)
        elif state.video_id:
            videos = services().videos
            request = replace(_request(videos.path(state.video_id), None), use_model=now is not None)
            _open(services().jobs.submit(request, name=videos.name(state.video_id)))


def _start_batch(*, use_model: bool) -> None:
    """Start a batch of the chosen videos or of the chosen folder, and show it."""
    state, videos = page_state(), services().videos
    if state.folder:
        name, chosen = base_name(state.folder) or state.folder, video_picker.videos_in(state.folder)
    else:
        name, chosen = "", [(videos.name(one), videos.path(one)) for one in state.video_ids]
    options = frame_options.read_choice()
    request = _request_for(UNKNOWN_PATH, options)
    request = replace(request, frames=options.frames or request.frames, use_model=use_model)
    record = resources.batches().start(name, chosen, request, fits_request=not options.frames)
    state.open_batch(record.id)


def _num_videos() -> int:
    state = page_state()
    return video_picker.num_videos_in(state.folder) if state.folder else len(state.video_ids)


def _open(job_id: str) -> None:
    state = page_state()
    state.open_job(job_id)
    state.found_before = job_id if services().jobs.snapshot(job_id).is_complete else ""


def reopen_form(job: JobSnapshot) -> None:
    """Show the form for the video of `job` again, with the job's question."""
    state = page_state()
    state.choose_video(video_for(services(), job))
    st.session_state["question"] = job.request.question
    if job.request.template in services().templates.by_key:
        st.session_state["template"] = job.request.template


def resubmit(job: JobSnapshot) -> None:
    """Submit the same request as a new analysis."""
    state = page_state()
    with state.catching_errors():
        state.open_job(services().jobs.submit(job.request, name=job.name, follows=job.follows, force=True))


def draw_estimate(video: VideoInfo, request: AnalysisRequest, *, videos: int = 1) -> None:
    """Draw the estimate in a few lines and a button that shows the prompt.

    Args:
        video: The video.
        request: What is asked.
        videos: Number of videos that are asked about in the same way.
    """
    estimate = services().planner(video, request, services().templates.find(request.template))
    with st.container(border=True, gap="small", key="plan"):
        st.markdown(f":material/route: **{plain(headline(estimate))}**")
        each = [t("ui.plan_each", n=videos)] if videos > 1 else []
        st.caption(plain(sentences([*each, *details(estimate)])))
        if st.button(t("ui.prompt_exact"), key="prompt_exact", type="tertiary", icon=":material/article:"):
            show = st.dialog(t("ui.prompt_exact"), width="large", icon=":material/article:")(_draw_prompt)
            show(video, request, estimate)


def held_frames(video: VideoInfo | None, request: AnalysisRequest) -> int:
    """Return the number of frames that one request holds.

    Raises:
        InputError: The video can't be used.
        DecodeError: The video can't be decoded.
    """
    video = video or resources.probe_video(request.path)
    return services().planner.held_frames(video, request, services().templates.find(request.template))


def _draw_prompt(video: VideoInfo, request: AnalysisRequest, estimate: Estimate) -> None:
    """Draw the messages, each with a copy button."""
    st.caption(t("ui.prompt_is" if estimate.parts <= 1 else "ui.prompt_is_part"))
    frames = _examples(video, request, estimate)
    template = services().templates.find(request.template)
    for role, text in exact_prompt(request, template, frames, estimate.parts):
        st.markdown(f"`{role}`")
        st.code(text, language=None, wrap_lines=True, height=_PROMPT_HEIGHT)


def _examples(video: VideoInfo, request: AnalysisRequest, estimate: Estimate) -> list[Keyframe]:
    """Return placeholder frames of the first part, evenly spread, since the real ones are unknown."""
    start = request.selection.start_seconds
    end = request.selection.end_seconds or video.duration_seconds_from_header or float(estimate.frames)
    step = max(0.0, end - start) / max(1, estimate.frames)
    number = ceil(estimate.frames / max(1, estimate.parts))
    return [
        Keyframe(place + 1, place, start + step * (place + 0.5), "even", 1, video.width, video.height, b"")
        for place in range(number)
    ]
