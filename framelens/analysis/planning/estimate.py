"""Estimate of an analysis before it starts: its frames, requests and time.

The functions that lay out the run lay out the estimate, too. Time is the median of this engine's last runs, for each
frame of a request, each text and each picture of a search; before the first run it is not known. Nothing is started.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, sqrt
from pathlib import Path
from statistics import median

from framelens.analysis.planning import plan
from framelens.analysis.planning.frame_budget import RequestCapacity, choose_side, is_budgeted, range_seconds, sized
from framelens.analysis.planning.question import Policy, QuestionPlan, plans_of
from framelens.analysis.prompts.prompts import usual_prompt
from framelens.analysis.prompts.templates import Template
from framelens.core.domain import MOST_FRAMES, AnalysisRequest, Layout, VideoInfo
from framelens.i18n import t
from framelens.i18n.formatting import span
from framelens.store.model_records import KnownTimings
from framelens.video.keyframes.options import ExtractOptions, adapted_frames

_SPREAD = 1.4
"""Factor between the middle of an estimate and its ends."""
_USUAL_SHOTS = 1.5  # shots for the square root of the seconds: 12 in a minute, 90 in an hour
Measure = Callable[[AnalysisRequest, VideoInfo, tuple[str, str]], "tuple[Layout, RequestCapacity] | None"]


@dataclass(frozen=True)
class Estimate:
    """Estimated size and time of an analysis.

    Attributes:
        frames: Number of frames: exact if `is_budget`, else the upper limit.
        is_budget: The frames are known, or the selection uses its whole budget of frames.
        parts: Number of requests with frames.
        side: Longer side of sent frames, in pixels.
        in_flight: Number of requests at the same time; None if unknown.
        seconds: Shortest and longest time of the requests; None if this engine's speed is unknown.
        looks: Fewest and most pictures that the model is asked about one by one, to answer the question.
        is_searched: Whether these pictures belong to a search through the video.
        is_exact: The engine itself counted the tokens of a frame.
        reading_seconds: Time to find and measure the frames; None if no video was read yet, 0 if this video is cached.
        held_frames: Number of frames that a request holds.
    """

    frames: int
    is_budget: bool
    parts: int
    side: int
    in_flight: int | None
    seconds: tuple[float, float] | None
    looks: tuple[int, int]
    is_searched: bool
    is_exact: bool
    reading_seconds: float | None
    held_frames: int

    @property
    def whole_seconds(self) -> tuple[float, float] | None:
        """Return the shortest and longest time of the whole run; None if unknown."""
        reading = self.reading_seconds or 0.0
        if self.seconds:
            return reading + self.seconds[0], reading + self.seconds[1]
        return (reading, reading) if not self.parts and self.reading_seconds is not None else None


@dataclass(frozen=True)
class Planner:
    """Estimator of analyses: `planner(video, request, template)` returns the estimate.

    Attributes:
        measure: measure(request, video, words) returns the layout and capacity as measured by a ready engine, or None.
        capacity: Capacity of a request by the settings.
        side: Longer side of sent frames in pixels by the settings; None lets the plan choose.
        timings: Returns what was observed of this engine before.
        num_cached: num_cached(path, options) returns how many frames are cached, None if no frames are cached.
        policy: How questions are answered; None where they aren't.
    """

    measure: Measure
    capacity: RequestCapacity
    side: int | None
    timings: Callable[[], KnownTimings]
    num_cached: Callable[[Path, ExtractOptions], int | None]
    policy: Policy | None = None

    def __call__(self, video: VideoInfo, request: AnalysisRequest, template: Template) -> Estimate:
        """Estimate the analysis that `request` and `template` describe."""
        timings = self.timings()
        layout, knows_in_flight = self._laid_out(video, request, template, timings)
        options = plan.extract_options(lambda: video, request, self.capacity, self.side)
        request = sized(request, video, self.capacity, self.side)
        cached = self.num_cached(video.path, options)
        frames = _expected_frames(video, request) if cached is None else cached
        sizes = _sizes(layout, frames, options) if request.use_model else []
        plans = plans_of(self.policy, request, range_seconds(request, video), frames)
        is_described = not (plans and template.needs_question) or any(way.describes for way in plans)
        return Estimate(
            frames=frames,
            is_budget=cached is not None or is_budgeted(request.selection.strategy),
            parts=len(sizes),
            side=layout.side,
            in_flight=layout.in_flight if knows_in_flight else None,
            seconds=_asking(sizes if is_described else [], plans, frames, layout, timings)
            if request.use_model
            else None,
            looks=(min((way.looks[0] for way in plans), default=0), max((way.looks[1] for way in plans), default=0)),
            is_searched=any(way.is_search for way in plans),
            is_exact=layout.is_exact,
            reading_seconds=0.0 if cached is not None else _reading(video, request, timings),
            held_frames=self.held_frames(video, request, template),
        )

    def held_frames(self, video: VideoInfo, request: AnalysisRequest, template: Template) -> int:
        """Return how many frames a request holds, at most MOST_FRAMES; at the smallest size if no size is set."""
        most = replace(request, frames=MOST_FRAMES, adapts=False)
        return self._laid_out(video, most, template, self.timings())[0].per_part

    def _laid_out(
        self, video: VideoInfo, request: AnalysisRequest, template: Template, timings: KnownTimings
    ) -> tuple[Layout, bool]:
        """Return the layout, and whether the number of simultaneous requests is known."""
        measured = self.measure(request, video, usual_prompt(request, template)) if request.use_model else None
        if measured:
            return measured[0], True
        capacity = replace(self.capacity, max_model_len=self.capacity.max_model_len or timings.max_model_len)
        side, at_once = choose_side(request, video, capacity, self.side), timings.in_flight
        layout, _ = plan.basic_layout(request, video, capacity, side, None, lambda _: at_once or 1)
        return layout, at_once is not None


def _sizes(layout: Layout, frames: int, options: ExtractOptions) -> list[int]:
    """Return the number of frames of each part; the opening's parts first."""
    first = min(options.opening.frames, frames) if options.opening else 0
    return [size for share in (first, frames - first) for size in _even(share, layout.per_part)]


