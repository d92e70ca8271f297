"""Builds the chat messages: a time mark before every frame, frames in time order, the question last.

Frames come before the question so that asking again about the same frames hits the engine's prefix cache.

Nothing is guessed here: text that was read, colours and light that were measured, shots that were found.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from app.core.domain import FrameFacts, Keyframe, Language
from app.core.images import smaller
from app.i18n import t
from app.i18n.facts import mark, measured, origin

_QUALITY = 90
"""Of the JPEGs sent: what a model reads of small letters suffers before the eye sees anything."""


def data_url(frame: Keyframe, side: int) -> str:
    """The frame as a base64 JPEG whose longer side is at most `side` pixels."""
    data = smaller(frame.jpeg, side, quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def with_pictures(
    frames: Sequence[Keyframe], question: str, *, system: str, language: Language, url: Callable[[Keyframe], str]
) -> list[BaseMessage]:
    """Messages whose user turn is mark, picture, mark, picture, … question; `url` gives a frame as `data_url` does."""
    content: list[str | dict[str, object]] = []
    for frame in _in_order(frames):
        content.append({"type": "text", "text": mark(frame, language)})
        content.append({"type": "image_url", "image_url": {"url": url(frame)}})
    content.append({"type": "text", "text": question})
    return [SystemMessage(system), HumanMessage(content=content)]


def text_only(prompt: str, *, system: str) -> list[BaseMessage]:
    """Messages without pictures; the content is a plain string, which every engine takes."""
    return [SystemMessage(system), HumanMessage(prompt)]


def in_words(sent: Sequence[BaseMessage], frames: Sequence[Keyframe], language: Language) -> str:
    """Messages as people read them, word for word; where one of the frames stands as a picture, its number."""
    numbers = (frame.number for frame in _in_order(frames))

    def lines(message: BaseMessage) -> Iterator[str]:
        for part in [message.content] if isinstance(message.content, str) else message.content:
            text = part if isinstance(part, str) else part.get("text")
            yield t("prompt.picture", language, number=next(numbers)) if text is None else text

    return "\n\n".join("\n".join(lines(message)) for message in sent)


def _in_order(frames: Sequence[Keyframe]) -> list[Keyframe]:
    return sorted(frames, key=lambda frame: frame.time_seconds)


def describe(frame: Keyframe, facts: FrameFacts | None, language: Language) -> str:
    """One line: the mark, the shot, and every measured fact of the frame."""
    parts = [origin(frame, language), *(measured(facts, language) if facts else [])]
    return mark(frame, language) + " " + t("facts.joint", language).join(parts)


def text_prompt(
    frames: Sequence[Keyframe], facts: Mapping[int, FrameFacts], question: str, *, language: Language
) -> str:
    """The whole text prompt: that no picture is there, what was measured on each frame, the question."""
    if not frames:
        return t("prompt.no_frames", language) + "\n\n" + question
    lines = [describe(frame, facts.get(frame.number), language) for frame in frames]
    return "\n".join([t("prompt.text_mode", language, count=len(frames)), *lines, "", question])
