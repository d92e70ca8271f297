"""Turns of a conversation: the question with its versions, the answer with its evidence, and what was sent for it.

The text of a model only ever becomes text: nothing in it is HTML, a link or a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import streamlit as st

from app.components import assets, report_blocks
from app.components.controls import button
from app.components.player import search_strip
from app.context import may_change, services
from app.panels.analyse import frame_options
from app.panels.ask import settings
from app.panels.menu import engine
from app.panels.work.rows import stage_text
from app.state import page_state
from framelens.core.events import EngineProgress
from framelens.core.evidence import Moments
from framelens.core.files import single_line
from framelens.i18n import aside, notice_text, sentences, t
from framelens.i18n.formatting import exactly
from framelens.questions.conversation import MOST_QUESTION, Conversation, FrameRef, Look, MomentsSearched, Queued, Turn
from framelens.questions.export import doubts
from framelens.questions.report import reported_answer
from framelens.questions.retrieval.values import Looking
from framelens.reports.content.page_text import joined, plain, short_model_name
from framelens.reports.content.searches import BriefSearch, found_by_search

if TYPE_CHECKING:
    from app.panels.ask.pictures import Pictures
    from framelens.jobs.answers import AnswerProgress

_POLL_SECONDS = 0.5
"""Between two looks at an answer that is being written."""
_SHOWN = 20
"""Turns drawn at first; earlier turns are drawn on demand."""
_CLOSE_SECONDS = 5.0
"""How far a closer look reaches to both sides of a frame."""


@dataclass(frozen=True)
class ChatView:
    """An open conversation as it is drawn.

    Attributes:
        conversation: The conversation as it is stored.
        corrected: The conversation with the corrections of people.
        pictures: Pictures of its frames and images.
        shown: The analysis whose video is in the player, or "" without a player.
        on_open: Called with a frame of another video, which is to be shown.
        is_busy: Whether an answer is being written; until it is over, nothing can be changed.
    """

    conversation: Conversation
    corrected: Conversation
    pictures: Pictures
    shown: str
    on_open: Callable[[FrameRef], None]
    is_busy: bool

    def key(self, turn: Turn, name: str) -> str:
        """Return the key of a widget of a turn."""
        return f"ask_{self.conversation.id}_{turn.number}_{name}"


def draw(view: ChatView) -> None:
    """Draw the shown branch."""
    turns = view.conversation.branch()
    hidden = len(turns) - _SHOWN if len(turns) > _SHOWN else 0
    if hidden and not st.toggle(t("ask.page.earlier", n=hidden), key=f"ask_{view.conversation.id}_earlier"):
        turns = turns[hidden:]
    for turn in turns:
        is_written = view.is_busy and turn.number == view.conversation.current
        _draw_question(view, turn, is_asked=is_written)
        with st.chat_message("assistant", avatar=":material/movie:"):
            if is_written:
                st.fragment(_draw_growing, run_every=_POLL_SECONDS)(view)
            else:
                _draw_answer(view, turn)


# ---- the question


def _draw_question(view: ChatView, turn: Turn, *, is_asked: bool) -> None:
    with st.chat_message("user", avatar=":material/person:"), st.container(gap="xsmall"):
        if is_asked:
            assets.bring_into_view(view.key(turn, "asked"))
        if page_state().edited_turn == (view.conversation.id, turn.number):
            _draw_editor(view, turn)
            return
        with st.container(horizontal=True, wrap=False, horizontal_alignment="distribute"):
            st.markdown(plain(turn.question))
            _draw_action(view, turn, "edit", "edit", t("ask.page.edit"), _edit)
        if turn.images:
            images = view.pictures.gallery(turn.images, shown=view.shown)
            report_blocks.draw_answer([images], {}, key=view.key(turn, "images"))
        if look := look_text(turn.look):
            st.caption(plain(look))
        _draw_versions(view, turn)


def _draw_action(
    view: ChatView,
    turn: Turn,
    name: str,
    icon: str,
    label: str,
    act: Callable[..., None],
    *extra: object,
    tip: str = "",
) -> None:
    """Draw a button that calls `act` with the conversation, the turn and `extra`; nothing for users who only read."""
    if may_change():
        key, what = view.key(turn, name), (view.conversation.id, turn.number, *extra)
        button(label, key, act, *what, icon=icon, kind="tertiary", help=tip or None, disabled=view.is_busy)


def _draw_versions(view: ChatView, turn: Turn) -> None:
    """Draw the place among the versions of a question, with buttons that show the others."""
    versions = [sibling.number for sibling in view.conversation.siblings(turn.number)]
    if len(versions) < 2:
        return
    index = versions.index(turn.number)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        _draw_version(view, turn, "previous", versions[max(0, index - 1)])
        st.caption(f"{index + 1}/{len(versions)}", width="content")
        _draw_version(view, turn, "next", versions[min(index + 1, len(versions) - 1)])


def _draw_version(view: ChatView, turn: Turn, name: Literal["previous", "next"], number: int) -> None:
    sign, is_blocked = {"previous": "‹", "next": "›"}[name], view.is_busy or number == turn.number
    key, tip = view.key(turn, name), t(f"ask.page.version_{name}")
    button(sign, key, switch, view.conversation.id, number, kind="tertiary", help=tip, disabled=is_blocked)


def _draw_editor(view: ChatView, turn: Turn) -> None:
    key = view.key(turn, "edited")
    with st.form(f"{key}_form", border=False):
        st.text_area(t("ask.page.edit"), turn.question, max_chars=MOST_QUESTION, key=key, label_visibility="collapsed")
        with st.container(horizontal=True):
            args = (view.conversation.id, turn.number, key)
            st.form_submit_button(t("ask.page.ask_edited"), type="primary", on_click=_ask_edited, args=args)
            st.form_submit_button(t("ask.page.keep"), on_click=_edit, args=("", 0))


def _edit(conversation_id: str, number: int) -> None:
    page_state().edited_turn = (conversation_id, number)


def _ask_edited(conversation_id: str, number: int, key: str) -> None:
    ask_again(conversation_id, number, st.session_state[key])
    if page_state().ask_error is None:
        _edit("", 0)


def ask_again(conversation_id: str, number: int, question: str = "", look: Look | None = None) -> None:
    """Ask a question again, beside its first version.

    Args:
        conversation_id: The conversation.
        number: The turn.
        question: Other words, "" for the same.
        look: What to look at, None for the same.
    """
    with page_state().catching_errors("ask_error"):
        conversation = services().conversations.get(conversation_id)
        updated = conversation.with_question(
            question or conversation.turn(number).question, settings.read(conversation), edit=number, look=look
        )
        services().answers.start(updated)


def look_text(look: Look) -> str:
    """Return what the reader wanted looked at; "" where that was left open."""
    kind = t(f"ask.page.look_{look.kind}") if look.kind != "auto" else ""
    part = frame_options.format_stored_range(look.start_seconds or 0.0, look.end_seconds)
    return joined(kind, part)


def switch(conversation_id: str, number: int) -> None:
    """Show the branch through this turn."""
    with page_state().catching_errors("ask_error"):
        shown = services().conversations.get(conversation_id).switched(number)
        services().conversations.save(shown, shown.last)


# ---- the answer


def _draw_growing(view: ChatView) -> None:
    """Draw the partial answer; redraw the whole page when it is over."""
    task = services().answers.get(view.conversation.id)
    if task is None or not task.is_running or task.progress is None:
        st.rerun()
    progress, turn = task.progress, task.progress.conversation.last
    _draw_step(progress, turn)
    _draw_reasoning(turn, is_open=not turn.answer)
    _draw_text(replace(view, conversation=progress.conversation), turn, is_live=True)
    _draw_notices(turn)
    stop, is_stopping = services().answers.stop, task.state == "cancelling"
    button(
        t("ask.page.stop"), view.key(turn, "stop"), stop, view.conversation.id, icon="stop_circle", disabled=is_stopping
    )


def _draw_step(progress: AnswerProgress, turn: Turn) -> None:
    """Draw what happens before the first word."""
    if turn.answer or turn.reasoning:
        return
    match progress.latest:
        case _ if progress.waits_for:
            job = services().jobs.snapshot(progress.waits_for)
            st.caption(plain(t("ask.page.waits", stage=stage_text(job))))
        case EngineProgress(phase) if phase != "ready":
            engine.draw_phase(progress.latest)
        case Queued(position) if position:
            st.caption(t("ask.page.place", n=position))
        case Looking(step, done, total):
            label = t(f"ask.look.{step}")
            st.progress(min(1.0, done / total), label) if total else st.caption(label)
        case MomentsSearched(moments):
            values = {"thing": single_line(moments.thing), "frames": len(moments.samples), "n": len(moments.intervals)}
            gap = exactly(moments.widest_gap_seconds, digits=2)
            st.caption(plain(t("ask.moments.progress", gap=gap, **values)))
        case _:
            st.caption(t("ask.page.thinking"))


def _draw_answer(view: ChatView, turn: Turn) -> None:
    """Draw an answer that is over, its evidence, and the actions for it."""
    _draw_reasoning(turn)
    shown = view.corrected.turn(turn.number)
    _draw_text(view, shown)
    if turn.state != "complete":
        why = notice_text(turn.why) if turn.why else t("ask.page.interrupted")
        has_failed = turn.state == "failed"
        needs_model = turn.why is not None and turn.why.key == "ask_needs_model"
        failed = ":material/neurology:" if needs_model else ":red[:material/error:]"
        mark = failed if has_failed else ":material/stop_circle:"
        notes = [t("ask.page.unfinished")] if has_failed and turn.answer.strip() else []
        st.caption(f"{mark} {plain(sentences([why, *notes]))}")
    _draw_notices(turn)
    for line in doubts(shown):
        st.caption(f":orange[:material/warning:] {plain(line)}")
    with st.container(horizontal=True, gap="xsmall"):
        is_retry = turn.state == "failed" and not turn.can_continue
        again = t("ask.page." + ("continue_search" if turn.can_continue else "retry" if is_retry else "again"))
        _draw_action(view, turn, "again", "refresh", again, ask_again)
        if view.conversation.about:
            look, tip = t("ask.page.look"), t("ask.page.look_help")
            closer = ("", Look("local", turn.look.start_seconds, turn.look.end_seconds))
            _draw_action(view, turn, "look", "zoom_in", look, ask_again, *closer, tip=tip)
        if turn.model:
            with st.popover(t("ask.page.sent"), icon=":material/info:", type="tertiary", key=view.key(turn, "sent")):
                _draw_sent(turn)


def _draw_reasoning(turn: Turn, *, is_open: bool = False) -> None:
    if turn.reasoning.strip():
        with st.expander(t("ask.page.reasoning"), expanded=is_open, icon=":material/psychology:"):
            st.caption(plain(turn.reasoning.strip()))


def _draw_text(view: ChatView, turn: Turn, *, is_live: bool = False) -> None:
    """Draw the text, whose citations move the player, and its cited pictures; the details of a search are folded."""
    pictures = {picture.number: picture for picture in view.conversation.pictures(turn.number)}
    marks = {str(frame.number): frame.time_seconds for frame in pictures.values() if frame.analysis_id == view.shown}

    def act(action: str, number: int) -> None:
        if action == "open" and number in pictures:
            view.on_open(pictures[number])
        elif action == "look" and number in pictures:
            _look_closer(view, turn, pictures[number])

    blocks = _values(view, turn, pictures.values(), is_live=is_live)
    # An empty row would take a line.
    values = [value for value in blocks if value.get("pictures", value.get("line", True))]
    report_blocks.draw_answer(values, marks, key=view.key(turn, "text"), on_action=act)


def _values(
    view: ChatView, turn: Turn, pictures: Iterable[FrameRef], *, is_live: bool
) -> Iterator[report_blocks.Value]:
    """Yield the results of each search with pictures of its intervals, the rest of the text, and its cited pictures."""
    can_look = bool(view.conversation.about) and not view.is_busy
    gallery = partial(view.pictures.gallery, shown=view.shown, can_look=can_look)
    others = {id_: name for id_, name in view.pictures.names.items() if id_ != view.shown}
    frames = {(frame.analysis_id, frame.time_seconds): frame for frame in pictures}
    results, rest = found_by_search(reported_answer(turn, others))
    for result in results:
        video = result.search.moments.analysis_id
        yield _search_result(result, frames)
        yield gallery(
            [frames[video, seconds] for seconds in result.starts if (video, seconds) in frames],
            plays=True,
            search=result.search,
        )
        yield report_blocks.paragraph(result.looked, "quiet")
    if rest:
        yield report_blocks.prose(rest, live=is_live) | {"bare": True}
    strips = [_search(moment, view) for moment in (turn.evidence.moments if turn.evidence else ())]
    shown = {(result.search.moments.analysis_id, seconds) for result in results for seconds in result.edges}
    if results and not is_live:
        answer = report_blocks.prose(turn.answer, live=False) | {"bare": True}
        yield {"kind": "fold", "summary": t("ask.page.search_details"), "blocks": [answer, *strips]}
    yield from () if results else strips
    yield gallery(frame for frame in turn.cited if (frame.analysis_id, frame.time_seconds) not in shown)


def _search_result(result: BriefSearch, frames: Mapping[tuple[str, float], FrameRef]) -> report_blocks.Value:
    """Convert what a search has found to a paragraph; the intervals of a video that isn't shown open that video."""
    line = report_blocks.spans(result.summary)
    intervals = (span for span in line if span.get("style") == "strong")
    for span, seconds in zip(intervals, result.starts, strict=True):
        if "at" not in span and (frame := frames.get((result.search.moments.analysis_id, seconds))):
            span["opens"] = frame.number
    return report_blocks.paragraph(result.summary) | {"line": line}


