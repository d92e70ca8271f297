"""Repository of jobs, which saves, reads and caches them.

A job that the store refuses to save stays in memory until it can be saved. Nothing is run here.
"""

import threading
from collections import OrderedDict
from dataclasses import replace

from framelens.core.codec import Failure, from_json
from framelens.core.domain import ChunkResult
from framelens.core.errors import AppError, InputError
from framelens.core.roles import sees
from framelens.jobs.snapshot import JobSnapshot, from_row, to_row, with_pictures, with_results
from framelens.store.database import Row, Store, reading_record
from framelens.store.locks import ProcessLock

_REMEMBERED = 3
"""Number of reports cached with their images, which take some 10 MB each."""


class JobRepository:
    """Jobs of all processes on one store. Safe to use from several threads.

    It finds only the jobs that the user of the context may see; other users' jobs are unknown.

    `owner` is this process, which saves its own jobs and also reads other processes' jobs.
    """

    def __init__(self, store: Store, owner: ProcessLock) -> None:
        self._store = store
        self._owner = owner
        self._lock = threading.Lock()
        self._finished: OrderedDict[str, JobSnapshot] = OrderedDict()
        self._reading: dict[str, object] = {}  # the last reading of each job that is read, until the job changes
        self._stamp = 0
        self._unsaved: dict[str, JobSnapshot] = {}

    def save(self, job: JobSnapshot, same: str) -> None:
        """Save the job with its deduplication key `same`.

        Raises:
            StorageError: The store could not be written.
        """
        self._store.save(to_row(job, self._owner.name, same))
        self._unsaved.pop(job.id, None)
        self.forget(job.id)

    def save_or_remember(self, job: JobSnapshot, same: str) -> None:
        """Save the job as `save` does; if it cannot be stored, keep it in memory until a later save succeeds.

        Raises:
            AppError: The reason why it could not be stored. After a bug ("internal") the job counts as failed.
        """
        try:
            self.save(job, same)
        except AppError:
            self._unsaved[job.id] = job
            raise
        except Exception as error:
            bug = AppError.of(error)
            self._unsaved[job.id] = replace(job, state="failed", failure=Failure.of(bug))
            raise bug from error

    def get(self, job_id: str) -> JobSnapshot:
        """Get a job with its images and answers.

        Raises:
            InputError: "job_unknown".
        """
        if (unsaved := self._unsaved.get(job_id)) and sees(unsaved.user_id):
            return unsaved
        self._forget_if_stale()
        reading = object()
        with self._lock:
            if (cached := self._finished.get(job_id)) and sees(cached.user_id):
                return cached
            self._reading[job_id] = reading
        try:
            job = self.get_stored(job_id)
            if job.is_over:
                self._remember(job, reading)
            return job
        finally:
            with self._lock:
                if self._reading.get(job_id) is reading:
                    del self._reading[job_id]

    def get_stored(self, job_id: str) -> JobSnapshot:
        """Get a job as the store has it now, bypassing the cache.

        Raises:
            InputError: "job_unknown".
        """
        row = self._store.get(job_id)
        if row is None:
            raise InputError("job_unknown", id=job_id)
        return self.read_row(row)

    def read_row(self, row: Row) -> JobSnapshot:
        """Build the job of this row with its images and answers."""
        with reading_record(row.id):
            results = [from_json(text, ChunkResult) for text in self._store.results(row.id).values()]
            log = self._store.corrections(row.id)
        job = with_results(with_pictures(self.read_brief(row), self._store.frames(row.id)), results)
        return replace(job, corrections=log)

    def read_brief(self, row: Row) -> JobSnapshot:
        """Build the job of this row without images and answers."""
        if unsaved := self._unsaved.get(row.id):
            return unsaved
        with reading_record(row.id):
            return from_row(row, is_alive=row.owner != self._owner.name and self._owner.is_alive(row.owner))

    def forget(self, job_id: str) -> None:
        """Drop a job from the cache because it changes; a thread that is reading it now won't cache it."""
        with self._lock:
            self._finished.pop(job_id, None)
            self._reading.pop(job_id, None)

    def drop(self, job_id: str) -> None:
        """Forget a job that was deleted from the store."""
        self._unsaved.pop(job_id, None)
        self.forget(job_id)

    def _forget_if_stale(self) -> None:
        """Clear the cache if another process wrote to the store: it may have resumed a job that was over here."""
        stamp = self._store.stamp()
        with self._lock:
            if stamp != self._stamp:
                self._stamp = stamp
                self._finished.clear()
                self._reading.clear()

    def _remember(self, job: JobSnapshot, reading: object) -> None:
        """Cache a report that didn't change while it was read: it is requested once for each of its images."""
        with self._lock:
            if self._reading.get(job.id) is not reading:
                return
            self._finished[job.id] = job
            if len(self._finished) > _REMEMBERED:
                self._finished.popitem(last=False)
