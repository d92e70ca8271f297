"""Request form: the question and the start button, the report types, the plan in one line, and the folded options."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.components import slots
from app.components.assets import send_at_enter
from app.components.controls import button, choose
from app.context import may_change, services
from app.formatting import local_time
from app.panels.analyse import frame_options, missing_model, video_picker
from app.state import FORM, page_state
from framelens.analysis.planning.estimate import Estimate
from framelens.api.playback import video_for
from framelens.core.domain import UNKNOWN_PATH, AnalysisRequest, VideoInfo
from framelens.core.errors import AppError, ConfigError
from framelens.core.files import base_name
from framelens.engine.recognisers import has_diariser
from framelens.i18n import LANGUAGES, language, t
from framelens.i18n.formatting import span
from framelens.plugin_page import Options
from framelens.questions.conversation import MOST_QUESTION
from framelens.reports.content.page_text import error_words, joined, plain

if TYPE_CHECKING:
    from framelens.jobs.readiness import Readiness
    from framelens.jobs.snapshot import JobSnapshot

_OPTIONS_WIDTH = 480
"""Pixels."""
_KEYS = "Ctrl+Enter"
"""They start an analysis, also from the field, where Enter alone does, too."""
_NO_SPEAKERS = -1
_MOST_SPEAKERS = 10
"""More are rare, and can be given to the commands."""


def draw(video: VideoInfo | None) -> None:
    """Draw the form at the bottom of the page; without a video it can't be submitted.

    Its values survive a change of language and page.
    """
    readiness = missing_model.ready()
    with st.container(key="start_form", gap="xsmall"):
        with st.container(gap="xsmall"):  # always there, so that what is typed below isn't drawn again
            request = _draft(video) if video else None
            if readiness.kind != "ready":
                without = partial(_start, use_model=False)
                missing_model.draw(readiness, has_video=video is not None, videos=_num_videos(), on_without=without)
            if video and request:
                _draw_templates()
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    _draw_plan(video, request, readiness)
        # Last, at the edge of the page: what appears above it doesn't move it.
        with st.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="small", key="start_row"):
            options: Options = {"max_chars": MOST_QUESTION, "height": "content", "persist_state": "session"}
            st.text_area(t("ui.question"), key="question", placeholder=t("ui.question_example"), **options)
            if readiness.kind == "ready":
                _draw_start(video)
                send_at_enter()


def _draw_start(video: VideoInfo | None) -> None:
    videos = _num_videos()
    label, tip = t("ui.start" if videos < 2 else "ui.start_all", n=videos), "Enter" if video else t("ui.start_no_video")
    options: Options = {"disabled": video is None, "help": tip, "shortcut": _KEYS}
    button(label, "start", _start, icon="auto_awesome", kind="primary", **options)


def draw_found(job: JobSnapshot) -> None:
    """Show that the report already existed when it was asked for, with its date and a button for a new report."""
    if page_state().found_before != job.id or not may_change():
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(plain(t("ui.analysed_before", created=local_time(job.created))))
        button(t("ui.repeat_request"), "repeat_request", resubmit, job, icon="refresh")


def _draw_templates() -> None:
    """Draw the report types, without types that only answer a question: the question is asked above."""
    templates = services().templates
    names = {key: template.name.text for key, template in templates.by_key.items() if not template.needs_question}
    if st.session_state.get("template") not in names:
        st.session_state["template"] = next(iter(names))
    options: Options = {"required": True, "label_visibility": "collapsed", "wrap": False, "persist_state": "session"}
    choose(t("ui.template"), names, "template", st.pills, **options)
    for problem in templates.problems:
        st.caption(f":orange[{plain(error_words(problem))}]")


def _draft(video: VideoInfo) -> AnalysisRequest | AppError:
    try:
        return _request(video.path)
    except AppError as error:
        return error


def _draw_plan(video: VideoInfo, draft: AnalysisRequest | AppError, readiness: Readiness) -> None:
    """Draw the frames and the time in one line, and the options; no figures while a range or time is invalid."""
    if isinstance(draft, AppError):
        st.caption(f":red[{plain(error_words(draft))}]", width="content")
    else:
        request = replace(draft, use_model=readiness.kind != "none")
        estimate = services().planner(video, request, services().templates.find(request.template))
        text = _plan_text(estimate, is_automatic=request.adapts, videos=_num_videos())
        st.caption(plain(text), width="content")
    with (
        st.popover(t("ui.options"), type="tertiary", icon=":material/tune:", key="options"),
        st.container(width=_OPTIONS_WIDTH),
    ):
        _draw_options()
    if page_state().last_form and page_state().last_form != _form():
        button(t("ui.as_last_time"), "as_last_time", _as_last, icon="history", kind="tertiary")


def _plan_text(estimate: Estimate, *, is_automatic: bool, videos: int) -> str:
    frames = t("plan.frames" if estimate.is_budget else "plan.frames_most", n=estimate.frames)
    if is_automatic:
        frames = t("ui.plan_automatic", n=estimate.frames)
    part = page_state().range
    where = frame_options.format_stored_range(*part) if part else ""
    time = span(*estimate.whole_seconds) if estimate.whole_seconds else ""
    return joined(frames, where, time and t("ui.plan_about" if videos < 2 else "ui.plan_about_each", time=time))


def _draw_options() -> None:
    frame_options.draw()
    languages = {FORM["report_language"]: t("ui.as_page")} | {code: t(f"language.{code}") for code in LANGUAGES}
    choose(t("ui.report_language"), languages, "report_language", persist_state="session")
    if has_diariser():
        speakers = {_NO_SPEAKERS: t("ui.speakers_none"), 0: t("ui.speakers_guess")}
        speakers |= {number: str(number) for number in range(2, _MOST_SPEAKERS + 1)}
        choose(t("ui.speakers"), speakers, "speakers", help=t("ui.speakers_option_help"), persist_state="session")


def _form() -> dict[str, object]:
    """Return the form's values, without the range, which belongs to a single video."""
    return {key: st.session_state.get(key, value) for key, value in FORM.items()}


