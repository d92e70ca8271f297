"""Questions of jobs that programs submit: the job's state has the answer as it grows, with the moments."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from framelens.composition import Services
from tests.cards import write_card_video
from tests.llm.scripted import serve
from tests.plugins.server.v1.conftest import ended_job, services_on, uploaded
from tests.plugins.server.v1.test_jobs import events
from tests.questions.test_request_answer import describing
from tests.questions.test_when import COLOURS
from tests.thorough import first_of

pytestmark = pytest.mark.usefixtures("no_text_reading")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with serve(describing()) as server:
        yield from services_on(server.base_url, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "language, question, first",
    first_of(
        [
            ("en", "When does a red card appear?", "“a red card” was seen 2 times:"),
            ("zh", "红色卡片什么时候出现？", "看到“红色卡片”2 次："),
        ]
    ),
)
def test_job_has_the_moments(api: TestClient, tmp_path: Path, language: str, question: str, first: str) -> None:
    content = write_card_video(tmp_path / "cards.mp4", COLOURS, seconds_per_card=1.5).read_bytes()
    given = {"source": uploaded(api, content, "cards.mp4"), "question": question, "language": language, "frames": 4}
    job_id = api.post("jobs", json=given).json()["id"]
    states = [state for name, _, state in events(api, f"jobs/{job_id}/events") if name == "job"]
    answer = ended_job(api, job_id)["answer"]
    assert states[-1]["answer"] == answer and answer["state"] == "complete" and answer["text"].startswith(first)
    assert [(one["start_seconds"], one["end_seconds"]) for one in answer["moments"]] == [(3.0, 4.5), (9.0, 12.0)]
    talk = api.get(f"conversations/{answer['conversation']}").json()
    assert [one["text"] for one in talk["answers"]] == [answer["text"]] and talk["jobs"] == [job_id]
    report = api.get(f"jobs/{job_id}/reports/json").json()
    assert report["answer"]["id"] == answer["conversation"] and "conversations" not in report
