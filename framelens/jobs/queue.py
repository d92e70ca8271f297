"""Queue of analyses with a few worker threads: submit, inspect, pause, resume. Progress is stored at once.

The page polls snapshots and may close at any time; a worker never calls the page. Jobs that waited or ran when the
program ended resume when the next program starts; answers that are stored are not requested again. Several processes
may share a store: each works on its own jobs and leaves control requests for the jobs of the others.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from framelens.analysis.inputs.extraction_cache import ExtractionCache
from framelens.analysis.task import Control, EarlierResults
from framelens.core.codec import to_json
from framelens.core.corrections import merged
from framelens.core.domain import Analysis, AnalysisRequest, Notice
from framelens.core.errors import AppError, Cancelled, InputError, StorageError, VideoError
from framelens.core.files import new_id, readable, restored, single_line
from framelens.core.roles import current_user, requires, sees
from framelens.jobs.deduplication import Deduplicator
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.job_repository import JobRepository
from framelens.jobs.snapshot import AT_WORK, JobSnapshot, State, imported_job, pictures_of, to_row
from framelens.jobs.stored.library_entries import SearchIndexer
from framelens.jobs.worker import ActiveJob, ActiveJobs, Listener, Worker
from framelens.store.audit import AuditLog
from framelens.store.database import Row, Store
from framelens.store.library_index import LibraryEntry, LibraryIndex
from framelens.store.locks import ProcessLock
from framelens.store.trash import Trash, TrashEntry
from framelens.video.subtitles.discovery import digest_beside

log = logging.getLogger(__name__)
WORKERS = 2
"""Two, so that a video is read while the engine answers about another video."""
_MOST_WORKERS = 16
"""Each has a decoder."""
_CONTROL_POLL_SECONDS = 1.0
"""How often the control requests of other processes are polled."""
_STOP_SECONDS = 10.0
"""How long to wait for a job to stop. A job stops within a second, or within two if another process runs it."""


def usual_workers(num_engines: int) -> int:
    """Return the number of analyses at a time with so many remote engines: WORKERS for each."""
    return min(WORKERS * max(1, num_engines), _MOST_WORKERS)


class Jobs:
    """Queue of analyses that run in worker threads.

    A job belongs to the user who submits it. Users see and change their own jobs, administrators all jobs.

    Args:
        store: Where jobs are kept.
        owner: This process among those that share the store.
        switcher: Holds the engine session that runs the analyses.
        extractions: Knows the digests of files.
        log_path: The log file, named in the message of an unexpected error.
        adopts: Resume the jobs that dead processes left behind.
        workers: Number of analyses at a time, also `num_workers`; the same engine answers them all.
        most_of_user: Number of jobs of one user that may wait or run; without accounts there is no limit.

    Attributes:
        library: The index of the stored analyses.
        indexing: Keeps the index up to date.
        process: This process among those that share the store.
        audit: Records who submits, imports and deletes jobs.

    Raises:
        StorageError: The store could not be read or written.
    """

    def __init__(
        self,
        store: Store,
        owner: ProcessLock,
        switcher: EngineSwitcher[Any],
        extractions: ExtractionCache,
        *,
        log_path: Path,
        adopts: bool = True,
        workers: int = WORKERS,
        most_of_user: int = 500,
    ) -> None:
        self._store = store
        self.process = owner
        self._repository = JobRepository(store, owner)
        self.library = LibraryIndex(store)
        self.audit = AuditLog(store)
        self.indexing = SearchIndexer(self._repository, self.library)
        self._deduplicator = Deduplicator(switcher, extractions)
        self._active = ActiveJobs()
        self._most_of_user = most_of_user
        self._restart_lock = threading.Lock()  # a job that is over is restarted once for any number of requests
        self._is_closing = threading.Event()
        self._worker = Worker(
            self._active, self._repository, store, self._deduplicator, switcher, self.indexing,
            is_closing=self._is_closing, log_path=log_path,
        )  # fmt: skip
        if adopts:
            self._adopt()
        self.num_workers = workers
        self._threads = [
            threading.Thread(target=self._worker.work, name=f"jobs-{number}", daemon=True) for number in range(workers)
        ]
        beside = partial(self._worker.work, beside=workers)
        self._threads.append(threading.Thread(target=beside, name="jobs-without-model", daemon=True))
        self._threads.append(threading.Thread(target=self._poll_control_requests, name="job-controls", daemon=True))
        for thread in self._threads:
            thread.start()

    # ---- public interface

    @property
    def trash(self) -> Trash:
        """Return the deleted analyses and conversations that can be restored."""
        return Trash(self._store)

    @requires("analyst")
    def submit(
        self,
        request: AnalysisRequest,
        *,
        name: str,
        follows: str = "",
        force: bool = False,
        listener: Listener | None = None,
        job_id: str = "",
    ) -> str:
        """Queue an analysis.

        Args:
            request: The analysis.
            name: Name of the video as shown to the user.
            follows: Id of the job whose report led to this job.
            force: Analyse even if the same file was analysed in the same way before.
            listener: Called with every update, in the worker's thread.
            job_id: The id of the job, by default a new id.

        Returns:
            The id of the job; without `force` the id of a finished job of the user on the same content, request and
            settings, if its video still exists.

        Raises:
            StorageError: The job could not be stored, or "user_jobs_full".
        """
        conditions = dict(self._deduplicator.conditions(request))
        same = self._deduplicator.key_of_request(request, conditions)
        if not force and (existing := self._stored_report(same)):
            return existing.id
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        owner = current_user().id
        self._check_user_limit(owner)
        job = JobSnapshot(job_id or new_id(), name, created, request, follows, conditions=conditions, user_id=owner)
        self._enqueue(ActiveJob(job, Control(), same=same, listener=listener))
        self.audit.record("analyse", job.id, name)
        return job.id

    def at_work_on(self, request: AnalysisRequest) -> str | None:
        """Get the id of the user's job that waits or runs here, uncancelled, for this request and settings, or None."""
        conditions, user_id = dict(self._deduplicator.conditions(request)), current_user().id
        jobs = (live.job for live in self._active.all() if not live.control.cancel.is_set())
        mine = (job for job in jobs if job.user_id == user_id)
        return next((job.id for job in mine if (job.request, dict(job.conditions)) == (request, conditions)), None)

    def unfinished(self, request: AnalysisRequest) -> str | None:
        """Get the id of the newest job on the same content, request and settings that can resume.

        Return None without such a job, or if a newer job is done.
        """
        same = self._deduplicator.key_of_request(request, self._deduplicator.conditions(request))
        for job in map(self._repository.read_brief, self._store.same_as(same) if same else ()):
            if job.can_resume:
                return job.id
            if job.is_complete:  # a newer report
                return None
        return None

    def finished(self, request: AnalysisRequest) -> JobSnapshot | None:
        """Get the newest finished job on the same content, request and settings, without images or answers, or None."""
        row = self._stored_report(self._deduplicator.key_of_request(request, self._deduplicator.conditions(request)))
        return self._repository.read_brief(row) if row else None

    def _stored_report(self, same: str) -> Row | None:
        """Get the row of the newest report with this key whose video exists; some of its facts may still follow."""
        rows = self._store.same_as(same) if same else []
        return next((row for row in rows if self._is_report(row)), None)

    def _is_report(self, row: Row) -> bool:
        live = self._active.get(row.id)
        job = live.job if live else self._repository.read_brief(row)
        return job.is_complete and job.request.path.exists()

    def snapshot(self, job_id: str) -> JobSnapshot:
        """Get the current state of a job with its images and answers.

        Raises:
            InputError: "job_unknown".
        """
        if live := self._live(job_id):
            return live.job
        job = self._repository.get(job_id)
        keyframes = () if job.progress.keyframes else self._active.found_frames(job_id)
        return replace(job, progress=replace(job.progress, found=keyframes)) if keyframes else job

    def brief(self, job_id: str) -> JobSnapshot:
        """Get the current state of a job; images and answers may be missing.

        Raises:
            InputError: "job_unknown".
        """
        if live := self._live(job_id):
            return live.job
        row = self._store.get(job_id)
        if row is None:
            raise InputError("job_unknown", id=job_id)
        return self._repository.read_brief(row)

    def recent(self, limit: int = 20) -> list[JobSnapshot]:
        """List the newest jobs first, without images and answers."""
        rows = self._store.recent(limit)
        live = {active.job.id: active.job for active in self._active.all()}
        return [live.get(row.id) or self._repository.read_brief(row) for row in rows]

    def all_running(self) -> list[JobSnapshot]:
        """List the running jobs of all processes in the order of their submission, without images and answers."""
        rows = {row.id: row for row in self._store.in_states("running", "describing")}
        live = {
            active.job.id: active.job for active in self._active.all()
        }  # a job that has just begun isn't stored as running
        jobs = [live.get(row.id) or self._repository.read_brief(row) for row in rows.values()]
        jobs += [job for job in live.values() if job.id not in rows]
        # A job of a dead process is interrupted.
        return [job for job in jobs if job.state in ("running", "describing") and sees(job.user_id)]

    def waiting(self) -> list[JobSnapshot]:
        """List the waiting jobs of this process in the order in which they will run.

        The first may have been taken by a worker already, which waits for the engine.
        """
        with self._active.condition:
            starting = [active for active in self._active.all() if active.is_running and active.job.state == "queued"]
            return [active.job for active in (*starting, *self._active.waiting()) if sees(active.job.user_id)]

    def running(self) -> tuple[str, ...]:
        """List the ids of the jobs that run in this process."""
        live = (active.job for active in self._active.all() if active.is_running and active.job.state != "queued")
        return tuple(job.id for job in live if sees(job.user_id))

    @requires("analyst")
    def cancel(self, job_id: str) -> None:
        """Ask a queued or running job to stop; it does within a second. Other jobs are left alone."""
        self._stop(job_id, "cancel")

    @requires("analyst")
    def cancel_all(self) -> None:
        """Ask all jobs of this process to stop, the waiting jobs first so that no job begins."""
        for job_id in (*(job.id for job in self.waiting()), *self.running()):
            self.cancel(job_id)

    @requires("analyst")
    def pause(self, job_id: str) -> None:
        """Ask a queued or running job to pause; requests in flight are finished first."""
        self._stop(job_id, "pause")

    def changes(self, job_id: str) -> dict[str, tuple[str, str]]:
        """Return the settings that have changed since the job was started, as name to (then, now).

        Raises:
            InputError: "job_unknown".
        """
        return self._changes(self.brief(job_id))

    def conflicts(self, job_id: str) -> dict[str, tuple[str, str]]:
        """Return the changes that `resume` refuses unless they are accepted: the job has answers made before them.

        Raises:
            InputError: "job_unknown".
        """
        job = self.brief(job_id)
        has_answers = job.has_answers or bool(self._store.results(job_id))
        return self._changes(job) if job.can_resume and has_answers and not job.lacks_only_facts else {}

    def _changes(self, job: JobSnapshot) -> dict[str, tuple[str, str]]:
        now = dict(self._deduplicator.conditions(job.request))
        names = sorted(job.conditions.keys() | now.keys())
        then = job.conditions
        return {name: (then.get(name, ""), now.get(name, "")) for name in names if then.get(name) != now.get(name)}

    @requires("analyst")
    def resume(
        self,
        job_id: str,
        *,
        accept_changes: bool = False,
        listener: Listener | None = None,
        moved: AnalysisRequest | None = None,
    ) -> None:
        """Resume a job that stopped early or is about to pause; do nothing for other jobs.

        Args:
            job_id: The job.
            accept_changes: Resume with the current settings if they have changed. Answers made with the old
                settings are then requested again.
            listener: Called with every update, in the worker's thread.
            moved: The same request for the file's current path, used if the file has gone from the job's path.

        Raises:
            InputError: "job_unknown", or "settings_changed" if the job has answers made with other settings and
                `accept_changes` is false.
        """
        if live := self._live(job_id):
            live.control.pause.clear()
        with self._restart_lock:
            job = self.snapshot(job_id)
            if not job.can_resume:
                return
            if moved and not job.request.path.exists():
                job = replace(job, request=moved, name=readable(moved.path.name))
            is_answered = job.lacks_only_facts and not accept_changes
            changes = {} if is_answered else self._changes(job)
            if changes and job.has_answers and not accept_changes:
                raise _settings_changed(changes)
            is_unusable = job.state == "no_usable_answer"
            numbers = (result.number for result in job.progress.results if is_unusable or result.is_broken)
            again = tuple(dict.fromkeys((*job.again, *numbers)))
            self._restart(replace(job, again=again), changed=bool(changes), listener=listener)

    @requires("analyst")
    def describe(self, job_id: str) -> None:
        """Describe the video of a report whose question a search has answered; do nothing for other jobs.

        Raises:
            InputError: "job_unknown", or "settings_changed".
        """
        with self._restart_lock:
            job = self.snapshot(job_id)
            if not job.can_describe:
                return
            if changes := self._changes(job):
                raise _settings_changed(changes)
            self._restart(replace(job, request=replace(job.request, describes=True)), changed=False)

    @requires("analyst")
    def restart(self, job_id: str, *, use_model: bool) -> None:
        """Queue a job that is over once more with the settings in use, without anything that it had; keep its id.

        Do nothing for a job that waits or runs. An imported job can't be restarted, as its video isn't here.

        Raises:
            InputError: "job_unknown".
        """
        with self._restart_lock:
            job = self.brief(job_id)
            if not job.is_over or job.is_imported or not self._claim(job_id):
                return
            request = replace(job.request, use_model=use_model)
            conditions = dict(self._deduplicator.conditions(request))
            self._store.keep_results(job_id, ())
            fresh = JobSnapshot(
                job.id, job.name, job.created, request, job.follows, conditions=conditions, user_id=job.user_id
            )
            same = self._deduplicator.key_of_request(request, conditions)
            self._enqueue(ActiveJob(fresh, Control(), same=same))

    @requires("analyst")
    def retry(self, job_id: str, number: int) -> None:
        """Request the chunk whose first frame has this number once more, and merge the answers again.

        Do nothing for a job that waits or runs and has no report yet.

        Raises:
            InputError: "job_unknown", "job_still_runs", "video_not_here" for an imported report, or "settings_changed".
        """
        with self._restart_lock:
            job = self.snapshot(job_id)
            job = self._cancel_and_wait(job_id) if job.state == "measuring" else job
            if not job.is_over:
                return
            if job.is_imported:
                raise VideoError("video_not_here", name=job.name)
            if changes := self.changes(job_id):
                raise _settings_changed(changes)
            again = tuple(result.number for result in job.progress.results if result.number == number)
            self._restart(replace(job, again=again), changed=False)

    @requires("analyst")
    def put_first(self, job_id: str) -> None:
        """Move a waiting job to the front of the queue."""
        with self._active.condition:
            live = self._live(job_id)
            if live is None or live.is_running:
                return
            first = max(active.job.priority for active in self._active.all()) + 1
            live.job = replace(live.job, priority=first)
            self._repository.save(live.job, live.same)

    def state_of(self, entry: LibraryEntry) -> State:
        """Return the state of a library entry; a job of a dead process is interrupted."""
        state = cast(State, entry.state) if entry.state in get_args(State) else "failed"  # its row is damaged
        if state not in AT_WORK:
            return state
        is_here = self._active.get(entry.id) is not None
        is_elsewhere = entry.owner != self.process.name and self.process.is_alive(entry.owner)
        return state if is_here or is_elsewhere else "interrupted"

    @requires("analyst")
    def rename(self, job_id: str, name: str) -> None:
        """Rename a job.

        Raises:
            InputError: "job_unknown", "name_empty", or "job_still_runs" if another process works on it.
        """
        name = single_line(name)
        if not name:
            raise InputError("name_empty")
        with self._restart_lock, self._active.condition:
            if live := self._live(job_id):
                live.job = replace(live.job, name=name)
                self._repository.save(live.job, live.same)
                return
            renamed = self._change_stored(job_id, lambda job: replace(job, name=name))
        self.indexing.index(renamed)

    def reports_on_file(
        self,
        extractions: ExtractionCache,
        path: Path,
        cancel: threading.Event | None = None,
        *,
        has_same_words: bool = True,
    ) -> list[str]:
        """List the ids of the reports on the content of a file, the newest first.

        Args:
            extractions: Reader of videos, which knows the hashes of files.
            path: The video.
            cancel: Ends it within half a second.
            has_same_words: Leave out reports that were made with other subtitles than the subtitles beside the file
                now, or the subtitles given for it; else list such reports last.

        Raises:
            VideoError: The file can't be read.
            Cancelled: `cancel` was set.
        """
        self.indexing.catch_up(cancel)
        ids = self.library.reports_on(sha256=extractions.sha256(path, cancel))
        same = [job_id for job_id in ids if self._has_words_of(path, self.snapshot(job_id))]
        return same if has_same_words else [*same, *(job_id for job_id in ids if job_id not in same)]

    def _has_words_of(self, path: Path, job: JobSnapshot) -> bool:
        subtitles = job.request.subtitles if restored(job.request.path) == path else None
        return job.conditions.get("subtitles", "") == digest_beside(path, subtitles)

    @requires("analyst")
    def name_speakers(self, job_id: str, names: Sequence[str]) -> None:
        """Give the speakers of a finished report their names in order, "" to a speaker without a name.

        Raises:
            InputError: "job_unknown", or "job_still_runs" if a process works on it.
        """
        with self._restart_lock:
            renamed = self._change_stored(job_id, lambda job: job.with_speakers(names))
        self.indexing.index(renamed)

    def _merge_corrections(self, job_id: str, analysis: Analysis) -> None:
        others = analysis.corrections.log if analysis.corrections else ()
        if others and self._repository.get_stored(job_id).is_over:
            self._store.append_corrections(job_id, lambda log: merged(log, others))
            self.corrected(job_id)

    def corrected(self, job_id: str) -> JobSnapshot:
        """Return a job whose log of corrections has grown, after making its words findable."""
        self._repository.forget(job_id)
        job = self.snapshot(job_id)
        self.indexing.index(job)
        return job

    def _change_stored(self, job_id: str, change: Callable[[JobSnapshot], JobSnapshot]) -> JobSnapshot:
        """Save a job that is over with a change, and return it. Raises InputError as `rename` does."""
        job, row = self._repository.get_stored(job_id), self._store.get(job_id)
        if row is None or not job.is_over:
            raise InputError("job_still_runs", name=job.name)
        changed = change(job)
        self._repository.save(changed, row.same)
        return changed

    def imported(self, analysis: Analysis) -> str | None:
        """Get the id of a report that is here already, None for any other report of another machine."""
        job = imported_job(analysis)
        ids = (job.id, _own_id(job)) if job.user_id else (job.id,)
        return next((job_id for job_id in ids if self._store.get(job_id)), None)

    @requires("analyst")
    def import_report(self, analysis: Analysis) -> str:
        """Import a report of another machine (framelens.reports.json.reader) as a finished job.

        Returns:
            The job's id. A job that has this id already gets the corrections that it lacks, and nothing else; or it is
            restored from the trash. With accounts, an id from outside is replaced by an id of the user's own, which
            reveals nothing about other users' jobs.

        Raises:
            StorageError: The report could not be stored.
        """
        if existing := self.imported(analysis):
            self._merge_corrections(existing, analysis)
            return existing
        job = imported_job(analysis)
        if self.trash.restore([job.id]):
            return job.id
        if job.user_id:
            job = imported_job(replace(analysis, id=_own_id(job)))
            if self.trash.restore([job.id]):
                return job.id
        self._store.save(to_row(job, self.process.name))
        self._store.save_frames(job.id, pictures_of(job).items())
        for result in job.progress.results:
            self._store.save_result(job.id, result.number, to_json(result))
        self._store.append_corrections(job.id, lambda _: job.corrections)
        self.indexing.index(job)
        self.audit.record("import", job.id, job.name)
        return job.id

    @requires("analyst")
    def discard(self, job_ids: Iterable[str]) -> tuple[list[TrashEntry], list[AppError]]:
        """Move jobs to the trash, all in one transaction; cancel waiting and running jobs first.

        Returns:
            The jobs that were moved, and an error for each other job: "job_unknown", or "job_still_runs" if it doesn't
            stop.
        """
        self.indexing.catch_up()  # the index knows which videos the trash needs
        ids, stopped, errors = list(dict.fromkeys(job_ids)), list[JobSnapshot](), list[AppError]()
        with self._restart_lock:
            for job_id in ids:  # the jobs stop at the same time
                self.cancel(job_id)
            for job_id in ids:
                try:
                    stopped.append(self._cancel_and_wait(job_id))
                except AppError as error:
                    errors.append(error)
            with self._store.together(frees=True):
                still = [job for job in stopped if not self._is_over(job.id)]  # another process was quicker
                moved = self.trash.put(job.id for job in stopped if job not in still)
            for entry in moved:
                self._repository.drop(entry.id)
        return moved, [*errors, *(InputError("job_still_runs", name=job.name) for job in still)]

    def _is_over(self, job_id: str) -> bool:
        """Return whether no process works on a job, as the store has it now."""
        row = self._store.get(job_id)
        return row is None or self._repository.read_brief(row).is_over

    def in_trash(self, job_id: str) -> JobSnapshot:
        """Get a job in the trash, without images and answers.

        Raises:
            InputError: "trash_unknown".
        """
        row = self._store.get_trashed(job_id)
        if row is None:
            raise InputError("trash_unknown", id=job_id)
        return self._repository.read_brief(row)

    @requires("analyst")
    def purge(self, entry: TrashEntry) -> JobSnapshot:
        """Delete a job in the trash for good.

        Returns:
            The job as it was.

        Raises:
            InputError: "trash_unknown": the job was restored or deleted meanwhile.
        """
        with self._store.together(frees=True):
            self.trash.check(entry)
            job = self.in_trash(entry.id)
            self.library.delete(entry.id)
            self.audit.record("delete", entry.id, job.name)
        return job

    @requires("analyst")
    def remove(self, job_id: str) -> JobSnapshot:
        """Delete a job for good, with its images and answers; cancel it first if it waits or runs.

        Returns:
            The job as it was.

        Raises:
            InputError: "job_unknown", or "job_still_runs" if it does not stop.
        """
        with self._restart_lock:
            job = self._cancel_and_wait(job_id)
            with self._store.together(frees=True):
                self.library.delete(job_id)
                self.audit.record("delete", job_id, job.name)
            self._repository.drop(job_id)
        return job

    def _cancel_and_wait(self, job_id: str) -> JobSnapshot:
        """Cancel the job and wait until no process works on it.

        Raises:
            InputError: "job_unknown", or "job_still_runs" if it does not stop.
        """
        self.cancel(job_id)
        deadline = time.monotonic() + _STOP_SECONDS
        while not (job := self.snapshot(job_id)).is_over:
            if time.monotonic() > deadline:
                raise InputError("job_still_runs", name=job.name)
            time.sleep(0.05)
        return job

    def close(self) -> None:
        """Stop the workers. Running and waiting jobs resume when the next process starts."""
        self._is_closing.set()
        self._active.cancel_all()
        for thread in self._threads:
            thread.join(timeout=10)
        self.indexing.close()
        self.process.close()

    # ---- the queue

    def _check_user_limit(self, user_id: str) -> None:
        count = sum(active.job.user_id == user_id for active in self._active.all())
        if user_id and count >= self._most_of_user:
            raise StorageError("user_jobs_full", count=count)

    def _live(self, job_id: str) -> ActiveJob | None:
        """Return a job that waits or runs here and that the user may see, or None."""
        live = self._active.get(job_id)
        return live if live and sees(live.job.user_id) else None

    def _enqueue(self, live: ActiveJob) -> None:
        self._repository.save(live.job, live.same)
        self._active.add(live)

    def _enqueue_again(self, job: JobSnapshot, same: str, listener: Listener | None = None) -> None:
        """Queue a job whose run continues an earlier run."""
        again, engine = job.restarted(), job.analysis.engine if job.analysis else None
        done = EarlierResults(again.progress, frozenset(job.again), engine)
        self._enqueue(ActiveJob(again, Control(), done=done, same=same, listener=listener))

    def _restart(self, job: JobSnapshot, *, changed: bool, listener: Listener | None = None) -> None:
        """Queue a job that is over, unless another process has taken it over."""
        if not self._claim(job.id):
            return
        if changed:
            self._store.keep_results(job.id, ())
            job = job.without_answers(self._deduplicator.conditions(job.request))
        job = replace(job, interruptions=0)  # its user requested the run
        same = self._deduplicator.key_of_request(job.request, job.conditions)
        self._enqueue_again(job, same, listener)

    def _claim(self, job_id: str) -> bool:
        """Take over a job that is over; return whether this process resumes it."""
        row = self._store.get(job_id)
        if row is None:
            return False
        is_elsewhere = row.owner != self.process.name and self.process.is_alive(row.owner)
        if is_elsewhere and row.state in AT_WORK:
            return False
        return self._store.take_over(row, self.process.name, "queued")

    def _stop(self, job_id: str, request: str) -> None:
        with self._active.condition:
            live = self._live(job_id)
            if live:
                (live.control.cancel if request == "cancel" else live.control.pause).set()
                if not live.is_running:
                    if request == "cancel":
                        self._worker.stop(live, Cancelled())
                    elif live.job.state != "measuring":
                        self._worker.end(live, "paused", None)
                return
        row = self._store.get(job_id)
        if row and not self._repository.read_brief(row).is_over:
            self._store.request_control(job_id, request)

    def _poll_control_requests(self) -> None:
        while not self._is_closing.wait(_CONTROL_POLL_SECONDS):
            try:
                for job_id, request in self._store.take_control_requests(self.process.name).items():
                    self._stop(job_id, request)
            except AppError:
                log.warning("control requests could not be read from the store", exc_info=True)

    def _adopt(self) -> None:
        """Take over the jobs of dead processes."""
        for row in self._store.in_states(*AT_WORK):
            if self.process.is_alive(row.owner) or not self._store.take_over(row, self.process.name, row.state):
                continue
            try:
                self._requeue(row)
            except (AppError, ValueError):  # its document is damaged, or its request is no longer valid
                log.warning("job %s of another process cannot be resumed", row.id, exc_info=True)

    def _requeue(self, row: Row) -> None:
        """Queue a job that was taken over, or mark the job as interrupted if its user has to decide."""
        job = self._repository.read_row(replace(row, owner=self.process.name))
        is_answered = job.has_answers and row.state != "measuring"
        is_same = not is_answered or dict(self._deduplicator.conditions(job.request)) == job.conditions
        job, resumes = job.interrupted(row.state, is_same=is_same)
        if resumes:
            self._enqueue_again(job, row.same)
        else:
            self._repository.save(job, row.same)


def _settings_changed(changes: Iterable[str]) -> InputError:
    names = tuple(Notice(name, table="condition") for name in changes)
    return InputError("settings_changed", names=names)


def _own_id(job: JobSnapshot) -> str:
    """Return the id for a user's import of a report; every import of the report gets the same id."""
    return hashlib.sha256(f"{job.user_id} {job.id}".encode()).hexdigest()[:24]
