"""A second question on the same frames: savings by the engine's prefix cache, by the order within a request.

The app sends the frames first. The other order is made from the same requests. Each order and round starts with empty
caches, so no entries of another order or round are found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.analysis.engine import Caches
from benchmarks.analysis.raw import first_text_seconds
from benchmarks.analysis.recorded import Sent
from benchmarks.analysis.scripted import Delays, serving
from benchmarks.analysis.whole import App, in_parts
from benchmarks.row import Row
from framelens.core.domain import AnalysisRequest

_AT_ONCE = Delays(0.0, 0.0, frame_tokens=100, context=8192)
QUESTIONS = ("Who is there, and what do they do?", "Which colours and signs can be seen?")


@dataclass(frozen=True)
class Second:
    """Seconds to the first text of the first and of the second request, and the share of the second's tokens found."""

    first_seconds: float
    second_seconds: float
    share_found: float


def requests(videos: tuple[Path, Path], data: Path, *, frames: int, answer_tokens: int) -> list[Sent]:
    """Return the app's requests for two questions on the same frames of the first video; the second video warms up."""
    sent: list[Sent] = []
    with serving(_AT_ONCE) as url:
        app = App(url, data, in_flight=1, answer_tokens=answer_tokens)
        app.warm(videos[1])
        for question in QUESTIONS:
            request = AnalysisRequest(videos[0], frames=frames, question=question)
            sent += app.course(request, layout=in_parts(frames, frames, in_flight=1)).of_parts()
    return sent


def rows(name: str, caches: Caches, asked: list[Sent], *, rounds: int) -> Iterator[Row]:
    """Measure both orders; `asked` are two requests, as from `requests`."""
    frames_first = [addressed(one, caches) for one in asked]
    question_first = [replace(one, body=turned(one.body)) for one in frames_first]
    orders = {"frames first": frames_first, "question first": question_first}
    measured: dict[str, list[Second]] = {order: [] for order in orders}
    for _ in range(rounds):
        for order, (first, second) in orders.items():
            measured[order].append(_second(caches, first, second))
    for order, each in measured.items():
        share = median(one.share_found for one in each)
        yield Row(f"{name}, second question, {order}: prompt tokens found", share, "of all")
        first, second = (median(getattr(one, what) for one in each) for what in ("first_seconds", "second_seconds"))
        row = f"{name}, second question, {order}: first text / of the first"
        yield Row(row, second / first, "x", None, f"{second:.2f} s / {first:.2f} s")


def addressed(request: Sent, caches: Caches) -> Sent:
    """Return the request for another engine."""
    endpoint = caches.endpoint
    body = json.dumps({**json.loads(request.body), "model": endpoint.model}).encode()
    return replace(
        request, url=f"{endpoint.base_url}/chat/completions", authorization=f"Bearer {endpoint.api_key}", body=body
    )


def turned(body: bytes) -> bytes:
    """Return the request with the question before the frames."""
    asked = json.loads(body)
    content = asked["messages"][-1]["content"]
    asked["messages"][-1]["content"] = [content[-1], *content[:-1]]
    return json.dumps(asked).encode()


def _second(caches: Caches, first: Sent, second: Sent) -> Second:
    caches.empty()
    of_first, *_ = first_text_seconds(first)
    found, looked_for = caches.hits()
    of_second, *_ = first_text_seconds(second)
    found_after, looked_for_after = caches.hits()
    return Second(of_first, of_second, (found_after - found) / max(1.0, looked_for_after - looked_for))
