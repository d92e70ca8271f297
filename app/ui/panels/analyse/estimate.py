"""What an analysis will be like, before it starts: parts, tokens and time, and the exact words sent to the model."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import streamlit as st

from app.analysis.prompts import exact_prompt
from app.analysis.telling import details, headline
from app.domain import AnalysisRequest, Keyframe, Language, VideoInfo
from app.i18n import sentences, t
from app.ui import resources
from app.ui.formatting import plain

if TYPE_CHECKING:
    from app.analysis.forecast import Forecast
    from app.wiring import Services

_PROMPT_HEIGHT = 300


def draw(
    services: Services, video: VideoInfo, request: AnalysisRequest, language: Language, *, videos: int = 1
) -> None:
    """The forecast in a few lines, and a button that shows the prompt. `videos`: so many are asked about alike."""
    forecast = services.planner(video, request, services.templates.find(request.template))
    with st.container(border=True, gap="small", key="plan"):
        st.markdown(f":material/route: **{plain(headline(forecast, language))}**")
        each = [t("ui.plan_each", language, n=videos)] if videos > 1 else []
        st.caption(plain(sentences([*each, *details(forecast, language)], language)))
        if st.button(t("ui.prompt_exact", language), key="prompt_exact", type="tertiary", icon=":material/article:"):
            show = st.dialog(t("ui.prompt_exact", language), width="large", icon=":material/article:")(_draw_prompt)
            show(services, video, request, forecast, language)


def held_frames(services: Services, video: VideoInfo | None, request: AnalysisRequest) -> int:
    """As many frames as one request holds. Raises what probing the video raises."""
    video = video or resources.probe_video(request.path)
    return services.planner.held_frames(video, request, services.templates.find(request.template))


def _draw_prompt(
    services: Services, video: VideoInfo, request: AnalysisRequest, forecast: Forecast, language: Language
) -> None:
    """The messages, each with a button that copies it."""
    st.caption(t("ui.prompt_is" if forecast.parts <= 1 else "ui.prompt_is_part", language))
    frames = _examples(video, request, forecast)
    template = services.templates.find(request.template)
    for role, text in exact_prompt(request, template, frames, forecast.parts):
        st.markdown(f"`{role}`")
        st.code(text, language=None, wrap_lines=True, height=_PROMPT_HEIGHT)


def _examples(video: VideoInfo, request: AnalysisRequest, forecast: Forecast) -> list[Keyframe]:
    """Frames of the first part, evenly spread, since those to come are not known."""
    start = request.selection.start_seconds
    end = request.selection.end_seconds or video.duration_seconds_from_header or float(forecast.frames)
    step = max(0.0, end - start) / max(1, forecast.frames)
    number = ceil(forecast.frames / max(1, forecast.parts))
    return [
        Keyframe(place + 1, place, start + step * (place + 0.5), "even", 1, video.width, video.height, b"")
        for place in range(number)
    ]
