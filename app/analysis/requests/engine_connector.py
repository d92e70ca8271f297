"""Opens an engine for asking: makes it ready, connects the chat model, proves its sight once and remembers it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from app.analysis.requests.request_executor import Speaker
from app.core.domain import EngineInfo, EngineProgress
from app.core.errors import AppError
from app.engine import Endpoint, Engine
from app.llm.cache import Answers
from app.llm.chat import connect
from app.llm.kv_cache import cache_tokens
from app.llm.token_count import count_tokens
from app.llm.vision_probe import Sight, prove_sight

_UNKNOWN_CONTEXT = 8192
_MOST_IN_FLIGHT = 16
_IN_FLIGHT_UNTOLD = 4  # where the engine does not tell what it holds
_PATIENCE_SECONDS = 5.0  # of somebody who only wants to know what an analysis would cost
_DEATH_SHOWS_SECONDS = 2.0  # from a broken connection to a process that is seen to have ended


@dataclass
class Opener:
    """`opener(on_progress, cancel)` gives a ready engine to an analysis; what was proven is kept for each endpoint.

    answers: what the engine, once it is ready, is known to have answered before; None where nobody can know whether it
    is still the same model. timeout_seconds bounds each wait for a token; side fixes the size of sent frames in pixels,
    in_flight the number of requests at the same time. takes_schema: whether answers are held to a schema.
    traced: whether LangSmith may record the requests.
    """

    engine: Engine
    answers: Callable[[], Answers | None]
    answer_tokens: int
    timeout_seconds: float
    side: int | None = None
    in_flight: int | None = None
    takes_schema: bool = True
    traced: bool = False
    _proven: dict[tuple[str, str], Sight] = field(default_factory=dict)
    _latest: tuple[Endpoint, Speaker] | None = None

    def __call__(
        self, on_progress: Callable[[EngineProgress], None], cancel: threading.Event
    ) -> tuple[Speaker, EngineInfo]:
        endpoint = self.engine.ensure_ready(on_progress, cancel)
        info = self.engine.status().info or EngineInfo(endpoint.kind, endpoint.model, endpoint.base_url)
        speaker = self._speaker(endpoint, info)
        key = (endpoint.base_url, endpoint.model)
        if key not in self._proven:
            on_progress(EngineProgress("proving_sight"))
            self._proven[key] = prove_sight(speaker.chat, cancel=cancel)
        sight = self._proven[key]
        self.engine.note_sight(sight.sees)
        speaker = replace(speaker, sight=sight)
        self._latest = endpoint, speaker
        return speaker, replace(info, sees=sight.sees)

    def at_hand(self) -> Speaker | None:
        """The engine that was opened last, if it is ready still; its counts do not keep anybody waiting for long."""
        info = self.engine.status().info
        if self._latest is None or info is None:
            return None
        endpoint, speaker = self._latest
        if (info.base_url, info.model) != (endpoint.base_url, endpoint.model):
            return None
        count = partial(
            count_tokens, endpoint.base_url, endpoint.api_key, endpoint.model, timeout_seconds=_PATIENCE_SECONDS
        )
        return replace(speaker, count=count)

    def _speaker(self, endpoint: Endpoint, info: EngineInfo) -> Speaker:
        longest = min(self.answer_tokens, (info.max_model_len or _UNKNOWN_CONTEXT) // 4)
        return Speaker(
            chat=connect(
                endpoint.base_url,
                api_key=endpoint.api_key,
                model=endpoint.model,
                max_tokens=longest,
                timeout_seconds=self.timeout_seconds,
                traced=self.traced,
            ),
            sight=Sight(None),
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
        """As many requests of so many tokens as the engine's cache holds; what is more would only wait there."""
        if self.in_flight:
            return self.in_flight
        if endpoint.kind == "transformers":  # it answers one after the other
            return 1
        held = cache_tokens(endpoint.base_url, endpoint.api_key)
        return _IN_FLIGHT_UNTOLD if held is None else max(1, min(_MOST_IN_FLIGHT, held // max(tokens, 1)))

    def _death(self) -> AppError | None:
        deadline = time.monotonic() + _DEATH_SHOWS_SECONDS
        while (error := self.engine.status().error) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        # A server whose core has died still says so for a while, and of an orderly end that takes long.
        return error or self.engine.end_if_unwell()
