"""Repository of batches: which analyses belong together, so that the page can list and watch them.

For other users than its owner, the id of a batch is unknown. The analyses themselves are jobs of the same store;
deleting one leaves its batch alone.
"""

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from framelens import InputError
from framelens.plugin import current_user
from framelens.plugin.files import storable
from framelens.plugin.storage import Store, from_json, to_json, visible
from framelens.plugins.batch.batch import Batch, BatchVideo

_log = logging.getLogger(__name__)


class BatchRepository:
    """The batches of a store, each with its videos in their order. Every method raises StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, batch: Batch) -> Batch:
        """Store a batch in place of an earlier run of it, of whose videos it keeps what is known, and return it."""
        created, user = datetime.now(UTC).isoformat(timespec="microseconds"), current_user()
        with self._store.changing() as connection:
            earlier: dict[str, BatchVideo] = {}
            with suppress(ValueError):  # a damaged row: nothing of the earlier run is known
                earlier = {video.identity: video for video in self.videos(batch.id)}
            videos = [_with_earlier(video, earlier.pop(video.identity, None)) for video in batch.videos]
            batch = replace(batch, created=created, user_id=user.id)
            videos += [replace(video, is_listed=False) for video in earlier.values()]
            folder = str(storable(batch.folder)) if batch.folder else ""
            connection.execute("DELETE FROM batches WHERE id = ?", (batch.id,))
            values = (batch.id, created, folder, user.id, to_json(replace(batch, videos=())))
            connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", values)
            rows = ((batch.id, index, to_json(video)) for index, video in enumerate(videos))
            connection.executemany("INSERT INTO batch_videos VALUES (?, ?, ?)", rows)
        return batch

    def save_video(self, batch_id: str, index: int, video: BatchVideo) -> None:
        """Store a video at this index, replacing an earlier video there, or add it."""
        with self._store.changing() as connection:
            row = (batch_id, index, to_json(video))
            connection.execute("INSERT OR REPLACE INTO batch_videos VALUES (?, ?, ?)", row)

    def videos(self, batch_id: str) -> list[BatchVideo]:
        """List the videos of a batch by their indexes, with those that only an earlier run had."""
        query = "SELECT document FROM batch_videos WHERE batch_id = ? ORDER BY place"
        return [from_json(document, BatchVideo) for (document,) in self._store.select(query, batch_id)]

    def get(self, batch_id: str) -> Batch:
        """Get a batch.

        Raises:
            InputError: "batch_unknown".
        """
        for batch in self._batches("id = ?", batch_id, limit=1):
            return batch
        raise InputError("batch_unknown", id=batch_id[:64])

    def recent(self, limit: int) -> list[Batch]:
        """List batches, newest first, without batches whose rows are damaged."""
        return self._batches("1", limit=limit)

    def _batches(self, condition: str, *values: str, limit: int) -> list[Batch]:
        clause, owner = visible("user_id")
        query = f"SELECT id, document FROM batches WHERE {condition} AND {clause} ORDER BY created DESC LIMIT ?"
        batches = []
        for batch_id, document in self._store.select(query, *values, *owner, limit):
            try:
                videos = tuple(video for video in self.videos(batch_id) if video.is_listed)
                batches.append(replace(from_json(document, Batch), videos=videos))
            except ValueError:
                _log.warning("the batch %s is damaged", batch_id, exc_info=True)
        return batches


def _with_earlier(video: BatchVideo, earlier: BatchVideo | None) -> BatchVideo:
    """Return a video with the analysis, the failure and the stem that an earlier run knows, if it has none yet."""
    if earlier is None or video.job_id or video.failure:
        return video
    return replace(video, job_id=earlier.job_id, failure=earlier.failure, stem=earlier.stem)
