"""Load of an engine, from the Prometheus metrics that vLLM publishes.

Rates are differences of counters between two readings. A counter that decreased (the engine was restarted) or a
reading from long ago gives None, never a wrong number. A histogram gives its mean between the readings. An engine
without such metrics is not asked again for a while.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from framelens.plugin.engines import Engine, NoAnswer, metrics_text, read_metrics
from framelens.plugin.processes import in_thread

LoadAbsence = Literal["not_running", "no_answer", "no_metrics"]
"""Reason for a missing load: the engine doesn't run, didn't answer in time, or publishes no vLLM metrics."""

LONGEST_INTERVAL_SECONDS = 10.0
"""Readings further apart give no rates: five periods of the monitor."""
TIMEOUT_SECONDS = 1.5
"""Shorter than the monitor's period."""
RETRY_SECONDS = 60.0
"""Time for which an engine without metrics is not asked again."""

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
class MetricsReading:
    """Values of the metrics at a moment, `at` seconds of time.monotonic().

    Several engines behind one address are added up, except `cache_share`, which is their mean. Values that are not
    published are missing.
    """

    at: float
    values: dict[str, float]


@dataclass(frozen=True)
class EngineLoad:
    """Load of an engine, with None for a value that isn't published or if nothing happened since the last reading.

    Attributes:
        running: Number of running requests.
        waiting: Number of waiting requests.
        cache_share: Share of the key-value cache in use, 0 … 1.
        prefix_share: Hit rate of the prefix cache by tokens, 0 … 1.
        read_per_second: Prompt tokens per second, those found in the cache included.
        written_per_second: Generated tokens per second.
        first_token_seconds: Mean time to the first token.
    """

    running: float | None = None
    waiting: float | None = None
    cache_share: float | None = None
    prefix_share: float | None = None
    read_per_second: float | None = None
    written_per_second: float | None = None
    first_token_seconds: float | None = None


def parse_metrics(text: str, at: float) -> MetricsReading | None:
    """Parse Prometheus text read at time `at`; return None if it holds no vLLM metrics."""
    by_name: dict[str, list[float]] = {}
    for name, _, value in read_metrics(text, _NAMES):
        by_name.setdefault(_NAMES[name], []).append(value)
    if not by_name:
        return None
    values = {name: sum(amounts) for name, amounts in by_name.items()}
    if "cache_share" in values:
        values["cache_share"] /= len(by_name["cache_share"])
    return MetricsReading(at, values)


def load_between(before: MetricsReading | None, now: MetricsReading) -> EngineLoad:
    """Compute the load between two readings of an engine; without an earlier reading, gauges only."""
    growth = _differences(before, now)
    seconds = now.at - before.at if before else 0.0
    return EngineLoad(
        running=now.values.get("running"),
        waiting=now.values.get("waiting"),
        cache_share=now.values.get("cache_share"),
        prefix_share=_ratio(growth.get("prefix_hits"), growth.get("prefix_queries")),
        read_per_second=_ratio(growth.get("prompt_tokens"), seconds),
        written_per_second=_ratio(growth.get("generation_tokens"), seconds),
        first_token_seconds=_ratio(growth.get("first_token_waits"), growth.get("first_tokens")),
    )


def _differences(before: MetricsReading | None, now: MetricsReading) -> dict[str, float]:
    """Return the growth of each counter; empty if any decreased or the readings are too far apart."""
    if before is None or now.at - before.at > LONGEST_INTERVAL_SECONDS:
        return {}
    both = [name for name in _COUNTERS.values() if name in before.values and name in now.values]
    growth = {name: now.values[name] - before.values[name] for name in both}
    return {} if any(amount < 0 for amount in growth.values()) else growth


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


class EngineMetricsReader:
    """Reader of the load of the engines at `base_urls`, added up, or of `engine` while that is ready."""

    def __init__(
        self,
        engine: Engine,
        *,
        base_urls: Sequence[str] = (),
        api_key: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._base_urls = tuple(base_urls)
        self._api_key = api_key
        self._clock = clock
        self._before: tuple[list[str], MetricsReading] | None = None
        self._without_metrics: dict[str, float] = {}  # by address: until when it is not asked again

    def __call__(self) -> EngineLoad | LoadAbsence:
        """Return the load since the last call. Waits at most TIMEOUT_SECONDS."""
        status = self._engine.status()
        addresses = self._base_urls or ((status.info.base_url,) if status.info else ())
        key = self._api_key or status.api_key
        if not addresses:
            self._before = None
            self._without_metrics.clear()
            return "not_running"
        pending = {address: in_thread("engine-load", partial(self._text, address, key)) for address in addresses}
        texts = {address: text.result() for address, text in pending.items()}
        answered = [address for address in addresses if texts[address] not in ("no_answer", "no_metrics")]
        now = parse_metrics("\n".join(texts[address] for address in answered), self._clock())
        if now is None:
            return "no_answer" if "no_answer" in texts.values() else "no_metrics"
        before = self._before[1] if self._before and self._before[0] == answered else None
        self._before = answered, now
        return load_between(before, now)

    def _text(self, address: str, api_key: str) -> str:
        """Return the metrics of the engine at this address, or a LoadAbsence."""
        until = self._without_metrics.get(address)
        if until is not None and self._clock() < until:
            return "no_metrics"
        try:
            text = metrics_text(address, api_key=api_key, timeout_seconds=TIMEOUT_SECONDS)
        except NoAnswer as answer:
            if answer.status is None:
                return "no_answer"
            text = ""
        if parse_metrics(text, 0.0) is None:
            self._without_metrics[address] = self._clock() + RETRY_SECONDS
            return "no_metrics"
        return text
