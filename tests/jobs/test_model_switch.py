"""The settings that a job was started with, read back from its conditions."""

from pathlib import Path

import pytest

from framelens.analysis.prompts.templates import Templates
from framelens.config import Settings, load
from framelens.core.domain import AnalysisRequest
from framelens.jobs.engine_session import EngineSession, conditions
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.model_switch import ModelDownload, ModelSwitch, with_settings_of
from framelens.jobs.snapshot import JobSnapshot

REQUEST = AnalysisRequest(Path("a.mp4"))
TINY = str(Path(__file__).parents[1] / "fixtures" / "tiny-vl")
LOCAL = {"VLLM_MODEL_PATH": TINY, "VLLM_CONFIG": '{"max_model_len": 2048}'}
REMOTE = {"FRAMELENS_BASE_URL": "http://127.0.0.1:1/v1", "FRAMELENS_API_KEY": "secret-of-the-first"}
FORM = {"FRAMELENS_ANSWER_TOKENS": "64", "FRAMELENS_FRAME_SIDE": "224", "FRAMELENS_FRAMES_AS": "video"}


def job_with(settings: Settings) -> JobSnapshot:
    return JobSnapshot("job", "a.mp4", "2026", REQUEST, conditions=conditions(settings, Templates(), REQUEST))


@pytest.mark.parametrize("then", [{}, LOCAL, REMOTE, {**LOCAL, **FORM}, {**REMOTE, **FORM, "VLLM_MODEL_PATH": "m"}])
@pytest.mark.parametrize("now", [{}, LOCAL, {**REMOTE, **FORM}])
def test_settings_of_a_job_give_its_conditions(then: dict[str, str], now: dict[str, str], tmp_path: Path) -> None:
    job, settings = job_with(load(then, tmp_path / ".env")), load(now, tmp_path / ".env")
    assert conditions(with_settings_of(settings, job), Templates(), REQUEST) == job.conditions


def test_settings_are_sent_and_shared_where_they_agree(tmp_path: Path) -> None:
    # A key is sent to its own address alone.
    elsewhere = {**REMOTE, "FRAMELENS_BASE_URL": "http://127.0.0.1:2/v1"}
    settings = load(elsewhere, tmp_path / ".env")
    assert with_settings_of(settings, job_with(settings)).api_key == "secret-of-the-first"
    assert with_settings_of(settings, job_with(load(REMOTE, tmp_path / ".env"))).api_key == ""
    # What no setting brings back is named.
    settings = load(REMOTE, tmp_path / ".env")
    session = EngineSession(settings, Templates())
    switch = ModelSwitch(EngineSwitcher(session), None, Templates(), None, ModelDownload())  # type: ignore[arg-type]
    job = job_with(load({**REMOTE, **FORM}, tmp_path / ".env"))
    assert switch.lost_settings(job) == ()
    old = {**job.conditions, "app": "0.0.1 (0123456789abcdef)", "prompt": "01234567"}
    assert switch.lost_settings(JobSnapshot("job", "a.mp4", "2026", REQUEST, conditions=old)) == ("app", "prompt")
    # An engine is shared where its settings agree.
    session = EngineSession(load(REMOTE, tmp_path / ".env"), Templates())
    same, other = (
        load({**REMOTE, **FORM}, tmp_path / ".env"),
        load({"FRAMELENS_BASE_URL": "http://127.0.0.1:2/v1"}, tmp_path / ".env"),
    )
    assert session.with_settings(same).engine is session.engine
    assert session.with_settings(other).engine is not session.engine
