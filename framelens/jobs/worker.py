"""Worker that runs jobs sequentially and stores their progress, and the list of jobs that wait or run."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from framelens.analysis.task import NO_EARLIER_RESULTS, Control, EarlierResults, Task
from framelens.core.analysis_state import AnalysisUpdate
from framelens.core.codec import Failure, to_json
from framelens.core.domain import Keyframe
from framelens.core.errors import AppError, Cancelled, Paused, StorageError
from framelens.core.events import (
    AnalysisEvent,
    AnswerChanged,
    Answered,
    ChunkDone,
    Finished,
    KeyframesChosen,
    OpeningChosen,
    Planned,
)
from framelens.core.roles import as_user, require_role
from framelens.jobs.deduplication import Deduplicator
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.job_repository import JobRepository
from framelens.jobs.snapshot import JobSnapshot, State, outcome, pictures_of, without_missing_facts
from framelens.jobs.stored.library_entries import SearchIndexer
from framelens.store.database import Store
from framelens.store.users import Users

log = logging.getLogger(__name__)
Listener = Callable[[AnalysisUpdate], None]
_MOST_FOUND = 8
"""Jobs whose found frames are kept in memory, some megabytes each."""
_POLL_SECONDS = 1.0
"""How often a waiting worker checks for shutdown."""


@dataclass(frozen=True)
class Worker:
    """Runner of jobs, each for its owner; several threads may call `work`.

    Attributes:
        active: The jobs that wait or run.
        repository: Where jobs are saved.
        store: Where images and answers are saved.
        deduplicator: Builds deduplication keys.
        switcher: Holds the engine session that runs the analyses.
        indexing: Indexes each job that has a report or is over.
        is_closing: Once set, jobs that stop are left for the next process.
        log_path: The log file, named in the message of an unexpected error.
    """

    active: ActiveJobs
    repository: JobRepository
    store: Store
    deduplicator: Deduplicator
    switcher: EngineSwitcher[Any]
    indexing: SearchIndexer
    is_closing: threading.Event
    log_path: Path

    def work(self, beside: int | None = None) -> None:
        """Run jobs until the program closes; for `beside` see `ActiveJobs.start_next`."""
        while (live := self.active.start_next(self.is_closing, beside)) is not None:
            try:
                with as_user(Users(self.store).owner(live.job.user_id)):
                    self._run_job(live)
            except Exception:
                log.exception("job %s", live.job.id)
                self.active.drop(live.job.id)

    def end(self, live: ActiveJob, state: State, error: AppError | None) -> None:
        """Persist the final state before publishing it; the job may restart from then on."""
        failure = Failure.of(error) if error else None
        job = replace(live.job.timed().without_eta(), state=state, failure=failure)
        try:
            self.repository.save_or_remember(job, self.deduplicator.key_of_job(job) or live.same)
        except AppError:
            log.exception("analysis %s could not be stored", job.id)
        if state != "cancelled":  # a caller that cancels waits for the end, but not for the library
            self.indexing.index(job)
        with self.active.condition:
            self.active.drop(job.id)
            self.repository.forget(job.id)
        if state == "cancelled":
            self.indexing.index(job)

    def stop(self, live: ActiveJob, error: AppError) -> None:
        """End a job that was cancelled. An existing report is kept, with a notice of its missing facts."""
        if live.job.state == "measuring":
            self.active.change(live, lambda job: without_missing_facts(job, error))
        if live.job.is_readable:
            self.end(live, *outcome(live.job, None))
        else:
            self.end(live, "cancelled", None)

    def _run_job(self, live: ActiveJob) -> None:
        job_id = live.job.id
        try:
            require_role("analyst")  # its owner may have had another role when it was submitted
            with self.switcher.admitted(live.control):
                if live.done.report is None:
                    self.active.change(live, lambda job: replace(job, state="running"))  # its turn has come
                    self._adopt_changed_settings(live)
                    self.repository.save(live.job, live.same)
                self._process_events(live)
            self.end(live, *outcome(live.job, None))
        except Paused:
            self.end(live, "paused", None)
        except Cancelled as error:
            if self.is_closing.is_set():
                self._requeue_for_next_process(live)
            else:
                self.stop(live, error)
        except AppError as error:
            log.warning("analysis %s failed: %s", job_id, error)
            self.end(live, *outcome(live.job, error))
        except Exception as error:
            log.exception("analysis %s failed", job_id)
            self.end(live, "failed", AppError.of(error, self.log_path))

    def _adopt_changed_settings(self, live: ActiveJob) -> None:
        """Adopt settings that changed while the job waited.

        Raises:
            Paused: The job has answers made with the old settings, so the user has to decide.
        """
        now = dict(self.deduplicator.conditions(live.job.request))
        if now == live.job.conditions:
            return
        if live.job.has_answers:
            raise Paused
        self.active.change(live, lambda job: replace(job, conditions=now))
        live.same = self.deduplicator.key_of_request(live.job.request, now)

    def _process_events(self, live: ActiveJob) -> None:
        """Process all events of the run.

        If the store refuses to save, the answers to requests in flight are still kept in memory before the error is
        raised.
        """
        refused: StorageError | None = None
        job = live.job
        task = Task(job.request, job.id, live.control, live.done, job.conditions)
        updates = self.switcher.session.run(task)
        try:
            for update in updates:
                self.active.change(live, partial(JobSnapshot.updated, update=update))
                if live.listener:
                    live.listener(update)
                try:
                    if refused is None:
                        self._store_event(live, update.event)
                except StorageError as error:
                    refused = error
                    live.control.pause.set()
        except Paused:
            if refused is None:
                raise
        finally:  # end requests in flight now, not when the generator is garbage-collected
            if close := getattr(updates, "close", None):
                close()
        if refused:
            raise refused

    def _store_event(self, live: ActiveJob, event: AnalysisEvent) -> None:
        job_id = live.job.id
        match event:
            case OpeningChosen(keyframes) | KeyframesChosen(keyframes):
                self.store.save_frames(job_id, ((frame.number, frame.jpeg) for frame in keyframes))
                live.same = live.same or self.deduplicator.key_of_request(live.job.request, live.job.conditions)
                self.repository.save(live.job.timed(), live.same)
            case AnswerChanged(is_over=True):
                self.store.save_frames(job_id, pictures_of(live.job).items())
                self.repository.save(live.job.timed(), live.same)
            case ChunkDone(result):
                self.store.save_result(job_id, result.number, to_json(result))
                self.store.keep_results(job_id, (part.number for part in live.job.progress.results))
                self.repository.save(live.job.timed(), live.same)
            case Planned():
                self.repository.save(live.job.timed(), live.same)
            case Answered() | Finished():
                live.same = self.deduplicator.key_of_job(live.job) or live.same
                self.store.keep_results(job_id, (part.number for part in live.job.progress.results))
                self.repository.save(live.job, live.same)
                if isinstance(event, Answered):
                    self.indexing.index(live.job)
            case _:
                pass

    def _requeue_for_next_process(self, live: ActiveJob) -> None:
        """Queue the job for the next process: an orderly shutdown doesn't count as an interruption."""
        self.repository.save(replace(live.job, state="queued"), live.same)
        self.active.drop(live.job.id)


