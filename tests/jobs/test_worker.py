"""Order of the waiting jobs: users take turns, and a single user keeps the order of priority and arrival."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.analysis.task import Control
from framelens.core.domain import AnalysisRequest
from framelens.jobs.snapshot import JobSnapshot
from framelens.jobs.worker import ActiveJob, ActiveJobs

REQUEST = AnalysisRequest(Path("/v/clip.mp4"))
OPEN = threading.Event()


def queued(*names: str, priorities: dict[str, int] | None = None) -> ActiveJobs:
    """Jobs whose first letter is their user."""
    jobs = ActiveJobs()
    for name in names:
        job = JobSnapshot(name, name, "", REQUEST, priority=(priorities or {}).get(name, 0), user_id=name[0])
        jobs.add(ActiveJob(job, Control()))
    return jobs


def next_of(jobs: ActiveJobs) -> str:
    live = jobs.start_next(OPEN)
    assert live
    return live.job.id


def order(jobs: ActiveJobs, workers: int) -> list[str]:
    """The order in which jobs begin if they end in this order, too."""
    begun: list[str] = []
    running: list[str] = []
    while jobs.waiting():
        running.append(next_of(jobs))
        begun.append(running[-1])
        if len(running) == workers:
            jobs.drop(running.pop(0))
    return begun


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_user_waits_for_one_job_only(workers: int) -> None:
    jobs = queued("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    assert order(jobs, workers) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_users_take_turns_whenever_they_come() -> None:
    # A user who comes later is next.
    jobs = queued("a1", "a2", "a3")
    assert [next_of(jobs), next_of(jobs)] == ["a1", "a2"]
    jobs.add(ActiveJob(JobSnapshot("b1", "b1", "", REQUEST, user_id="b"), Control()))
    assert [live.job.id for live in jobs.waiting()] == ["b1", "a3"]
    # Priority of one user passes no other.
    jobs = queued("b1", "a1", "a2", "a3", "b2", priorities={"a3": 9})
    assert order(jobs, 1) == ["a3", "b1", "a1", "b2", "a2"]


@pytest.mark.parametrize("workers", [1, 2])
def test_one_user_keeps_priority_then_arrival(workers: int) -> None:
    jobs = queued("a1", "a2", "a3", "a4", priorities={"a3": 1, "a4": 2})
    assert order(jobs, workers) == ["a4", "a3", "a1", "a2"]


@pytest.mark.slow
def test_jobs_without_a_model_pass_those_that_wait_for_one() -> None:
    jobs = queued("a1", "a2", "a3")
    closed, bare = threading.Event(), replace(REQUEST, use_model=False)
    jobs.add(ActiveJob(JobSnapshot("b1", "b1", "", bare, user_id="b"), Control()))
    jobs.add(ActiveJob(JobSnapshot("b2", "b2", "", bare, user_id="b"), Control()))
    threading.Timer(0.1, closed.set).start()
    assert jobs.start_next(closed, beside=2) is None, "nothing with a model runs yet, so the others will begin it"
    assert [next_of(jobs), next_of(jobs)] == ["a1", "b1"]
    assert next_of(jobs) == "a2"
    live = jobs.start_next(OPEN, beside=2)
    assert live is not None and live.job.id == "b2"
