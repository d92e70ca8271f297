"""Builds the chat messages: a time mark before every frame, frames in time order, the question last.

Frames come before the question so that asking again about the same frames hits the engine's prefix cache.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from PIL import Image

from app.domain import Keyframe, Language, clock
from app.i18n import t


def mark(frame: Keyframe, language: Language) -> str:
    """What stands before a frame, such as "[frame 3 · 00:04.500]"."""
    return t("prompt.mark", language, number=frame.number, time=clock(frame.time_seconds))


def data_url(frame: Keyframe, side: int) -> str:
    """The frame as a base64 JPEG whose longer side is at most `side` pixels."""
    data = frame.jpeg
    if max(frame.width, frame.height) > side:
        with Image.open(BytesIO(data)) as picture:
            picture.thumbnail((side, side), Image.Resampling.LANCZOS)
            buffer = BytesIO()
            picture.save(buffer, "JPEG", quality=90)
        data = buffer.getvalue()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def with_pictures(
    frames: Sequence[Keyframe], question: str, *, system: str, language: Language, side: int
) -> list[BaseMessage]:
    """Messages whose user turn is mark, picture, mark, picture, … question."""
    content: list[str | dict[str, object]] = []
    for frame in sorted(frames, key=lambda frame: frame.time_seconds):
        content.append({"type": "text", "text": mark(frame, language)})
        content.append({"type": "image_url", "image_url": {"url": data_url(frame, side)}})
    content.append({"type": "text", "text": question})
    return [SystemMessage(system), HumanMessage(content=content)]


def text_only(prompt: str, *, system: str) -> list[BaseMessage]:
    """Messages without pictures; the content is a plain string, which every engine takes."""
    return [SystemMessage(system), HumanMessage(prompt)]
