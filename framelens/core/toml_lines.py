"""TOML text with its line numbers, for errors about files that a user writes.

tomllib reports a line for invalid TOML only, and pydantic, which checks the values, doesn't know the lines.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from framelens.core.errors import AppError, ConfigError

TomlEntry = tuple[str, int]
"""A table of an array of tables `[[name]]`: the name, and its number from 1."""
T = TypeVar("T")
_MOST_BYTES = 256 * 1024  # of a file
_MOST_FILES = 200  # of a folder
_HEAD = re.compile(r"\s*\[\[\s*([\w-]+)\s*\]\]")


class TomlLines:
    """A TOML text and the lines of its keys, at the top or in a table of an array of tables."""

    def __init__(self, text: str) -> None:
        self._text, self._lines = text, text.splitlines()
        self._starts: dict[TomlEntry | None, int] = {None: 0}
        counted: Counter[str] = Counter()
        for number, line in enumerate(self._lines):
            if head := _HEAD.match(line):
                counted[head[1]] += 1
                self._starts[head[1], counted[head[1]]] = number

    def parsed(self, *, file: str, error_key: str) -> dict[str, Any]:
        """Parse the text.

        Raises:
            ConfigError: It is not TOML: `error_key` with the file, the line and the reason.
        """
        try:
            return tomllib.loads(self._text)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 1,000 brackets: not TOMLDecodeError
            match = re.search(r"at line (\d+)", str(error))
            line = int(match[1]) if match else self._text.count("\n") + 1
            raise ConfigError(error_key, file=file, line=line, reason=str(error)) from error

    def line(self, key: str, entry: TomlEntry | None = None) -> int:
        """Return the line, from 1, that sets `key`; the first line of the entry if no line does."""
        return next(self._find_lines(key, entry), self._starts.get(entry, 0)) + 1

    def has(self, key: str, entry: TomlEntry | None = None) -> bool:
        """Return whether a line sets `key`."""
        return next(self._find_lines(key, entry), None) is not None

    def _find_lines(self, key: str, entry: TomlEntry | None) -> Iterator[int]:
        start = self._starts.get(entry, 0)
        end = min((other for other in self._starts.values() if other > start), default=len(self._lines))
        name = rf"[\"']?{re.escape(key)}[\"']?\s*[\].=]"
        setting, head = re.compile(rf"\s*(?:\[+\s*(?:[\w.-]*\.)?)?{name}"), re.compile(rf"\s*\[+\s*{name}")
        yield from (number for number in range(start, end) if key and setting.match(self._lines[number]))
        if entry is None:  # a table of the top may follow an array
            yield from (number for number in range(end, len(self._lines)) if key and head.match(self._lines[number]))


def toml_files(
    folder: Path, parse: Callable[[str, Path], T], *, unreadable: str, not_toml: str, too_many: str = ""
) -> Iterator[T | AppError]:
    """Yield `parse(text, path)` of each TOML file in a folder, sorted by name, or the AppError of a file.

    Args:
        folder: The folder; a missing folder has no files.
        parse: May raise an AppError.
        unreadable: Key of the error about a file or folder that can't be read.
        not_toml: Key of the error about a file that is not UTF-8.
        too_many: Key of the error about a folder with more files than are read; "" reports no such error.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".toml") if folder.is_dir() else []
    except OSError as error:
        yield ConfigError(unreadable, file=str(folder), reason=error.strerror or str(error))
        return
    if too_many and len(paths) > _MOST_FILES:
        yield ConfigError(too_many, folder=str(folder), count=len(paths), most=_MOST_FILES)
    for path in paths[:_MOST_FILES]:
        try:
            yield parse(_read_text(path, unreadable, not_toml), path)
        except AppError as error:
            yield error


def _read_text(path: Path, unreadable: str, not_toml: str) -> str:
    """Read a file with or without a byte order mark; raise ConfigError if that fails."""
    try:
        if not path.is_file():
            raise ConfigError(unreadable, file=str(path), reason="not a file")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ConfigError(unreadable, file=str(path), reason=f"> {_MOST_BYTES} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(unreadable, file=str(path), reason=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(not_toml, file=str(path), line=line, reason="not UTF-8") from error
