"""Hashes of files and pictures, and the version of this package's results.

The version is computed from the sources and the decoder's version, since a manual number is easily forgotten.
"""

from __future__ import annotations

import hashlib
import threading
from functools import cache
from pathlib import Path

from app.core.errors import Cancelled, InputError
from app.video.files import check_file, printable

_PIECE_BYTES = 1 << 20  # read at a time; chosen by hand, not tuned
_KEY_BYTES = 8


def picture_key(jpeg: bytes) -> str:
    """Return a key of 16 hex digits for a picture: the same for the same bytes."""
    return hashlib.blake2b(jpeg, digest_size=_KEY_BYTES).hexdigest()


def sha256_of(path: Path, cancel: threading.Event | None = None) -> str:
    """Return the lower-case hex SHA-256 of the file.

    Raises:
        InputError: The file can't be read.
        Cancelled: `cancel` was set.
    """
    check_file(path)
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                if cancel is not None and cancel.is_set():
                    raise Cancelled
                digest.update(piece)
    except PermissionError as error:
        raise InputError("video_no_permission", path=printable(path)) from error
    except OSError as error:
        raise InputError("video_read_failed", path=printable(path), reason=error.strerror or str(error)) from error
    return digest.hexdigest()


@cache
def version() -> str:
    """Return the version of this package's results: 16 hex digits that change with the sources and the decoder."""
    from importlib.metadata import version as installed

    folder = Path(__file__).parent
    digest = hashlib.sha256(installed("av").encode())
    for path in [folder.parent / "core" / "domain.py", *sorted(folder.rglob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
