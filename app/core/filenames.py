"""Safe file names: arbitrary names made displayable, storable and valid on every file system."""

from __future__ import annotations

import re
from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
# Characters that Windows refuses in a file name; "/" and the control characters are refused everywhere.
_UNSAFE = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)")
"""Devices of Windows, with any extension."""
# ext4 allows 255 bytes, encrypted home folders 143; a Chinese character has three.
_MAX_NAME_BYTES = 140
_MAX_DISPLAYED = 512
"""Characters of a displayed path: Windows allows 260, and longer ones are rarely typed. Chosen by hand; not tuned."""
_ESCAPED_PATH = "\0"
"""Prefix of a stored path that is not UTF-8. No system allows this character in a path."""
_SURROGATES, _STAND_INS = range(0xDC80, 0xDD00), range(0x10DC80, 0x10DD00)
"""Bytes above 127 as Python represents them in a path (PEP 383), and characters allowed in any UTF-8 text."""
_TO_STORABLE = dict(zip(_SURROGATES, _STAND_INS, strict=True))
_FROM_STORABLE = dict(zip(_STAND_INS, _SURROGATES, strict=True))


def readable(text: str) -> str:
    r"""Return `text` as valid Unicode: bytes of a file name that are not UTF-8 become escapes such as \xe9."""
    try:
        return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:  # a lone surrogate, as Windows allows
        return text.encode(errors="backslashreplace").decode()


def shown_path(path: Path | str) -> str:
    """Return a path for display: valid Unicode, without the middle of a path that is too long to read."""
    text = readable(str(path))
    cut = len(text) > _MAX_DISPLAYED
    return f"{text[: _MAX_DISPLAYED // 2]}…{text[-_MAX_DISPLAYED // 2 :]}" if cut else text


def storable(path: Path) -> Path:
    """Return `path` so that it can be stored as UTF-8; `restored` reverses this."""
    text = str(path)
    return path if text.isascii() or readable(text) == text else Path(_ESCAPED_PATH + text.translate(_TO_STORABLE))


def restored(path: Path) -> Path:
    """Return the original path of a result of `storable`."""
    text = str(path)
    return Path(text.removeprefix(_ESCAPED_PATH).translate(_FROM_STORABLE)) if text.startswith(_ESCAPED_PATH) else path


# An address that became a path has lost one of its two slashes.
_ADDRESS = re.compile(r"(?:^|[/\\])([a-z][a-z0-9+.-]+):[/\\]{1,3}(?:[^/\\@]*@)?(.+)", re.IGNORECASE)


def address_in(text: str) -> str:
    """Return the web or camera address that `text` is, or was before it became a path; "" if it is none.

    Names and passwords in it are removed.

    >>> address_in("/home/me/https:/example.org/clip.mp4")
    'https://example.org/clip.mp4'
    >>> address_in("rtsp://admin:secret@10.0.0.2/live"), address_in("C:/clips/a.mp4")
    ('rtsp://10.0.0.2/live', '')
    """
    found = _ADDRESS.search(text)
    return f"{found[1].lower()}://{found[2]}" if found else ""


def shown_name(name: str) -> str:
    """Return a file's name on one line, without folders that some browsers send and marks that reorder text."""
    return one_line(re.split(r"[/\\]", name)[-1]) or "video"


def one_line(text: str) -> str:
    """Return text on one line, without marks that reorder it, at most 255 characters; may be empty."""
    return _CONTROL.sub(" ", readable(text)).strip()[:255]


def base_name(path: str) -> str:
    """Return the last name of a folder or of a model on the hub, with either kind of slash."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def safe_stem(name: str) -> str:
    """Return `safe_file_name` without the extension, for files derived from that one."""
    return Path(safe_file_name(name)).stem


def safe_file_name(name: str) -> str:
    """Return a name that is valid on Linux, macOS and Windows, as close to `name` as possible, with its extension."""
    clean = _UNSAFE.sub("_", shown_name(name)).strip(" .") or "video"
    clean = f"_{clean}" if _RESERVED.match(clean) else clean
    suffix = Path(clean).suffix if len(Path(clean).suffix.encode()) <= 16 else ""
    stem = clean[: len(clean) - len(suffix)]
    room = _MAX_NAME_BYTES - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix
