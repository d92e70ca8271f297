"""Conversations as JSON and Markdown.

Answers are text from a model: in Markdown they are quoted with every sign escaped, so that nothing in them becomes
HTML, a link or a picture.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from framelens.core.domain import Notice
from framelens.core.units import clock
from framelens.i18n import notice_text, t
from framelens.questions.conversation import Conversation, FrameRef, Turn
from framelens.reports.content import questions
from framelens.reports.content.labels import local_minute, printable
from framelens.reports.text.markdown import inert

_FRAMES = ("images", "frames", "attached", "cited")
FORM = "framelens-conversation/2"
"""Name and version of the JSON form."""


def document(conversation: Conversation, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a conversation with all its branches as JSON values.

    Args:
        conversation: The conversation.
        names: Names of the videos by the ids of their analyses.
    """
    return {**_head(conversation, names), "turns": [turn_document(turn) for turn in conversation.turns]}


def answer_document(conversation: Conversation, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the current question and its answer as JSON values."""
    return {**_head(conversation, names), "turn": turn_document(conversation.last)}


def turn_document(turn: Turn) -> dict[str, Any]:
    """Return a turn as JSON values; times are seconds, and as a clock shows them."""
    return {
        **asdict(turn),
        "why": _notice(turn.why) if turn.why else None,
        **{name: [_frame(frame) for frame in getattr(turn, name)] for name in _FRAMES},
        "notices": [_notice(notice) for notice in turn.notices],
    }


def as_markdown(conversation: Conversation, names: Mapping[str, str]) -> str:
    """Return a conversation with all its branches as Markdown; each question says what it follows."""
    about = [names.get(analysis_id, analysis_id) for analysis_id in conversation.about]
    key = "about" if about else "everywhere" if conversation.is_everywhere else "created"
    head = t(f"ask.export.{key}", name=", ".join(about), created=local_minute(conversation.created))
    lines = [f"# {inert(conversation.name)}", "", inert(head), ""]
    for turn in conversation.turns:
        lines += [f"## {turn.number}. {inert(turn.question)}", "", *_notes(conversation, turn)]
        if turn.answer.strip():
            lines += [*(f"> {inert(line)}  " for line in turn.answer.splitlines()), ""]
        lines += [*_evidence(turn, names if conversation.is_everywhere or len(about) > 1 else {})]
    return "\n".join(lines).rstrip() + "\n"


def cited_lines(turn: Turn, names: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield a line for each picture that the answer cites, and a line for each kind of citation without evidence.

    Args:
        turn: The turn.
        names: Names of the videos by the ids of their analyses, where there are several.
    """
    for frame in turn.cited:
        video = (names or {}).get(frame.analysis_id, "")
        label = f"{clock(frame.time_seconds)} {video}" if frame.analysis_id else frame.name
        yield printable(f"[{frame.number}] {label}".rstrip())
    for doubt in doubts(turn):
        yield f"⚠️ {doubt}"


def doubts(turn: Turn) -> Iterator[str]:
    """Yield a sentence for each kind of citation without evidence."""
    return questions.doubts(turn.unknown_frames, turn.own_times)


def _notes(conversation: Conversation, turn: Turn) -> Iterator[str]:
    previous = max((other.number for other in conversation.turns if other.number < turn.number), default=0)
    if len(conversation.siblings(turn.number)) > 1 or turn.parent != previous:
        key = "ask.export.follows" if turn.parent else "ask.export.begins"
        yield from (f"*{inert(t(key, number=turn.parent))}*", "")
    for notice in filter(None, (turn.why, *turn.notices)):
        yield from (f"*{inert(notice_text(notice))}*", "")


def _evidence(turn: Turn, names: Mapping[str, str]) -> Iterator[str]:
    for line in cited_lines(turn, names):
        yield f"- {inert(line)}"
    yield ""


def _head(conversation: Conversation, names: Mapping[str, str]) -> dict[str, Any]:
    about = [{"analysis": analysis_id, "video": names.get(analysis_id, "")} for analysis_id in conversation.about]
    return {
        "form": FORM,
        "id": conversation.id,
        "about": about,
        "library": conversation.is_everywhere,
        "name": conversation.name,
        "created": conversation.created,
        "language": conversation.language,
        "current": conversation.current,
    }


def _frame(frame: FrameRef) -> Mapping[str, object]:
    return {**asdict(frame), "time": clock(frame.time_seconds)}


def _notice(notice: Notice) -> Mapping[str, str]:
    return {"key": notice.key, "level": notice.level, "text": notice_text(notice)}
