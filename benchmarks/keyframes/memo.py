"""Answers of tools that do not change, kept in a file: the next run asks again only for missing answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Memo:
    """A JSON object in `path`; written after each new answer, so that a stopped run loses no answer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def get(self, video: Path, question: str, ask: Callable[[], Any]) -> Any:
        """Return the answer to `question` about this file."""
        stat = video.stat()
        key = f"{question}|{video.name}|{stat.st_size}|{stat.st_mtime_ns}"
        if key not in self._known:
            self._known[key] = ask()
            self._path.write_text(json.dumps(self._known, indent=0), encoding="utf-8")
        return self._known[key]
