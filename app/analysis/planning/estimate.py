"""What an analysis will be like, told before it starts: its frames, parts and tokens, and how long it may take.

It is laid out by the very functions that lay out the run. Of an engine that is ready the tokens are those that it
counts itself; of another one they are reckoned, and that is said. Nothing is started for a forecast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, floor

from app.analysis.planning import plan
from app.analysis.planning.plan import Room, opening_of
from app.analysis.planning.throughput import Pace, Requests, facts_rate, megapixels, pace_of, survey_rate, usual_answer
from app.analysis.planning.time_parsing import is_budgeted
from app.analysis.prompts.prompts import chunk_question, scope_of, system_prompt, usual_words
from app.analysis.prompts.templates import Template
from app.core.domain import MOST_FRAMES, AnalysisRequest, Language, Layout, VideoInfo
from app.i18n import t
from app.i18n.durations import span, two_figures
from app.store.timing_stats import Known
from app.video import Opening

_TOLD = 0.9  # the share of an answer's tokens that a join is told: its words without its form
_INTRODUCTION = 0.2  # the share of an answer that tells who is seen
_CAUTION = 1.5  # so much larger than they are does the run take texts to be when it groups them
Measure = Callable[[AnalysisRequest, VideoInfo, tuple[str, str]], "tuple[Layout, Room] | None"]


@dataclass(frozen=True)
class Forecast:
    """`frames` at most, exactly so many where `is_budget`; in `parts` requests, `in_flight` of them at the same time
    (None where nobody knows yet), joined by `joins` more. Tokens are of all requests together. `seconds` is from … to,
    None where this engine has answered nothing so far; `survey_seconds` to find the frames and `facts_seconds` to
    measure what is on them, while the engine answers, are None where nothing was read so far, and 0 where all that is
    known of this video. `is_exact` where the engine itself has counted what a frame costs. `held_frames`: as many
    frames as one request holds.
    """

    frames: int
    is_budget: bool
    parts: int
    joins: int
    side: int
    in_flight: int | None
    prompt_tokens: int
    answer_tokens: int
    seconds: tuple[float, float] | None
    is_exact: bool
    survey_seconds: float | None
    facts_seconds: float | None
    held_frames: int

    @property
    def whole_seconds(self) -> tuple[float, float] | None:
        """From … to: all together, as far as it is known; None where what the engine takes is not, or nothing is."""
        survey, facts = self.survey_seconds or 0.0, self.facts_seconds or 0.0
        if self.seconds:
            low, high = self.seconds
            return survey + max(low, facts), survey + max(high, facts)
        return (survey + facts,) * 2 if not self.parts and self.survey_seconds is not None else None


@dataclass(frozen=True)
class Planner:
    """`planner(video, request, template)` is the forecast.

    measure(request, video, words) is the layout and room by a ready engine, None where there is none. `room`, `side`
    and `in_flight` are what the settings say; known() is what was seen of this engine before. is_read(video, request,
    opening) tells whether the frames of that are known already.
    """

    measure: Measure
    room: Room
    side: int | None
    in_flight: int | None
    known: Callable[[], Known]
    is_read: Callable[[VideoInfo, AnalysisRequest, Opening | None], bool]

    def __call__(self, video: VideoInfo, request: AnalysisRequest, template: Template) -> Forecast:
        known = self.known()
        layout, room, is_told = self._laid_out(video, request, template, known)
        frames = _expected_frames(video, request)
        pace = pace_of(known.runs)
        opening = opening_of(video, request, self.room, self.side) if request.use_model else None
        sizes = _sizes(layout, frames, opening) if request.use_model else []
        survey, facts = (0.0, 0.0) if self.is_read(video, request, opening) else _reading(video, request, frames, known)
        coming = _requests(sizes, layout, room, pace, _first_share(request, template, len(sizes)))
        return Forecast(
            frames=frames,
            is_budget=is_budgeted(request.selection.strategy),
            parts=len(sizes),
            joins=sum(one.number for one in coming if not one.frames),
            side=layout.side,
            in_flight=layout.in_flight if is_told else None,
            prompt_tokens=sum(one.number * one.prompt_tokens for one in coming),
            answer_tokens=sum(one.number * one.completion_tokens for one in coming),
            seconds=pace.seconds(coming) if pace and request.use_model else None,
            is_exact=layout.is_exact,
            survey_seconds=survey,
            facts_seconds=facts,
            held_frames=self.held_frames(video, request, template),
        )

    def held_frames(self, video: VideoInfo, request: AnalysisRequest, template: Template) -> int:
        """As many frames as one request holds, at most MOST_FRAMES: at the smallest size where that is free."""
        most = replace(request, frames=MOST_FRAMES)
        return self._laid_out(video, most, template, self.known())[0].per_part

    def _laid_out(
        self, video: VideoInfo, request: AnalysisRequest, template: Template, known: Known
    ) -> tuple[Layout, Room, bool]:
        """Layout and room, and whether it is known how many requests are asked at the same time."""
        told = self.measure(request, video, usual_words(request, template)) if request.use_model else None
        if told:
            return *told, True
        room = replace(self.room, max_model_len=self.room.max_model_len or known.max_model_len)
        in_flight = self.in_flight or known.in_flight
        side = plan.side_of(request, video, room, self.side)
        return *plan.basis(request, video, room, side, None, lambda _: in_flight or 1), in_flight is not None


def _sizes(layout: Layout, frames: int, opening: Opening | None) -> list[int]:
    """How many frames each part holds; the opening's parts first."""
    first = min(opening.frames, frames) if opening else 0
    return [size for share in (first, frames - first) for size in _even(share, layout.per_part)]


