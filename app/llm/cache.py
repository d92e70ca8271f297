"""Answer cache: the same messages to the same model are not computed twice.

This is the only module that uses langchain-community, whose SQLite cache stores the answers. It gets no frames and no
messages, only the digest of a request and the text of its answer.
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

from app.core import Usage, make_private_folder
from app.llm.stream import Reply

if TYPE_CHECKING:
    from langchain_community.cache import SQLiteCache

log = logging.getLogger(__name__)


class AnswerCache:
    """Cache of one model's answers. A file that can't be used only causes a warning in the log.

    Args:
        path: The SQLite file.
        model: Key of the model, with everything that its answers depend on.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        self._lock = threading.Lock()
        self._cache: SQLiteCache | None = None

    def recall(self, messages: Sequence[BaseMessage], form: object = None) -> Reply | None:
        """Return the cached answer to exactly these messages in this form (a JSON schema), or None."""
        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each read warns of a coming change in how the package reads
            try:
                with self._opened() as cache:
                    found = cache.lookup(_digest(messages, form), self._model)
            except Exception:
                log.warning("the answers in %s cannot be read", self._path, exc_info=True)
                return None
        # The package returns entries that it can't read as raw text; only entries stored here have this key.
        return _parse_reply(found[0]) if found and "usage" in (found[0].generation_info or {}) else None

    def remember(self, messages: Sequence[BaseMessage], reply: Reply, form: object = None) -> None:
        """Store a complete answer; one that was cut off is not stored."""
        if reply.finish_reason != "stop":
            return
        info = {"usage": asdict(reply.usage) if reply.usage else None}
        generation = Generation(text=reply.text, generation_info=info)
        with self._lock:
            try:
                with self._opened() as cache:
                    cache.update(_digest(messages, form), self._model, [generation])
            except Exception:
                log.warning("the answers in %s cannot be written", self._path, exc_info=True)

    @contextmanager
    def _opened(self) -> Iterator[SQLiteCache]:
        """Yield the cache; its connections are closed afterwards, since nothing else would close them."""
        if self._cache is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the package announces its sunset at every import
                from langchain_community.cache import SQLiteCache

            make_private_folder(self._path.parent)
            self._path.touch(mode=0o600)
            self._cache = SQLiteCache(str(self._path))
        try:
            yield self._cache
        finally:
            self._cache.engine.dispose()


def _digest(messages: Sequence[BaseMessage], form: object) -> str:
    request = [convert_to_openai_messages(list(messages)), *([] if form is None else [form])]
    return hashlib.sha256(json.dumps(request).encode()).hexdigest()


def _parse_reply(generation: Generation) -> Reply:
    usage = (generation.generation_info or {}).get("usage")
    return Reply(generation.text, "stop", Usage(**usage) if usage else None)
