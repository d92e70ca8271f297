"""Durations, stages, measured facts of frames and speakers as text in the reader's language."""

from collections.abc import Sequence
from dataclasses import replace
from math import floor, log10

from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import Cue, FrameFacts, Keyframe, Transcript
from framelens.core.events import EngineProgress
from framelens.core.units import clock
from framelens.i18n import t

_MINUTE, _HOUR = 60.0, 3600.0
_HALVES_UNTIL = 4 * _MINUTE  # above this, durations are rounded to whole minutes
_LIGHT = ((0.08, "black"), (0.3, "dark"), (0.7, "medium"), (float("inf"), "bright"))
_MOTION = ((0.01, "none"), (0.06, "little"), (0.2, "much"), (float("inf"), "other"))
"""Upper limits of brightness and motion for each word."""


def span(low: float, high: float) -> str:
    """Return a range of seconds as text: "20–40 s", "40 s – 1½ min", "3 min"."""
    first, last = _measure(low), _measure(high)
    if first == last:
        return _with_unit(*first)
    if first[1] == last[1]:
        return _with_unit(f"{first[0]}–{last[0]}", last[1])
    return f"{_with_unit(*first)} – {_with_unit(*last)}"


def exactly(seconds: float, *, digits: int = 1) -> str:
    """Return measured seconds with `digits` decimals and their unit: "6.5 s"."""
    return _with_unit(f"{seconds:.{digits}f}", "s")


def length_text(seconds: float) -> str:
    """Return a length in milliseconds with at least two decimals: "1.48 s", "1.485 s"."""
    text = f"{seconds:.3f}"
    return _with_unit(text.removesuffix("0"), "s")


def two_figures(value: float) -> float:
    """Return a positive number rounded to two significant figures, else 0."""
    return round(value, 1 - floor(log10(value))) if value > 0 else 0.0


def _measure(seconds: float) -> tuple[str, str]:
    """Return a duration rounded to at most two figures, and its unit: "s", "min" or "h"."""
    if seconds < 0.95 * _MINUTE:
        step = 1 if seconds < 10 else 5
        return str(max(1, step * round(seconds / step))), "s"
    if seconds < _HALVES_UNTIL:
        whole, half = divmod(max(2, round(2 * seconds / _MINUTE)), 2)
        return f"{whole}{'½' * half}", "min"
    if seconds < 1.5 * _HOUR:
        return str(round(seconds / _MINUTE)), "min"
    return f"{two_figures(seconds / _HOUR):g}", "h"


def _with_unit(number: str, unit: str) -> str:
    return t(f"plan.unit_{unit}", n=number)


def phase_text(progress: EngineProgress) -> str:
    """Return what a starting engine does."""
    return t(f"engine.phase.{progress.phase}", **progress.values)


def stage_text(state: AnalysisState) -> str:
    """Return the current stage of an analysis, or the engine's phase while it starts; "" before the first stage."""
    if state.stage == "engine" and (phase := state.engine_phase):
        return phase_text(phase)
    return t(f"stage.{state.stage}") if state.stage else ""


def beside_text(state: AnalysisState) -> list[str]:
    """Return the activities in parallel to the stage: hashing the file, and transcribing it or separating speakers."""
    activities = []
    if state.hashing:
        activities.append(t("stage.hashing", percent=state.hashing.percent))
    if state.hearing and state.hearing.share_of_speakers is not None:
        activities.append(t("stage.speakers", percent=round(100 * state.hearing.share_of_speakers)))
    elif state.hearing:
        reached, end = (
            clock(seconds, digits=0, form="m") for seconds in (state.hearing.reached_seconds, state.hearing.end_seconds)
        )
        activities.append(t("stage.hearing", reached=reached, end=end))
        if (seconds_left := state.hearing.seconds_left) is not None:
            activities.append(t("stage.hearing_left", time=span(seconds_left, seconds_left)))
    return activities


def doing_text(state: AnalysisState, name: str = "") -> str:
    """Return the current activity in one line, after `name`, the video's name if there are several videos."""
    return " · ".join(filter(None, (name, stage_text(state), *beside_text(state))))


def mark(frame: Keyframe) -> str:
    """Return the mark before a frame in a prompt, such as "[frame 3 · 00:04.500]"."""
    return time_mark(frame.number, clock(frame.time_seconds))


def time_mark(number: int, time: str, video: int = 0) -> str:
    """Return the mark of a frame by its number and its written time, and by its video where there are several."""
    return t("prompt.mark_of" if video else "prompt.mark", number=number, time=time, video=video)


def origin(frame: Keyframe) -> str:
    """Return the shot of a frame and the reason why it was selected."""
    return t("facts.shot", number=frame.shot, reason=t(f"reason.{frame.reason}"))


def screen_texts(facts: FrameFacts) -> str:
    """Return the text on the screen as a phrase."""
    return t("facts.texts", texts=" | ".join(line.text for line in facts.texts))


def measured(facts: FrameFacts) -> list[str]:
    """List the measured facts but the text on the screen as phrases: colours, brightness, motion."""
    phrases = []
    if facts.colours:
        phrases.append(t("facts.colours", colours=colours(facts)))
    phrases.append(t(f"facts.light_{_step(_LIGHT, facts.brightness)}"))
    if facts.motion is not None:
        phrases.append(t(f"facts.motion_{_step(_MOTION, facts.motion)}"))
    return phrases


def colours(facts: FrameFacts) -> str:
    """Return the dominant colours, such as "red 62 % (the whole frame), white 20 % (top)"."""
    return t("facts.list").join(
        t(
            "facts.colour",
            colour=t(f"colour.{area.name}"),
            share=round(area.share * 100),
            place=t(f"place.{area.place}"),
        )
        for area in facts.colours
    )


def _step(steps: Sequence[tuple[float, str]], value: float) -> str:
    return next(name for limit, name in steps if value < limit)


def speaker_name(transcript: Transcript, number: int) -> str:
    """Return the name of a speaker that a user has given, or "Speaker A" and so on; "" without a speaker."""
    if not 1 <= number <= len(transcript.speakers):
        return ""
    return transcript.speakers[number - 1] or t("report.speaker", letter=speaker_letter(number))


def speaker_letter(number: int) -> str:
    """Return the letter of a speaker by a number from 1."""
    return chr(ord("A") + number - 1)


def attributed(transcript: Transcript | None, *, only_named: bool = False) -> tuple[Cue, ...]:
    """Return the cues with the speaker in the text; with `only_named` only speakers whom a user has named."""
    if transcript is None:
        return ()
    if not transcript.speakers:
        return transcript.cues
    numbers = range(1, len(transcript.speakers) + 1)
    names = {
        number: speaker_name(transcript, number)
        for number in numbers
        if transcript.speakers[number - 1] or not only_named
    }
    return tuple(
        replace(cue, text=t("report.said_by", name=name, text=cue.text)) if (name := names.get(cue.speaker)) else cue
        for cue in transcript.cues
    )
