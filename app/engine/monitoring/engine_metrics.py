"""What an engine does right now, from the metrics that vLLM publishes: two readings in, rates of the time between out.

Rates are differences of counters over the time between two readings. A counter that went back (the engine was started
anew) and a reading long ago both leave a gap, never a wrong number. Of a histogram the mean of the time between is
given. Engines without such metrics are left in peace for a while after they have said so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from app import prometheus
from app.engine.base import Engine
from app.engine.http_client import NoAnswer, get_text
from app.engine.remote_engine import LOCAL_HOSTS, normal_base_url

Silence = Literal["not_running", "no_answer", "no_metrics"]
"""Why an engine tells nothing: it does not run, it did not answer in time, or it publishes no metrics of vLLM's."""

LONGEST_INTERVAL_SECONDS = 10.0
TIMEOUT_SECONDS = 1.5
PEACE_SECONDS = 60.0

_GAUGES = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:kv_cache_usage_perc": "cache_share",
}
_COUNTERS = {
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generation_tokens",
    "vllm:prefix_cache_queries_total": "prefix_queries",
    "vllm:prefix_cache_hits_total": "prefix_hits",
    "vllm:time_to_first_token_seconds_count": "first_tokens",
    "vllm:time_to_first_token_seconds_sum": "first_token_waits",
}
_NAMES = {**_GAUGES, **_COUNTERS}


@dataclass(frozen=True)
class Reading:
    """What the metrics say at one moment, `at` seconds of time.monotonic(). Several engines behind one address are
    added up; of the share of the cache in use it is their mean. What is not told is missing.
    """

    at: float
    values: dict[str, float]


@dataclass(frozen=True)
class Load:
    """What the engine does; None for what is not told, or did not occur since the last reading.

    running, waiting: requests. cache_share: of the key-value cache in use, 0 … 1. prefix_share: of the tokens looked up
    in the prefix cache those that were found, 0 … 1. read_per_second: tokens of prompts, those found in the cache among
    them. written_per_second: tokens of answers. first_token_seconds: the mean wait for an answer's first token.
    """

    running: float | None = None
    waiting: float | None = None
    cache_share: float | None = None
    prefix_share: float | None = None
    read_per_second: float | None = None
    written_per_second: float | None = None
    first_token_seconds: float | None = None


def read(text: str, at: float) -> Reading | None:
    """The reading in a text of metrics; None where it holds none of vLLM's."""
    found: dict[str, list[float]] = {}
    for name, _, value in prometheus.read(text, _NAMES):
        found.setdefault(_NAMES[name], []).append(value)
    if not found:
        return None
    values = {name: sum(amounts) for name, amounts in found.items()}
    if "cache_share" in values:
        values["cache_share"] /= len(found["cache_share"])
    return Reading(at, values)


def between(before: Reading | None, now: Reading) -> Load:
    """The load of the time between two readings of one engine; without an earlier one, what is so right now."""
    gone = _differences(before, now)
    seconds = now.at - before.at if before else 0.0
    return Load(
        running=now.values.get("running"),
        waiting=now.values.get("waiting"),
        cache_share=now.values.get("cache_share"),
        prefix_share=_ratio(gone.get("prefix_hits"), gone.get("prefix_queries")),
        read_per_second=_ratio(gone.get("prompt_tokens"), seconds),
        written_per_second=_ratio(gone.get("generation_tokens"), seconds),
        first_token_seconds=_ratio(gone.get("first_token_waits"), gone.get("first_tokens")),
    )


def _differences(before: Reading | None, now: Reading) -> dict[str, float]:
    """How much each counter grew; nothing at all where one went back or the readings are too far apart."""
    if before is None or now.at - before.at > LONGEST_INTERVAL_SECONDS:
        return {}
    both = [name for name in _COUNTERS.values() if name in before.values and name in now.values]
    grown = {name: now.values[name] - before.values[name] for name in both}
    return {} if any(growth < 0 for growth in grown.values()) else grown


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


class LoadReader:
    """Asks one engine for its load, again and again: the one at `base_url`, or `engine` while that is ready."""

    def __init__(
        self, engine: Engine, *, base_url: str = "", api_key: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._base_url = normal_base_url(base_url) if base_url else ""
        self._api_key = api_key
        self._clock = clock
        self._before: tuple[str, Reading] | None = None
        self._has_none: tuple[str, float] | None = None  # address, until when it is not asked again

    def __call__(self) -> Load | Silence:
        """The load since the last call. Waits TIMEOUT_SECONDS at most."""
        info = self._engine.status().info
        address = self._base_url or (info.base_url if info else "")
        if not address:
            self._before = self._has_none = None
            return "not_running"
        if self._has_none and self._has_none[0] == address and self._clock() < self._has_none[1]:
            return "no_metrics"
        try:
            now = read(self._ask(address), self._clock())
        except NoAnswer as answer:
            if answer.status is None:
                return "no_answer"
            now = None
        if now is None:
            self._has_none = address, self._clock() + PEACE_SECONDS
            return "no_metrics"
        before = self._before[1] if self._before and self._before[0] == address else None
        self._before = address, now
        return between(before, now)

    def _ask(self, address: str) -> str:
        local = urlsplit(address).hostname in LOCAL_HOSTS
        url = prometheus.metrics_url(address)
        return get_text(url, api_key=self._api_key, timeout_seconds=TIMEOUT_SECONDS, local=local)
