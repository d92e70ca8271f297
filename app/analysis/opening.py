"""Opens an engine for asking: makes it ready, connects the chat model, proves its sight once and remembers it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from app.analysis.ask import Speaker
from app.domain import EngineInfo, EngineProgress
from app.engine import Endpoint, Engine
from app.errors import AppError
from app.llm.budget import count_tokens
from app.llm.cache import Answers
from app.llm.chat import connect
from app.llm.sight import Sight, prove_sight

_UNKNOWN_CONTEXT = 8192
_DEATH_SHOWS_SECONDS = 2.0  # from a broken connection to a process that is seen to have ended


@dataclass
class Opener:
    """`opener(on_progress, cancel)` gives a ready engine to an analysis; what was proven is kept for each endpoint.

    answers: what the engine, once it is ready, is known to have answered before; None where nobody can know whether it
    is still the same model. timeout_seconds bounds each wait for a token; side fixes the size of sent frames in pixels.
    """

    engine: Engine
    answers: Callable[[], Answers | None]
    answer_tokens: int
    timeout_seconds: float
    side: int | None = None
    _proven: dict[tuple[str, str], Sight] = field(default_factory=dict)

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
        return replace(speaker, sight=sight), replace(info, sees=sight.sees)

    def _speaker(self, endpoint: Endpoint, info: EngineInfo) -> Speaker:
        longest = min(self.answer_tokens, (info.max_model_len or _UNKNOWN_CONTEXT) // 4)
        return Speaker(
            chat=connect(
                endpoint.base_url,
                api_key=endpoint.api_key,
                model=endpoint.model,
                max_tokens=longest,
                timeout_seconds=self.timeout_seconds,
            ),
            sight=Sight(None),
            max_model_len=info.max_model_len,
            answer_tokens=longest,
            count=partial(count_tokens, endpoint.base_url, endpoint.api_key, endpoint.model),
            answers=self.answers(),
            death=self._death,
            side=self.side,
        )

    def _death(self) -> AppError | None:
        deadline = time.monotonic() + _DEATH_SHOWS_SECONDS
        while (error := self.engine.status().error) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        return error
