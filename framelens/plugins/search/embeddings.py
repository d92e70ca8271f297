"""Client for OpenAI-compatible embeddings endpoints, which map texts of similar meaning to nearby vectors.

The server can be vLLM with an embedding model (`vllm serve MODEL --runner pooling`) or another program. Texts are cut
to a length that any such model accepts.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from framelens import EngineError
from framelens.plugin.analyses import PictureEmbedder
from framelens.plugin.engines import RequestTooLarge

if TYPE_CHECKING:
    from framelens.plugin.chat import EngineRequests

_BATCH_SIZE = 64
"""Texts per request."""
_IN_FLIGHT = 16
"""Pictures sent at the same time."""
_LONGEST_TEXT, _SHORTEST_TEXT = 1000, 50
"""Limits in characters: a Chinese character is about one token, and small models accept 512 tokens. Texts are cut to
the first limit, then halved down to the second as long as the model refuses them as too long."""


@dataclass(frozen=True)
class EmbeddingModel(PictureEmbedder):
    """An embedding model at an address; `model` "" means the served model."""

    base_url: str
    model: str = ""
    api_key: str = field(default="", repr=False)
    timeout_seconds: float = 60.0

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """Compute a vector for each text, all of the same length.

        Raises:
            ConfigError: The address, or the address of a proxy in the environment, can't be used.
            EngineError: The server doesn't answer, refuses, or answers in another form.
        """
        from framelens.plugin.chat import EngineRequests

        engine = EngineRequests(self.base_url, self.api_key, timeout_seconds=self.timeout_seconds)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _BATCH_SIZE):
            vectors += self._embed_fitting(
                engine, [text[:_LONGEST_TEXT] for text in texts[start : start + _BATCH_SIZE]]
            )
        return vectors

    def of_parts(
        self, parts: Sequence[Mapping[str, object]], *, seconds: float, cancel: threading.Event | None = None
    ) -> list[list[float] | None]:
        """Send each part as a chat message, which vLLM's multimodal models embed; see `PictureEmbedder`.

        The first two parts are sent before the others, so that a model of texts alone refuses the first picture only.
        """
        from framelens.plugin.chat import EngineRequests

        engine = EngineRequests(self.base_url, self.api_key, timeout_seconds=max(seconds, 1.0))
        vectors: list[list[float] | None] = [None] * len(parts)
        with closing(engine.each(self._vectors(engine, parts, seconds), cancel)) as arrived:
            for index, vector in arrived:
                vectors[index] = vector
        return vectors

    async def _vectors(
        self, engine: EngineRequests, parts: Sequence[Mapping[str, object]], seconds: float
    ) -> AsyncIterator[tuple[int, list[float]]]:
        async def embed(index: int) -> tuple[int, list[float]]:
            messages = [{"role": "user", "content": [parts[index]]}]
            body = {"messages": messages, "encoding_format": "float", **({"model": self.model} if self.model else {})}
            async with in_flight:
                return index, (await self._send(engine, body, 1))[0]

        in_flight, deadline = asyncio.Semaphore(_IN_FLIGHT), asyncio.get_running_loop().time() + seconds
        for group in (range(2), range(2, len(parts))):
            tasks = [asyncio.ensure_future(embed(index)) for index in group if index < len(parts)]
            try:
                left = max(0.0, deadline - asyncio.get_running_loop().time())
                for done in asyncio.as_completed(tasks, timeout=left):
                    yield await done
            except TimeoutError:
                return
            finally:
                for task in tasks:
                    task.cancel()
                asyncio.gather(*tasks, return_exceptions=True)  # else asyncio logs errors of tasks not awaited

    def _embed_fitting(self, engine: EngineRequests, texts: list[str]) -> list[list[float]]:
        """Embed `texts`, cutting them in half as long as they exceed the model's context."""
        try:
            return self._embed(engine, texts)
        except RequestTooLarge:
            longest = max(map(len, texts)) // 2
            if longest < _SHORTEST_TEXT:
                raise
            return self._embed_fitting(engine, [text[:longest] for text in texts])

    def _embed(self, engine: EngineRequests, texts: list[str]) -> list[list[float]]:
        body = {"input": texts, "encoding_format": "float", **({"model": self.model} if self.model else {})}
        return engine.start(self._send(engine, body, len(texts))).result()

    async def _send(self, engine: EngineRequests, body: Mapping[str, object], count: int) -> list[list[float]]:
        """Send a request and return the vectors of its answer; an engine with a single model needs no name."""
        answer = await engine.answer(lambda client: client.post("/embeddings", body=body, cast_to=httpx.Response))
        assert answer  # no refusal is expected
        return _parse_vectors(answer.value, answer.quoted, count)


def _parse_vectors(parsed: Any, quoted: str, count: int) -> list[list[float]]:
    """Parse an answer into vectors, in the order of the texts."""
    try:
        entries = sorted(parsed["data"], key=lambda entry: entry["index"])
        vectors = [[float(value) for value in entry["embedding"]] for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError("embeddings_odd", reason=f"{type(error).__name__}: {quoted}") from error
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        raise EngineError("embeddings_odd", reason=f"{len(vectors)} != {count}")
    return vectors
