"""SHA-256 of files, short names of pictures, and the version of what this package finds in a video.

The version is computed from the sources and the decoder's version: a number raised by hand is forgotten one day.
"""

from __future__ import annotations

import hashlib
import threading
from functools import cache
from pathlib import Path

from app.core.errors import Cancelled, InputError
from app.video.files import check_file, printable

_PIECE_BYTES = 1 << 20
_KEY_BYTES = 8


def picture_key(jpeg: bytes) -> str:
    """A short name for a picture by its content: the same for the same bytes, 16 hex digits."""
    return hashlib.blake2b(jpeg, digest_size=_KEY_BYTES).hexdigest()


def sha256_of(path: Path, cancel: threading.Event | None = None) -> str:
    """The lower-case hex SHA-256 of the file. Raises InputError for what cannot be read, Cancelled when told to."""
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
    """A few hex digits."""
    import hashlib  # the decoding child, which imports this with its package, never asks
    from importlib.metadata import version as installed

    folder = Path(__file__).parent
    digest = hashlib.sha256(installed("av").encode())
    for path in [folder.parent / "core" / "domain.py", *sorted(folder.rglob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
