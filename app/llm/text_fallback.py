"""Puts measured facts of frames into words: what a model reads when it cannot see the pictures.

Nothing is guessed here: text that was read, colours and light that were measured, shots that were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.domain import FrameFacts, Keyframe, Language
from app.i18n import t
from app.i18n.facts import mark, measured, origin


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
