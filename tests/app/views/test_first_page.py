"""What waits for the first page to be drawn, and what a page shows of a job that has just begun."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app import resources
from app.panels.work.rows import stage_text
from framelens.core.domain import AnalysisRequest
from framelens.core.events import StageStarted
from framelens.jobs.snapshot import JobSnapshot
from tests.updates import after

JOB = JobSnapshot("id", "a.mp4", "2026-01-01", AnalysisRequest(Path("/a.mp4")))


def test_work_begins_once_after_the_first_page(monkeypatch: pytest.MonkeyPatch) -> None:
    began, calls = threading.Event(), []

    def work() -> None:
        calls.append(threading.current_thread())
        began.set()

    monkeypatch.setattr(resources, "_installed", resources.Installed(after_first_page=work))
    monkeypatch.setattr(resources, "_first_page", threading.Lock())
    monkeypatch.setattr(resources, "_PAINT_SECONDS", 0.0)
    resources.note_page_drawn()
    resources.note_page_drawn()
    assert began.wait(10)
    assert len(calls) == 1
    assert calls[0] is not threading.current_thread()


@pytest.mark.slow
def test_langchain_is_imported_after_the_first_page() -> None:
    code = (
        "import sys, app.main; before = 'langchain_core' in sys.modules; app.main.import_engine_client();"
        "print(before, *(name in sys.modules for name in ('langchain_core', 'framelens.llm.chat')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False True True"


@pytest.mark.slow
def test_an_analysis_opens_its_video_without_langchain() -> None:
    code = (
        "import sys, framelens.analysis.pipeline, framelens.analysis.inputs.extraction_cache as cache; "
        "print('langchain_core' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_a_job_says_that_it_waits_only_while_it_does() -> None:
    running = JobSnapshot("id", "a.mp4", "2026-01-01", JOB.request, state="running")
    assert stage_text(JOB) == "Waiting for its turn"
    assert stage_text(running) == "Opening the video"
    assert stage_text(after(running, StageStarted("survey"))) == "Finding keyframes"


@pytest.mark.usefixtures("chinese")
def test_stage_is_in_the_language_of_the_page() -> None:
    assert stage_text(JobSnapshot("id", "a.mp4", "2026-01-01", JOB.request, state="running")) == "正在打开视频"