def _even(frames: int, per_part: int) -> list[int]:
    parts = ceil(frames / per_part)
    return [frames * (index + 1) // parts - frames * index // parts for index in range(parts)]


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


def _reading(video: VideoInfo, request: AnalysisRequest, timings: KnownTimings) -> float | None:
    """Return the seconds to find and measure the frames, by the pixels that were read before."""
    seconds = range_seconds(request, video)
    return median(timings.readings) * seconds * video.megapixels if timings.readings and seconds else None


def _asking(
    sizes: Sequence[int], plans: Sequence[QuestionPlan], frames: int, layout: Layout, timings: KnownTimings
) -> tuple[float, float] | None:
    """Return the shortest and longest time of all requests: the first part, the others, their join, the question."""
    if not timings.frames or not (timings.looks or all(way.looks[1] == 0 for way in plans)):
        return None
    frame, look = median(timings.frames), median(timings.looks or [0.0])
    text = median(timings.texts) if timings.texts else frame * layout.per_part
    others = ceil((len(sizes) - 1) / layout.in_flight) * sizes[-1] if sizes else 0
    description = frame * (sum(sizes[:1]) + others) + text * (len(sizes) > 1)
    lows, highs = [], []
    for way in plans or (QuestionPlan(is_written=False),):
        shown = min(frames if way.frames is None else way.frames, layout.per_part)
        asking = description + text * way.is_classified + frame * shown * way.is_written
        looking = [look * number for number in way.looks]
        lows.append(asking / _SPREAD + min(looking[0] / _SPREAD, way.most_look_seconds))
        highs.append(asking * _SPREAD + min(looking[1] * _SPREAD, way.most_look_seconds))
    return min(lows), max(highs)


def headline(estimate: Estimate) -> str:
    """Return the estimate in one line, such as "32 frames · 4 parts, 4 at a time · 1–2 min on this engine"."""
    frames = t("plan.frames" if estimate.is_budget else "plan.frames_most", n=estimate.frames)
    time = estimate.whole_seconds and span(*estimate.whole_seconds)
    if not estimate.parts:
        return " · ".join([frames, t("plan.no_model"), *([t("plan.time_alone", time=time)] if time else [])])
    return " · ".join([frames, _parts(estimate), t("plan.time", time=time) if time else t("plan.time_unknown")])


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
    if reading := estimate.reading_seconds:
        lines.append(t("plan.survey", time=span(reading, reading)))
    elif reading == 0:
        lines.append(t("plan.survey_known"))
    return lines


def _parts(estimate: Estimate) -> str:
    if estimate.parts == 1:
        return t("plan.one_part")
    if estimate.in_flight is None:
        return t("plan.parts", n=estimate.parts)
    return t("plan.parts_at_once", n=estimate.parts, at_once=min(estimate.in_flight, estimate.parts))
