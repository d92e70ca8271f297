"""The OpenAPI document is true: schemathesis, a client generated from it and the example of the guide work."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response

from framelens.api import AllowedHosts, Gate, routes
from framelens.composition import Services
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore
from framelens.plugins.server.v1.application import programs

ROOT = Path(__file__).resolve().parents[4]
BIN = Path(sys.executable).parent
USE = """
import sys, time
from frame_lens_client import AuthenticatedClient
from frame_lens_client.api.jobs import get_job, get_report, submit_job
from frame_lens_client.api.uploads import append_to_upload, create_upload
from frame_lens_client.models import NewJob, NewUpload, UploadSource, Problem
from frame_lens_client.types import File
from io import BytesIO

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2])
upload = create_upload.sync(client=client, body=NewUpload(name="a.mp4", size_bytes=5))
part = append_to_upload.sync(upload.id, client=client, body=File(payload=BytesIO(b"video")))
assert part.received_bytes == 5, part
job = submit_job.sync(client=client, body=NewJob(source=UploadSource(type_="upload", id=upload.id)))
while not job.is_over:
    time.sleep(0.05)
    job = get_job.sync(job.id, client=client)
assert job.state == "done", job
report = get_report.sync_detailed(job.id, "html", client=client)
assert report.status_code == 200 and b"<html" in report.content
assert get_job.sync_detailed("nothere", client=client).status_code == 404
print("done")
"""


@pytest.fixture
def address(services: Services) -> Iterator[str]:
    """The API on a port of loopback."""
    gate = Gate(AllowedHosts())
    gate.services = services
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes(gate)), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/api/v1"
    server.should_exit = True
    thread.join()


@pytest.fixture
def token(services: Services) -> str:
    return api_keys.create(ApiStore(services.store), "contract", per_minute=100_000, jobs=1000)


def run(*words: object, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **environ},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_schemathesis_finds_no_failure(address: str, token: str, tmp_path: Path) -> None:
    expected = (
        "expected-statuses = ['2xx', '3xx', 401, 403, 404, 409, 413, 423, 429, '5xx']"  # 413: too much, 423: busy
    )
    settings = (
        f"[checks.positive_data_acceptance]\n{expected}\n"
        "[checks.not_a_server_error]\nexpected-statuses = ['2xx', '3xx', '4xx', 507]\n"  # 507: the uploads are full
    )
    (tmp_path / "schemathesis.toml").write_text(settings, encoding="utf-8")
    options = (
        "--max-examples",
        10,
        "--generation-deterministic",
        "--no-color",
        "--request-timeout",
        30,
        "-H",
        f"Authorization: Bearer {token}",
    )
    out = run(BIN / "schemathesis", "run", f"{address}/openapi.json", *options, cwd=tmp_path)
    assert "Tested: 29" in out  # plugins' routes, too


@pytest.mark.slow
def test_a_generated_client_works(address: str, token: str, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(httpx.get(f"{address}/openapi.json").content)
    run(BIN / "openapi-python-client", "generate", "--path", document, "--meta", "none", "--fail-on-warning",
        "--output-path", tmp_path / "frame_lens_client", cwd=tmp_path)  # fmt: skip
    script = tmp_path / "use.py"
    script.write_text(USE)
    assert run(sys.executable, script, address, token, cwd=tmp_path) == "done\n"


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_example_of_the_guide_works(address: str, token: str, language: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "reference" / f"api.{language}.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "clip.mp4").write_bytes(b"a video")
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    out = run(sys.executable, "example.py", cwd=tmp_path, API_KEY=token, API_URL=address, PYTHONUTF8="1")
    assert '"state":"done"' in out
    assert b"<html" in (tmp_path / "report.html").read_bytes()


@pytest.mark.slow
def test_an_open_stream_does_not_delay_the_end(tmp_path: Path) -> None:
    code = """
import sys, threading, uvicorn
from dataclasses import replace
from pathlib import Path
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from framelens.api import AllowedHosts, Gate, routes
from framelens.plugins.server import api_keys
from framelens.plugins.server.v1.application import programs
from framelens.core.domain import AnalysisRequest
from framelens.plugins.server.api_records import ApiStore
from tests.app.fake_services import open_fake, script
folder = Path(sys.argv[1])
gate = Gate(AllowedHosts())
opened = open_fake(folder, run=script(hold=threading.Event()), sample=folder / "none.mp4")
gate.services = opened
job = opened.jobs.submit(AnalysisRequest(folder / "a.mp4"), name="a.mp4")
class Announced(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        key = api_keys.create(ApiStore(opened.store), "t")
        print(key, job, self.servers[0].sockets[0].getsockname()[1], flush=True)
Announced(uvicorn.Config(Starlette(routes=routes(gate)), port=0, log_level="error")).run()
opened.close()
"""
    server = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "data"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert server.stdout
        key, job, port = server.stdout.readline().split()
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.stream("GET", f"http://127.0.0.1:{port}/api/v1/jobs/{job}/events", headers=headers) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: job"
            server.send_signal(signal.SIGTERM)
            list(lines)
        server.wait(60)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_every_answer_has_whole_microseconds() -> None:
    routes = [one for one in programs().routes if isinstance(one, APIRoute)]
    answer = programs().router.default_response_class
    assert isinstance(answer, type) and issubclass(answer, JSONResponse)
    assert answer({"seconds": 0.48000000000000004}).body == b'{"seconds":0.48}'
    assert {one.response_class for one in routes} <= {answer, Response, EventSourceResponse}
