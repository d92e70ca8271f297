"""A queue of analyses with a few worker threads: submit, look, pause, go on. Every step of worth is stored.

The page polls snapshots and may close at any time; a worker never calls it. Jobs that were waiting or running when the
program ended go on when the next one starts; what had been answered is not asked again. Several programs may share one
store: each works on its own jobs, and leaves word for the others about theirs.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from app.analysis.task import Control, Done
from app.core.domain import Analysis, AnalysisRequest
from app.core.errors import AppError, Cancelled, InputError
from app.core.filenames import one_line
from app.jobs.active_jobs import InHand, Listener, Live
from app.jobs.job_repository import Archive, Sameness
from app.jobs.search_index import Indexing
from app.jobs.snapshot import JobSnapshot, State, from_elsewhere, result_to_text, to_row
from app.jobs.worker import Admitted, Run, Worker
from app.store.database import Row, Store
from app.store.library_index import Entry, Library
from app.store.process_lock import Owner

log = logging.getLogger(__name__)
WORKERS = 2
"""So that one video is read while the engine answers about another."""
_WISH_SECONDS = 1.0
_STOP_SECONDS = 10.0
"""A job that is to stop does within a second; one of another program hears of it a second later."""
_MOST_INTERRUPTIONS = 2
"""A job during which the program ended so often is not begun again unasked: it may be the cause."""


class Jobs:
    """`run(task)` is the analysis; `sameness` tells what analyses have in common. `workers` of them run at a time, one
    engine answers them all. `adopts`: whether jobs that other programs left behind go on here. Inside `admitted`
    settings stay as they are; a job waits to be let in.
    """

    def __init__(
        self,
        store: Store,
        owner: Owner,
        run: Run,
        sameness: Sameness,
        *,
        log_path: Path,
        adopts: bool = True,
        admitted: Admitted = lambda _: nullcontext(),
        workers: int = WORKERS,
    ) -> None:
        self._store = store
        self._owner = owner
        self._archive = Archive(store, owner)
        self.library = Library(store)
        self.indexing = Indexing(self._archive, self.library)
        self._sameness = sameness
        self._in_hand = InHand()
        self._beginning = threading.Lock()  # of a job that is over: once, whoever asks
        self._is_closing = threading.Event()
        self._worker = Worker(
            self._in_hand, self._archive, store, sameness, run, admitted,
            take_up=self.indexing.take_up, is_closing=self._is_closing, log_path=log_path,
        )  # fmt: skip
        if adopts:
            self._adopt()
        self._threads = [
            threading.Thread(target=self._worker.work, name=f"jobs-{number}", daemon=True) for number in range(workers)
        ]
        self._threads.append(threading.Thread(target=self._heed_wishes, name="jobs-wishes", daemon=True))
        for thread in self._threads:
            thread.start()

    # ---- what can be asked for

    def submit(
        self,
        request: AnalysisRequest,
        *,
        name: str,
        follows: str = "",
        anew: bool = False,
        listener: Listener | None = None,
    ) -> str:
        """Queue an analysis; returns its id. `name` is what the video is called on the page, `follows` the id of the
        job whose report led to this one. `listener` is called with every event, in the worker's thread.

        Where the same file was analysed in the same way before, that is the id of the finished job, unless `anew`.
        """
        conditions = dict(self._sameness.conditions(request))
        same = self._sameness.known(request, conditions)
        if not anew and (known := self._stored(same)):
            return known.id
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        job = JobSnapshot(secrets.token_urlsafe(9), name, created, request, follows, conditions=conditions)
        self._enqueue(Live(job, Control(), same=same, listener=listener))
        return job.id

    def unfinished(self, request: AnalysisRequest) -> str | None:
        """The id of a job on the same content with the same request and settings that stopped before its end."""
        same = self._sameness.known(request, self._sameness.conditions(request))
        rows = [row for row in self._store.same_as(same) if same and self._archive.brief(row).can_go_on]
        return rows[0].id if rows else None

    def finished(self, request: AnalysisRequest) -> JobSnapshot | None:
        """Get the finished job on the same content with the same request and settings, without pictures and answers."""
        row = self._stored(self._sameness.known(request, self._sameness.conditions(request)))
        return self._archive.brief(row) if row else None

    def _stored(self, same: str) -> Row | None:
        """The newest report with that digest; facts of it may still be on their way."""
        rows = self._store.same_as(same) if same else []
        return next((row for row in rows if self._is_report(row)), None)

    def _is_report(self, row: Row) -> bool:
        live = self._in_hand.get(row.id)
        job = live.job if live else self._archive.brief(row)
        return job.is_complete and job.request.path.exists()

    def snapshot(self, job_id: str) -> JobSnapshot:
        """How the job stands. Raises InputError("job_unknown")."""
        live = self._in_hand.get(job_id)
        return live.job if live else self._archive.whole(job_id)

    def recent(self, limit: int = 20) -> list[JobSnapshot]:
        """The newest jobs first, without pictures and answers."""
        rows = self._store.recent(limit)
        live = {one.job.id: one.job for one in self._in_hand.all()}
        return [live.get(row.id) or self._archive.brief(row) for row in rows]

    def waiting(self) -> list[JobSnapshot]:
        """The jobs of this program that wait, in the order in which their turn comes."""
        return [one.job for one in self._in_hand.waiting()]

    def running(self) -> tuple[str, ...]:
        """The ids of the jobs that run in this program."""
        return tuple(one.job.id for one in self._in_hand.all() if one.is_running)

    def cancel(self, job_id: str) -> None:
        """Ask a queued or running job to stop; it does within a second. Others are left as they are."""
        self._stop(job_id, "cancel")

    def cancel_all(self) -> None:
        """Ask all queued and running jobs of this program to stop; those that wait first, so that none begins."""
        for job_id in (*(job.id for job in self.waiting()), *self.running()):
            self.cancel(job_id)

    def pause(self, job_id: str) -> None:
        """Ask a queued or running job to wait: what is on its way is finished first."""
        self._stop(job_id, "pause")

    def changes(self, job_id: str) -> dict[str, tuple[str, str]]:
        """Which settings differ from those that the job was begun with: name to (then, now)."""
        job = self.snapshot(job_id)
        now = dict(self._sameness.conditions(job.request))
        names = sorted(job.conditions.keys() | now.keys())
        then = job.conditions
        return {name: (then.get(name, ""), now.get(name, "")) for name in names if then.get(name) != now.get(name)}

    def resume(self, job_id: str, *, accept_changes: bool = False, listener: Listener | None = None) -> None:
        """Go on with a job that stopped before its end, or is about to pause. Raises InputError("settings_changed")
        where its settings are others now, unless they are accepted: then what was answered with the old ones is asked
        again.
        """
        if live := self._in_hand.get(job_id):
            live.control.pause.clear()
        with self._beginning:
            job = self.snapshot(job_id)
            if not job.can_go_on:
                return
            is_answered = job.lacks_only_facts and not accept_changes
            changes = {} if is_answered else self.changes(job_id)
            if changes and job.results and not accept_changes:
                raise InputError("settings_changed", names=", ".join(changes))
            self._begin_again(job, changed=bool(changes), listener=listener)

    def retry(self, job_id: str, number: int) -> None:
        """Ask the part whose first frame has this number once more, and join anew. Raises as `resume` does."""
        with self._beginning:
            job = self._settled(job_id) if self.snapshot(job_id).state == "measuring" else self.snapshot(job_id)
            if not job.is_over:
                return
            if job.is_from_elsewhere:
                raise InputError("video_not_here", name=job.name)
            if changes := self.changes(job_id):
                raise InputError("settings_changed", names=", ".join(changes))
            again = tuple(result.number for result in job.results if result.number == number)
            self._begin_again(replace(job, again=again), changed=False)

    def put_first(self, job_id: str) -> None:
        """Let a job that waits be the next."""
        with self._in_hand.held:
            live = self._in_hand.get(job_id)
            if live is None or live.is_running:
                return
            first = max(one.job.priority for one in self._in_hand.all()) + 1
            live.job = replace(live.job, priority=first)
            self._archive.keep(live.job, live.same)

    def state_of(self, entry: Entry) -> State:
        """How an entry of the library stands: what runs in a program that is gone is interrupted."""
        state = cast(State, entry.state)
        if state not in ("queued", "running", "measuring"):
            return state
        is_here = self._in_hand.get(entry.id) is not None
        is_elsewhere = entry.owner != self._owner.name and self._owner.is_alive(entry.owner)
        return state if is_here or is_elsewhere else "interrupted"

    def rename(self, job_id: str, name: str) -> None:
        """Call it so from now on. Raises InputError: "job_unknown", "name_empty", or "job_still_runs" where another
        program works on it.
        """
        name = one_line(name)
        if not name:
            raise InputError("name_empty")
        with self._beginning, self._in_hand.held:
            if live := self._in_hand.get(job_id):
                live.job = replace(live.job, name=name)
                self._archive.keep(live.job, live.same)
                return
            job, row = self._archive.stored(job_id), self._store.get(job_id)
            if row is None or not job.is_over:
                raise InputError("job_still_runs", name=job.name)
            renamed = replace(job, name=name)
            self._archive.keep(renamed, row.same)
            self._archive.forget(job_id)
        self.indexing.take_up(renamed)

    def take_in(self, analysis: Analysis) -> str:
        """Keep a report of another machine (app.reports.json.reader) as a finished job; returns its id. One that is
        here already stays as it is.
        """
        job = from_elsewhere(analysis)
        if self._store.get(job.id):
            return job.id
        self._store.save(to_row(job, self._owner.name))
        self._store.save_frames(job.id, ((frame.number, frame.jpeg) for frame in job.keyframes))
        for result in job.results:
            self._store.save_result(job.id, result.number, result_to_text(result))
        self.indexing.take_up(job)
        return job.id

    def remove(self, job_id: str) -> JobSnapshot:
        """Drop it for ever with its pictures and answers; one that waits or runs is cancelled first. Returns what it
        was. Raises InputError: "job_unknown", or "job_still_runs" where it does not stop.
        """
        with self._beginning:
            job = self._settled(job_id)
            self.library.delete(job_id)
            self._archive.drop(job_id)
        return job

    def _settled(self, job_id: str) -> JobSnapshot:
        """Cancel the job and wait until nobody works on it. Raises InputError("job_still_runs") where it does not stop,
        and "job_unknown".
        """
        self.cancel(job_id)
        deadline = time.monotonic() + _STOP_SECONDS
        while not (job := self.snapshot(job_id)).is_over:
            if time.monotonic() > deadline:
                raise InputError("job_still_runs", name=job.name)
            time.sleep(0.05)
        return job

    def close(self) -> None:
        """Stop the workers. What runs or waits goes on when the next program starts."""
        self._is_closing.set()
        self._in_hand.cancel_all()
        for thread in self._threads:
            thread.join(timeout=10)
        self.indexing.close()
        self._owner.close()

    # ---- the queue

    def _enqueue(self, live: Live) -> None:
        self._archive.keep(live.job, live.same)
        with self._in_hand.held:
            self._archive.forget(live.job.id)
            self._in_hand.add(live)

    def _begin_again(self, job: JobSnapshot, *, changed: bool, listener: Listener | None = None) -> None:
        """Queue a job that is over, unless another program does so at this moment."""
        if not self._claim(job.id):
            return
        if changed:  # what the old settings gave must not stand beside what the new ones will
            self._store.keep_results(job.id, ())
            conditions = dict(self._sameness.conditions(job.request))
            job = replace(job, conditions=conditions, layout=None, chunks=(), again=(), analysis=None)
        same = self._sameness.known(job.request, job.conditions)
        self._enqueue(Live(job.begun_anew(), Control(), done=_done_of(job), same=same, listener=listener))

    def _claim(self, job_id: str) -> bool:
        """Whether this program is the one that goes on with a job that is over."""
        row = self._store.get(job_id)
        if row is None:
            return False
        is_elsewhere = row.owner != self._owner.name and self._owner.is_alive(row.owner)
        if is_elsewhere and row.state in ("queued", "running", "measuring"):
            return False
        return self._store.take_over(row, self._owner.name, "queued")

    def _stop(self, job_id: str, wish: str) -> None:
        with self._in_hand.held:
            live = self._in_hand.get(job_id)
            if live:
                (live.control.cancel if wish == "cancel" else live.control.pause).set()
                if not live.is_running:
                    if wish == "cancel":
                        self._worker.stop(live, Cancelled())
                    elif live.job.state != "measuring":
                        self._worker.end(live, "paused", None)
                return
        row = self._store.get(job_id)
        if row and not self._archive.brief(row).is_over:
            self._store.wish(job_id, wish)

    def _heed_wishes(self) -> None:
        while not self._is_closing.wait(_WISH_SECONDS):
            try:
                for job_id, wish in self._store.wishes(self._owner.name).items():
                    self._stop(job_id, wish)
            except AppError:
                log.warning("the store could not be asked for wishes", exc_info=True)

    def _adopt(self) -> None:
        """Take over the jobs of programs that are gone."""
        for row in self._store.in_states("queued", "running", "measuring"):
            if self._owner.is_alive(row.owner) or not self._store.take_over(row, self._owner.name, row.state):
                continue
            try:
                self._go_on(row)
            except (AppError, ValueError):  # its document is damaged, or its request is none any more
                log.warning("job %s of another program cannot go on", row.id, exc_info=True)

    def _go_on(self, row: Row) -> None:
        """Queue a job that was taken over, unless it must be asked for."""
        job = self._archive.whole_of(replace(row, owner=self._owner.name))
        job = replace(job, interruptions=job.interruptions + (row.state in ("running", "measuring")))
        is_same = row.state == "measuring" or dict(self._sameness.conditions(job.request)) == job.conditions
        if job.interruptions > _MOST_INTERRUPTIONS or not is_same:
            self._archive.keep(replace(job, state="interrupted", eta_seconds=None), row.same)
            return
        self._enqueue(Live(job.begun_anew(), Control(), done=_done_of(job), same=row.same))


def _done_of(job: JobSnapshot) -> Done:
    """What a run that goes on with this job finds finished."""
    engine = job.analysis.engine if job.analysis else None
    report = job.analysis if job.lacks_only_facts else None
    return Done(job.layout, job.results, frozenset(job.again), engine, report)
