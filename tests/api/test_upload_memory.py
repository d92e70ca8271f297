"""A large upload goes to the disk and not into memory: measured on the real route in a server process of its own."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

SIZE_BYTES = 300 * 2**20
GROWTH_BYTES = 40 * 2**20
_SERVER = """
import sys, uvicorn
from pathlib import Path
from starlette.applications import Starlette
from app.api import AllowedHosts, Gate, routes
from tests.ui.fake_services import open_fake, script
folder = Path(sys.argv[1])
gate = Gate(AllowedHosts())
gate.services = open_fake(folder, run=script(), sample=folder / "none.mp4")
config = uvicorn.Config(Starlette(routes=routes(gate)), port=0, log_level="warning")
server = uvicorn.Server(config)
class Told(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(gate.key, self.servers[0].sockets[0].getsockname()[1], flush=True)
Told(config).run()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    command = [sys.executable, "-c", _SERVER, str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout
        key, port = process.stdout.readline().split()
        yield process, key, int(port)
        process.terminate()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's peak memory from /proc")
def test_memory_does_not_grow_with_the_upload(server: tuple[subprocess.Popen[str], str, int]) -> None:
    process, key, port = server
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as line:
        _upload(line, key, process.pid)


def _upload(line: http.client.HTTPConnection, key: str, pid: int) -> None:
    common = {"FrameLens-Key": key, "Tus-Resumable": "1.0.0"}
    line.request("POST", "/api/uploads", headers=common | {"Upload-Length": str(SIZE_BYTES)})
    answer = line.getresponse()
    url = answer.headers["Location"]
    answer.read()
    before = _peak_bytes(pid)
    piece = bytes(2**20)
    headers = {
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(SIZE_BYTES),
    }
    line.request("PATCH", url, body=(piece for _ in range(SIZE_BYTES // len(piece))), headers=common | headers)
    answer = line.getresponse()
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(SIZE_BYTES))
    assert _peak_bytes(pid) - before < GROWTH_BYTES


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
