"""Connector to an engine: starts it, connects the chat model, and checks its image input once per endpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import httpx

from app.analysis.requests.request_executor import EngineConnection
from app.core import AppError, EngineInfo, EngineProgress, prometheus_text
from app.engine import Endpoint, Engine
from app.llm.cache import AnswerCache
from app.llm.chat import connect
from app.llm.http import authorization, client
from app.llm.token_count import count_tokens
from app.llm.vision_check import VisionProbe, prove_sight

# Chosen by hand; not tuned.
_UNKNOWN_CONTEXT = 8192  # tokens, if the engine doesn't report its context
_MOST_IN_FLIGHT = 16  # requests at the same time
_DEFAULT_IN_FLIGHT = 4  # if the engine doesn't report the size of its cache
_ESTIMATE_TIMEOUT_SECONDS = 5.0  # for counting tokens before a run, while the page waits
_EXIT_WAIT_SECONDS = 2.0  # from a broken connection until the process is seen to have ended
_CACHE = "vllm:cache_config_info"


@dataclass
class EngineConnector:
    """Connector: `connector(on_progress, cancel)` returns a ready engine; the vision check is cached per endpoint.

    Attributes:
        engine: Engine to start and connect to.
        answers: Returns the cached answers of the ready engine; None if it may serve another model by now.
        answer_tokens: Longest answer.
        timeout_seconds: Longest wait for a token.
        side: Longer side of sent frames in pixels; None lets the plan choose.
        in_flight: Number of requests at the same time; None lets the engine's cache decide.
        takes_schema: Hold answers to a JSON Schema.
        traced: Let LangSmith record the requests.
    """

    engine: Engine
    answers: Callable[[], AnswerCache | None]
    answer_tokens: int
    timeout_seconds: float
    side: int | None = None
    in_flight: int | None = None
    takes_schema: bool = True
    traced: bool = False
    _proven: dict[tuple[str, str], VisionProbe] = field(default_factory=dict)
    _latest: tuple[Endpoint, EngineConnection] | None = None

    def __call__(
        self, on_progress: Callable[[EngineProgress], None], cancel: threading.Event
    ) -> tuple[EngineConnection, EngineInfo]:
        """Start the engine if needed, connect to it, and check its image input if that wasn't done before."""
        endpoint = self.engine.ensure_ready(on_progress, cancel)
        info = self.engine.status().info or EngineInfo(endpoint.kind, endpoint.model, endpoint.base_url)
        connection = self._connection(endpoint, info)
        key = (endpoint.base_url, endpoint.model)
        if key not in self._proven:
            on_progress(EngineProgress("probing_vision"))
            self._proven[key] = prove_sight(connection.chat, cancel=cancel)
        sight = self._proven[key]
        self.engine.note_sight(sight.sees)
        connection = replace(connection, sight=sight)
        self._latest = endpoint, connection
        return connection, replace(info, sees=sight.sees)

    def current(self) -> EngineConnection | None:
        """Return the engine that was connected last if it is still ready; its token counts time out soon."""
        info = self.engine.status().info
        if self._latest is None or info is None:
            return None
        endpoint, connection = self._latest
        if (info.base_url, info.model) != (endpoint.base_url, endpoint.model):
            return None
        count = partial(
            count_tokens, endpoint.base_url, endpoint.api_key, endpoint.model, timeout_seconds=_ESTIMATE_TIMEOUT_SECONDS
        )
        return replace(connection, count=count)

    def _connection(self, endpoint: Endpoint, info: EngineInfo) -> EngineConnection:
        longest = min(self.answer_tokens, (info.max_model_len or _UNKNOWN_CONTEXT) // 4)
        return EngineConnection(
            chat=connect(
                endpoint.base_url,
                api_key=endpoint.api_key,
                model=endpoint.model,
                max_tokens=longest,
                timeout_seconds=self.timeout_seconds,
                traced=self.traced,
            ),
            sight=VisionProbe(None),
            max_model_len=info.max_model_len,
            answer_tokens=longest,
            count=partial(count_tokens, endpoint.base_url, endpoint.api_key, endpoint.model),
            answers=self.answers(),
            death=self._death,
            side=self.side,
            in_flight=partial(self._in_flight, endpoint),
            takes_schema=self.takes_schema,
        )

    def _in_flight(self, endpoint: Endpoint, tokens: int) -> int:
        """Return how many requests of so many tokens the engine's KV cache holds; more would only wait there."""
        if self.in_flight:
            return self.in_flight
        if endpoint.kind == "transformers":  # answers one request at a time
            return 1
        held = cache_tokens(endpoint.base_url, endpoint.api_key)
        return _DEFAULT_IN_FLIGHT if held is None else max(1, min(_MOST_IN_FLIGHT, held // max(tokens, 1)))

    def _death(self) -> AppError | None:
        deadline = time.monotonic() + _EXIT_WAIT_SECONDS
        while (error := self.engine.status().error) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        # A server whose core has died still reports that for a while; so does one whose shutdown takes long.
        return error or self.engine.end_if_unwell()


def cache_tokens(base_url: str, api_key: str, *, timeout_seconds: float = 5.0) -> int | None:
    """Get the size in tokens of the key-value cache that all running requests share, or None if not published."""
    try:
        with client(base_url) as http:
            answer = http.get(
                prometheus_text.metrics_url(base_url), headers=authorization(api_key), timeout=timeout_seconds
            )
    except httpx.HTTPError:
        return None
    if answer.status_code != 200:
        return None
    labels = next((labels for _, labels, _ in prometheus_text.read(answer.text, {_CACHE})), {})
    for tokens in (
        labels.get("kv_cache_size_tokens"),
        _product(labels.get("num_gpu_blocks"), labels.get("block_size")),
    ):
        if tokens and tokens.isdecimal() and int(tokens) > 0:
            return int(tokens)
    return None


def _product(blocks: str | None, size: str | None) -> str | None:
    """Return blocks times block size; older versions publish only these."""
    return str(int(blocks) * int(size)) if blocks and size and blocks.isdecimal() and size.isdecimal() else None
