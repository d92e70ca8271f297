"""From a path that a user gave to one that can be read, or to a sentence about why not.

Looks at the file system only; what is inside the file is the decoder's business.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from app.errors import InputError


def printable(path: Path | str) -> str:
    """The name as it can stand in one line of a sentence: line breaks and control characters shown escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(path))


def check_file(path: Path) -> None:
    """Raises InputError unless `path` is a readable file with something in it."""
    given = printable(path)
    try:
        status = path.stat()
    except PermissionError as error:
        raise InputError("video_no_permission", path=given) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError("video_not_found", path=given) from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError("video_is_folder", path=given)
    if not stat.S_ISREG(status.st_mode):
        raise InputError("video_not_a_file", path=given)
    if not os.access(path, os.R_OK):
        raise InputError("video_no_permission", path=given)
    if status.st_size == 0:
        raise InputError("video_empty", path=given)
