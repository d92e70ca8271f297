"""Estimate of an analysis before it starts: its frames, chunks, tokens and time.

The functions that lay out the run lay out the estimate, too. A ready engine counts the tokens itself; otherwise they
are estimated, and the text says so. Nothing is started for an estimate.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, floor, sqrt
from pathlib import Path

from framelens.analysis.planning import forecast as rates
from framelens.analysis.planning import plan
from framelens.analysis.planning.frame_budget import RequestCapacity, choose_side, is_budgeted, range_seconds, sized
from framelens.analysis.planning.question import Policy, estimate_question, plans_of
from framelens.analysis.prompts.prompts import chunk_question, scope_of, system_prompt, usual_words
from framelens.analysis.prompts.templates import Template
from framelens.core.domain import MOST_FRAMES, AnalysisRequest, Layout, VideoInfo
from framelens.i18n import in_language, t
from framelens.i18n.formatting import span, two_figures
from framelens.store.model_records import KnownTimings
from framelens.video.keyframes.options import ExtractOptions, adapted_frames

_QUOTED_SHARE = 0.9  # share of an answer's tokens that a join quotes: its words without its form
_GROUPING_MARGIN = 1.5  # factor by which the run overestimates texts when it groups them
_USUAL_SHOTS = 1.5  # shots for the square root of the seconds: 12 in a minute, 90 in an hour
Measure = Callable[[AnalysisRequest, VideoInfo, tuple[str, str]], "tuple[Layout, RequestCapacity] | None"]


@dataclass(frozen=True)
class Estimate:
    """Estimated size and time of an analysis.

    Attributes:
        frames: Number of frames: exact if `is_budget`, else the upper limit.
        is_budget: The frames are known, or the selection uses its whole budget of frames.
        parts: Number of requests with frames.
        joins: Number of requests that join their answers.
        side: Longer side of sent frames, in pixels.
        in_flight: Number of requests at the same time; None if unknown.
        prompt_tokens: Prompt tokens of all requests together.
        answer_tokens: Tokens of all answers together.
        seconds: Shortest and longest time of the requests; None if this engine's speed is unknown.
        looks: Fewest and most pictures that the model is asked about one by one, to answer the question.
        is_searched: Whether these pictures belong to a search through the video.
        is_exact: The engine itself counted the tokens of a frame.
        survey_seconds: Time to find the frames; None if no video was read yet, 0 if this video is cached.
        facts_seconds: Time to measure the frames while the engine answers; None and 0 as for `survey_seconds`.
        held_frames: Number of frames that a request holds.
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
    looks: tuple[int, int]
    is_searched: bool
    is_exact: bool
    survey_seconds: float | None
    facts_seconds: float | None
    held_frames: int

    @property
    def whole_seconds(self) -> tuple[float, float] | None:
        """Return the shortest and longest time of the whole run; None if unknown."""
        survey, facts = self.survey_seconds or 0.0, self.facts_seconds or 0.0
        if self.seconds:
            low, high = self.seconds
            return survey + max(low, facts), survey + max(high, facts)
        return (survey + facts,) * 2 if not self.parts and self.survey_seconds is not None else None


@dataclass(frozen=True)
class Planner:
    """Estimator of analyses: `planner(video, request, template)` returns the estimate.

    Attributes:
        measure: measure(request, video, words) returns the layout and capacity as measured by a ready engine, or None.
        capacity: Capacity of a request by the settings.
        side: Longer side of sent frames in pixels by the settings; None lets the plan choose.
        known: Returns what was observed of this engine before.
        num_cached: num_cached(path, options) returns how many frames are cached, None if no frames are cached.
        policy: How questions are answered; None where they aren't.
    """

    measure: Measure
    capacity: RequestCapacity
    side: int | None
    known: Callable[[], KnownTimings]
    num_cached: Callable[[Path, ExtractOptions], int | None]
    policy: Policy | None = None

    def __call__(self, video: VideoInfo, request: AnalysisRequest, template: Template) -> Estimate:
        """Estimate the analysis that `request` and `template` describe."""
        known = self.known()
        layout, capacity, knows_in_flight = self._laid_out(video, request, template, known)
        pace = rates.engine_pace(known.runs)
        options = plan.extract_options(lambda: video, request, self.capacity, self.side)
        request = sized(request, video, self.capacity, self.side)
        cached = self.num_cached(video.path, options)
        frames = _expected_frames(video, request) if cached is None else cached
        sizes = _sizes(layout, frames, options) if request.use_model else []
        survey, facts = (0.0, 0.0) if cached is not None else _reading(video, request, frames, known)
        coming = _requests(sizes, layout, capacity, _first_share(request, template, len(sizes)))
        plans = plans_of(self.policy, request, range_seconds(request, video), frames)
        if plans and template.needs_question and not any(one.describes for one in plans):
            coming = []
        asked = estimate_question(
            plans,
            frames=frames,
            layout=layout,
            capacity=capacity,
            pace=pace,
            looked=known.looks,
        )
        return Estimate(
            frames=frames,
            is_budget=cached is not None or is_budgeted(request.selection.strategy),
            parts=len(sizes),
            joins=sum(one.number for one in coming if not one.frames),
            side=layout.side,
            in_flight=layout.in_flight if knows_in_flight else None,
            prompt_tokens=sum(one.number * one.prompt_tokens for one in coming) + asked.prompt_tokens,
            answer_tokens=sum(one.number * one.completion_tokens for one in coming) + asked.answer_tokens,
            seconds=_added(pace.seconds(coming), asked.seconds) if pace and request.use_model else None,
            looks=asked.looks,
            is_searched=asked.is_search,
            is_exact=layout.is_exact,
            survey_seconds=survey,
            facts_seconds=facts,
            held_frames=self.held_frames(video, request, template),
        )

    def held_frames(self, video: VideoInfo, request: AnalysisRequest, template: Template) -> int:
        """Return how many frames a request holds, at most MOST_FRAMES; at the smallest size if no size is set."""
        most = replace(request, frames=MOST_FRAMES, adapts=False)
        return self._laid_out(video, most, template, self.known())[0].per_part

    def _laid_out(
        self, video: VideoInfo, request: AnalysisRequest, template: Template, known: KnownTimings
    ) -> tuple[Layout, RequestCapacity, bool]:
        """Return the layout, the capacity, and whether the number of simultaneous requests is known."""
        measured = self.measure(request, video, usual_words(request, template)) if request.use_model else None
        if measured:
            return *measured, True
        capacity = replace(self.capacity, max_model_len=self.capacity.max_model_len or known.max_model_len)
        side, at_once = choose_side(request, video, capacity, self.side), known.in_flight
        return *plan.basic_layout(request, video, capacity, side, None, lambda _: at_once or 1), at_once is not None