@dataclass
class ActiveJob:
    """A job that waits or runs in this process.

    `same` is the deduplication key, "" while unknown; `listener` is called with every update.
    """

    job: JobSnapshot
    control: Control
    done: EarlierResults = NO_EARLIER_RESULTS
    is_running: bool = False
    same: str = ""
    listener: Listener | None = None


class ActiveJobs:
    """Thread-safe collection of the jobs that wait or run in this process.

    The collection doesn't change while another thread holds `condition`.
    """

    def __init__(self) -> None:
        self.condition = threading.Condition(threading.RLock())
        self._live: dict[str, ActiveJob] = {}
        self._found: dict[str, tuple[Keyframe, ...]] = {}
        self._num_started = 0
        self._served: dict[str, int] = {}  # when each user's last job began, counted in jobs

    def add(self, live: ActiveJob) -> None:
        """Add a job and wake the workers."""
        with self.condition:
            self._live[live.job.id] = live
            self.condition.notify_all()

    def get(self, job_id: str) -> ActiveJob | None:
        """Get a job by id, or None if it neither waits nor runs here."""
        with self.condition:
            return self._live.get(job_id)

    def all(self) -> list[ActiveJob]:
        """List all jobs in order of submission."""
        with self.condition:
            return list(self._live.values())

    def waiting(self) -> list[ActiveJob]:
        """List the waiting jobs in the order in which they will run, unless the running jobs change it.

        Users take turns: users with the fewest running jobs are first, then users whose last job began longest ago. A
        priority counts among the jobs of one user.
        """
        with self.condition:
            live, served = self.all(), dict(self._served)
        waiting = [active for active in live if not active.is_running]
        waiting.sort(key=lambda active: -active.job.priority)  # stable: first in, first out within a priority
        turns = Counter(active.job.user_id for active in live if active.is_running)
        order = []
        for active in waiting:
            user_id = active.job.user_id
            order.append((turns[user_id], served.get(user_id, 0)))
            turns[user_id] += 1
        return [active for _, active in sorted(zip(order, waiting, strict=True), key=lambda pair: pair[0])]

    def start_next(self, is_closing: threading.Event, beside: int | None = None) -> ActiveJob | None:
        """Wait for the next job and mark it as running.

        Args:
            is_closing: Ends the wait.
            beside: Wait for a job without a model while this many jobs with a model run, so that a slow engine doesn't
                delay jobs that don't need it.

        Returns:
            The job, or None once `is_closing` is set.
        """
        with self.condition:
            while not is_closing.is_set():
                turn = self.waiting()
                if beside is not None:
                    num_asking = sum(active.is_running and active.job.request.use_model for active in self.all())
                    turn = (
                        [active for active in turn if not active.job.request.use_model] if num_asking >= beside else []
                    )
                if turn:
                    turn[0].is_running = True
                    self._num_started += 1
                    self._served[turn[0].job.user_id] = self._num_started
                    return turn[0]
                self.condition.wait(_POLL_SECONDS)
        return None

    def change(self, live: ActiveJob, change: Callable[[JobSnapshot], JobSnapshot]) -> None:
        """Replace the job's snapshot by `change(snapshot)`."""
        with self.condition:
            live.job = change(live.job)

    def drop(self, job_id: str) -> None:
        """Remove a job if it is here.

        If a job stopped before keyframes were chosen, its found frames aren't stored; the frames of the last few such
        jobs stay in memory.
        """
        with self.condition:
            live = self._live.pop(job_id, None)
            if live and live.job.progress.found and not live.job.progress.keyframes:
                self._found = {**dict(list(self._found.items())[1 - _MOST_FOUND :]), job_id: live.job.progress.found}

    def found_frames(self, job_id: str) -> tuple[Keyframe, ...]:
        """Return the found frames of a job that stopped in this process before keyframes were chosen."""
        with self.condition:
            return self._found.get(job_id, ())

    def cancel_all(self) -> None:
        """Ask all jobs to stop, and wake the workers that wait for a job."""
        with self.condition:
            for live in self._live.values():
                live.control.cancel.set()
            self.condition.notify_all()
