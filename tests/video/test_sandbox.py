"""The sandbox of a decoder: what it forbids is tried, and a decoder that tries it fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framelens.core.codec import to_json
from framelens.video import sandbox
from framelens.video.extractor import subtitles_of
from framelens.video.files import confine
from framelens.video.keyframes.strategies import WorkerRequest
from framelens.video.sandbox_check import SandboxReport, check_sandbox
from framelens.video.worker import files_of

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has Landlock and seccomp")
needs_landlock = pytest.mark.skipif(not sandbox.has_landlock(), reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(
    sys.platform != "linux" or sandbox.load_seccomp() is None, reason="libseccomp isn't installed"
)

FORBIDDEN = {
    "another file": "open(OTHER).read()",
    "a list of files": "import os; os.listdir(os.path.dirname(OTHER))",
    "its parent's environment": "import os; open(f'/proc/{os.getppid()}/environ').read()",
    "its file for writing": "open(path, 'r+b')",
    "a new file": "open(OTHER + '.new', 'wb')",
    "a deletion": "import os; os.remove(OTHER)",
    "new rights for a file": "import os; os.chmod(OTHER, 0o777)",
    "a TCP connection": "import socket; socket.create_connection(('127.0.0.1', 9), 1)",
    "a datagram": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "a local socket": "import socket; socket.socket(socket.AF_UNIX)",
    "a program": "import subprocess; subprocess.run(['true'])",
    "a copy of itself": "import os; os.fork()",
    "a signal to its parent": "import os; os.kill(os.getppid(), 0)",
    "memory that no limit counts": "import os; os.memfd_create('m')",
    "memory shared by System V": "call('shmget', 0, 1 << 20, 0o1600)",
    "a queue of System V": "call('msgget', 0, 0o1600)",
    "a semaphore of System V": "call('semget', 0, 1, 0o1600)",
    "its parent's processors": "import os; os.sched_setaffinity(os.getppid(), {0})",
    "its parent's schedule": "import os; os.sched_setscheduler(os.getppid(), os.SCHED_BATCH, os.sched_param(0))",
    "its parent's priority": "import os; os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "the priority of its group": "import os; os.setpriority(os.PRIO_PGRP, os.getpgid(os.getppid()), 19)",
    "more memory": "import resource; resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40))",
}


def attempt(program: str, video: Path, other: Path) -> str:
    """Return the error of a worker's decoder that runs `program` in place of opening `video`, or "done"."""
    worker = (
        "import framelens.video.worker as worker, os, sys\n"
        f"OTHER = {str(other)!r}\n"
        "def call(name, *arguments):\n"
        "    import ctypes\n"
        "    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:\n"
        "        raise OSError(ctypes.get_errno(), name)\n"
        f"def hostile(path, **_):\n"
        f"    try:\n        {program}\n"
        "    except (OSError, ValueError) as error:\n        print(type(error).__name__, file=sys.stderr)\n"
        "    else:\n        print('done', file=sys.stderr)\n"
        "    sys.stderr.flush()\n    os._exit(0)\n"
        "worker.open_reader = hostile\nworker.main()"
    )
    return run_worker(worker, video).splitlines()[-1]


def run_worker(program: str, video: Path) -> str:
    """Return what a program that calls the worker's main prints to standard error; its input stays open meanwhile."""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    ) as worker:
        assert worker.stdin is not None and worker.stderr is not None
        worker.stdin.write(to_json(WorkerRequest("probe", video)).encode() + b"\n")
        worker.stdin.flush()
        return worker.stderr.read().decode()