def _added(one: tuple[float, float], other: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if other is None else (one[0] + other[0], one[1] + other[1])


def _sizes(layout: Layout, frames: int, options: ExtractOptions) -> list[int]:
    """Return the number of frames of each part; the opening's parts first."""
    first = min(options.opening.frames, frames) if options.opening else 0
    return [size for share in (first, frames - first) for size in _even(share, layout.per_part)]


def _even(frames: int, per_part: int) -> list[int]:
    parts = ceil(frames / per_part)
    return [frames * (index + 1) // parts - frames * index // parts for index in range(parts)]


def _first_share(request: AnalysisRequest, template: Template, parts: int) -> float:
    """Return the first prompt's length as a share of the usual length: it has no context of earlier parts."""
    system, usual = usual_words(request, template)
    with in_language(request.language):
        first = system_prompt(scope_of(parts)) + chunk_question(request, template, (), parts)
    return len(first) / len(system + usual)


def _requests(
    sizes: list[int], layout: Layout, capacity: RequestCapacity, first_share: float
) -> list[rates.PlannedRequests]:
    """Return the first part, which lists the subjects for the others; the other parts; and the joins."""
    kinds = []
    for part, at_once, share in ((sizes[:1], 1, first_share), (sizes[1:], layout.in_flight, 1.0)):
        if part:
            frames = sum(part) / len(part)
            prompt = round(frames * layout.tokens_per_frame + capacity.text_tokens * share)
            answer = rates.usual_answer_tokens(round(frames), capacity.answer_tokens)
            kinds.append(rates.PlannedRequests(len(part), round(frames), prompt, answer, at_once))
    quoted = [round(_QUOTED_SHARE * rates.usual_answer_tokens(size, capacity.answer_tokens)) for size in sizes]
    return kinds + _joins(quoted, layout, capacity) if len(sizes) > 1 else kinds


def _joins(quoted: list[int], layout: Layout, capacity: RequestCapacity) -> list[rates.PlannedRequests]:
    answer = rates.usual_answer_tokens(0, capacity.answer_tokens)
    space = round(RequestCapacity(capacity.max_model_len, capacity.answer_tokens).for_frames / _GROUPING_MARGIN)
    rounds = []
    while True:
        groups = [sum(quoted[place] for place in places) for places in plan.group_parts(quoted, space)]
        at_once = 1 if len(groups) == 1 else layout.in_flight
        rounds.append(
            rates.PlannedRequests(len(groups), 0, sum(groups) // len(groups) + capacity.text_tokens, answer, at_once)
        )
        if len(groups) == 1:
            return rounds
        quoted = [round(_QUOTED_SHARE * answer)] * len(groups)


def _expected_frames(video: VideoInfo, request: AnalysisRequest) -> int:
    """Estimate the maximum number of frames before decoding."""
    selection, most = request.selection, request.frames
    if request.adapts:
        seconds = range_seconds(request, video)
        most = adapted_frames(seconds, ceil(_USUAL_SHOTS * sqrt(seconds)), most)
    if selection.strategy == "times":
        return min(most, len(selection.times_seconds))
    if selection.strategy == "every" and selection.every_seconds and (seconds := range_seconds(request, video)):
        return max(1, min(most, floor(seconds / selection.every_seconds) + 1))
    return min(most, video.num_frames_from_header or most)


def _reading(
    video: VideoInfo, request: AnalysisRequest, frames: int, known: KnownTimings
) -> tuple[float | None, float | None]:
    """Return the seconds to find the frames and the seconds to measure them."""
    rate, each, seconds = (
        rates.survey_rate(known.surveys),
        rates.facts_rate(known.surveys),
        range_seconds(request, video),
    )
    survey = rate * seconds * rates.megapixels(video) if rate is not None and seconds else None
    return survey, None if each is None else each * frames


def headline(estimate: Estimate) -> str:
    """Return the estimate in one line, with rounded figures.

    Example: "32 frames · 4 parts, 4 at a time · about 9,800 + 1,200 tokens · 1–2 min on this engine".
    """
    frames = t("plan.frames" if estimate.is_budget else "plan.frames_most", n=estimate.frames)
    if not estimate.parts:
        return " · ".join([frames, t("plan.no_model"), *_time_alone(estimate)])
    tokens = t("plan.tokens", prompt=_rough(estimate.prompt_tokens), answer=_rough(estimate.answer_tokens))
    return " · ".join([frames, _parts(estimate), tokens, _time(estimate)])


def details(estimate: Estimate) -> list[str]:
    """Return further details, one sentence each."""
    lines = []
    if estimate.parts:
        key = "plan.counted" if estimate.is_exact else "plan.estimated"
        lines.append(t(key, side=estimate.side, held=estimate.held_frames))
        if estimate.looks[1]:
            least, most = estimate.looks
            lines.append(t("plan.searched" if estimate.is_searched else "plan.looked", least=least, most=most))
        if estimate.seconds is None:
            lines.append(t("plan.time_unknown_why"))
    if survey := estimate.survey_seconds:
        lines.append(t("plan.survey", time=span(survey, survey)))
    elif survey == 0:
        lines.append(t("plan.survey_known"))
    return lines


def _parts(estimate: Estimate) -> str:
    if estimate.parts == 1:
        return t("plan.one_part")
    if estimate.in_flight is None:
        return t("plan.parts", n=estimate.parts)
    return t("plan.parts_at_once", n=estimate.parts, at_once=min(estimate.in_flight, estimate.parts))


def _time(estimate: Estimate) -> str:
    if estimate.whole_seconds is None:
        return t("plan.time_unknown")
    return t("plan.time", time=span(*estimate.whole_seconds))


def _time_alone(estimate: Estimate) -> list[str]:
    if estimate.whole_seconds is None:
        return []
    return [t("plan.time_alone", time=span(*estimate.whole_seconds))]


def _rough(tokens: int) -> str:
    return f"{two_figures(tokens):,.0f}"
