"""Answer cache: the same messages to the same model are not computed twice.

This is the only module that uses langchain-community, whose SQLite cache stores the answers. The cache gets no frames
and no messages, only the digest of a request and the text of its answer. The package limits no size and is no longer
maintained; the size is limited here, and the package's warnings go to the log, each once per process.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage, convert_to_openai_messages
from langchain_core.outputs import Generation

from framelens.core.domain import Usage
from framelens.core.files import make_private_folder
from framelens.llm.stream import Reply

if TYPE_CHECKING:
    from langchain_community.cache import SQLiteCache

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 20
"""Size of the cache, for some 15,000 answers of 2 KB."""
_VERSION = 2
"""Increased when answers of earlier versions must not be used: before 2 they may hold reasoning and markers."""
_OLDEST = """
DELETE FROM full_llm_cache WHERE rowid IN (
  SELECT rowid FROM full_llm_cache ORDER BY rowid LIMIT 1 + (SELECT count(*) / 10 FROM full_llm_cache)
)
"""
"""Removes a tenth of the answers; an answer that is stored again keeps its row."""
_logged: set[str] = set()

_creating = threading.Lock()
"""Held while a cache is opened: two jobs that create the table of a new file at the same moment would fail."""


class AnswerCache:
    """Cache of a model's answers. A file that can't be used only causes a warning in the log.

    Args:
        path: The SQLite file.
        model: Key of the model and of all settings that its answers depend on.
        limit_bytes: Limit of the file's size; the oldest answers are removed first.
    """

    def __init__(self, path: Path, model: str, *, limit_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._model = f"{_VERSION} {model}"
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._cache: SQLiteCache | None = None

    def recall(self, messages: Sequence[BaseMessage], form: object = None, *, owner: str = "") -> Reply | None:
        """Return the cached answer to exactly these messages in this form (a JSON schema), or None.

        `owner` is the id of the user who asks: another user's cached answer would reveal that the question was asked.
        """
        with self._lock:
            try:
                with self._open_cache() as cache:
                    generations = cache.lookup(_digest(messages, form, owner), self._model)
            except Exception:
                log.warning("the answers in %s cannot be read", self._path, exc_info=True)
                return None
        # The package returns entries that it can't read as raw text; only entries stored here have this key.
        return (
            _parse_reply(generations[0]) if generations and "usage" in (generations[0].generation_info or {}) else None
        )

    def remember(self, messages: Sequence[BaseMessage], reply: Reply, form: object = None, *, owner: str = "") -> None:
        """Store a complete answer for its owner; a truncated answer is not stored."""
        if reply.finish_reason != "stop":
            return
        info = {"usage": asdict(reply.usage) if reply.usage else None}
        generation = Generation(text=reply.text, generation_info=info)
        with self._lock:
            try:
                with self._open_cache() as cache:
                    cache.update(_digest(messages, form, owner), self._model, [generation])
                    _shrink(cache, self._limit)
            except Exception:
                log.warning("the answers in %s cannot be written", self._path, exc_info=True)

    @contextmanager
    def _open_cache(self) -> Iterator[SQLiteCache]:
        """Yield the cache, and close its connections afterwards, since no other code would."""
        with _warnings_logged():
            if self._cache is None:
                from langchain_community.cache import SQLiteCache

                make_private_folder(self._path.parent)
                self._path.touch(mode=0o600)
                with _creating:
                    self._cache = SQLiteCache(str(self._path))
            try:
                yield self._cache
            finally:
                self._cache.engine.dispose()


def _shrink(cache: SQLiteCache, limit_bytes: int) -> None:
    """Remove the oldest answers while the file has more than `limit_bytes` in use; return free space to the disk."""
    with cache.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def pragma(name: str) -> int:
            return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

        is_over = False
        while (pragma("page_count") - pragma("freelist_count")) * pragma("page_size") > limit_bytes:
            is_over = True
            if connection.exec_driver_sql(_OLDEST).rowcount < 1:
                break
        if is_over:
            connection.exec_driver_sql("VACUUM")


@contextmanager
def _warnings_logged() -> Iterator[None]:
    """Log the warnings of the package, each once per process; Python would print them to the terminal."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in (str(warning.message) for warning in caught):
        if text not in _logged:
            _logged.add(text)
            log.warning("answers are stored by langchain-community, pinned to a version known to work: %s", text)


def _digest(messages: Sequence[BaseMessage], form: object, owner: str) -> str:
    request = [
        convert_to_openai_messages(list(messages)),
        *([] if form is None else [form]),
        *([owner] if owner else []),
    ]
    return hashlib.sha256(json.dumps(request).encode()).hexdigest()


def _parse_reply(generation: Generation) -> Reply:
    usage = (generation.generation_info or {}).get("usage")
    return Reply(generation.text, "stop", Usage(**usage) if usage else None)
