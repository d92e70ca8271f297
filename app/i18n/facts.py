"""Descriptions of the measured facts of a keyframe in words, for prompts, reports and pages."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.domain import FrameFacts, Keyframe, Language, clock
from app.i18n import t

_LIGHT = ((0.08, "black"), (0.3, "dark"), (0.7, "medium"), (float("inf"), "bright"))
_MOTION = ((0.01, "none"), (0.06, "little"), (0.2, "much"), (float("inf"), "other"))
"""Upper limits of brightness and motion for each word. Chosen by hand; not tuned."""


def mark(frame: Keyframe, language: Language) -> str:
    """Return the mark before a frame in a prompt, such as "[frame 3 · 00:04.500]"."""
    return t("prompt.mark", language, number=frame.number, time=clock(frame.time_seconds))


def origin(frame: Keyframe, language: Language) -> str:
    """Return the shot of a frame and the reason why it was selected."""
    return t("facts.shot", language, number=frame.shot, reason=t(f"reason.{frame.reason}", language))


def measured(facts: FrameFacts, language: Language) -> list[str]:
    """List the measured facts as phrases: text on screen, colours, brightness, motion."""
    phrases = []
    if facts.texts:
        phrases.append(t("facts.texts", language, texts=" | ".join(line.text for line in facts.texts)))
    if facts.colours:
        phrases.append(t("facts.colours", language, colours=colours(facts, language)))
    phrases.append(t(f"facts.light_{_step(_LIGHT, facts.brightness)}", language))
    if facts.motion is not None:
        phrases.append(t(f"facts.motion_{_step(_MOTION, facts.motion)}", language))
    return phrases


def colours(facts: FrameFacts, language: Language) -> str:
    """Return the dominant colours, such as "red 62 % (the whole frame), white 20 % (top)"."""
    return t("facts.list", language).join(
        t(
            "facts.colour",
            language,
            colour=t(f"colour.{area.name}", language),
            share=round(area.share * 100),
            place=t(f"place.{area.place}", language),
        )
        for area in facts.colours
    )


def _step(steps: Sequence[tuple[float, str]], value: float) -> str:
    return next(name for limit, name in steps if value < limit)
