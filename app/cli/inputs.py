"""Video files that a command line names: one by one, by a folder, or by a pattern where the shell left it alone."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import AppError, InputError
from app.core.filenames import address_in
from app.video.files import is_video_name, printable


@dataclass(frozen=True)
class Input:
    """One file to analyse, or why what was named there gives none.

    Attributes:
        path: The absolute path of the file, or what was named where there is an `error`.
        error: Why there is nothing to analyse; None where there is.
    """

    path: Path
    error: AppError | None = None


@dataclass(frozen=True)
class Inputs:
    """Everything that was named, each file once, in the order given; below a folder in the order of names.

    Attributes:
        items: The files and what could not be used.
        is_one_file: Whether one name was given, and it is neither a folder nor a pattern.
    """

    items: tuple[Input, ...]
    is_one_file: bool


def resolve(words: Sequence[str]) -> Inputs:
    """Find the files that `words` name.

    A name that exists is that file or folder, whatever signs it holds. Only then is it a pattern: ``*``, ``?`` and
    ``[…]`` as a shell has them, and ``**`` for any folders. Of a folder all videos below it count, by their names;
    hidden files and folders and links to folders do not.

    Args:
        words: The arguments as given.
    """
    items: dict[str, Input] = {}
    for word in words:
        for item in _named(word):
            items.setdefault(os.path.normcase(os.path.realpath(item.path)), item)
    is_plain = len(words) == 1 and len(items) == 1 and not _is_folder(_path(words[0])) and not _is_pattern(words[0])
    return Inputs(tuple(items.values()), is_plain)


def _path(word: str) -> str:
    if os.name == "nt":  # "C:\clips\" loses its closing mark to the backslash and arrives as C:\clips"
        word = word.rstrip('"')
    return os.path.expanduser(word)  # noqa: PTH111 - Path.expanduser raises where there is no such user


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for a name that is too long


def _is_pattern(word: str) -> bool:
    return not os.path.lexists(_path(word)) and glob.has_magic(word) and not address_in(word)


def _named(word: str) -> Iterator[Input]:
    given = _path(word)
    if _is_folder(given):
        yield from _below(Path(given).absolute())
    elif _is_pattern(word):
        yield from _matching(given)
    else:
        yield Input(Path(given).absolute())


def _matching(pattern: str) -> Iterator[Input]:
    found = sorted(glob.glob(pattern, recursive=True), key=_in_order)  # noqa: PTH207 - Path.glob takes no whole paths
    if not found:
        error = InputError("pattern_without_files", pattern=printable(pattern))
        yield Input(Path(pattern).absolute(), error)
    for path in found:
        if not _is_folder(path):
            yield Input(Path(path).absolute())
        elif not pattern.endswith("**"):  # what is below was matched itself
            yield from _below(Path(path).absolute())


def _below(folder: Path) -> Iterator[Input]:
    """The videos below a folder, then the folders that cannot be read."""
    refused: list[OSError] = []
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refused.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(place) / name for name in names if not name.startswith(".")]
        found += [path for path in paths if is_video_name(path)]
    yield from map(Input, sorted(found, key=_in_order))
    for error in refused:
        path = Path(str(error.filename or folder))
        reason = error.strerror or str(error)
        yield Input(path, InputError("folder_unreadable", path=printable(path), reason=reason))
    if not found and not refused:
        yield Input(folder, InputError("folder_without_videos", path=printable(folder)))


def _in_order(path: Path | str) -> tuple[tuple[str, ...], str]:
    """By folders, then names, whatever their case; the same order everywhere."""
    parts = Path(path).parts
    return tuple(part.casefold() for part in parts), str(path)
