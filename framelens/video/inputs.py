"""Video files named by a user: single files, folders, lists of paths, and patterns that no shell has expanded."""

import codecs
import errno
import glob
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from framelens.core.errors import AppError, VideoError
from framelens.core.files import absolute, address_in, reason_of, typed_path
from framelens.video.files import VIDEO_SUFFIXES, is_video_name, printable_path
from framelens.video.sources import file_of
from framelens.video.subtitles.encodings import UnknownEncodingError, decoded, decoded_texts

STDIN = "-"
"""The name of standard input, which may be a list."""
LIST_SUFFIXES = frozenset((".txt", ".list", ".lst", ".m3u", ".m3u8"))
"""Suffixes of files that list a path per line, including playlists."""
_CONCATENATED = re.compile(r"file\s+(.+)")
"""A line of the lists that FFmpeg joins."""
_HALF_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is no UTF-8, as the names of files have it in Python."""
_MOST_LIST_BYTES = 64 << 20
"""Limit for a list: a million paths of 64 bytes."""


@dataclass(frozen=True)
class Input:
    """A file to analyse, or the error of a name that gives no file.

    Attributes:
        path: Absolute path of the file, or the given name if there is an `error`.
        error: Reason why there is nothing to analyse, if so.
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


def resolve(arguments: Sequence[str], *, reads_lists: bool = False, without: Path | None = None) -> Inputs:
    """Find the files that `arguments` name.

    An existing name is that file or folder, whatever characters it contains. Otherwise it is a pattern: ``*``, ``?``
    and ``[…]`` as in a shell, and ``**`` for any folders. A pattern gives the videos among the files that it matches,
    by their names, or all of them if no file is a video; the ending of videos is matched in upper and lower case. A
    folder gives all videos below it, sorted by name; hidden files and folders and links to folders are skipped.

    Args:
        arguments: The arguments as given.
        reads_lists: Take standard input ("-") or a file with one of LIST_SUFFIXES as a list: one such name a line,
            relative to the list's folder or else to the working directory; empty lines and those that begin with "#"
            are skipped.
        without: A folder of which nothing is listed.

    Returns:
        The files; errors are among the items and not raised.
    """
    items: dict[str, Input] = {}
    for word in arguments:
        for item in _listed(word) if reads_lists else _expand(word):
            items.setdefault(os.path.normcase(os.path.realpath(item.path)), item)
    if without:
        hidden = Path(os.path.normcase(without.resolve()))
        items = {real: item for real, item in items.items() if not Path(real).is_relative_to(hidden)}
    is_plain = (
        len(arguments) == 1
        and len(items) == 1
        and not _is_folder(typed_path(arguments[0]))
        and not _is_pattern(arguments[0])
    )
    return Inputs(tuple(items.values()), is_plain)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for a name that is too long


def _is_pattern(word: str) -> bool:
    return not os.path.lexists(typed_path(word)) and glob.has_magic(word) and not address_in(word)


def _listed(word: str) -> Iterator[Input]:
    """Expand a list, a folder or a pattern."""
    path = Path(typed_path(word))
    if word != STDIN and (path.suffix.lower() not in LIST_SUFFIXES or not os.path.isfile(path)):  # noqa: PTH113 - see _is_folder
        yield from _expand(word)
        return
    try:
        names = _lines_of(_read_list(word, path), path.absolute().parent)
    except OSError as error:
        reason = reason_of(error)
        yield Input(path.absolute(), VideoError("list_unreadable", path=printable_path(path), reason=reason))
        return
    except AppError as error:
        yield Input(path.absolute(), error)
        return
    if any("\0" in name for name in names):
        reason = os.strerror(errno.EILSEQ)
        yield Input(path.absolute(), VideoError("list_unreadable", path=printable_path(path), reason=reason))
        return
    if not (names := [name for name in names if name and not name.startswith("#")]):
        yield Input(path.absolute(), VideoError("list_empty", path=printable_path(path)))
    for line in names:
        name = line if os.path.lexists(line) else _CONCATENATED.sub(r"\1", line)
        beside = typed_path(name, path.absolute().parent)
        is_here = os.path.lexists(beside) or not os.path.lexists(typed_path(name))
        yield from _expand(beside if is_here and not address_in(name) else name)


