"""The real CPU engine for benchmarks: a model folder, started once, with the counters of its prefix cache.

Its caches can be emptied between rounds, since a second round would otherwise find the entries of the first.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from framelens.engine.base import Endpoint
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.vllm import vllm_launcher

TINY = Path(__file__).parents[2] / "tests" / "fixtures" / "tiny-vl"
_COUNT = r"^vllm:prefix_cache_{name}(?:_total)?\{{[^}}]*\}} ([\d.e+]+)$"


@dataclass(frozen=True)
class Caches:
    """The caches of a running engine."""

    endpoint: Endpoint

    def empty(self) -> None:
        """Empty the caches of prompts, of images and of their encodings."""
        for name in ("reset_prefix_cache", "reset_mm_cache", "reset_encoder_cache"):
            self._ask("POST", name)

    def hits(self) -> tuple[float, float]:
        """Return the numbers of tokens found and looked up since the start."""
        metrics = self._ask("GET", "metrics").text
        return count_of(metrics, "hits"), count_of(metrics, "queries")

    def _ask(self, method: str, path: str) -> httpx.Response:
        url = f"{self.endpoint.base_url.removesuffix('/v1')}/{path}"
        headers = {"Authorization": f"Bearer {self.endpoint.api_key}"}
        answer = httpx.request(method, url, headers=headers, trust_env=False, timeout=60)
        answer.raise_for_status()
        return answer


def count_of(metrics: str, name: str) -> float:
    """Read a counter of the prefix cache from vLLM's metrics, summed over its engines."""
    return sum(float(number) for number in re.findall(_COUNT.format(name=name), metrics, re.MULTILINE))


@contextmanager
def started(
    model: Path, arguments: Mapping[str, object], logs: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Caches]:
    """Start vLLM with the model of this folder and wait until it is ready; the weights are not checked."""
    launcher = vllm_launcher(str(model), arguments)
    given = launcher.environment
    more = {"VLLM_SERVER_DEV_MODE": "1", **(environment or {})}
    launcher = replace(
        launcher,
        fetch=lambda on_progress, cancel: model,
        environment=lambda key: {**given(key), **more},
    )
    engine = LocalEngine(launcher, log_dir=logs)
    try:
        yield Caches(engine.ensure_ready(lambda progress: None, threading.Event()))
    finally:
        engine.stop()
