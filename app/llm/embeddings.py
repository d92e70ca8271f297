"""Client for OpenAI-compatible embeddings endpoints, which map texts of similar meaning to nearby vectors.

The server can be vLLM with an embedding model (`vllm serve MODEL --runner pooling`) or another program. Texts are cut
to a length that any such model accepts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.core import ContextExceeded, EngineError, redact
from app.llm.error_mapping import engine_error
from app.llm.http import request_loop

if TYPE_CHECKING:
    from app.llm.client import EngineClient

_BATCH_SIZE = 64
"""Texts per request. Chosen by hand; not tuned."""
_LONGEST_TEXT, _SHORTEST_TEXT = 1000, 50
"""Characters; a Chinese character is about one token, and small models accept 512 tokens. Longer texts are halved until
they fit."""


@dataclass(frozen=True)
class EmbeddingModel:
    """An embedding model at an address; `model` "" means the one served there."""

    base_url: str
    model: str = ""
    api_key: str = field(default="", repr=False)
    timeout_seconds: float = 60.0

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """Compute one vector for each text, all of the same length.

        Raises:
            ConfigError: The address, or that of a proxy in the environment, can't be used.
            EngineError: The server doesn't answer, refuses, or answers in another form.
        """
        from app.llm.client import EngineClient

        engine = EngineClient(self.base_url, self.api_key, timeout_seconds=self.timeout_seconds)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _BATCH_SIZE):
            vectors += self._embed_fitting(
                engine, [text[:_LONGEST_TEXT] for text in texts[start : start + _BATCH_SIZE]]
            )
        return vectors

    def _embed_fitting(self, engine: EngineClient, texts: list[str]) -> list[list[float]]:
        """Embed `texts`, cutting them in half as long as they exceed the model's context."""
        try:
            return self._embed(engine, texts)
        except ContextExceeded:
            longest = max(map(len, texts)) // 2
            if longest < _SHORTEST_TEXT:
                raise
            return self._embed_fitting(engine, [text[:longest] for text in texts])

    def _embed(self, engine: EngineClient, texts: list[str]) -> list[list[float]]:
        import openai

        try:
            answer = asyncio.run_coroutine_threadsafe(self._request(engine, texts), request_loop()).result()
        except openai.OpenAIError as error:
            raise engine_error(error, base_url=self.base_url) or error from error
        return _parse_vectors(answer, len(texts))

    async def _request(self, engine: EngineClient, texts: list[str]) -> str:
        """Send one request and return the text of its answer."""
        import openai

        answer = await engine.embeddings.with_raw_response.create(
            input=texts,
            model=self.model or openai.omit,  # type: ignore[arg-type]  # engines with one model need no name
            encoding_format="float",
        )
        return answer.http_response.text


def _parse_vectors(text: str, count: int) -> list[list[float]]:
    """Parse an answer into vectors, in the order of the texts."""
    try:
        answer = sorted(json.loads(text)["data"], key=lambda one: one["index"])
        vectors = [[float(value) for value in one["embedding"]] for one in answer]
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError("embeddings_odd", reason=f"{type(error).__name__}: {redact(text[:2000])[:200]}") from error
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        raise EngineError("embeddings_odd", reason=f"{len(vectors)} != {count}")
    return vectors