def _as_last() -> None:
    st.session_state.update(page_state().last_form)


def _request(path: Path) -> AnalysisRequest:
    """Build the request that the widgets describe.

    Raises:
        InputError: An entry is invalid.
    """
    chosen = frame_options.read_choice()
    question = str(st.session_state.get("question", FORM["question"])).strip()
    template = str(st.session_state.get("template", FORM["template"]))
    code = st.session_state.get("report_language", FORM["report_language"])
    return AnalysisRequest(
        path=path,
        frames=chosen.frames,
        adapts=chosen.adapts,
        template="question" if question and template == FORM["template"] else template,
        question=question,
        language=code if code in LANGUAGES else language(),
        selection=chosen.selection,
        side=chosen.side,
        speakers=None if (speakers := int(st.session_state.get("speakers", _NO_SPEAKERS))) < 0 else speakers,
    )


def _start(*, use_model: bool = True) -> None:
    """Submit a job for each video and open the first job; without a model if it isn't to be asked."""
    state = page_state()
    with state.catching_errors():
        state.last_form = _form()
        if state.folder or len(state.video_ids) > 1:
            _start_several(use_model=use_model)
        elif state.video_id:
            videos, video_id = services().videos, state.video_id
            request = replace(_request(videos.path(video_id)), use_model=use_model)
            _open(services().jobs.submit(request, name=videos.name(video_id)), video_id)


def _start_several(*, use_model: bool) -> None:
    """Start analyses of the chosen videos or of the chosen folder, and show them."""
    start = next(slots.parts("analyse.several"), None)
    if start is None:
        raise ConfigError("several_without_plugin")
    state, videos = page_state(), services().videos
    if state.folder:
        name, chosen = base_name(state.folder) or state.folder, video_picker.videos_in(state.folder)
    else:
        name, chosen = "", [(videos.name(video_id), videos.path(video_id)) for video_id in state.video_ids]
    request = replace(_request(UNKNOWN_PATH), use_model=use_model)
    start(name, chosen, request)


def _num_videos() -> int:
    state = page_state()
    return video_picker.num_videos_in(state.folder) if state.folder else len(state.video_ids)


def _open(job_id: str, video_id: str) -> None:
    """Show an analysis of a video; a report made elsewhere on the same content plays this video."""
    state, job = page_state(), services().jobs.snapshot(job_id)
    state.open_job(job_id)
    state.found_before = job_id if job.is_complete else ""
    if job.is_complete and job.analysis and not video_for(services().videos, services().jobs, job):
        services().videos.keep_copy_of(job.analysis.sha256, video_id)


def reopen_form(job: JobSnapshot) -> None:
    """Show the form for the video of `job` again, with the job's question and the range that is drawn."""
    state = page_state()
    part = state.range_texts
    state.choose_video(video_for(services().videos, services().jobs, job))
    state.range_texts = part
    st.session_state.update(FORM)
    st.session_state["question"] = job.request.question
    if job.request.template in services().templates.by_key:
        st.session_state["template"] = job.request.template


def resubmit(job: JobSnapshot) -> None:
    """Submit the same request as a new analysis."""
    state = page_state()
    with state.catching_errors():
        state.open_job(services().jobs.submit(job.request, name=job.name, follows=job.follows, force=True))
