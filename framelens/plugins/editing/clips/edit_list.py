"""Edit list of a reel: the pieces that it holds, in their order, as text, as a table, or as a project of LosslessCut.

In a text each line has a start, an end and a name; without a line, or with "#" before it, a piece is left out. After a
line `file PATH` the pieces are of that video. A table (CSV) has start, end, name and video in its columns. Times count
from the first picture; times of a project are a player's.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path

from framelens import ConfigError, InputError
from framelens.plugin import t
from framelens.plugin.command_line import parse_seconds
from framelens.plugin.files import absolute, is_same_file, reason_of, shown_path, typed_path
from framelens.plugin.reports import one_line
from framelens.plugin.texts import clock
from framelens.plugins.editing.clips.pieces import Piece
from framelens.plugins.editing.timeline.losslesscut import project

PROJECTS = (".llc", ".json")
"""Endings of lists that are projects of LosslessCut; every other list is text, or a table."""
TABLE = ".csv"
_COLUMNS = ("start", "end", "name", "video")
_FILE = re.compile(r"file\s+(\S.*)")
_MOST_BYTES = 10_000_000
_LINE = re.compile(r"(\S+)\s+(\S+)(?:\s+(.*))?")
_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/"  # comments
    r"""|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
    r"|[A-Za-z_$][\w$]*|[-+.\d][-+.\deE]*|\S",
    re.DOTALL,
)
_WORDS = ("true", "false", "null")


def write(pieces: Iterable[Piece], path: Path, video: Path, player_start_seconds: float) -> bytes:
    """Return the list as its ending says.

    Args:
        pieces: The pieces.
        path: The file that it is for.
        video: The video.
        player_start_seconds: When a player shows its first picture.
    """
    suffix = path.suffix.lower()
    edges = [(piece, piece.start_seconds, piece.end_seconds or 0.0) for piece in pieces]
    if suffix in PROJECTS:
        shift = player_start_seconds
        return project(video.name, [(start + shift, end + shift, piece.label) for piece, start, end in edges])
    named = video.name if path.parent == video.parent else str(video)
    if suffix == TABLE:
        table = StringIO()
        rows = ((clock(start), clock(end), piece.label, named) for piece, start, end in edges)
        csv.writer(table, lineterminator="\n").writerows((_COLUMNS, *rows))
        return b"\xef\xbb\xbf" + table.getvalue().encode(errors="surrogateescape")
    lines = (f"{clock(start)} {clock(end)} {piece.label}\n" for piece, start, end in edges)
    text = "".join((f"# {t('clip.list_help')}\n", f"file {named}\n", *lines))
    return text.encode(errors="surrogateescape")


def read(path: Path, video: Path, player_start_seconds: float) -> list[Piece]:
    """Return the pieces of a list, in its order.

    Args:
        path: The list.
        video: The video of pieces for which the list names no video, or a missing file of the video's name.
        player_start_seconds: When a player shows its first picture.

    Raises:
        InputError: The file can't be read, or isn't a list; the line or the segment is named.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("clip_list_unreadable", path=shown_path(path), reason=reason_of(error)) from error
    suffix = path.suffix.lower()
    rows = (
        _of_project(path, text, player_start_seconds)
        if suffix in PROJECTS
        else _of_table(text)
        if suffix == TABLE
        else _of_text(text)
    )
    pieces = []
    for number, line, start, end, name, named in rows:
        try:
            first, last = parse_seconds(start), parse_seconds(end)
        except ConfigError:
            first = last = 0.0
        if last <= first:
            raise InputError("clip_list_line", path=shown_path(path), number=number, given=line[:80])
        pieces.append(Piece("", number, one_line(name), first, last, video=_other(named, path, video)))
    if not pieces:
        raise InputError("clip_list_empty", path=shown_path(path))
    return pieces


def _other(named: str, listed: Path, video: Path) -> Path | None:
    """Return the file that a list names, None if it is the given video."""
    path = absolute(listed.parent / Path(typed_path(named))) if named else video
    is_video = is_same_file(path, video) or (path.name == video.name and not path.exists())
    return None if is_video else path


_Row = tuple[int, str, str, str, str, str]


def _of_table(text: str) -> Iterator[_Row]:
    """Yield number, text, start, end, name and video of each row that counts."""
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        cells = [cell.strip() for cell in row]
        is_head = number == 1 and [cell.lower() for cell in cells[:2]] == list(_COLUMNS[:2])
        if any(cells) and not is_head and not cells[0].startswith("#"):
            start, end, name, video, *_ = (*cells, "", "", "", "")
            yield number, ",".join(row), start, end, name, video


def _of_text(text: str) -> Iterator[_Row]:
    """Yield number, text, start, end, name and video of each line that counts."""
    video = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if named := _FILE.fullmatch(line.strip()):
            video = named[1].strip("\"'")
        elif line.strip() and not line.lstrip().startswith("#"):
            match = _LINE.fullmatch(line.strip())
            start, end, name = match.groups(default="") if match else ("", "", "")
            yield number, line.strip(), start, end, name, video


def _of_project(path: Path, text: str, player_start_seconds: float) -> Iterator[_Row]:
    try:
        segments = json.loads("".join(_as_json(text)))["cutSegments"]
        rows = [(segment.get("start") or 0, segment.get("end"), segment.get("name") or "") for segment in segments]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError("clip_list_no_project", path=shown_path(path)) from error
    for number, (start, end, name) in enumerate(rows, start=1):
        edges = [
            f"{max(0.0, edge - player_start_seconds):.6f}" if isinstance(edge, int | float) else ""
            for edge in (start, end)
        ]
        yield number, f"{start} {end}", edges[0], edges[1], str(name), ""


def _as_json(text: str) -> Iterator[str]:
    """Yield JSON5 as JSON: names in quotes, strings in double quotes, without comments and trailing commas."""
    comma = ""
    for token in _TOKEN.findall(text):
        if token.startswith(("//", "/*")):
            continue
        if comma and token not in "]}":
            yield comma
        comma = "," if token == "," else ""
        if comma:
            continue
        if token.startswith("'"):
            inside = re.sub(r"\\(.)", lambda match: "'" if match[1] == "'" else match[0], token[1:-1])
            yield '"' + inside.replace('"', '\\"') + '"'
        else:
            yield f'"{token}"' if token[0].isalpha() and token not in _WORDS else token
