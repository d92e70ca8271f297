"""Chat messages: a time mark before every frame, frames in time order, the question last.

Frames come before the question so that another question about the same frames hits the engine's prefix cache.

Text prompts contain only measured facts: recognized text, colours, brightness, detected shots.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from app.core import FrameFacts, Keyframe, smaller
from app.i18n import t
from app.i18n.formatting import mark, measured, origin

_QUALITY = 90
"""JPEG quality of sent frames: compression impairs a model's reading of small letters before it becomes visible. Chosen
by hand; not tuned."""


def data_url(frame: Keyframe, side: int) -> str:
    """Encode the frame as a base64 JPEG whose longer side is at most `side` pixels."""
    data = smaller(frame.jpeg, side, quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def with_pictures(
    frames: Sequence[Keyframe], question: str, *, system: str, url: Callable[[Keyframe], str]
) -> list[BaseMessage]:
    """Build messages whose user turn is mark, image, mark, image, … question; `url` encodes a frame like `data_url`."""
    content: list[str | dict[str, object]] = []
    for frame in _by_time(frames):
        content.append({"type": "text", "text": mark(frame)})
        content.append({"type": "image_url", "image_url": {"url": url(frame)}})
    content.append({"type": "text", "text": question})
    return [SystemMessage(system), HumanMessage(content=content)]


def text_only(prompt: str, *, system: str) -> list[BaseMessage]:
    """Build messages without images; the content is a plain string, which every engine accepts."""
    return [SystemMessage(system), HumanMessage(prompt)]


def in_words(sent: Sequence[BaseMessage], frames: Sequence[Keyframe]) -> str:
    """Format messages word for word for readers, with the frame's number in place of each image."""
    numbers = (frame.number for frame in _by_time(frames))

    def lines(message: BaseMessage) -> Iterator[str]:
        for part in [message.content] if isinstance(message.content, str) else message.content:
            text = part if isinstance(part, str) else part.get("text")
            yield t("prompt.picture", number=next(numbers)) if text is None else text

    return "\n\n".join("\n".join(lines(message)) for message in sent)


def _by_time(frames: Sequence[Keyframe]) -> list[Keyframe]:
    return sorted(frames, key=lambda frame: frame.time_seconds)


def describe(frame: Keyframe, facts: FrameFacts | None) -> str:
    """Describe a frame in one line: its mark, its shot and all its measured facts."""
    parts = [origin(frame), *(measured(facts) if facts else [])]
    return mark(frame) + " " + t("facts.joint").join(parts)


def text_prompt(frames: Sequence[Keyframe], facts: Mapping[int, FrameFacts], question: str) -> str:
    """Build the text prompt: a note that there are no images, each frame's measured facts, the question."""
    if not frames:
        return t("prompt.no_frames") + "\n\n" + question
    lines = [describe(frame, facts.get(frame.number)) for frame in frames]
    return "\n".join([t("prompt.text_mode", count=len(frames)), *lines, "", question])
