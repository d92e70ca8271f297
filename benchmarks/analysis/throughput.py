"""Parts in flight together, against the very same requests sent raw by as many bare clients, side by side in rounds.

The survey is recalled, so that only the requests are measured, except in `beside_the_survey`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.analysis.raw import raw_seconds
from benchmarks.analysis.recorded import Sent, first_of_another_part
from benchmarks.analysis.whole import App, Course, in_parts
from benchmarks.row import Row
from framelens.core.domain import AnalysisRequest, Layout

BOUND = 1 / 0.95
"""Of FrameLens's time over the raw clients': a throughput of at least 0.95."""


@dataclass(frozen=True)
class Place:
    """An engine, and what is asked of it. `each` fixes the number of frames of a part; None leaves it to the app.

    videos: the measured video, and a small video to warm up with. forget: empties the engine's caches before each
    measure. learns: the engine is slower at first, so that the first course is not measured, and FrameLens and the raw
    clients take turns at being measured first. few: number of requests that are timed in turn.
    """

    name: str
    base_url: str
    videos: tuple[Path, Path]
    data: Path
    frames: int
    each: int | None = None
    api_key: str = "none"
    answer_tokens: int = 1024
    forget: Callable[[], None] = lambda: None
    learns: bool = False
    few: int = 6

    def app(self, in_flight: int, data: Path | None = None) -> App:
        """Build an app that is warm."""
        key, tokens = self.api_key, self.answer_tokens
        app = App(self.base_url, data or self.data, in_flight=in_flight, api_key=key, answer_tokens=tokens)
        app.warm(self.videos[1])
        return app

    def layout(self, in_flight: int) -> Layout | None:
        return in_parts(self.frames, self.each, in_flight=in_flight) if self.each else None

    def course(self, app: App, request: AnalysisRequest, layout: Layout | None = None) -> Course:
        self.forget()
        return app.course(request, layout=layout)

    def raw_seconds(self, requests: Sequence[Sent], at_once: int) -> float:
        self.forget()
        return raw_seconds(requests, at_once=at_once)


@dataclass(frozen=True)
class Round:
    """Seconds of all parts, by FrameLens and raw. `alone`: how long the first part was on its way before the others."""

    parts: tuple[float, float]
    alone: float
    num_requests: int


def rows(place: Place, in_flights: Sequence[int], *, rounds: int) -> Iterator[Row]:
    """Measure the ratio for each number in flight, and the time of a few requests in turn."""
    request = AnalysisRequest(place.videos[0], frames=place.frames)
    one_by_one: float | None = None
    for in_flight in in_flights:
        app, layout = place.app(in_flight), place.layout(in_flight)
        app.read(request)
        known = place.course(app, request, layout).of_parts() if place.learns else ()
        measured = []
        for number in range(rounds):
            theirs = place.raw_seconds(known, in_flight) if known and number % 2 else None
            course = place.course(app, request, layout)
            few = course.of_parts()[: place.few]
            measured.append(_round(course, theirs or place.raw_seconds(course.of_parts(), in_flight)))
            one_by_one = one_by_one or place.raw_seconds(few, 1) / len(few)
        yield from _round_rows(f"{place.name}, {in_flight} in flight", measured, one_by_one)


def _round(course: Course, theirs: float) -> Round:
    parts = course.of_parts()
    alone = first_of_another_part(parts).at_seconds - course.began - course.asked
    return Round((course.parts_done - course.asked, theirs), alone, len(parts))


def _round_rows(name: str, measured: Sequence[Round], one_by_one: float) -> Iterator[Row]:
    parts, number = [one.parts for one in measured], measured[0].num_requests
    yield row(f"{name}: all parts / raw", parts, f"; {number} requests, the others after {measured[0].alone:.2f} s")
    ours, theirs = (median(one[side] for one in parts) for side in (0, 1))
    note = f"raw {number * one_by_one / theirs:.2f} x"
    yield Row(f"{name}: raw one after the other / ours", number * one_by_one / ours, "x", None, note)


def row(name: str, pairs: Sequence[tuple[float, float]], more: str = "") -> Row:
    ours, theirs = (median(one[side] for one in pairs) for side in (0, 1))
    ratio = median(ours / raw for ours, raw in pairs)
    return Row(name, ratio, "x", BOUND, f"throughput {1 / ratio:.2f}; {ours:.2f} s / {theirs:.2f} s{more}")


def beside_the_survey(place: Place, in_flight: int, *, rounds: int) -> Iterator[Row]:
    """Measure a video that is read while its start is asked about: from the choice of frames to the last chunk."""
    request, pairs, hidden = AnalysisRequest(place.videos[0], frames=place.frames), [], 0
    for number in range(rounds):
        app = place.app(in_flight, place.data / f"unread-{number}")
        course = place.course(app, request)
        after = course.of_parts(after=course.chosen)
        pairs.append((course.parts_done - course.chosen, place.raw_seconds(after, in_flight)))
        hidden += len(course.of_parts()) - len(after)
    name = f"{place.name}, {in_flight} in flight, video being read: parts / raw"
    yield row(name, pairs, f"; {hidden / rounds:g} of the requests went out before")
