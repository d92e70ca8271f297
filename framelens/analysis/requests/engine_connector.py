"""Connector to an engine: starts it, connects the chat model, and checks its image input once per endpoint.

LangChain is slow to import, so it is imported only when an engine is asked: the video is opened before that, and an
analysis without a model never waits for it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING

from framelens.core.domain import EngineInfo
from framelens.core.events import EngineProgress

if TYPE_CHECKING:
    from framelens.analysis.requests.engine_connection import EngineConnection
    from framelens.engine.base import Endpoint, Engine
    from framelens.llm.cache import AnswerCache
    from framelens.llm.text_fallback import VisionProbe

_UNKNOWN_CONTEXT = 8192  # tokens, if the engine doesn't report its context
_ESTIMATE_SECONDS = 5.0  # for counting tokens before a run, while the page waits
_CLIENT_MODULES = (
    "framelens.analysis.pipeline",
    "framelens.analysis.requests.orchestrator",
    "framelens.analysis.requests.engine_connection",
    "framelens.llm.chat",
    "openai.resources.chat.completions",  # which the client imports at its first request
    "numpy",
)
_importing = threading.Lock()


def import_engine_client() -> None:
    """Import the client of the engine: LangChain and its dependencies, about a thousand modules.

    Only one thread at a time: with circular imports, two threads could see a partially initialised module.
    """
    with _importing:
        for name in _CLIENT_MODULES:
            import_module(name)


@dataclass
class EngineConnector:
    """Connector to an engine; the result of its vision check is cached per endpoint.

    Attributes:
        engine: Engine to start and connect to.
        open_answers: Opens the cached answers of its model; None if it may serve another model by now.
        answer_tokens: Longest answer.
        timeout_seconds: Longest wait for a token.
        side: Longer side of sent frames in pixels; None lets the plan choose.
        wants_video: Send the frames of a request as a video if the engine takes it.
        in_flight: Number of requests at the same time; None lets the engine's cache decide.
        takes_schema: Hold answers to a JSON Schema.
    """

    engine: Engine
    open_answers: Callable[[], AnswerCache | None]
    answer_tokens: int
    timeout_seconds: float
    side: int | None = None
    wants_video: bool = False
    in_flight: int | None = None
    takes_schema: bool = True
    _proven: dict[tuple[str, str], VisionProbe] = field(default_factory=dict)
    _latest: EngineConnection | None = None
    _num_waiting: int = 0  # runs that wait for an engine that they have lost
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connect(
        self,
        on_progress: Callable[[EngineProgress], None],
        cancel: threading.Event,
        content: Callable[[], str] = lambda: "",
        *,
        was_lost: bool = False,
    ) -> tuple[EngineConnection, EngineInfo]:
        """Start the engine if needed, connect to it, and check its image input if that wasn't done before.

        Args:
            on_progress: Called with the progress.
            cancel: Ends the wait.
            content: Returns the key of the video's content, or waits for it; of several engines, or several copies of a
                model behind one address, always the same copy answers about a video. `connection.engine.leave()` says
                that the video is done.
            was_lost: The engine has answered before and was lost, so that it is waited for like a busy engine, by all
                videos that begin meanwhile as well.

        Raises:
            AppError: The engine doesn't start or doesn't answer.
            Cancelled: `cancel` was set.
        """
        import_engine_client()
        engine = self.engine.for_video(content)
        try:
            endpoint = self._ready(engine, on_progress, cancel, was_lost=was_lost)
            return self._connect(engine, endpoint, on_progress, cancel, content)
        except BaseException:
            engine.leave()
            raise

    def _ready(
        self,
        engine: Engine,
        on_progress: Callable[[EngineProgress], None],
        cancel: threading.Event,
        *,
        was_lost: bool,
    ) -> Endpoint:
        from framelens.llm.retries import waited

        with self._lock:
            self._num_waiting += was_lost
            is_waited_for = self._num_waiting > 0
        try:
            return waited(lambda: engine.ensure_ready(on_progress, cancel), cancel, was_lost=is_waited_for)
        finally:
            with self._lock:
                self._num_waiting -= was_lost

    def _connect(
        self,
        engine: Engine,
        endpoint: Endpoint,
        on_progress: Callable[[EngineProgress], None],
        cancel: threading.Event,
        content: Callable[[], str],
    ) -> tuple[EngineConnection, EngineInfo]:
        from framelens.llm.text_fallback import prove_sight
        from framelens.llm.vision_check import video_refusal

        info = engine.status().info or EngineInfo(endpoint.kind, endpoint.model, endpoint.base_url)
        connection = self._connection(engine, _for_content(endpoint, content), info)
        key = (endpoint.base_url, endpoint.model)
        if key not in self._proven:
            on_progress(EngineProgress("probing_vision"))
            self._proven[key] = prove_sight(connection.chat, cancel=cancel)
        sight = self._proven[key]
        engine.note_sight(sight.sees)
        self._latest = connection = replace(connection, sight=sight)
        if self.wants_video and not sight.needs_text:
            refusal = video_refusal(connection.chat, cancel=cancel)
            self._latest = replace(connection, sends_video=refusal is None, video_refusal=refusal)
        return self._latest, replace(info, sees=sight.sees)

    def current(self) -> EngineConnection | None:
        """Return the engine that was connected last if it is still ready; its token counts time out soon."""
        if self._latest is None or (info := self._latest.engine.status().info) is None:
            return None
        endpoint = self._latest.endpoint
        if (info.base_url, info.model) != (endpoint.base_url, endpoint.model):
            return None
        return replace(self._latest, count_seconds=_ESTIMATE_SECONDS)

    def _connection(self, engine: Engine, endpoint: Endpoint, info: EngineInfo) -> EngineConnection:
        from framelens.analysis.requests.engine_connection import EngineConnection
        from framelens.llm.chat import connect
        from framelens.llm.client import keep_pictures
        from framelens.llm.text_fallback import VisionProbe

        if endpoint.is_vllm:
            keep_pictures(endpoint.base_url)
        longest = min(self.answer_tokens, (info.max_model_len or _UNKNOWN_CONTEXT) // 4)
        return EngineConnection(
            engine=engine,
            endpoint=endpoint,
            chat=connect(
                endpoint.base_url,
                api_key=endpoint.api_key,
                model=endpoint.model,
                max_tokens=longest,
                timeout_seconds=self.timeout_seconds,
                headers=endpoint.headers,
            ),
            sight=VisionProbe(None),
            max_model_len=info.max_model_len,
            answer_tokens=longest,
            answers=self.open_answers(),
            side=self.side,
            most_in_flight=self.in_flight,
            takes_schema=self.takes_schema,
        )


def _for_content(endpoint: Endpoint, content: Callable[[], str]) -> Endpoint:
    """Return the endpoint for requests about a video: the copy of the model that answers them, if vLLM has several."""
    from framelens.analysis.requests.engine_connection import model_copies

    copies = model_copies(endpoint.base_url, endpoint.api_key) if endpoint.is_vllm else 1
    if copies < 2 and not (endpoint.is_vllm and endpoint.kind == "remote"):
        return endpoint
    digest = hashlib.sha256(content().encode()).digest()
    rank = int.from_bytes(digest[:8]) % copies if copies > 1 else None
    return replace(endpoint, session=digest.hex()[:32], rank=rank)
