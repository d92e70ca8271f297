"""Share of a long video that has been read when the first text about its start arrives. The engine is warm."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.analysis.throughput import Place
from benchmarks.row import Row
from framelens.core.domain import AnalysisRequest

BOUND = 0.10
IN_FLIGHT = 4


def rows(place: Place, *, rounds: int) -> Iterator[Row]:
    """Measure the share of the survey, the median of rounds that end at their first text."""
    request = AnalysisRequest(place.videos[0], frames=place.frames)
    courses = [
        place.app(IN_FLIGHT, place.data / f"first-{number}").course(request, until_text=True)
        for number in range(rounds)
    ]
    share = median(course.first_share for course in courses)
    waits = f"after {median(course.first_text for course in courses):.1f} s"
    asked = f"asked after {median(course.asked for course in courses):.1f} s"
    shares = ", ".join(f"{course.first_share:.3f}" for course in courses)
    yield Row(f"{place.name}: survey read at the first text", share, "of it", BOUND, f"{waits}, {asked}; {shares}")
