"""Field for the next question, with suggestions, what it is about, pictures and further instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import streamlit as st

from app.components import uploader
from app.components.controls import button, removable, show_error, show_refusals
from app.context import may_change, services
from app.panels.analyse import frame_options, missing_model, video_picker
from app.panels.ask import settings, start
from app.state import page_state
from framelens.core.domain import Analysis
from framelens.i18n import t
from framelens.plugin_page import Options
from framelens.questions.conversation import MOST_QUESTION, Conversation, Look
from framelens.questions.retrieval.text_question import is_about_text
from framelens.questions.suggestions import suggested_questions
from framelens.reports.content.page_text import plain
from framelens.store.videos.upload_limits import UploadPurpose

_AREA = "st-key-ask_composer"
"""CSS class that Streamlit gives the container with the key "ask_composer"."""


def draw(
    conversation: Conversation | None,
    *,
    begin: Callable[[], Conversation] | None = None,
    analysis: Analysis | None = None,
    has_subjects: bool = False,
) -> None:
    """Draw the field, and without a model the way to one; it is disabled while an answer is being written.

    Without a model, text and speech of a video answer questions; without a video, there is no field then.

    Args:
        conversation: The conversation, or None if the first question begins it.
        begin: Returns the conversation that is begun.
        analysis: The report above the field, which suggests the first question.
        has_subjects: Whether videos can be added to what the question is about; else a range of the video is shown.
    """
    if not may_change():
        return
    key = f"ask_{conversation.id if conversation else 'new'}"
    readiness = missing_model.ready()
    is_busy = conversation is not None and services().answers.is_running(conversation.id)
    has_video = has_subjects or bool(analysis or (conversation and (conversation.about or conversation.is_everywhere)))
    begin = begin or partial(services().conversations.get, conversation.id if conversation else "")
    with st.container(key="ask_composer", gap="xsmall"):
        if error := page_state().ask_error:
            show_error(error)
        if readiness.kind != "ready":
            has_button = analysis and analysis.is_measured_only and not analysis.is_answered  # in the report
            if not has_button:
                missing_model.draw_short(readiness, key=f"{key}_model")
            if not has_video:
                return
            st.caption(t("ask.page.without_model"))
        if analysis and conversation is None:
            _draw_suggestions(analysis, key, has_model=readiness.kind == "ready")
        with st.container(horizontal=True, gap="xsmall", key="ask_about"):
            _draw_about(key, has_subjects=has_subjects)
        show_refusals(page_state().refused_pictures)
        options: Options = {"disabled": is_busy, "args": (key, conversation, begin)}
        with st.container(horizontal=True, wrap=False, gap="xsmall", vertical_alignment="center", key="ask_row"):
            _draw_add(key, has_subjects=has_subjects)
            settings.draw(conversation)
            label, field = t("ask.page.question"), f"{key}_question"
            st.chat_input(label, key=field, max_chars=MOST_QUESTION, on_submit=_submit, **options)
        if page_state().asked_pictures.get(key):
            options |= {"icon": ":material/send:", "type": "tertiary"}
            st.button(t("ask.page.about_images"), key=f"{key}_about_images", on_click=_submit, **options)


def _draw_about(key: str, *, has_subjects: bool) -> None:
    """Draw what the question is about beside the report: videos or a range, and pictures."""
    if has_subjects:
        start.draw_subjects()
        start.draw_everywhere()
    elif part := page_state().range:
        label = plain(t("ask.page.part", part=frame_options.format_stored_range(*part)))
        button(label, "ask_part", _clear_range, icon="close", help=t("ui.player_range_clear"))
    for upload_id, name in page_state().asked_pictures.get(key, {}).items():
        removable(name, f"{key}_leave_{upload_id}", _leave_out, key, upload_id)


def _draw_suggestions(analysis: Analysis, key: str, *, has_model: bool) -> None:
    """Draw questions that the report suggests; pressing a question puts it into the field."""
    with st.container(horizontal=True, wrap=False, gap="small", key="ask_suggested"):
        questions = (
            suggested_question
            for suggested_question in suggested_questions(analysis)
            if has_model or is_about_text(suggested_question)
        )
        for index, question in enumerate(questions):
            button(plain(question), f"{key}_suggested_{index}", _fill, key, question)


def _fill(key: str, question: str) -> None:
    st.session_state[f"{key}_question"] = question


def _clear_range() -> None:
    page_state().range_texts = ("", "")


def _draw_add(key: str, *, has_subjects: bool) -> None:
    """Draw the button that adds pictures to the next question, and videos to what it is about."""

    def add(ids: list[str], refused: list[str]) -> None:
        state, videos = page_state(), services().videos
        with state.catching_errors("ask_error"):
            uploads = [videos.upload(upload_id) for upload_id in ids]
            pictures = {upload.id: upload.name for upload in uploads if upload.purpose == "picture"}
            state.asked_pictures[key] = state.asked_pictures.get(key, {}) | pictures
            added, alone = video_picker.pair([upload.id for upload in uploads if upload.id not in pictures])
            state.asked_videos = tuple(dict.fromkeys((*state.asked_videos, *added)))
            refused = [*refused, *alone]
        state.refused_pictures = tuple(refused)

    label = t("ask.page.add" if has_subjects else "ask.page.add_pictures")
    accept = f"image/*,{video_picker.ACCEPT}" if has_subjects else "image/*"
    purpose: UploadPurpose = "video" if has_subjects else "picture"
    invitation = uploader.Invitation(purpose, accept, label, area=_AREA)
    uploader.draw(invitation, key=f"{key}_pictures", on_uploaded=add)


def _leave_out(key: str, upload_id: str) -> None:
    with page_state().catching_errors("ask_error"):
        page_state().asked_pictures[key].pop(upload_id, None)
        services().videos.drop_unread(upload_id)


def _submit(key: str, conversation: Conversation | None, begin: Callable[[], Conversation]) -> None:
    """Ask the question; on an error, put it back into the field, without its pictures."""
    text = st.session_state[f"{key}_question"] or ""
    state = page_state()
    state.refused_pictures = ()
    with state.catching_errors("ask_error"):
        images = services().conversations.keep_images(_read_pictures(state.asked_pictures.pop(key, {})))
        question = text.strip() or (t("ask.page.about_images") if images else "")
        chosen, current = settings.read(conversation), begin()
        start_seconds, end_seconds = state.range or (None, None)
        everywhere = not (conversation or current.about) and bool(st.session_state.get(start.EVERYWHERE_KEY))
        current = current.with_question(
            question, chosen, images=images, look=Look("auto", start_seconds, end_seconds, everywhere)
        )
        services().answers.start(current)
        state.open_chat(current.id)
    if state.ask_error:
        st.session_state[f"{key}_question"] = text


def _read_pictures(uploads: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    """Yield the name and content of each uploaded picture, which is deleted then."""
    for upload in uploads:
        with services().videos.read_once(upload, "picture") as (name, file):
            content = file.read()
        yield name, content
