"""Semantic search: embeds passages in a background thread, stores the vectors and finds vectors near a query.

A vector is stored as 8-bit integers, one byte per dimension: the nearest passages stay the same, and the vectors of
thousands of analyses fit into memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from framelens.plugin.storage import LibraryIndex, LibrarySearch, NearPassage, Passage

Embed = Callable[[Sequence[str]], list[list[float]]]
_MOST_PASSAGES = 200
"""Most vectors of an analysis; of more passages an even sample is used."""
_SAID_CHARACTERS = 300
"""Consecutive cues are combined up to this length, since a cue alone says little."""
_MOST_NEAR = 50
"""Analyses that a search returns."""
_BLOCK = 16_384
"""Vectors converted to float at a time, which bounds the memory of a search."""


@dataclass(frozen=True)
class _Vectors:
    """All vectors at one moment, scaled to integers; `owners` are (job id, passage index) row by row."""

    stamp: tuple[int, int]
    owners: list[tuple[str, int]]
    vectors: NDArray[np.int8]
    lengths: NDArray[np.float32]


class SemanticIndex(LibrarySearch):
    """Semantic index of a library; scores are cosine similarities.

    `embed` makes the vectors; `model` names it, so that vectors of another model are not mixed with its own.
    """

    def __init__(self, library: LibraryIndex, model: str, embed: Embed) -> None:
        super().__init__("search by meaning")
        self._library = library
        self._model = model
        self._embed = embed
        self._vector_of = lru_cache(maxsize=64)(lambda text: embed([text])[0])
        self._loaded: _Vectors | None = None

    def near(self, words: str) -> list[NearPassage]:
        """List the visible analyses nearest to these words, judged by their nearest passage, the nearest first.

        Raises:
            AppError: The words could not be embedded, or the store could not be read.
        """
        loaded = self._all()
        if not loaded.owners or not words.strip():
            return []
        vector = np.asarray(self._vector_of(words), np.float32)
        if loaded.vectors.shape[1] != len(vector):
            return []
        vector /= max(float(np.linalg.norm(vector)), 1e-9)
        blocks = (loaded.vectors[start : start + _BLOCK] for start in range(0, len(loaded.vectors), _BLOCK))
        scores = np.concatenate([block.astype(np.float32) @ vector for block in blocks]) / loaded.lengths
        best: dict[str, NearPassage] = {}
        hidden = self._library.hidden()
        for row in np.argsort(-scores, kind="stable"):
            job_id, index = loaded.owners[row]
            if job_id in hidden:
                continue
            best.setdefault(job_id, NearPassage(job_id, index, float(scores[row])))
            if len(best) == _MOST_NEAR:
                break
        return list(best.values())

    def _missing(self) -> Sequence[str]:
        return self._library.without_vectors(self._model)

    def _make(self, job_id: str) -> None:
        texts = dict(texts_to_embed(self._library.passages(job_id)))
        vectors = self._embed(list(texts.values())) if texts else []
        rows = {index: _quantised(vector) for index, vector in zip(texts, vectors, strict=True)}
        self._library.put_vectors(job_id, self._model, rows)

    def _all(self) -> _Vectors:
        stamp = self._library.vectors_stamp(self._model)
        if self._loaded is None or self._loaded.stamp != stamp:
            rows = self._library.vectors(self._model)
            width = len(rows[0][2]) if rows else 0
            rows = [row for row in rows if len(row[2]) == width]
            vectors = np.frombuffer(b"".join(row[2] for row in rows), np.int8).reshape(len(rows), width)
            squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.int64)
            lengths = np.sqrt(np.maximum(squares, 1)).astype(np.float32)
            self._loaded = _Vectors(stamp, [(row[0], row[1]) for row in rows], vectors, lengths)
        return self._loaded


def texts_to_embed(passages: Sequence[tuple[int, Passage]]) -> Iterator[tuple[int, str]]:
    """Yield the texts to embed, each with the index of its passage; consecutive cues are combined to longer texts."""
    texts: list[tuple[int, str]] = []
    is_said = False
    for index, passage in passages:
        if passage.kind == "name":
            continue
        if passage.kind == "said" and is_said and len(texts[-1][1]) < _SAID_CHARACTERS:
            texts[-1] = (texts[-1][0], f"{texts[-1][1]} {passage.text}")
        else:
            texts.append((index, passage.text))
        is_said = passage.kind == "said"
    step = max(1, -(-len(texts) // _MOST_PASSAGES))
    yield from texts[::step]


def _quantised(vector: Sequence[float]) -> bytes:
    values = np.asarray(vector, np.float32)
    largest = float(np.abs(values).max()) or 1.0
    return np.round(values / largest * 127).astype(np.int8).tobytes()
