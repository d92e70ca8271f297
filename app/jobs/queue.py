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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

from app.analysis.task import NOTHING_DONE, Control, Done, Task
from app.domain import (
    Analysis,
    AnalysisEvent,
    AnalysisRequest,
    ChunkDone,
    Finished,
    KeyframesChosen,
    OpeningChosen,
    Planned,
)
from app.errors import AppError, Cancelled, InputError, Paused, StorageError
from app.file_names import one_line
from app.jobs.archive import Archive
from app.jobs.indexing import Indexing
from app.jobs.sameness import Sameness
from app.jobs.snapshot import Failure, JobSnapshot, State, fold, from_elsewhere, result_to_text, to_row
from app.store.library import Entry, Library
from app.store.owner import Owner
from app.store.store import Row, Store

log = logging.getLogger(__name__)
Run = Callable[[Task], Iterator[AnalysisEvent]]
Listener = Callable[[AnalysisEvent], None]
Admitted = Callable[[Control], AbstractContextManager[None]]
_WORKERS = 2
"""So that one video is read while the engine answers about another."""
_WISH_SECONDS = 1.0
_STOP_SECONDS = 10.0
"""A job that is to stop does within a second; one of another program hears of it a second later."""
_MOST_INTERRUPTIONS = 2
"""A job during which the program ended so often is not begun again unasked: it may be the cause."""


@dataclass
class _Live:
    """A job that waits or runs here."""

    job: JobSnapshot
    control: Control
    done: Done = NOTHING_DONE
    is_running: bool = False
    same: str = ""
    listener: Listener | None = None


