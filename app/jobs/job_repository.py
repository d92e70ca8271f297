"""Jobs in the store: written at every step of worth, read whole or in brief, and kept at hand while somebody looks.

What the store refuses to take stays here until it takes it. Nothing is run here.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from app.core.domain import AnalysisRequest
from app.core.errors import AppError, InputError
from app.jobs.snapshot import JobSnapshot, from_row, result_from_text, to_row, with_pictures, with_results
from app.store.database import Row, Store
from app.store.process_lock import Owner

_REMEMBERED = 3
"""Reports that are kept at hand with their pictures, which are some 10 MB each."""


class Archive:
    """May be used from several threads. `owner` is the program whose jobs are kept here; it sees those of others."""

    def __init__(self, store: Store, owner: Owner) -> None:
        self._store = store
        self._owner = owner
        self._lock = threading.Lock()
        self._over: OrderedDict[str, JobSnapshot] = OrderedDict()
        self._stamp = 0
        self._unsaved: dict[str, JobSnapshot] = {}

    def keep(self, job: JobSnapshot, same: str) -> None:
        """Store it as it stands; `same` is the key of analyses that have all in common. Raises StorageError."""
        self._store.save(to_row(job, self._owner.name, same))
        self._unsaved.pop(job.id, None)

    def keep_at_least_here(self, job: JobSnapshot, same: str) -> None:
        """As `keep`; what cannot be stored is known until the program ends. Raises what kept it from being stored."""
        try:
            self.keep(job, same)
        except AppError:
            self._unsaved[job.id] = job
            raise

    def whole(self, job_id: str) -> JobSnapshot:
        """The job with its pictures and answers. Raises InputError("job_unknown")."""
        if unsaved := self._unsaved.get(job_id):
            return unsaved
        self._forget_if_stale()
        with self._lock:
            if known := self._over.get(job_id):
                return known
        job = self.stored(job_id)
        if job.is_over:
            self._remember(job)
        return job

    def stored(self, job_id: str) -> JobSnapshot:
        """The same as the store has it now. Raises InputError("job_unknown")."""
        row = self._store.get(job_id)
        if row is None:
            raise InputError("job_unknown", id=job_id)
        return self.whole_of(row)

    def whole_of(self, row: Row) -> JobSnapshot:
        """The job of this row with its pictures and answers."""
        results = [result_from_text(text) for text in self._store.results(row.id).values()]
        return with_results(with_pictures(self.brief(row), self._store.frames(row.id)), results)

    def brief(self, row: Row) -> JobSnapshot:
        """The job of this row without pictures and answers."""
        if unsaved := self._unsaved.get(row.id):
            return unsaved
        return from_row(row, is_alive=row.owner != self._owner.name and self._owner.is_alive(row.owner))

    def forget(self, job_id: str) -> None:
        """It changes from now on: what is at hand of it is not true any more."""
        with self._lock:
            self._over.pop(job_id, None)

    def drop(self, job_id: str) -> None:
        """It is gone from the store."""
        self._unsaved.pop(job_id, None)
        self.forget(job_id)

    def _forget_if_stale(self) -> None:
        """Another program may have gone on with what was over here."""
        stamp = self._store.stamp()
        with self._lock:
            if stamp != self._stamp:
                self._stamp = stamp
                self._over.clear()

    def _remember(self, job: JobSnapshot) -> None:
        """A report is asked for once for each of its pictures, and does not change any more."""
        with self._lock:
            self._over[job.id] = job
            if len(self._over) > _REMEMBERED:
                self._over.popitem(last=False)


@dataclass(frozen=True)
class Sameness:
    """conditions(request) are the settings; known_sha256(path) is the content where it can be told at once."""

    conditions: Callable[[AnalysisRequest], Mapping[str, str]]
    known_sha256: Callable[[Path], str | None]

    def known(self, request: AnalysisRequest, conditions: Mapping[str, str]) -> str:
        """The digest for a request that was not run yet, "" where the content is not known."""
        try:
            sha256 = self.known_sha256(request.path)
        except AppError:
            return ""
        return _digest(sha256, request, conditions) if sha256 else ""

    def of(self, job: JobSnapshot) -> str:
        """The digest of a job that has come to a report, else ""."""
        if job.analysis is None or not job.analysis.sha256:
            return ""
        return _digest(job.analysis.sha256, job.request, job.conditions)


def _digest(sha256: str, request: AnalysisRequest, conditions: Mapping[str, str]) -> str:
    asked = {**asdict(request), "path": ""}
    return hashlib.sha256(json.dumps([sha256, asked, dict(conditions)], sort_keys=True).encode()).hexdigest()
