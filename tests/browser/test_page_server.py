"""The page's server, started from any folder: what it listens on, what it sends, and whom it lets in."""

import asyncio
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.NewSession_pb2 import NewSession
from websockets.asyncio.client import connect

from tests.browser.conftest import ROOT, App, running


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app as a service starts it: from a folder of no meaning, with no option that opens or closes anything."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with running("app/main.py", folder, cwd=folder) as app:
        yield app


def port_of(app: App) -> int:
    port = urlsplit(app.url).port
    assert port is not None
    return port


def status(app: App, path: str = "", **headers: str) -> int:
    """The status of a request to the server with other headers than its address suggests."""
    request = urllib.request.Request(f"{app.url}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def _session(app: App, host: str, origin: str | None) -> NewSession | int:
    """What the WebSocket tells a new page, or the status with which it is refused."""
    port = port_of(app)
    try:
        async with connect(
            f"ws://{host}/_stcore/stream",
            host="127.0.0.1",
            port=port,
            origin=origin,  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            proxy=None,
        ) as socket:
            await socket.send(BackMsg(rerun_script={}).SerializeToString())
            while True:
                message = ForwardMsg.FromString(await asyncio.wait_for(socket.recv(), 60))  # type: ignore[arg-type]
                if message.HasField("new_session"):
                    return message.new_session
    except websockets.InvalidStatus as refused:
        return refused.response.status_code


def session(app: App, host: str, origin: str | None) -> NewSession | int:
    return asyncio.run(_session(app, host, origin))


def listening(port: int) -> set[str]:
    """Addresses on which this machine listens at `port`."""
    return {
        one.laddr.ip
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port
    }


@pytest.mark.slow
def test_from_any_folder_the_page_is_open_to_this_machine_alone(page: App) -> None:
    assert listening(port_of(page)) == {"127.0.0.1"}


def test_from_any_folder_no_statistics_are_gathered(page: App) -> None:
    started = session(page, f"127.0.0.1:{port_of(page)}", f"http://127.0.0.1:{port_of(page)}")
    assert isinstance(started, NewSession)
    assert not started.config.gather_usage_stats
    assert started.config.toolbar_mode == started.config.ToolbarMode.MINIMAL  # the whole file counts, not an option
    settings = tomllib.loads((ROOT / "app/.streamlit/config.toml").read_text(encoding="utf-8"))
    assert settings["client"]["showErrorDetails"] == "none"


@pytest.mark.slow
def test_the_settings_of_the_page_are_part_of_the_package(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("app", "constraints", "framelens"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.otf", "*.mp4"))
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "-w", "made", "."], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "made").glob("*.whl")
    assert "framelens/application/app/.streamlit/config.toml" in zipfile.ZipFile(wheel).namelist()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_each_name_of_this_machine_opens_the_page(page: App, name: str) -> None:
    host = f"{name}:{port_of(page)}"
    assert status(page, Host=host) == 200
    assert isinstance(session(page, host, f"http://{host}".lower()), NewSession)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:{port}", "http://evil.example:{port}"),
        ("evil.example", "http://evil.example"),
        ("127.0.0.1.evil.example:{port}", "http://127.0.0.1.evil.example:{port}"),
        ("localhost:{port}", "http://evil.example:{port}"),
        ("localhost:{port}", "http://localhost:9"),
        ("127.0.0.1:{port}", "http://localhost:{port}"),
        ("localhost:{port}", "http://localhost"),
        ("localhost:{port}", "null"),
        ("6.6.6.6:{port}", "http://6.6.6.6:{port}"),
    ],
)
def test_pages_of_others_get_neither_page_nor_key(page: App, host: str, origin: str) -> None:
    port = port_of(page)
    host, origin = host.format(port=port), origin.format(port=port)
    assert status(page, Host=host, Origin=origin) == 403
    assert status(page, "_stcore/host-config", Host=host, Origin=origin) == 403
    assert status(page, "api/uploads", Host=host, Origin=origin) == 403
    assert session(page, host, origin) == 403


def test_who_opens_a_name_that_is_not_known_reads_what_helps(page: App) -> None:
    request = urllib.request.Request(page.url, headers={"Host": "gpu.lab.example", "Accept-Language": "zh-CN"})
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=20):
        pass
    with refused.value as answer:
        text = answer.read().decode()
    assert "gpu.lab.example" in text and "--browser.serverAddress" in text and "重新启动" in text


def test_headers_limit_framing_and_sources(page: App) -> None:
    for path in ("", "_stcore/health", "static/none.js"):
        request = urllib.request.Request(f"{page.url}{path}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                headers = answer.headers
        except urllib.error.HTTPError as error:
            with error:
                headers = error.headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy and "default-src 'self'" in policy
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
        assert "unsafe-eval" not in policy


@pytest.mark.slow
def test_page_opens_under_configured_network_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMELENS_INSECURE", "on")
    options = ("--server.address=0.0.0.0", "--browser.serverAddress=frames.example.org")
    with running("app/main.py", tmp_path, *options, cwd=tmp_path) as app:
        port = port_of(app)
        for host in (f"192.168.3.4:{port}", f"{socket.gethostname()}:{port}", "frames.example.org"):
            assert isinstance(session(app, host, f"http://{host}"), NewSession)
        # A proxy that passes its own name on, and a proxy that does not.
        assert isinstance(session(app, "frames.example.org", "https://frames.example.org"), NewSession)
        assert isinstance(session(app, f"127.0.0.1:{port}", "https://frames.example.org"), NewSession)
        assert session(app, f"127.0.0.1:{port}", "https://frames.example.org:9") == 403
        assert session(app, "other.example.org", "http://other.example.org") == 403
