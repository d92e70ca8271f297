"""`framelens app` serves the page from any folder, with Streamlit's options, and ends with a signal."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cli.test_main import command
from tests.thorough import first_of


def answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}_stcore/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.slow
def test_app_opens_from_any_folder_in_the_browser(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{opened}.part"\nmv "{opened}.part" "{opened}"\n')
    browser.chmod(0o755)
    words = command("app", "--port", port, "--server.headless=false", "--server.baseUrlPath=lens")
    environment = {**os.environ, "FRAMELENS_DATA_DIR": str(tmp_path / "data"), "FRAMELENS_LANGUAGE": "zh"}
    environment |= {"BROWSER": f"{browser} %s", "HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    (tmp_path / ".agents").mkdir()  # for which Streamlit offers something to developers
    process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            if process.poll() is not None or opened.exists():
                break
            time.sleep(0.1)
        assert process.poll() is None
        assert opened.read_text() == f"http://127.0.0.1:{port}/lens"
        assert answers(port, "lens/")
    finally:
        process.terminate()
        said = process.communicate(timeout=60)[0].decode()
    assert f"FrameLens 已启动：http://127.0.0.1:{port}/lens\n" in said
    assert "Streamlit" not in said and "streamlit" not in said


@pytest.mark.slow
def test_app_opens_to_a_network_only_with_accounts(tmp_path: Path) -> None:
    words = command("app", "--host", "0.0.0.0", "--port", "0", "--server.headless=true")
    words += ["--browser.serverAddress", "localhost"]
    environment = {**os.environ, "FRAMELENS_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "framelens admin users add NAME" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", first_of(["secrets.toml", "config.toml"]))
def test_app_starts_with_no_settings_of_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / name).touch()
    environment = {**os.environ, "FRAMELENS_DATA_DIR": str(tmp_path / "data"), "LANG": "C.UTF-8"}
    words = command("app", "--port", "0", "--server.headless=true")
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert str(tmp_path / ".streamlit" / name) in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("option", first_of(["--port {port}", "--server.port={port}", ""]))
def test_busy_port_is_named_with_a_free_one(option: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = command("app", *option.format(port=port).split(), "--language", "zh")
        environment = {**os.environ, "FRAMELENS_DATA_DIR": str(tmp_path / "data"), "PYTHONIOENCODING": "utf-8"}
        environment |= {} if option else {"STREAMLIT_SERVER_PORT": str(port)}
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"端口 {port} 已被占用" in done.stderr and "framelens app --port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_ctrl_c_before_the_page_is_served(tmp_path: Path) -> None:
    """The program is interrupted once it has imported Streamlit's command, which takes the longest."""
    program = (
        "import os, signal, sys, streamlit.web.cli\n"
        "from app import server\n"
        "streamlit.web.cli.main = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(server.serve([]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr and done.stderr.strip()


@pytest.mark.slow
def test_wrong_option_of_streamlit_is_named() -> None:
    done = subprocess.run(command("app", "--server.prt", "1"), capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "--server.prt" in done.stderr and "Traceback" not in done.stderr
