"""From texts to vectors that lie near each other where the meaning does, asked of OpenAI's embeddings endpoint.

A server of one's own does it, such as vLLM with an embedding model (`vllm serve MODEL --runner pooling`), or another
program. Texts are cut to what any such model takes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from app.core.errors import ContextExceeded, EngineError
from app.core.redaction import masked
from app.llm.error_mapping import engine_error, refused
from app.llm.http import authorization, client

_AT_ONCE = 64
_LONGEST_TEXT, _SHORTEST_TEXT = 1000, 50
"""Characters: a Chinese one is about a token, and small models take 512."""


@dataclass(frozen=True)
class EmbeddingModel:
    """Where it answers and what it is called; "" for the one that is served there."""

    base_url: str
    model: str = ""
    api_key: str = field(default="", repr=False)
    timeout_seconds: float = 60.0

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, all of one length. Raises EngineErrors."""
        vectors: list[list[float]] = []
        with client(self.base_url) as asking:
            for start in range(0, len(texts), _AT_ONCE):
                vectors += self._fitted(asking, [text[:_LONGEST_TEXT] for text in texts[start : start + _AT_ONCE]])
        return vectors

    def _fitted(self, asking: httpx.Client, texts: list[str]) -> list[list[float]]:
        """What a smaller model does not take is cut shorter."""
        try:
            return self._asked(asking, texts)
        except ContextExceeded:
            longest = max(map(len, texts)) // 2
            if longest < _SHORTEST_TEXT:
                raise
            return self._fitted(asking, [text[:longest] for text in texts])

    def _asked(self, asking: httpx.Client, texts: list[str]) -> list[list[float]]:
        asked: dict[str, object] = {"input": texts, "encoding_format": "float"}
        if self.model:
            asked["model"] = self.model
        url, headers = f"{self.base_url}/embeddings", authorization(self.api_key)
        try:
            response = asking.post(url, json=asked, headers=headers, timeout=self.timeout_seconds)
            if response.status_code != 200:
                raise refused(response.status_code, response.headers, response.text)
            return _vectors(response.text, len(texts))
        except httpx.HTTPError as error:
            raise engine_error(error, base_url=self.base_url) or error from error


def _vectors(text: str, count: int) -> list[list[float]]:
    """The vectors of an answer in the order in which they were asked for."""
    try:
        answer = sorted(json.loads(text)["data"], key=lambda one: one["index"])
        vectors = [[float(value) for value in one["embedding"]] for one in answer]
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError("embeddings_odd", reason=f"{type(error).__name__}: {masked(text[:2000])[:200]}") from error
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        raise EngineError("embeddings_odd", reason=f"{len(vectors)} != {count}")
    return vectors
