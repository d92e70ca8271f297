"""Backup of a running app in the middle of an analysis, restored elsewhere and opened there."""

import json
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.endurance import differences, said
from framelens.cli.main import main
from tests.analysis.requests.test_orchestrator import introducing
from tests.browser.conftest import running
from tests.llm.scripted import serve
from tests.media import cards, write_video
from tests.plugins.server.v1.conftest import uploaded

pytestmark = pytest.mark.usefixtures("no_text_reading")
FORMATS = ("html", "markdown", "json")


def client(url: str, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=f"{url}api/v1/", headers=headers, timeout=60)


class _Uploads:
    """The client as `uploaded` uses it: addresses in answers are paths on the same server."""

    def __init__(self, api: httpx.Client, url: str) -> None:
        self._api, self._url = api, url

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self._api.post(path, **more)

    def patch(self, url: str, **more: Any) -> httpx.Response:
        return self._api.patch(self._url.rstrip("/") + url.removeprefix("http://testserver"), **more)


def begin(api: httpx.Client, url: str, video: Path, **more: Any) -> str:
    source = uploaded(_Uploads(api, url), video.read_bytes(), video.name)  # type: ignore[arg-type]
    job = {"source": source, "frames": 8, "strategy": "uniform", "language": "en", **more}
    answer = api.post("jobs", json=job)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def ended(api: httpx.Client, job_id: str) -> dict[str, Any]:
    while not (job := api.get(f"jobs/{job_id}").json())["is_over"]:
        time.sleep(0.1)
    return dict(job)


def reports(api: httpx.Client, job_id: str) -> dict[str, bytes]:
    found = {name: api.get(f"jobs/{job_id}/reports/{name}?language=en") for name in FORMATS}
    assert {one.status_code for one in found.values()} == {200}
    return {name: one.content for name, one in found.items()}


@pytest.mark.slow
def test_backup_of_a_running_app_opens_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    go, asked = threading.Event(), threading.Event()

    def behave(body: dict[str, Any]) -> Iterator[str]:
        asked.set()
        go.wait(60)
        yield from introducing(body)

    video = write_video(tmp_path / "clip.mp4", cards(["red", "green", "blue", "white"] * 2, 10), rate=10)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    go.set()
    with serve(behave) as server:
        monkeypatch.setenv("FRAMELENS_BASE_URL", server.base_url)
        monkeypatch.setenv("FRAMELENS_DATA_DIR", str(first / "data"))
        assert main(["admin", "keys", "create", "tests", "--limit", "10000/min"]) == 0
        key = capsys.readouterr().out.strip()
        with running("app/main.py", first, model=server.model) as app, client(app.url, key) as api:
            done = begin(api, app.url, video)
            assert ended(api, done)["state"] == "done"
            before = reports(api, done)
            asked.clear(), go.clear()
            going = begin(api, app.url, video, question="What else?")
            assert asked.wait(30)
            assert main(["admin", "backup", str(tmp_path / "b.zip"), "--language", "en"]) == 0
            assert "about" in capsys.readouterr().err
            assert main(["admin", "restore", str(tmp_path / "b.zip"), "--language", "en"]) == 6
            assert "empty data folder" in capsys.readouterr().err
            go.set()
            assert ended(api, going)["state"] == "done", "neither command may disturb the app"
            later = reports(api, going)
            assert reports(api, done) == before
        assert main(["admin", "restore", str(tmp_path / "b.zip"), "--check", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["videos"] and found["files"] == len(zipfile.ZipFile(tmp_path / "b.zip").namelist()) - 1

        monkeypatch.setenv("FRAMELENS_DATA_DIR", str(second / "data"))
        assert main(["admin", "restore", str(tmp_path / "b.zip"), "--language", "en"]) == 0
        assert "Restored" in capsys.readouterr().out
        with running("app/main.py", second, model=server.model) as app, client(app.url, key) as api:
            assert reports(api, done) == before, "byte for byte"
            assert ended(api, going)["state"] == "done", "what was running at the backup is resumed"
            (tmp_path / "later.json").write_bytes(later["json"])
            (tmp_path / "resumed.json").write_bytes(reports(api, going)["json"])
    assert list(differences(said(tmp_path / "later.json"), said(tmp_path / "resumed.json"))) == []
