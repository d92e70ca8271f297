"""A report that is there before all facts are measured: shown, stored, exported, and completed afterwards."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens.core.errors import DecodeError, ModelNotFound
from framelens.core.events import KeyframesChosen, VideoEvent
from framelens.i18n import LANGUAGES, t
from framelens.jobs.snapshot import JobSnapshot
from framelens.reports.formats import FORMATS
from framelens.video.keyframes.options import ExtractOptions
from tests.analysis.requests.test_orchestrator import introducing
from tests.analysis.test_pipeline import ScriptedConnector, ScriptedTools, extracting, with_video
from tests.jobs.working import CONTEXT, FRAMES, REQUEST, ended, jobs_in, made, plain, report_of, until
from tests.llm.scripted import Server, serve

_MEASURED = 2


class _Facts:
    """Tools whose facts wait behind the second frame until they are let through, or fail there."""

    def __init__(self, server: Server | None, error: Exception | None = None) -> None:
        self.through = threading.Event()
        self._error = error
        self.tools: ScriptedTools = made(server, extract=extracting(FRAMES, self._wait))

    def _wait(self, number: int) -> None:
        if number > _MEASURED:
            self.through.wait(60)
            if self._error:
                raise self._error


def measuring(jobs: Any, job_id: str) -> JobSnapshot:
    return until(jobs, job_id, lambda job: job.state == "measuring" and len(job.progress.facts) == _MEASURED)


def until_listed(jobs: Any, job_id: str) -> None:
    """Wait until the library knows the report."""
    while not jobs.library.hits(job_id, "seen"):
        time.sleep(0.02)


def keys(job: JobSnapshot) -> list[str]:
    assert job.analysis
    return [notice.key for notice in job.analysis.notices]


@pytest.mark.slow
def test_report_appears_before_facts_and_gains_them(tmp_path: Path) -> None:
    with serve(introducing, context=CONTEXT) as server:
        facts = _Facts(server)
        with jobs_in(tmp_path, facts.tools) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            job = measuring(jobs, job_id)
            assert job.is_readable and not job.is_over
            assert job.analysis and job.analysis.summary and job.analysis.sha256
            assert len(job.analysis.facts) == _MEASURED
            assert "facts_pending" in keys(job)
            until_listed(jobs, job_id)
            facts.through.set()
            done = ended(jobs, job_id)
            assert len(report_of(done).facts) == FRAMES
            assert "facts_pending" not in keys(done)
        with jobs_in(tmp_path, facts.tools) as jobs:
            assert len(report_of(jobs.snapshot(job_id)).facts) == FRAMES


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_export_made_before_says_that_facts_follow(tmp_path: Path, language: Any) -> None:
    with serve(introducing, context=CONTEXT) as server:
        facts = _Facts(server)
        with jobs_in(tmp_path, facts.tools) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            analysis = measuring(jobs, job_id).analysis
            assert analysis
            for name in ("markdown", "html", "json"):
                said = FORMATS[name].to_bytes(analysis, language, appendix=True).decode()
                assert t("notice.facts_pending", language).rstrip(".。") in said.replace("\\", "")
            facts.through.set()
            ended(jobs, job_id)


@pytest.mark.slow
def test_next_program_measures_missing_facts_only(tmp_path: Path) -> None:
    with serve(introducing, context=CONTEXT) as server:
        held = _Facts(server)
        with jobs_in(tmp_path, held.tools) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            before = measuring(jobs, job_id).analysis
        held.through.set()

    def no_engine(*_: Any, **__: Any) -> Any:
        raise AssertionError("an engine was opened for facts alone")

    with jobs_in(tmp_path, replace(held.tools, connector=ScriptedConnector(no_engine))) as jobs:
        after = report_of(ended(jobs, job_id))
        assert jobs.snapshot(job_id).interruptions == 0
    assert before
    assert (after.chunks, after.summary) == (plain(before).chunks, plain(before).summary)
    assert len(after.facts) == FRAMES


def test_frames_are_shown_at_once_where_no_model_can_be_had(tmp_path: Path) -> None:
    def no_model(*_: Any, **__: Any) -> Any:
        raise ModelNotFound("model_is_file", model="x", folder="y")

    facts = _Facts(None)
    with jobs_in(tmp_path, replace(facts.tools, connector=ScriptedConnector(no_model))) as jobs:
        job_id = jobs.submit(REQUEST, name="clip.mp4")
        job = measuring(jobs, job_id)
        assert job.is_readable and "no_model_because" in keys(job)
        facts.through.set()
        job = ended(jobs, job_id)
    assert job.state != "done"
    assert job.error and job.error.key == "model_is_file"
    assert job.analysis and len(job.analysis.facts) == FRAMES
    assert "facts_pending" not in keys(job)


@pytest.mark.slow
def test_cancel_while_facts_are_measured_keeps_the_report(tmp_path: Path) -> None:
    with serve(introducing, context=CONTEXT) as server:
        facts = _Facts(server)
        with jobs_in(tmp_path, facts.tools) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            measuring(jobs, job_id)
            jobs.cancel(job_id)
            job = ended(jobs, job_id)
            facts.through.set()
    assert job.state == "done"
    assert len(report_of(job).facts) == _MEASURED
    assert "facts_incomplete" in keys(job) and "facts_pending" not in keys(job)


@pytest.mark.slow
def test_unmeasurable_facts_become_a_notice(tmp_path: Path) -> None:
    with serve(introducing, context=CONTEXT) as server:
        facts = _Facts(server, DecodeError("decode_failed", name="clip.mp4", reason="it broke"))
        with jobs_in(tmp_path, facts.tools) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            measuring(jobs, job_id)
            facts.through.set()
            job = ended(jobs, job_id)
    assert job.state == "done"
    assert "facts_incomplete" in keys(job) and "facts_pending" not in keys(job)


@pytest.mark.slow
def test_a_part_is_asked_again_while_facts_are_measured(tmp_path: Path) -> None:
    with serve(introducing, context=CONTEXT) as server:
        facts = _Facts(server)
        with jobs_in(tmp_path, facts.tools) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            number = measuring(jobs, job_id).progress.results[0].number
            asked = len(server.requests)
            threading.Timer(0.5, facts.through.set).start()
            jobs.retry(job_id, number)
            done = ended(jobs, job_id)
    assert len(server.requests) > asked
    assert len(report_of(done).facts) == FRAMES
    assert "facts_incomplete" not in keys(done)


@pytest.mark.slow
def test_changed_video_is_not_measured_for_old_report(tmp_path: Path) -> None:
    with serve(introducing, context=CONTEXT) as server:
        held = _Facts(server)
        with jobs_in(tmp_path, held.tools) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            measuring(jobs, job_id)
        held.through.set()

    def moved(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
        for event in extracting(FRAMES)(path, wanted, cancel):
            if isinstance(event, KeyframesChosen):
                frames = tuple(replace(frame, time_seconds=frame.time_seconds + 0.5) for frame in event.keyframes)
                event = replace(event, keyframes=frames)
            yield event

    with jobs_in(tmp_path, with_video(held.tools, extract=moved)) as jobs:
        job = ended(jobs, job_id)
    assert job.state == "done"
    assert len(report_of(job).facts) == _MEASURED
    assert "facts_incomplete" in keys(job)