@pytest.mark.slow
@needs_landlock
@needs_seccomp
@pytest.mark.parametrize("program", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_decoder_cannot_reach_out(program: str, moving_video: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("private")
    assert attempt(program, moving_video, other) in ("PermissionError", "ValueError")
    assert other.read_text() == "private"


@pytest.mark.slow
@on_linux
def test_a_decoder_may_read_its_file(moving_video: Path, tmp_path: Path) -> None:
    assert attempt("open(path, 'rb').read()", moving_video, tmp_path) == "done"


@pytest.mark.slow
@on_linux
def test_a_decoder_may_change_its_own_priority(moving_video: Path, tmp_path: Path) -> None:
    program = "os.setpriority(os.PRIO_PROCESS, 0, 1); os.sched_setaffinity(0, os.sched_getaffinity(0))"
    assert attempt(program, moving_video, tmp_path) == "done"


@pytest.mark.slow
@on_linux
def test_every_thread_is_confined(moving_video: Path, tmp_path: Path) -> None:
    """Landlock holds for threads that start later: when the sandbox is entered there must be no other."""
    program = (
        "import framelens.video.sandbox as sandbox, framelens.video.worker as worker, os, sys\n"
        "def noted(files, **options):\n"
        "    print(len(os.listdir('/proc/self/task')), file=sys.stderr, flush=True)\n    os._exit(0)\n"
        "sandbox.enter = noted\nworker._load()\nworker.main()"
    )
    assert run_worker(program, moving_video).split() == ["1"]


@pytest.mark.slow
@needs_landlock
@needs_seccomp
def test_the_check_finds_everything_prevented() -> None:
    report = check_sandbox()
    assert report.is_closed and {"landlock", "seccomp", "limits"} <= set(report.mechanisms)


def test_a_check_that_fails_promises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framelens.video.sandbox_check._MODULE", "framelens.video.no_such_module")
    report = check_sandbox()
    assert report == SandboxReport() and len(report.open) == 6 and not report.is_closed


@pytest.mark.slow
@needs_landlock
def test_subtitles_beside_a_video_are_readable(moving_video: Path, tmp_path: Path) -> None:
    video = tmp_path / "film.mp4"
    video.write_bytes(moving_video.read_bytes())
    subtitle = tmp_path / "film.srt"
    subtitle.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    (tmp_path / "film.en.srt").symlink_to(Path(os.devnull))
    transcript, _ = subtitles_of(video, "en")
    assert transcript is not None and [cue.text for cue in transcript.cues] == ["Hello"]
    assert files_of(WorkerRequest("subtitles", video)) == [video, tmp_path, subtitle]


def test_a_checkouts_own_folder_is_not_readable() -> None:
    """It may hold a .env with keys."""
    paths = sandbox.library_paths()
    package = Path(sandbox.__file__).parents[1]
    assert package in paths
    assert package.parent not in paths or package.parent.name.endswith("-packages")


SWAPPED = """
import sys
from pathlib import Path
from framelens.video import sandbox
from framelens.video.files import confine
folder, path = map(Path, sys.argv[1:])
confine([folder] if folder.is_dir() else [])
sandbox.enter([path], memory_bytes=1 << 30)
print("inside", flush=True)
sys.stdin.readline()
try:
    print(path.read_text())
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.slow
@needs_landlock
@pytest.mark.parametrize("is_early", [False, True], ids=["after the check", "before it"])
def test_a_video_that_became_a_link_is_not_followed(is_early: bool, tmp_path: Path) -> None:
    folder, private = tmp_path / "shared", tmp_path / "private.txt"
    folder.mkdir()
    private.write_text("private")
    film = folder / "film.mp4"
    film.write_text("film")

    def swap() -> None:
        film.unlink()
        film.symlink_to(private)

    if is_early:
        swap()
    command = [sys.executable, "-c", SWAPPED, str(folder), str(film)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout and worker.stdin
        assert worker.stdout.readline() == "inside\n"
        if not is_early:
            swap()
        worker.stdin.write("\n")
        worker.stdin.flush()
        assert worker.stdout.read() == "PermissionError\n"


def test_a_request_names_the_confined_folders(tmp_path: Path) -> None:
    confine([tmp_path])
    try:
        assert WorkerRequest("probe", tmp_path / "film.mp4").confined == (tmp_path.resolve(),)
    finally:
        confine(())
