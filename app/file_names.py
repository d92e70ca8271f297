"""Names of files that anybody may have given, for people to read and for any file system to take."""

from __future__ import annotations

import re
from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
# What Windows refuses in a file name; "/" and the control characters are refused everywhere.
_UNSAFE = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)")
"""Devices of Windows, whatever stands behind the point."""
# ext4 takes 255 bytes, encrypted home folders 143; a Chinese character is three.
_LONGEST_NAME_BYTES = 140


def shown_name(name: str) -> str:
    """A file's name on one line, without the folders some browsers send and without marks that reorder text."""
    return one_line(re.split(r"[/\\]", name)[-1]) or "video"


def one_line(text: str) -> str:
    """Words on one line, without marks that reorder text and what lies far behind; may be empty."""
    return _CONTROL.sub(" ", text).strip()[:255]


def last_part(path: str) -> str:
    """The last name of a folder or of a model on the hub, whichever system wrote it."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def safe_stem(name: str) -> str:
    """The same as `safe_file_name` without the extension, for files that are made of that one."""
    return Path(safe_file_name(name)).stem


def safe_file_name(name: str) -> str:
    """A name that Linux, macOS and Windows all take, as near to `name` as can be; the extension stays."""
    clean = _UNSAFE.sub("_", shown_name(name)).strip(" .") or "video"
    clean = f"_{clean}" if _RESERVED.match(clean) else clean
    suffix = Path(clean).suffix if len(Path(clean).suffix.encode()) <= 16 else ""
    stem = clean[: len(clean) - len(suffix)]
    room = _LONGEST_NAME_BYTES - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix
