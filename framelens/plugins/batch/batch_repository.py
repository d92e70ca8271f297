"""Repository of batches: which analyses belong together, so that the page can list and watch them.

For other users than its owner, the id of a batch is unknown. The analyses themselves are jobs of the same store;
deleting one leaves its batch alone.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from framelens.core.codec import from_json, to_json
from framelens.core.errors import InputError
from framelens.core.files import storable
from framelens.core.roles import current_user
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.batch_store import BatchRow, BatchStore
from framelens.store.database import Store

_log = logging.getLogger(__name__)


class BatchRepository:
    """The batches of a store. Every method raises StorageError if the disk refuses."""

    def __init__(self, store: Store) -> None:
        self._rows = BatchStore(store)

    def add(self, batch: Batch) -> Batch:
        """Store a new batch and return it; with a folder of results, it has the id of the folder's earlier batch."""
        created = datetime.now(UTC).isoformat(timespec="microseconds")
        batch = replace(batch, created=created, user_id=current_user().id)
        folder = str(storable(batch.folder)) if batch.folder else ""
        document, videos = to_json(replace(batch, videos=())), tuple(map(to_json, batch.videos))
        row = self._rows.add(BatchRow(batch.id, created, folder, batch.user_id, document, videos))
        return replace(batch, id=row.id)

    def save_video(self, batch_id: str, place: int, video: BatchVideo) -> None:
        """Replace the video at a place in a batch, or add it."""
        self._rows.save_video(batch_id, place, to_json(video))

    def get(self, batch_id: str) -> Batch:
        """Get a batch.

        Raises:
            InputError: "batch_unknown".
        """
        row = self._rows.get(batch_id)
        for batch in self._batches([row] if row else []):
            return batch
        raise InputError("batch_unknown", id=batch_id[:64])

    def recent(self, limit: int) -> list[Batch]:
        """List batches, newest first, without batches whose rows are damaged."""
        return list(self._batches(self._rows.recent(limit)))

    def _batches(self, rows: list[BatchRow]) -> Iterator[Batch]:
        for row in rows:
            try:
                batch = from_json(row.document, Batch)
                videos = tuple(from_json(document, BatchVideo) for document in row.videos)
            except ValueError:
                _log.warning("the batch %s is damaged", row.id, exc_info=True)
            else:
                yield replace(batch, id=row.id, created=row.created, user_id=row.user_id, videos=videos)
