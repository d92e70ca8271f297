"""Video whose bytes arrive from a link: a part file with what is needed to continue it after a stop, or a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from framelens.core.files import private_opener
from framelens.store.fs_utils import check_floor, read_json

_EXPECTED_BYTES = 64 << 20
"""Reserved at a time for a video whose size its server doesn't say."""
Reserve = Callable[[str, dict[str, Any], int], None]


class ArrivingVideo:
    """A video of which some bytes may have arrived. A context manager that deletes a part that can't be continued.

    Args:
        part_id: Id of the part.
        part: Its file; the record beside it has the name, size and version of the whole.
        reserve: reserve(id, record, arrived_bytes) keeps room for `record["size_bytes"]` and writes the record, or
            raises.

    Attributes:
        id: Id of the part.
        offset: Bytes that have arrived.
        version: The server's name for this content, "" if the bytes can't be continued.
        size_bytes: Size of the whole, None if it is unknown.
    """

    def __init__(self, part_id: str, part: Path, reserve: Reserve) -> None:
        self.id = part_id
        self._part, self._reserve = part, reserve
        self._file: BinaryIO | None = None
        self._record = (read_json(part.with_suffix(".json")) if part.is_file() else None) or {}
        self.version = str(self._record.get("version", ""))
        self.size_bytes: int | None = self._record.get("total_bytes")
        self.offset = part.stat().st_size if self.version else 0

    @property
    def path(self) -> Path:
        """Return the file with the bytes that have arrived."""
        return self._part

    def __enter__(self) -> ArrivingVideo:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if not (self.version and self.offset):
            self.drop()

    def begin(self, name: str, size_bytes: int | None, version: str) -> None:
        """Begin a new file in place of the bytes that have arrived.

        Args:
            name: Its name, for errors.
            size_bytes: Its size, None if it is unknown.
            version: The server's name for this content, "" if it can't be continued.

        Raises:
            InputError, StorageError: There is no room for it.
        """
        self.drop()
        self.version, self.size_bytes = version, size_bytes
        self._record = {"name": name, "version": version, "total_bytes": size_bytes, "size_bytes": 0}
        self._make_room(0)
        self._file = open(self._part, "xb", opener=private_opener)  # noqa: SIM115 - closed by `close`

    def proceed(self, offset: int) -> None:
        """Continue the file at `offset`, which must not be behind its end."""
        self.close()
        self._make_room(offset)
        self._file = self._part.open("r+b")
        self._file.truncate(offset)
        self._file.seek(offset)
        self.offset = offset

    def write(self, piece: bytes) -> None:
        """Append these bytes.

        Raises:
            InputError, StorageError: There is no room for them.
            OSError: They can't be written.
        """
        assert self._file
        if self.size_bytes is None:
            self._make_room(self.offset + len(piece))
        check_floor(self._part.parent)
        self._file.write(piece)
        self.offset += len(piece)

    def note_written(self) -> None:
        """Close the file, and count what another program has written into it."""
        self.close()
        self.offset = self._part.stat().st_size

    def close(self) -> int:
        """Close the file, and return the number of bytes that have arrived."""
        if self._file:
            self._file.close()
            self._file = None
        return self.offset

    def drop(self) -> None:
        """Delete the bytes that have arrived and their record."""
        self.close()
        self.offset, self.version, self.size_bytes = 0, "", None
        for suffix in (".part", ".json"):
            self._part.with_suffix(suffix).unlink(missing_ok=True)

    def _make_room(self, arrived: int) -> None:
        """Keep room for the file; if its size is unknown, for more bytes than have arrived."""
        if self._record["size_bytes"] == self.size_bytes or self._record["size_bytes"] >= arrived > 0:
            return
        expected = self.size_bytes if self.size_bytes is not None else arrived + _EXPECTED_BYTES
        self._record = self._record | {"size_bytes": expected}
        self._reserve(self.id, self._record, self.offset)
