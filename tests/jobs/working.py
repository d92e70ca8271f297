"""Real jobs on a real store that ask a scripted engine about scripted frames, and what two reports have in common."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from framelens.analysis.pipeline import analyse
from framelens.analysis.task import Task
from framelens.core.analysis_state import AnalysisUpdate
from framelens.core.domain import Analysis, AnalysisRequest, ChunkResult, Usage
from framelens.i18n import LANGUAGES, t
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.queue import Jobs
from framelens.jobs.snapshot import JobSnapshot
from framelens.store.database import Store
from framelens.store.locks import ProcessLock
from tests.analysis.test_pipeline import ScriptedTools, tools
from tests.llm.scripted import Server

FRAMES = 24
CONTEXT = 256
"""Holds few frames, so that there are many parts."""
REQUEST = AnalysisRequest(Path("/videos/clip.mp4"), frames=FRAMES)


Conditions = Callable[[AnalysisRequest], Mapping[str, str]]


def with_conditions(**conditions: str) -> Conditions:
    return lambda request: {"model": "model", **conditions}


def made(server: Server | None, **changes: Any) -> ScriptedTools:
    """Tools for REQUEST; two requests at the same time unless told otherwise."""
    return tools(server, FRAMES, **{"in_flight": 2, **changes})


@dataclass
class ScriptedSession:
    """An engine session that analyses with these tools under these conditions."""

    tools: ScriptedTools
    conditions: Conditions

    @property
    def engine(self) -> Any:
        raise AssertionError("jobs use no engine")

    def run(self, task: Task) -> Iterator[AnalysisUpdate]:
        return analyse(task, self.tools)

    def close(self) -> None:
        """It holds nothing."""


@contextmanager
def jobs_in(
    folder: Path,
    made: ScriptedTools,
    *,
    adopts: bool = True,
    conditions: Conditions = lambda request: {"model": "model"},
    switcher: Callable[[ScriptedSession], EngineSwitcher[ScriptedSession]] = EngineSwitcher,
    **more: Any,
) -> Iterator[Jobs]:
    """The jobs of a program on the data folder; at the end of the block it ends in an orderly way."""
    store = Store(folder / "framelens.sqlite")
    jobs = Jobs(
        store,
        ProcessLock(folder / "running"),
        switcher(ScriptedSession(made, conditions)),
        made.extractions,
        log_path=folder / "framelens.log",
        adopts=adopts,
        **more,
    )
    try:
        yield jobs
    finally:
        jobs.close()
        store.close()


def until(jobs: Jobs, job_id: str, wanted: Callable[[JobSnapshot], bool]) -> JobSnapshot:
    """The job as soon as it is as wanted; the test's own time limit ends the wait for what never comes."""
    while not wanted(job := jobs.snapshot(job_id)):
        time.sleep(0.02)
    return job


def ended(jobs: Jobs, job_id: str) -> JobSnapshot:
    return until(jobs, job_id, lambda job: job.is_over)


def report_of(job: JobSnapshot) -> Analysis:
    assert job.state == "done", job.error
    assert job.analysis
    return plain(job.analysis)


def plain(analysis: Analysis) -> Analysis:
    """The analysis without what differs between runs: id, times of day, seconds, what was spent, the address, and what
    was said beside where an answer was asked for again.
    """
    return replace(
        analysis,
        id="",
        created="",
        seconds_by_stage={},
        engine=analysis.engine and replace(analysis.engine, base_url=""),
        chunks=tuple(map(plain_result, analysis.chunks)),
        joins=tuple(map(plain_result, analysis.joins)),
        summary=analysis.summary and plain_result(analysis.summary),
        notices=(),
        conditions=dict(analysis.conditions),
        field_names=dict(analysis.field_names),
    )


def plain_result(result: ChunkResult) -> ChunkResult:
    def bare(findings: Any) -> Any:
        return tuple(replace(finding, fields=dict(finding.fields)) for finding in findings)

    prompt = result.prompt
    for language, trouble in product(LANGUAGES, ("repeats", "cut", "form")):
        prompt = prompt.removesuffix("\n" + t(f"prompt.again.{trouble}", language))
    return replace(
        result,
        prompt=prompt,
        usage=Usage(),
        seconds=0.0,
        attempts=1,
        recalled=False,
        findings=bare(result.findings),
        overview=bare(result.overview),
        reply=bare(result.reply),
    )