class Jobs:
    """`run(task)` is the analysis; `sameness` tells what analyses have in common. Two run at a time, one engine answers
    them both. `adopts`: whether jobs that other programs left behind go on here. Inside `admitted` settings stay as
    they are; a job waits to be let in.
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
    ) -> None:
        self._log_path = log_path
        self._store = store
        self._owner = owner
        self._archive = Archive(store, owner)
        self.library = Library(store)
        self.indexing = Indexing(self._archive, self.library)
        self._run = run
        self._sameness = sameness
        self._admitted = admitted
        self._changed = threading.Condition(threading.RLock())
        self._beginning = threading.Lock()  # of a job that is over: once, whoever asks
        self._live: dict[str, _Live] = {}  # in the order in which they came
        self._is_closing = threading.Event()
        if adopts:
            self._adopt()
        self._threads = [
            threading.Thread(target=self._work, name=f"jobs-{number}", daemon=True) for number in range(_WORKERS)
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
        self._enqueue(_Live(job, Control(), same=same, listener=listener))
        return job.id

    def unfinished(self, request: AnalysisRequest) -> str | None:
        """The id of a job on the same content with the same request and settings that stopped before its end."""
        same = self._sameness.known(request, self._sameness.conditions(request))
        rows = [row for row in self._store.same_as(same) if same and self._archive.brief(row).can_go_on]
        return rows[0].id if rows else None

    def _stored(self, same: str) -> Row | None:
        rows = self._store.same_as(same) if same else []
        return next(
            (row for row in rows if row.state == "done" and self._archive.brief(row).request.path.exists()), None
        )

    def snapshot(self, job_id: str) -> JobSnapshot:
        """How the job stands. Raises InputError("job_unknown")."""
        with self._changed:
            if live := self._live.get(job_id):
                return live.job
        return self._archive.whole(job_id)

    def recent(self, limit: int = 20) -> list[JobSnapshot]:
        """The newest jobs first, without pictures and answers."""
        rows = self._store.recent(limit)
        with self._changed:
            live = {job_id: one.job for job_id, one in self._live.items()}
        return [live.get(row.id) or self._archive.brief(row) for row in rows]

    def waiting(self) -> list[JobSnapshot]:
        """The jobs of this program that wait, in the order in which their turn comes."""
        with self._changed:
            return [one.job for one in self._in_turn()]

    def running(self) -> tuple[str, ...]:
        """The ids of the jobs that run in this program."""
        with self._changed:
            return tuple(job_id for job_id, live in self._live.items() if live.is_running)

    def cancel(self, job_id: str) -> None:
        """Ask a queued or running job to stop; it does within a second. Others are left as they are."""
        self._stop(job_id, "cancel")

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
        with self._changed:
            if live := self._live.get(job_id):
                live.control.pause.clear()
        with self._beginning:
            job = self.snapshot(job_id)
            if not job.can_go_on:
                return
            changes = self.changes(job_id)
            if changes and job.results and not accept_changes:
                raise InputError("settings_changed", names=", ".join(changes))
            self._begin_again(job, changed=bool(changes), listener=listener)

    def retry(self, job_id: str, number: int) -> None:
        """Ask the part whose first frame has this number once more, and join anew. Raises as `resume` does."""
        with self._beginning:
            job = self.snapshot(job_id)
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
        with self._changed:
            live = self._live.get(job_id)
            if live is None or live.is_running:
                return
            first = max((one.job.priority for one in self._live.values()), default=0) + 1
            live.job = replace(live.job, priority=first)
            self._archive.keep(live.job, live.same)

    def state_of(self, entry: Entry) -> State:
        """How an entry of the library stands: what runs in a program that is gone is interrupted."""
        state = cast(State, entry.state)
        if state not in ("queued", "running"):
            return state
        with self._changed:
            is_here = entry.id in self._live
        is_elsewhere = entry.owner != self._owner.name and self._owner.is_alive(entry.owner)
        return state if is_here or is_elsewhere else "interrupted"

    def rename(self, job_id: str, name: str) -> None:
        """Call it so from now on. Raises InputError: "job_unknown", "name_empty", or "job_still_runs" where another
        program works on it.
        """
        name = one_line(name)
        if not name:
            raise InputError("name_empty")
        with self._beginning, self._changed:
            if live := self._live.get(job_id):
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
        """Keep a report of another machine (app.reports.json_reading) as a finished job; returns its id. One that is
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
            self.cancel(job_id)
            deadline = time.monotonic() + _STOP_SECONDS
            while not (job := self.snapshot(job_id)).is_over:
                if time.monotonic() > deadline:
                    raise InputError("job_still_runs", name=job.name)
                time.sleep(0.05)
            self.library.delete(job_id)
            self._archive.drop(job_id)
        return job

    def close(self) -> None:
        """Stop the workers. What runs or waits goes on when the next program starts."""
        self._is_closing.set()
        with self._changed:
            for live in self._live.values():
                live.control.cancel.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=10)
        self.indexing.close()
        self._owner.close()

    # ---- the queue

    def _enqueue(self, live: _Live) -> None:
        self._archive.keep(live.job, live.same)
        with self._changed:
            self._archive.forget(live.job.id)
            self._live[live.job.id] = live
            self._changed.notify_all()

    def _begin_again(self, job: JobSnapshot, *, changed: bool, listener: Listener | None = None) -> None:
        """Queue a job that is over, unless another program does so at this moment."""
        if not self._claim(job.id):
            return
        if changed:  # what the old settings gave must not stand beside what the new ones will
            self._store.keep_results(job.id, ())
            conditions = dict(self._sameness.conditions(job.request))
            job = replace(job, conditions=conditions, layout=None, chunks=(), again=(), analysis=None)
        same = self._sameness.known(job.request, job.conditions)
        self._enqueue(_Live(job.begun_anew(), Control(), done=_done_of(job), same=same, listener=listener))

    def _claim(self, job_id: str) -> bool:
        """Whether this program is the one that goes on with a job that is over."""
        row = self._store.get(job_id)
        if row is None:
            return False
        is_elsewhere = row.owner != self._owner.name and self._owner.is_alive(row.owner)
        if is_elsewhere and row.state in ("queued", "running"):
            return False
        return self._store.take_over(row, self._owner.name, "queued")

    def _in_turn(self) -> list[_Live]:
        waiting = [one for one in self._live.values() if not one.is_running]
        return sorted(waiting, key=lambda one: -one.job.priority)  # stable: those of one priority as they came

    def _stop(self, job_id: str, wish: str) -> None:
        with self._changed:
            live = self._live.get(job_id)
            if live:
                (live.control.cancel if wish == "cancel" else live.control.pause).set()
                if not live.is_running:
                    self._end(live, "cancelled" if wish == "cancel" else "paused", None)
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
        for row in self._store.in_states("queued", "running"):
            if self._owner.is_alive(row.owner) or not self._store.take_over(row, self._owner.name, row.state):
                continue
            try:
                self._go_on(row)
            except (AppError, ValueError):  # its document is damaged, or its request is none any more
                log.warning("job %s of another program cannot go on", row.id, exc_info=True)

    def _go_on(self, row: Row) -> None:
        """Queue a job that was taken over, unless it must be asked for."""
        job = self._archive.whole_of(replace(row, owner=self._owner.name))
        job = replace(job, interruptions=job.interruptions + (row.state == "running"))
        is_same = dict(self._sameness.conditions(job.request)) == job.conditions
        if job.interruptions > _MOST_INTERRUPTIONS or not is_same:
            self._archive.keep(replace(job, state="interrupted", eta_seconds=None), row.same)
            return
        self._enqueue(_Live(job.begun_anew(), Control(), done=_done_of(job), same=row.same))

    # ---- the work

    def _work(self) -> None:
        while (live := self._next()) is not None:
            try:
                self._do(live)
            except Exception:
                log.exception("job %s", live.job.id)
                with self._changed:
                    self._live.pop(live.job.id, None)

    def _next(self) -> _Live | None:
        with self._changed:
            while not self._is_closing.is_set():
                if turn := self._in_turn():
                    turn[0].is_running = True
                    return turn[0]
                self._changed.wait(1.0)
        return None

    def _do(self, live: _Live) -> None:
        job_id = live.job.id
        try:
            with self._admitted(live.control):
                self._settle(live)
                self._change(live, lambda job: replace(job, state="running"))
                self._archive.keep(live.job, live.same)
                self._run_through(live)
            self._end(live, "done", None)
        except Paused as error:
            self._end(live, "paused", error)
        except Cancelled as error:
            if self._is_closing.is_set():
                self._leave(live)
            else:
                self._end(live, "cancelled", error)
        except AppError as error:
            log.warning("analysis %s failed: %s", job_id, error)
            self._end(live, "failed", error)
        except Exception as error:
            log.exception("analysis %s failed", job_id)
            self._end(live, "failed", AppError("internal", kind=type(error).__name__, log=str(self._log_path)))

    def _settle(self, live: _Live) -> None:
        """Settings may have changed while the job waited. One that has answers already is asked about, by Paused."""
        now = dict(self._sameness.conditions(live.job.request))
        if now == live.job.conditions:
            return
        if live.job.results:
            raise Paused
        self._change(live, lambda job: replace(job, conditions=now))
        live.same = self._sameness.known(live.job.request, now)

    def _run_through(self, live: _Live) -> None:
        """All events of the run. Where the store refuses, what is on its way is finished and kept at hand, then that is
        raised.
        """
        refused: StorageError | None = None
        events = self._run(Task(live.job.request, live.job.id, live.control, live.done))
        try:
            for event in events:
                self._change(live, partial(fold, event=event))
                if live.listener:
                    live.listener(event)
                try:
                    if refused is None:
                        self._store_worthy(live, event)
                except StorageError as error:
                    refused = error
                    live.control.pause.set()
        except Paused:
            if refused is None:
                raise
        finally:  # what is on its way ends now, not when somebody collects the generator
            if close := getattr(events, "close", None):
                close()
        if refused:
            raise refused

    def _change(self, live: _Live, change: Callable[[JobSnapshot], JobSnapshot]) -> None:
        with self._changed:
            live.job = change(live.job)

    def _store_worthy(self, live: _Live, event: AnalysisEvent) -> None:
        job_id = live.job.id
        match event:
            case OpeningChosen(keyframes) | KeyframesChosen(keyframes):
                self._store.save_frames(job_id, ((frame.number, frame.jpeg) for frame in keyframes))
                live.same = live.same or self._sameness.known(live.job.request, live.job.conditions)
                self._archive.keep(live.job, live.same)
            case ChunkDone(result):
                self._store.save_result(job_id, result.number, result_to_text(result))
                self._store.keep_results(job_id, (one.number for one in live.job.results))
            case Planned():
                self._archive.keep(live.job, live.same)
            case Finished():
                self._store.keep_results(job_id, (one.number for one in live.job.results))
                self._archive.keep(live.job, live.same)
            case _:
                pass

    def _end(self, live: _Live, state: State, error: AppError | None) -> None:
        """Nobody sees that it is over before it is stored: from then on it may be begun again."""
        failure = Failure.of(error) if error else None
        job = replace(live.job, state=state, failure=failure, eta_seconds=None)
        try:
            self._archive.keep_at_least_here(job, self._sameness.of(job) or live.same)
        except AppError:
            log.exception("analysis %s could not be stored", job.id)
        self.indexing.take_up(job)
        with self._changed:
            self._live.pop(job.id, None)
            self._archive.forget(job.id)

    def _leave(self, live: _Live) -> None:
        """The program ends in an orderly way; the next one goes on with this job, which is not its fault."""
        self._archive.keep(replace(live.job, state="queued"), live.same)
        with self._changed:
            self._live.pop(live.job.id, None)


def _done_of(job: JobSnapshot) -> Done:
    """What a run that goes on with this job finds finished."""
    engine = job.analysis.engine if job.analysis else None
    return Done(job.layout, job.results, frozenset(job.again), engine)