def _even(frames: int, per_part: int) -> list[int]:
    parts = ceil(frames / per_part)
    return [frames * (place + 1) // parts - frames * place // parts for place in range(parts)]


def _first_share(request: AnalysisRequest, template: Template, parts: int) -> float:
    """The share of the words that are reckoned with which the first part is sent: nothing is carried to it."""
    system, usual = usual_words(request, template)
    first = system_prompt(request.language, scope_of(parts)) + chunk_question(request, template, (), parts)
    return len(first) / len(system + usual)


def _requests(sizes: list[int], layout: Layout, room: Room, pace: Pace | None, first_share: float) -> list[Requests]:
    """The first part, which is alone until it has told who is seen; the others; and the rounds of joins."""
    kinds = []
    ahead = _INTRODUCTION if layout.in_flight > 1 and len(sizes) > 1 else 1.0
    rest = (sizes[1:], layout.in_flight, 1.0, 1.0)
    for part, at_once, share, waited_for in ((sizes[:1], 1, first_share, ahead), rest):
        if part:
            frames = sum(part) / len(part)
            prompt = round(frames * layout.tokens_per_frame + room.text_tokens * share)
            answer = usual_answer(round(frames), pace, room.answer_tokens)
            kinds.append(Requests(len(part), round(frames), prompt, answer, at_once, waited_for))
    told = [round(_TOLD * usual_answer(size, pace, room.answer_tokens)) for size in sizes]
    return kinds + _joins(told, layout, room, pace) if len(sizes) > 1 else kinds


def _joins(told: list[int], layout: Layout, room: Room, pace: Pace | None) -> list[Requests]:
    answer = usual_answer(0, pace, room.answer_tokens)
    space = round(Room(room.max_model_len, room.answer_tokens).for_frames / _CAUTION)
    rounds = []
    while True:
        groups = [sum(told[place] for place in places) for places in plan.groups(told, space)]
        at_once = 1 if len(groups) == 1 else layout.in_flight
        rounds.append(Requests(len(groups), 0, sum(groups) // len(groups) + room.text_tokens, answer, at_once))
        if len(groups) == 1:
            return rounds
        told = [round(_TOLD * answer)] * len(groups)


def _expected_frames(video: VideoInfo, request: AnalysisRequest) -> int:
    """As many as will be looked at, at most, as far as that can be told before the video was read."""
    selection, most = request.selection, request.frames
    if selection.strategy == "times":
        return min(most, len(selection.times_seconds))
    if selection.strategy == "every" and selection.every_seconds and (seconds := _seconds(video, request)):
        return max(1, min(most, floor(seconds / selection.every_seconds) + 1))
    return min(most, video.num_frames_from_header or most)


def _seconds(video: VideoInfo, request: AnalysisRequest) -> float:
    """How much of the video it is about; 0 where the header does not tell."""
    duration, end = video.duration_seconds_from_header, request.selection.end_seconds
    last = min(one for one in (duration, end) if one is not None) if duration or end else 0.0
    return max(0.0, last - request.selection.start_seconds)


def _reading(
    video: VideoInfo, request: AnalysisRequest, frames: int, known: Known
) -> tuple[float | None, float | None]:
    """Seconds to find the frames, and to measure what is on them."""
    rate, each, seconds = survey_rate(known.surveys), facts_rate(known.surveys), _seconds(video, request)
    survey = rate * seconds * megapixels(video) if rate is not None and seconds else None
    return survey, None if each is None else each * frames


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