def _read_list(word: str, path: Path) -> bytes:
    with nullcontext(sys.stdin.buffer) if word == STDIN else path.open("rb") as file:
        data = file.read(_MOST_LIST_BYTES + 1)
    if len(data) > _MOST_LIST_BYTES:
        raise VideoError("list_too_long", path=printable_path(path), most=_MOST_LIST_BYTES >> 20)
    return data


def _lines_of(data: bytes, folder: Path) -> list[str]:
    """Return the lines of a list in `folder`.

    Lists of PowerShell are UTF-16, and lists of Chinese editors GB18030. The bytes of a line are kept where they are
    the name of a file.
    """
    lines = [os.fsdecode(line.strip()) for line in data.removeprefix(codecs.BOM_UTF8).splitlines()]
    start = data[:4096]
    is_wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or start.count(0) > len(start) // 8
    if not is_wide:
        foreign = [line for line in lines if _HALF_BYTE.search(line)]
        if not foreign or any(os.path.lexists(typed_path(line, base)) for line in foreign for base in (None, folder)):
            return lines
    try:
        text = (decoded(data) if is_wide else decoded_texts([data])[0]).text
    except UnknownEncodingError:
        return lines
    return [line.strip() for line in text.splitlines()]


def _expand(word: str) -> Iterator[Input]:
    typed = typed_path(word)
    if _is_folder(typed):
        yield from _videos_below(absolute(Path(typed)))
    elif _is_pattern(word):
        yield from _expand_pattern(typed)
    else:
        try:
            yield Input(absolute(Path(typed_path(file_of(word)))))
        except AppError as error:
            yield Input(Path(word), error)


def _expand_pattern(pattern: str) -> Iterator[Input]:
    plain, ending = os.path.splitext(pattern)  # noqa: PTH122 - not every pattern is a path
    sought = pattern
    if ending.lower() in VIDEO_SUFFIXES:  # cameras write .MP4
        sought = plain + "".join(
            f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in ending.lower()
        )
    matches = sorted(glob.glob(sought, recursive=True), key=_sort_key)  # noqa: PTH207 - Path.glob takes no whole paths
    if not matches:
        error = VideoError("pattern_without_files", pattern=printable_path(pattern))
        yield Input(Path(pattern).absolute(), error)
    files = [path for path in matches if not _is_folder(path)]
    videos = {path for path in files if is_video_name(Path(path))}
    for path in matches:
        if not _is_folder(path):
            if path in videos or not videos:
                yield Input(absolute(Path(path)))
        elif not pattern.endswith("**"):  # what is below was matched itself
            yield from _videos_below(absolute(Path(path)))


def _videos_below(folder: Path) -> Iterator[Input]:
    """List the videos below a folder, then an error for each folder that can't be read."""
    refused: list[OSError] = []
    videos: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=refused.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(root) / name for name in names if not name.startswith(".")]
        videos += [path for path in paths if is_video_name(path)]
    yield from map(Input, sorted(videos, key=_sort_key))
    for error in refused:
        path = Path(str(error.filename or folder))
        reason = reason_of(error)
        yield Input(path, VideoError("folder_unreadable", path=printable_path(path), reason=reason))
    if not videos and not refused:
        yield Input(folder, VideoError("folder_without_videos", path=printable_path(folder)))


def _sort_key(path: Path | str) -> tuple[tuple[str, ...], str]:
    """Return a sort key: folders, then names, ignoring case; the same order on every system."""
    parts = Path(path).parts
    return tuple(part.casefold() for part in parts), str(path)
