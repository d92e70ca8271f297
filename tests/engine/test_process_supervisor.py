import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from framelens.core.errors import EngineError
from framelens.engine.local.child_process import ChildProcess, LogReader, tail
from framelens.i18n import error_text
from tests.engine.fakes import is_gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local engines run on Linux alone")

# An owner that starts a guarded process, which starts another in a session of its own, and then does nothing.
OWNER = """
import sys, time
from pathlib import Path
from framelens.engine.local.child_process import ChildProcess
from tests.engine.test_process_supervisor import FAMILY
folder = Path(sys.argv[1])
child = ChildProcess.start([sys.executable, "-c", FAMILY, sys.argv[1]], environment={}, log_path=folder / "log")
(folder / "guard").write_text(str(child.pid))
time.sleep(600)
"""
FAMILY = """
import os, signal, subprocess, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
if len(sys.argv) > 2:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
(folder / "pids").write_text(f"{os.getpid()} {grandchild.pid}")
time.sleep(600)
"""


def read_when_written(path: Path, words: int) -> list[int]:
    deadline = time.monotonic() + 30
    while not path.exists() or len(path.read_text().split()) < words:
        assert time.monotonic() < deadline, f"{path} was not written in 30 s"
        time.sleep(0.02)
    return [int(word) for word in path.read_text().split()]


def assert_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while left := [pid for pid in pids if not is_gone(pid)]:
        assert time.monotonic() < deadline, f"{left} are still there after 30 s"
        time.sleep(0.05)


def start_family(folder: Path, *extra: str, grace_seconds: float = 8.0) -> tuple[ChildProcess, list[int]]:
    command = [sys.executable, "-c", FAMILY, str(folder), *extra]
    child = ChildProcess.start(command, environment={}, log_path=folder / "log", grace_seconds=grace_seconds)
    return child, [child.pid, *read_when_written(folder / "pids", 2)]


@pytest.mark.slow
def test_nothing_is_left_when_the_owner_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)])
    pids = read_when_written(tmp_path / "guard", 1) + read_when_written(tmp_path / "pids", 2)
    owner.kill()
    owner.wait()
    assert_gone(pids)


def test_sockets_are_left_neither_by_a_stop_nor_by_an_end(tmp_path: Path) -> None:
    program = """
import os, pathlib, sys, time
sockets = pathlib.Path(os.environ["VLLM_RPC_BASE_PATH"])
(sockets / "socket").touch()
pathlib.Path(sys.argv[1]).write_text(str(sockets))
time.sleep(float(sys.argv[2]))
"""
    for seconds in ("0", "600"):
        noted = tmp_path / seconds
        command = [sys.executable, "-c", program, str(noted), seconds]
        child = ChildProcess.start(command, environment={}, log_path=tmp_path / "log")
        while not noted.exists() or not noted.read_text():
            time.sleep(0.02)
        child.stop()
        assert not Path(noted.read_text()).exists()


def test_stop_ends_processes_in_other_sessions(tmp_path: Path) -> None:
    child, pids = start_family(tmp_path)
    child.stop()
    assert_gone(pids)


@pytest.mark.slow
def test_a_process_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    child, pids = start_family(tmp_path, "deaf", grace_seconds=0.3)
    child.stop()
    assert_gone(pids)


def test_the_command_dies_with_the_guard(tmp_path: Path) -> None:
    child, pids = start_family(tmp_path)
    os.kill(child.pid, signal.SIGKILL)
    assert_gone(pids[:2])
    assert child.exit_status == 137
    os.kill(pids[2], signal.SIGKILL)  # nothing was left to end this process: the test does
    child.stop()


def test_local_engine_is_refused_outside_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(EngineError) as caught:
        ChildProcess.start([sys.executable], environment={}, log_path=tmp_path / "log")
    assert caught.value.key == "local_engine_unsupported"
    assert "FRAMELENS_BASE_URL" in error_text(caught.value, "zh")


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_exit_status_is_that_of_the_command(tmp_path: Path, code: str, status: int) -> None:
    child = ChildProcess.start([sys.executable, "-c", code], environment={}, log_path=tmp_path / "log")
    deadline = time.monotonic() + 30
    while child.exit_status is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert child.exit_status == status
    child.stop()


def test_what_the_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    code = FAMILY.replace("time.sleep(600)\n", "")
    child = ChildProcess.start([sys.executable, "-c", code, str(tmp_path)], environment={}, log_path=tmp_path / "log")
    pids = read_when_written(tmp_path / "pids", 2)
    assert_gone(pids)
    child.stop()


def test_growing_log_is_read_by_lines_and_bar_states(tmp_path: Path) -> None:
    path = tmp_path / "log"
    reader = LogReader(path)
    assert reader.new_lines() == []
    path.write_bytes(b"one\ntw")
    assert reader.new_lines() == ["one"]
    with path.open("ab") as log:
        log.write(b"o\r 10%\r 20%\n\n")
    assert reader.new_lines() == ["two", " 10%", " 20%"]


def test_the_tail_shows_a_progress_bar_in_its_last_state(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\nsecond\n 10%\r 20%\r 30%\nlast\n")
    assert tail(path, 3) == "second\n 30%\nlast\n"
    assert tail(path, 100).startswith("first\n")
    assert tail(tmp_path / "none", 3) == ""
