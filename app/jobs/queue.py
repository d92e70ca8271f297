"""A queue of analyses with one worker thread: submit, look at a snapshot, cancel. Every step of worth is stored.

The page polls snapshots and may close at any time; the worker never calls it. What was running when the app was killed
is shown as interrupted, with everything that had been finished.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from app.domain import AnalysisEvent, AnalysisRequest, ChunkDone, Finished, KeyframesChosen
from app.errors import AppError, Cancelled, InputError
from app.jobs.snapshot import Failure, JobSnapshot, State, fold, from_row, to_row, with_pictures
from app.store.store import Store

log = logging.getLogger(__name__)
Run = Callable[[AnalysisRequest, str, threading.Event], Iterator[AnalysisEvent]]


class Jobs:
    """`run(request, job_id, cancel)` is the analysis. One job runs at a time: one engine, one answer."""

    def __init__(self, store: Store, run: Run, *, log_path: Path) -> None:
        self._log_path = log_path
        self._store = store
        self._run = run
        self._lock = threading.Lock()
        self._live: dict[str, JobSnapshot] = {}
        self._cancels: dict[str, threading.Event] = {}
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._worker.start()

    def submit(self, request: AnalysisRequest, *, name: str) -> str:
        """Queue an analysis; returns its id. `name` is what the video is called on the page."""
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        job = JobSnapshot(secrets.token_urlsafe(9), name, created, request)
        with self._lock:
            self._live[job.id] = job
            self._cancels[job.id] = threading.Event()
        self._keep(job)
        self._queue.put(job.id)
        return job.id

    def snapshot(self, job_id: str) -> JobSnapshot:
        """How the job stands. Raises InputError("job_unknown")."""
        with self._lock:
            if job_id in self._live:
                return self._live[job_id]
        row = self._store.get(job_id)
        if row is None:
            raise InputError("job_unknown", id=job_id)
        return with_pictures(from_row(row), self._store.frames(job_id))

    def cancel(self, job_id: str) -> None:
        """Ask a queued or running job to stop; it does within a second. Others are left as they are."""
        with self._lock:
            if event := self._cancels.get(job_id):
                event.set()

    def recent(self, limit: int = 20) -> list[JobSnapshot]:
        """The newest jobs first, without pictures."""
        with self._lock:
            live = dict(self._live)
        return [live.get(row.id) or from_row(row) for row in self._store.recent(limit)]

    def close(self) -> None:
        """Stop the running job and the worker. What is queued stays in the store as interrupted."""
        with self._lock:
            for event in self._cancels.values():
                event.set()
        self._queue.put(None)
        self._worker.join(timeout=10)

    def _work(self) -> None:
        while (job_id := self._queue.get()) is not None:
            self._do(job_id, self._cancels[job_id])
            with self._lock:
                self._live.pop(job_id)
                self._cancels.pop(job_id)

    def _do(self, job_id: str, cancel: threading.Event) -> None:
        self._change(job_id, lambda job: replace(job, state="running"))
        try:
            if cancel.is_set():
                raise Cancelled
            for event in self._run(self._live[job_id].request, job_id, cancel):
                self._change(job_id, partial(fold, event=event))
                self._store_worthy(job_id, event)
            self._end(job_id, "done", None)
        except Cancelled as error:
            self._end(job_id, "cancelled", error)
        except AppError as error:
            log.warning("analysis %s failed: %s", job_id, error)
            self._end(job_id, "failed", error)
        except Exception as error:
            log.exception("analysis %s failed", job_id)
            self._end(job_id, "failed", AppError("internal", kind=type(error).__name__, log=str(self._log_path)))

    def _change(self, job_id: str, change: Callable[[JobSnapshot], JobSnapshot]) -> JobSnapshot:
        with self._lock:
            self._live[job_id] = change(self._live[job_id])
            return self._live[job_id]

    def _store_worthy(self, job_id: str, event: AnalysisEvent) -> None:
        if isinstance(event, KeyframesChosen):
            self._store.save_frames(job_id, ((frame.number, frame.jpeg) for frame in event.keyframes))
        if isinstance(event, (KeyframesChosen, ChunkDone, Finished)):
            self._keep(self._live[job_id])

    def _end(self, job_id: str, state: State, error: AppError | None) -> None:
        failure = Failure.of(error) if error else None
        job = self._change(job_id, lambda job: replace(job, state=state, failure=failure, eta_seconds=None))
        try:
            self._keep(job)
        except AppError:
            log.exception("analysis %s could not be stored", job_id)

    def _keep(self, job: JobSnapshot) -> None:
        self._store.save(to_row(job))
