"""Rules of jobs that resume: the results that the new run keeps, and the jobs that resume unasked.

The queue does the rest: it takes a job over from a process that ended, stores the job and runs it again.
"""

from collections.abc import Mapping
from dataclasses import replace

from framelens.analysis.task import EarlierResults
from framelens.jobs.snapshot import JobSnapshot

_ANSWER_STAGES = ("answer", "ask", "summary")
"""Stages whose time is dropped with the answers."""
_MOST_INTERRUPTIONS = 2
"""Most interruptions without a new answer after which a job resumes unasked; after more, the job may be their cause."""


def restarted(job: JobSnapshot) -> tuple[JobSnapshot, EarlierResults]:
    """Return a job reset for another run, and the results that the run starts with."""
    again = job.restarted()
    engine = job.analysis.engine if job.analysis else None
    return again, EarlierResults(again.progress, frozenset(job.again), engine)


def without_answers(job: JobSnapshot, conditions: Mapping[str, str]) -> JobSnapshot:
    """Return a job without its answers, for other settings: answers under old and new settings must not be mixed."""
    spent = {stage: one for stage, one in job.progress.seconds_by_stage.items() if stage not in _ANSWER_STAGES}
    progress = replace(job.progress, layout=None, results=(), answer=None, header=None, seconds_by_stage=spent)
    return replace(job, conditions=dict(conditions), progress=progress, earlier=None, again=())


def interrupted(job: JobSnapshot, state: str, *, is_same: bool) -> tuple[JobSnapshot, bool]:
    """Return a job whose process ended in this state, and whether it resumes unasked.

    The user decides about a job that may be the cause of the interruptions, or whose settings have changed.
    """
    job = replace(job, interruptions=job.interruptions + (state in ("running", "measuring")))
    if job.interruptions > _MOST_INTERRUPTIONS or not is_same:
        return replace(job.without_eta(), state="interrupted"), False
    return job, True
