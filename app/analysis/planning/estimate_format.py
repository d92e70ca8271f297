"""Puts a forecast into words, for the page and the command line alike: figures as rough as they are sure."""

from __future__ import annotations

from app.analysis.planning.estimate import Forecast
from app.domain import Language
from app.i18n import t
from app.i18n.durations import span, two_figures


def headline(forecast: Forecast, language: Language) -> str:
    """ "32 frames · 4 parts, 4 at a time · about 9,800 + 1,200 tokens · 1–2 min on this engine"."""
    frames = t("plan.frames" if forecast.is_budget else "plan.frames_most", language, n=forecast.frames)
    if not forecast.parts:
        return " · ".join([frames, t("plan.no_model", language), *_time_alone(forecast, language)])
    tokens = t("plan.tokens", language, prompt=_rough(forecast.prompt_tokens), answer=_rough(forecast.answer_tokens))
    return " · ".join([frames, _parts(forecast, language), tokens, _time(forecast, language)])


def details(forecast: Forecast, language: Language) -> list[str]:
    """What else is known, a sentence each."""
    lines = []
    if forecast.parts:
        key = "plan.counted" if forecast.is_exact else "plan.reckoned"
        lines.append(t(key, language, side=forecast.side, held=forecast.held_frames))
        if forecast.seconds is None:
            lines.append(t("plan.time_unknown_why", language))
    if survey := forecast.survey_seconds:
        lines.append(t("plan.survey", language, time=span(survey, survey, language)))
    elif survey == 0:
        lines.append(t("plan.survey_known", language))
    return lines


def _parts(forecast: Forecast, language: Language) -> str:
    if forecast.parts == 1:
        return t("plan.one_part", language)
    if forecast.in_flight is None:
        return t("plan.parts", language, n=forecast.parts)
    return t("plan.parts_at_once", language, n=forecast.parts, at_once=min(forecast.in_flight, forecast.parts))


def _time(forecast: Forecast, language: Language) -> str:
    if forecast.whole_seconds is None:
        return t("plan.time_unknown", language)
    return t("plan.time", language, time=span(*forecast.whole_seconds, language))


def _time_alone(forecast: Forecast, language: Language) -> list[str]:
    if forecast.whole_seconds is None:
        return []
    return [t("plan.time_alone", language, time=span(*forecast.whole_seconds, language))]


def _rough(tokens: int) -> str:
    return f"{two_figures(tokens):,.0f}"
