"""File that a worker writes: FFmpeg's bytes become messages, since the sandbox lets no file be written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, SEEK_SET
from pathlib import Path

from framelens.core.errors import DecodeError
from framelens.video.files import printable_path


@dataclass(frozen=True)
class WrittenBytes:
    """Bytes of the file at an offset; the head of a file is written again when its end is known."""

    offset: int
    data: bytes


class WrittenFile:
    """File that keeps only the bytes written since the last look.

    Attributes:
        num_waiting: Bytes that were written since then.
    """

    def __init__(self) -> None:
        self._place = self._size = 0
        self._pieces: list[tuple[int, bytearray]] = []
        self.num_waiting = 0

    def write(self, data: bytes) -> int:
        """Write bytes at the current place and return their number."""
        if self._pieces and self._place == self._pieces[-1][0] + len(self._pieces[-1][1]):
            self._pieces[-1][1].extend(data)
        else:
            self._pieces.append((self._place, bytearray(data)))
        self._place += len(data)
        self._size = max(self._size, self._place)
        self.num_waiting += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to a place and return it."""
        self._place = offset + {SEEK_SET: 0, SEEK_CUR: self._place, SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """Return the current place."""
        return self._place

    def taken(self) -> Iterator[WrittenBytes]:
        """Yield what was written since the last look, and forget it."""
        pieces, self._pieces, self.num_waiting = self._pieces, [], 0
        for offset, data in pieces:
            yield WrittenBytes(offset, bytes(data))


def size_after(piece: WrittenBytes, size_bytes: int, path: Path) -> int:
    """Return the size that a file of `size_bytes` has once a worker's bytes are written to it.

    Raises:
        DecodeError: They don't belong there; `path` is what the worker reads. A worker isn't trusted.
    """
    if not 0 <= piece.offset <= size_bytes:
        raise DecodeError("video_decoder_crashed", name=printable_path(path.name))
    return max(size_bytes, piece.offset + len(piece.data))
