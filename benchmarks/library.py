"""The library with thousands of analyses beside a library with fifty: how long its page and its searches take."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.row import Row as Measured
from benchmarks.row import seconds
from framelens.store.database import Row, Store
from framelens.store.library_index import EntrySummary, LibraryIndex, LibraryQuery, Passage

SIZES = (50, 5000)
SECONDS_BOUND = 1.0
_PAGE = 24
_PASSAGES = 60
_DIMENSIONS = 1024
_DOCUMENT = "x" * 60_000  # about what a job of sixty findings weighs
_CHINESE = ("红车", "黑色", "背包", "门口", "走过", "停车场", "说话", "两个人")
_ENGLISH = ("a", "man", "red", "car", "gate", "parcel", "jacket", "night", "yard", "leaves", "waits", "door")
_ASKED = ("", "红车", "red gate", '"red car"', "pa", "停车场 parcel door")


def run(folder: Path) -> Iterator[Measured]:
    for size in SIZES:
        store = Store(folder / f"library-{size}.sqlite")
        library = LibraryIndex(store)
        yield Measured(f"library of {size}: taking all of it up", seconds(partial(_fill, store, library, size)), "s")
        for words in _ASKED:
            name = f"library of {size}: {words or 'opening'}"
            _page(library, words)  # once for the disk
            yield Measured(name, seconds(partial(_page, library, words)), "s", SECONDS_BOUND)
        yield from _by_meaning(store, library, size)
        store.close()


def _by_meaning(store: Store, library: LibraryIndex, size: int) -> Iterator[Measured]:
    """Measure a search with vectors of a usual size at every third passage; the model's own time is not counted."""
    from framelens.plugins.search.moment_index import MomentIndex, TextEmbedder
    from framelens.plugins.search.vectors import VectorTable

    chance, table = np.random.default_rng(5), VectorTable(store)
    for number in range(size):
        vectors = chance.normal(size=(_PASSAGES // 3, _DIMENSIONS)).astype(np.float32)
        table.put(f"job{number:08d}", "text", "model", range(0, 3 * len(vectors), 3), list(vectors))
    texts = TextEmbedder("model", lambda texts: [list(chance.normal(size=_DIMENSIONS)) for _ in texts])
    meanings = MomentIndex(store, library, texts=texts)
    name = f"library of {size}: by meaning"
    yield Measured(f"{name}, the first time", seconds(partial(meanings.near, "a man")), "s")
    yield Measured(name, seconds(partial(meanings.near, "red gate")), "s", SECONDS_BOUND)


def _page(library: LibraryIndex, words: str) -> None:
    """Ask for all that a page needs."""
    wanted = LibraryQuery(words)
    library.stale()
    library.choices()
    library.count(wanted)
    for entry in library.find(wanted, order="best", offset=0, limit=_PAGE):
        library.hits(entry.id, words)


def _fill(store: Store, library: LibraryIndex, size: int) -> None:
    chance = random.Random(5)
    for number in range(size):
        job_id = f"job{number:08d}"
        store.save(Row(job_id, f"2026-01-01T00:00:{number:06d}", f"{number}.mp4", "done", "", _DOCUMENT))
        said = (" ".join(chance.choices(_CHINESE + _ENGLISH, k=12)) for _ in range(_PASSAGES))
        passages = [Passage("finding", text, float(place)) for place, text in enumerate(said)]
        library.put(job_id, EntrySummary("done", 60.0, f"model{number % 5}", "describe", "zh"), passages, bytes(12_000))
