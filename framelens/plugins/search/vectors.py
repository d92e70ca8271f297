"""Vectors of all analyses: a table in the store, and all of them in memory for a search, a byte per dimension.

Each analysis has one row of each kind: its pictures as a model sees them, their layout, and its passages. So a kill
leaves all of it or nothing. All vectors are compared with the query: for a million that takes a fifth of a second
(docs/benchmarks/search.md), and what is found is exact. The nearest stay the same in 8-bit integers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from framelens import StorageError
from framelens.plugin.storage import NOT_IN_TRASH, Store
from framelens.plugins.search.layout import Vector

Kind = Literal["picture", "layout", "text"]
_TABLE = """CREATE TABLE IF NOT EXISTS moments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    state INTEGER NOT NULL,
    places TEXT NOT NULL,
    vectors BLOB NOT NULL,
    UNIQUE (job_id, kind)
)"""
"""`state` is the entry of the passages, or the number of frames, that the vectors were made of; `places` has a value
for each vector."""
_STATES: dict[Kind, str] = {"picture": "entries.frames", "layout": "entries.frames", "text": "entries.number"}
_SOURCES: dict[Kind, str] = {
    "picture": "entries.frames > 0",
    "layout": "entries.frames > 0",
    "text": "EXISTS (SELECT 1 FROM passages WHERE job_id = entries.job_id AND kind <> 'name')",
}
_MISSING = {
    kind: f"SELECT jobs.id FROM entries JOIN jobs ON jobs.id = entries.job_id WHERE {_SOURCES[kind]}"
    f" AND jobs.id {NOT_IN_TRASH} AND jobs.state NOT IN ('queued', 'running') AND NOT EXISTS (SELECT 1 FROM moments"
    f" WHERE job_id = jobs.id AND kind = ? AND model = ? AND state = {_STATES[kind]})"
    for kind in _STATES
}
_CONVERTED = 400_000
"""Numbers that are converted to floats at a time. They stay in the processor's cache, and OpenBLAS doesn't divide the
product among threads, which would wait for each other on a busy machine: it does so from 460,800 on."""
_ROWS = 200
"""Rows that are read at a time."""


@dataclass(frozen=True)
class Near:
    """A vector near a query: its analysis, its index there, and the cosine."""

    score: float
    job_id: str
    index: int


@dataclass(frozen=True)
class _Block:
    """Vectors of some analyses; `rows` has number, job id and count of each in turn."""

    rows: list[tuple[int, str, int]]
    vectors: NDArray[np.int8]
    lengths: NDArray[np.float32]


@dataclass
class _Loaded:
    """The vectors of a kind and a model in memory; `numbers` has the current row of each analysis."""

    stamp: tuple[int, int] = (0, 0)
    numbers: dict[str, int] = field(default_factory=dict)
    blocks: list[_Block] = field(default_factory=list)


class VectorTable:
    """Vectors in a store. Safe to use from several threads; its methods raise StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._loaded: dict[tuple[Kind, str], _Loaded] = {}
        try:
            store.select("SELECT 1 FROM moments LIMIT 1")
        except StorageError:
            with store.changing() as connection:
                connection.execute(_TABLE)

    def missing(self, kind: Kind, model: str) -> list[str]:
        """List the ids of the analyses that are over and lack vectors of their current state, the newest first."""
        rows = self._store.select(f"{_MISSING[kind]} ORDER BY entries.number DESC", kind, model)
        return [job_id for (job_id,) in rows]

    def is_missing(self, job_id: str, kind: Kind, model: str) -> bool:
        """Return whether `missing` lists an analysis."""
        return bool(self._store.select(f"{_MISSING[kind]} AND jobs.id = ?", kind, model, job_id))

    def put(self, job_id: str, kind: Kind, model: str, places: Sequence[object], vectors: Sequence[Vector]) -> None:
        """Store the vectors of an analysis in place of those of any model; ignore an analysis that was deleted."""
        data = b"".join(map(_quantised, vectors))
        with self._store.changing() as connection:
            connection.execute("DELETE FROM moments WHERE job_id = ? AND kind = ?", (job_id, kind))
            connection.execute(
                "INSERT INTO moments (job_id, kind, model, state, places, vectors)"
                f" SELECT job_id, ?, ?, {_STATES[kind]}, ?, ? FROM entries WHERE job_id = ?",
                (kind, model, json.dumps(list(places)), data, job_id),
            )

    def places(self, job_id: str, kind: Kind) -> list[Any]:
        """Return the places of an analysis's vectors, none if it has no vectors."""
        rows = self._store.select("SELECT places FROM moments WHERE job_id = ? AND kind = ?", job_id, kind)
        return list(json.loads(rows[0][0])) if rows else []

    def models(self, kind: Kind) -> list[str]:
        """List the models that stored vectors are of; the vectors of others leave the memory."""
        names = [name for (name,) in self._store.select("SELECT DISTINCT model FROM moments WHERE kind = ?", kind)]
        with self._lock:
            self._loaded = {key: loaded for key, loaded in self._loaded.items() if key[0] != kind or key[1] in names}
        return names

    def contents(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Return the hash of the video of each of these analyses, where it is known."""
        rows = self._store.select(
            "SELECT job_id, sha256 FROM entries WHERE job_id IN (SELECT value FROM json_each(?)) AND sha256 <> ''",
            json.dumps(list(job_ids)),
        )
        return dict(rows)

    def nearest(
        self, kind: Kind, model: str, vector: Vector, *, hidden: Container[str], least: float, most: int
    ) -> list[Near]:
        """List the vectors nearest to a vector, the nearest first.

        Args:
            kind: Kind of the vectors.
            model: Their model.
            vector: The query.
            hidden: Analyses that are left out.
            least: Least cosine.
            most: Largest number of results.
        """
        with self._lock:
            loaded = self._load(kind, model)
            blocks, numbers = list(loaded.blocks), dict(loaded.numbers)
        query = vector.astype(np.float32) / max(float(np.linalg.norm(vector)), 1e-9)
        near: list[Near] = []
        for block in blocks:
            if block.vectors.shape[1] == len(query):
                near += _nearest_in(block, query, numbers, hidden, least, most)
        return sorted(near, key=lambda hit: -hit.score)[:most]

    def _load(self, kind: Kind, model: str) -> _Loaded:
        """Read what was added since the last search."""
        loaded = self._loaded.setdefault((kind, model), _Loaded())
        clause, values = "FROM moments WHERE kind = ? AND model = ?", (kind, model)
        (stamp,) = self._store.select(f"SELECT count(*), coalesce(max(number), 0) {clause}", *values)
        if stamp != loaded.stamp:
            for rows in self._batches(clause, values, after=loaded.stamp[1]):
                loaded.blocks += _blocks_of(rows)
            loaded.numbers = dict(self._store.select(f"SELECT job_id, number {clause}", *values))
            loaded.stamp = stamp
        return loaded

    def _batches(self, clause: str, values: tuple[str, ...], after: int) -> Iterator[list[tuple[int, str, int, bytes]]]:
        chosen = f"SELECT number, job_id, json_array_length(places), vectors {clause} AND number > ?"
        while rows := self._store.select(f"{chosen} ORDER BY number LIMIT {_ROWS}", *values, after):
            after = rows[-1][0]
            yield rows


def _nearest_in(
    block: _Block, query: Vector, numbers: dict[str, int], hidden: Container[str], least: float, most: int
) -> Iterator[Near]:
    step = max(1, _CONVERTED // len(query))
    parts = (block.vectors[start : start + step] for start in range(0, len(block.vectors), step))
    scores = np.concatenate([part.astype(np.float32) @ query for part in parts])
    scores /= block.lengths
    is_shown = [numbers.get(job_id) == number and job_id not in hidden for number, job_id, _ in block.rows]
    counts = [count for _, _, count in block.rows]
    scores[~np.repeat(is_shown, counts)] = -2.0
    best = np.flatnonzero(scores >= least)
    if len(best) > most:
        best = best[np.argpartition(-scores[best], most)[:most]]
    starts = np.cumsum([0, *counts])
    for row in best:
        place = int(np.searchsorted(starts, row, side="right")) - 1
        yield Near(float(scores[row]), block.rows[place][1], int(row - starts[place]))


def _blocks_of(rows: Sequence[tuple[int, str, int, bytes]]) -> Iterator[_Block]:
    """Yield a block for each width of vectors; analyses without vectors are left out."""
    by_width: dict[int, list[tuple[int, str, int, bytes]]] = {}
    for row in rows:
        if row[2]:
            by_width.setdefault(len(row[3]) // row[2], []).append(row)
    for width, group in by_width.items():
        vectors = np.frombuffer(b"".join(row[3] for row in group), np.int8).reshape(-1, width)
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.int64)
        lengths = np.sqrt(np.maximum(squares, 1)).astype(np.float32)
        yield _Block([row[:3] for row in group], vectors, lengths)


def _quantised(vector: Vector) -> bytes:
    largest = float(np.abs(vector).max()) or 1.0
    return np.round(vector / largest * 127).astype(np.int8).tobytes()
