"""Edit list of a reel: the pieces that it holds, in their order, as text for an editor or as a project of LosslessCut.

In a text each line has a start, an end and a name; without a line, or with "#" before it, a piece is left out. Times of
a text count from the first picture, those of a project are a player's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from framelens.analysis.planning.time_parsing import parse_seconds
from framelens.core.errors import InputError
from framelens.core.files import shown_path
from framelens.core.units import clock
from framelens.i18n import t
from framelens.plugins.editing.clips.pieces import Piece
from framelens.plugins.editing.timeline.losslesscut import project
from framelens.reports.content.labels import one_line
from framelens.store.fs_utils import reason_of

PROJECTS = (".llc", ".json")
"""Endings of lists that are projects of LosslessCut; every other list is text."""
_MOST_BYTES = 10_000_000
_LINE = re.compile(r"(\S+)\s+(\S+)(?:\s+(.*))?")
_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/"  # comments
    r"""|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
    r"|[A-Za-z_$][\w$]*|[-+.\d][-+.\deE]*|\S",
    re.DOTALL,
)
_WORDS = ("true", "false", "null")


def write(pieces: Iterable[Piece], path: Path, video: str, player_start_seconds: float) -> bytes:
    """Return the list as its ending says.

    Args:
        pieces: The pieces.
        path: The file that it is for.
        video: Name of the video.
        player_start_seconds: When a player shows its first picture.
    """
    if path.suffix.lower() in PROJECTS:
        edges = ((one, one.start_seconds, one.end_seconds or 0.0) for one in pieces)
        shift = player_start_seconds
        return project(video, [(start + shift, end + shift, one.label) for one, start, end in edges])
    rows = (f"{clock(one.start_seconds)} {clock(one.end_seconds or 0.0)} {one.label}\n" for one in pieces)
    return "".join((f"# {one_line(video)}\n# {t('clip.list_help')}\n", *rows)).encode()


def read(path: Path, player_start_seconds: float) -> list[Piece]:
    """Return the pieces of a list, in its order.

    Raises:
        InputError: The file can't be read, or isn't a list; the line or the segment is named.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("clip_list_unreadable", path=shown_path(path), reason=reason_of(error)) from error
    rows = _of_project(text, player_start_seconds) if path.suffix.lower() in PROJECTS else _of_text(text)
    pieces = []
    for number, given, start, end, name in rows:
        try:
            first, last = parse_seconds(start), parse_seconds(end)
        except ValueError:
            first = last = 0.0
        if last <= first:
            raise InputError("clip_list_line", path=shown_path(path), number=number, given=given[:80])
        pieces.append(Piece("", number, one_line(name), first, last))
    if not pieces:
        raise InputError("clip_list_empty", path=shown_path(path))
    return pieces


_Row = tuple[int, str, str, str, str]


def _of_text(text: str) -> Iterator[_Row]:
    """Yield number, text, start, end and name of each line that counts."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            found = _LINE.fullmatch(line.strip())
            start, end, name = found.groups(default="") if found else ("", "", "")
            yield number, line.strip(), start, end, name


def _of_project(text: str, player_start_seconds: float) -> Iterator[_Row]:
    try:
        segments = json.loads("".join(_as_json(text)))["cutSegments"]
        rows = [(one.get("start") or 0, one.get("end"), one.get("name") or "") for one in segments]
    except (ValueError, LookupError, TypeError, AttributeError):
        rows = [("", "", "")]
    for number, (start, end, name) in enumerate(rows, start=1):
        edges = [
            f"{max(0.0, edge - player_start_seconds):.6f}" if isinstance(edge, int | float) else ""
            for edge in (start, end)
        ]
        yield number, f"{start} {end}", edges[0], edges[1], str(name)


def _as_json(text: str) -> Iterator[str]:
    """Yield JSON5 as JSON: names in quotes, strings in double ones, without comments and trailing commas."""
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
            inside = re.sub(r"\\(.)", lambda found: "'" if found[1] == "'" else found[0], token[1:-1])
            yield '"' + inside.replace('"', '\\"') + '"'
        else:
            yield f'"{token}"' if token[0].isalpha() and token not in _WORDS else token
