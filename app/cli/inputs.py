"""Video files named on the command line: single files, folders, and patterns that the shell did not expand."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core import AppError, InputError, address_in
from app.video import is_video_name, printable


@dataclass(frozen=True)
class Input:
    """One file to analyse, or the error of a name that gives none.

    Attributes:
        path: Absolute path of the file, or the given name if there is an `error`.
        error: Reason why there is nothing to analyse; None otherwise.
    """

    path: Path
    error: AppError | None = None


@dataclass(frozen=True)
class Inputs:
    """All named files, each once, in the given order; below a folder sorted by name.

    Attributes:
        items: The files and the names that could not be used.
        is_one_file: Whether one name was given, and it is neither a folder nor a pattern.
    """

    items: tuple[Input, ...]
    is_one_file: bool


def resolve(words: Sequence[str]) -> Inputs:
    """Find the files that `words` name.

    An existing name is that file or folder, whatever characters it contains. Otherwise it is a pattern: ``*``, ``?``
    and ``[…]`` as in a shell, and ``**`` for any folders. A folder gives all videos below it, sorted by name; hidden
    files and folders and links to folders are skipped.

    Args:
        words: The arguments as given.

    Returns:
        The files; errors are among the items, none is raised.
    """
    items: dict[str, Input] = {}
    for word in words:
        for item in _expand(word):
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


def _expand(word: str) -> Iterator[Input]:
    given = _path(word)
    if _is_folder(given):
        yield from _videos_below(Path(given).absolute())
    elif _is_pattern(word):
        yield from _expand_pattern(given)
    else:
        yield Input(Path(given).absolute())


def _expand_pattern(pattern: str) -> Iterator[Input]:
    found = sorted(glob.glob(pattern, recursive=True), key=_sort_key)  # noqa: PTH207 - Path.glob takes no whole paths
    if not found:
        error = InputError("pattern_without_files", pattern=printable(pattern))
        yield Input(Path(pattern).absolute(), error)
    for path in found:
        if not _is_folder(path):
            yield Input(Path(path).absolute())
        elif not pattern.endswith("**"):  # what is below was matched itself
            yield from _videos_below(Path(path).absolute())


def _videos_below(folder: Path) -> Iterator[Input]:
    """List the videos below a folder, then an error for each folder that can't be read."""
    refused: list[OSError] = []
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refused.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(place) / name for name in names if not name.startswith(".")]
        found += [path for path in paths if is_video_name(path)]
    yield from map(Input, sorted(found, key=_sort_key))
    for error in refused:
        path = Path(str(error.filename or folder))
        reason = error.strerror or str(error)
        yield Input(path, InputError("folder_unreadable", path=printable(path), reason=reason))
    if not found and not refused:
        yield Input(folder, InputError("folder_without_videos", path=printable(folder)))


def _sort_key(path: Path | str) -> tuple[tuple[str, ...], str]:
    """Return a sort key: folders, then names, ignoring case; the same order on every system."""
    parts = Path(path).parts
    return tuple(part.casefold() for part in parts), str(path)