def _search(moments: Moments, view: ChatView) -> report_blocks.Value:
    """Convert what a search has looked at to a strip that moves the player; it names its video if there are several."""
    where = view.pictures.names.get(moments.analysis_id, "") if len(view.conversation.about) > 1 else ""
    return {
        "kind": "search",
        "start": moments.start_seconds,
        "end": moments.end_seconds,
        **search_strip(moments),
        "label": t("report.search", thing=single_line(moments.thing)) + aside(where),
        "can_seek": moments.analysis_id == view.shown,
    }


def _look_closer(view: ChatView, turn: Turn, frame: FrameRef) -> None:
    """Ask the same question about the time around a frame."""
    start, end = frame.time_seconds - _CLOSE_SECONDS, frame.time_seconds + _CLOSE_SECONDS
    ask_again(view.conversation.id, turn.number, look=Look("local", max(0.0, start), end))


def _draw_notices(turn: Turn) -> None:
    for notice in turn.notices:
        mark = ":material/info:" if notice.level == "info" else ":orange[:material/warning:]"
        st.caption(f"{mark} {plain(notice_text(notice))}")


def _draw_sent(turn: Turn) -> None:
    """Draw the contents of the model's prompt, and its usage."""
    use, usage = turn.context, turn.usage
    lines = {
        "model": short_model_name(turn.model),
        "mode": t(f"report.mode_{use.mode}"),
        "pictures": _numbers(use.pictures),
        "described": _numbers(use.described),
        "left_out_frames": _numbers(use.left_out_frames),
        "left_out_turns": _numbers(use.left_out_turns),
        "left_out_lines": str(use.left_out_lines or ""),
    }
    if usage.prompt_tokens:
        tokens = {"prompt": usage.prompt_tokens, "answer": usage.completion_tokens or 0, "context": use.context_tokens}
        lines["tokens"] = t("ask.page.sent_tokens_of", **tokens)
    lines["seconds"] = t("ask.page.sent_seconds_n", n=f"{turn.seconds:.1f}")
    settings = turn.settings
    values = {"temperature": settings.temperature, "top_p": settings.top_p, "max_tokens": settings.max_tokens}
    values |= {"repetition_penalty": settings.repetition_penalty} if settings.repetition_penalty != 1 else {}
    values |= {"seed": settings.seed} if settings.seed is not None else {}
    lines["settings"] = ", ".join(f"{t(f'ask.page.{name}')} {value:g}" for name, value in values.items())
    lines["system_prompt"] = settings.system_prompt
    rows = [(t(f"ask.page.sent_{name}"), text) for name, text in lines.items() if text]
    st.markdown("  \n".join(f"**{plain(name)}** {plain(text)}" for name, text in rows))


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
