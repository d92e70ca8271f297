"""Archive of batches in the data folder: which analyses belong together, so that the page can list and watch them.

A record is a small JSON file of the user who started the batch: for others, its id is unknown. The analyses themselves
are in the store; deleting one leaves the record alone.
"""

import logging
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from framelens.core.codec import Failure, from_json, to_json
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import InputError
from framelens.core.files import make_private_folder, new_id
from framelens.core.roles import current_user, sees
from framelens.i18n import t
from framelens.store.fs_utils import storage_errors, write_whole

_log = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z0-9]{6,64}")
_SEARCHED = 100  # newest records among which one on the same folder is looked for


@dataclass(frozen=True)
class RecordedVideo:
    """A video of a batch.

    Attributes:
        job_id: Id of its analysis, "" if there is none.
        failure: Why there is no analysis, None if it wasn't begun yet.
    """

    name: str
    path: Path
    job_id: str = ""
    failure: Failure | None = None


@dataclass(frozen=True)
class BatchRecord:
    """A batch that was started.

    Attributes:
        name: Its name, "" for that of its videos.
        created: ISO time in UTC.
        folder: Folder of results, None if the page has started it.
        request: The request of a batch that the page has started.
        user_id: Id of the user to whom it belongs, "" for none.
    """

    id: str
    name: str
    created: str
    videos: tuple[RecordedVideo, ...]
    folder: Path | None = None
    request: AnalysisRequest | None = None
    user_id: str = ""

    @property
    def shown_name(self) -> str:
        """Return its name, in the language of the context."""
        return self.name or t("batch.name", first=self.videos[0].name, n=len(self.videos) - 1)


class BatchArchive:
    """The records of a data folder. Every method raises StorageError if the disk refuses."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "batches"

    def add(self, name: str, videos: tuple[RecordedVideo, ...], **more: Any) -> BatchRecord:
        """Store a new record and return it; with a folder of results, in place of the earlier one on that folder.

        Args:
            name: Its name, or "".
            videos: Its videos.
            more: Other fields of the record.
        """
        folder, owner = more.get("folder"), current_user().id
        recent = self.recent(_SEARCHED) if folder else []
        earlier = [one for one in recent if one.folder == folder and one.user_id == owner]
        created = datetime.now(UTC).isoformat(timespec="microseconds")
        record = BatchRecord(earlier[0].id if earlier else new_id(), name, created, videos, user_id=owner, **more)
        self.save(record)
        return record

    def save(self, record: BatchRecord) -> None:
        """Replace a record."""
        path = self._path(record.id)
        with storage_errors("report_not_written", path):
            make_private_folder(self._folder)
            write_whole(path, to_json(record).encode())

    def get(self, batch_id: str) -> BatchRecord:
        """Get a record.

        Raises:
            InputError: "batch_unknown".
        """
        record = self._read(self._path(batch_id)) if _ID.fullmatch(batch_id) else None
        if record is None or not sees(record.user_id):
            raise InputError("batch_unknown", id=batch_id[:64])
        return record

    def recent(self, limit: int) -> list[BatchRecord]:
        """List the newest records first."""
        with storage_errors("result_unreadable", self._folder):
            found = [(path.stat().st_mtime_ns, path) for path in self._folder.glob("*.json")]
        newest = [path for _, path in sorted(found, reverse=True)]
        records = (record for path in newest if (record := self._read(path)) and sees(record.user_id))
        return sorted(islice(records, limit), key=lambda one: one.created, reverse=True)

    def _path(self, batch_id: str) -> Path:
        return self._folder / f"{batch_id}.json"

    def _read(self, path: Path) -> BatchRecord | None:
        with storage_errors("result_unreadable", path):
            try:
                return from_json(path.read_bytes(), BatchRecord)
            except FileNotFoundError:
                return None
            except ValueError:
                _log.warning("the batch %s is damaged", path, exc_info=True)
                return None


def with_video(record: BatchRecord, video: RecordedVideo) -> BatchRecord:
    """Return the record with this video in place of the one in the same file."""
    return replace(record, videos=tuple(video if one.path == video.path else one for one in record.videos))
