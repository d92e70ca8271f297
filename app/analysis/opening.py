"""Opens an engine for asking: makes it ready, connects the chat model, proves its sight once and remembers it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from app.analysis.ask import Speaker
from app.analysis.run import OpenEngine
from app.domain import EngineInfo, EngineProgress
from app.engine import Endpoint, Engine
from app.errors import AppError
from app.llm.budget import count_tokens
from app.llm.chat import connect
from app.llm.sight import Sight, prove_sight

_UNKNOWN_CONTEXT = 8192
_DEATH_SHOWS_SECONDS = 2.0  # from a broken connection to a process that is seen to have ended


def opener(engine: Engine, *, answer_tokens: int, timeout_seconds: float, side: int | None) -> OpenEngine:
    """`open_engine(on_progress, cancel)` for analyses; what was proven is kept for each endpoint."""
    proven: dict[tuple[str, str], Sight] = {}

    def open_engine(
        on_progress: Callable[[EngineProgress], None], cancel: threading.Event
    ) -> tuple[Speaker, EngineInfo]:
        endpoint = engine.ensure_ready(on_progress, cancel)
        info = engine.status().info or EngineInfo(endpoint.kind, endpoint.model, endpoint.base_url)
        speaker = _speaker(endpoint, info, answer_tokens, timeout_seconds, side, partial(_death, engine))
        key = (endpoint.base_url, endpoint.model)
        if key not in proven:
            on_progress(EngineProgress("proving_sight"))
            proven[key] = prove_sight(speaker.chat, cancel=cancel)
        engine.note_sight(proven[key].sees)
        return replace(speaker, sight=proven[key]), replace(info, sees=proven[key].sees)

    return open_engine


def _death(engine: Engine) -> AppError | None:
    deadline = time.monotonic() + _DEATH_SHOWS_SECONDS
    while (error := engine.status().error) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return error


def _speaker(
    endpoint: Endpoint,
    info: EngineInfo,
    answer_tokens: int,
    timeout_seconds: float,
    side: int | None,
    death: Callable[[], AppError | None],
) -> Speaker:
    longest = min(answer_tokens, (info.max_model_len or _UNKNOWN_CONTEXT) // 4)
    return Speaker(
        chat=connect(
            endpoint.base_url,
            api_key=endpoint.api_key,
            model=endpoint.model,
            max_tokens=longest,
            timeout_seconds=timeout_seconds,
        ),
        sight=Sight(None),
        max_model_len=info.max_model_len,
        answer_tokens=longest,
        death=death,
        count=partial(count_tokens, endpoint.base_url, endpoint.api_key, endpoint.model),
        side=side,
    )
