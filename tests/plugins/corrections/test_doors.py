"""Corrections through the API, the command line and the MCP tool."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from framelens.api import Gate, routes
from framelens.api.tools import ToolCall
from framelens.composition import Services
from framelens.core.errors import InputError
from framelens.core.roles import LOCAL_USER, as_user
from framelens.plugins.corrections.tools import correct
from tests.commands import run_command
from tests.reports.test_reports import analysis

pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture
def job_id(services: Services) -> str:
    return services.jobs.import_report(analysis(id="report-1"))


@pytest.fixture
def api(gate: Gate, services: Services) -> Iterator[TestClient]:
    api_keys = pytest.importorskip("framelens.plugins.server.api_keys", reason="the plugin server serves the API")
    api_records = pytest.importorskip("framelens.plugins.server.api_records")
    with as_user(LOCAL_USER):
        key = api_keys.create(api_records.ApiStore(services.store), "tests")
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "en"}
    with TestClient(Starlette(routes=routes(gate)), base_url="http://testserver/api/v1/", headers=headers) as client:
        yield client


def test_programs_correct_a_report_and_meet_others(api: TestClient, job_id: str) -> None:
    address = f"jobs/{job_id}/corrections"
    listed = api.get(address).json()
    assert listed["revision"] == 0 and {"title", "note", "f3", "s2", "p2"} <= {item["key"] for item in listed["items"]}
    body: dict[str, Any] = {"corrections": [{"kind": "replace", "target": "f3", "text": "Anna's"}], "revision": 0}
    made = api.post(address, json={**body, "author": "Anna"}).json()
    (item,) = (item for item in made["items"] if item["key"] == "f3")
    assert (item["text"], item["original"], item["frames"]) == ("Anna's", "both", [1, 2])
    assert item["written_by"].startswith("(corrected by Anna, ") and made["met"] == []
    body["corrections"][0]["text"] = "Bo's"
    met = api.post(address, json={**body, "author": "Bo"}).json()
    assert [(rival["author"], rival["text"]) for rival in met["met"]] == [("Anna", "Anna's")] and met["proposals"] == [
        2
    ]
    assert "Anna's" in api.get(f"jobs/{job_id}/reports/markdown").text
    refused = api.post(address, json={"corrections": [{"kind": "strike", "target": "f9"}]})
    assert refused.status_code == 409 and "f9" in refused.json()["detail"]
    assert api.get("jobs/nothing1/corrections").status_code == 404


def test_an_agent_lists_and_corrects(services: Services, job_id: str) -> None:
    call = ToolCall(services, lambda video: (None, services.reports.get(job_id)), Path)
    assert correct(call, job_id).revision == 0
    made = correct(call, job_id, "add", text="a dog", at_time="0:02")
    assert made.quoted and made.quoted.items[-3].written_by.startswith("(written by MCP")
    with pytest.raises(InputError):
        correct(ToolCall(services, lambda video: (None, None), Path), "film.mp4")


def test_the_command_lists_corrects_and_undoes(tmp_path: Path) -> None:
    from framelens.reports.formats import FORMATS

    file = tmp_path / "a.json"
    file.write_bytes(FORMATS["json"].write(analysis(id="report-1"), "en"))
    environment = {"FRAMELENS_DATA_DIR": str(tmp_path / "data")}

    def run(*words: str) -> str:
        made = run_command("library", *words, environ=environment)
        assert made.returncode == 0, made.stderr
        return made.stdout

    run("import", str(file))
    assert "f3     both" in run("correct", "latest")
    changed = run("correct", "latest", "f3", "A", "van.", "--strike", "s2", "--author", "Anna")
    assert "f3     A van.  (corrected by Anna" in changed and "The model wrote: both" in changed and "f1" not in changed
    document = json.loads(run("correct", "latest", "--undo", "--author", "Anna", "--json"))
    assert document["revision"] == 4 and [item["text"] for item in document["items"] if item["key"] == "f3"] == ["both"]
    assert run("correct", "latest", "--differences") == ""  # what was done at once is undone at once
    assert "s2" in run("correct", "latest", "--redo", "--author", "Anna")
    refused = run_command("library", "correct", "latest", "f3", environ=environment)
    assert refused.returncode == 2 and "--strike f3" in refused.stderr


@pytest.mark.slow
def test_a_new_analysis_offers_the_corrections(card_video: Path, tmp_path: Path) -> None:
    environment = {"FRAMELENS_DATA_DIR": str(tmp_path / "data")}

    def analyse(*words: object) -> tuple[str, str]:
        made = run_command("analyse", card_video, "--no-model", *words, environ=environment, cwd=tmp_path)
        assert made.returncode == 0, made.stderr
        return made.stdout, made.stderr

    assert "offers" not in json.loads(analyse("--json")[0])
    run_command("library", "correct", "latest", "note", "Mind the gate.", "--author", "Anna", environ=environment)
    document, said = analyse("--json", "--frames", "3")
    (offer,) = json.loads(document)["offers"]
    assert offer["fitting"] == 1 and f"1 correction fits this report, too.\n  {offer['command']}" in said
    taken = run_command(*offer["command"].split()[1:], environ=environment)
    assert "Mind the gate.  (written by Anna" in taken.stdout, taken.stderr
    assert "library correct" not in analyse("--frames", "3")[1]  # it has its corrections
    in_chinese = analyse("--frames", "2", "--language", "zh")[1]
    assert "其中 1 处也适用于这份报告" in in_chinese and "--take-over" in in_chinese
