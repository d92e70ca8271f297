"""Check of the decoder's sandbox on this machine: a process enters it and tries what it forbids.

Run as `python -m framelens.video.sandbox_check`, it is that process.
"""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from framelens.core.child_environment import reader_environment
from framelens.core.codec import from_json, to_json
from framelens.video import sandbox

_MEMORY_BYTES = 512 << 20
_TIMEOUT_SECONDS = 20
"""A check takes 0.2 s."""
_SENT = b"out"
_MODULE = "framelens.video.sandbox_check"


@dataclass(frozen=True)
class _Task:
    """Files and ports to try: `allowed` is the only file of the sandbox, `other` is next to it; the parent listens."""

    allowed: Path
    other: Path
    tcp_port: int
    udp_port: int


@dataclass(frozen=True)
class SandboxReport:
    """What confines a decoder here.

    Attributes:
        mechanisms: Mechanisms that could be switched on.
        held: What was tried, and whether it was prevented: "files" (reading another file), "writing", "network",
            "processes" (starting a process), "memory", "others" (their priority).
        reads_video: Whether the video itself can be read.
    """

    mechanisms: tuple[sandbox.Mechanism, ...] = ()
    held: dict[str, bool] | None = None
    reads_video: bool = False

    @property
    def is_closed(self) -> bool:
        """Return whether everything was prevented but reading the video."""
        return self.reads_video and not self.open

    @property
    def open(self) -> tuple[str, ...]:
        """Return what was not prevented; everything if the check failed."""
        return tuple(name for name in _TRIES if not (self.held or {}).get(name))


def check_sandbox() -> SandboxReport:
    """Enter the sandbox in a process of its own and return what it prevented; an empty report if that failed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(socket.create_server(("127.0.0.1", 0))) as listener,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        task = _Task(Path(folder, "video"), Path(folder, "other"), listener.getsockname()[1], receiver.getsockname()[1])
        task.allowed.write_bytes(_SENT)
        task.other.write_bytes(_SENT)
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", _MODULE],
                input=to_json(task).encode() + b"\n",
                capture_output=True,
                env=reader_environment(),
                timeout=_TIMEOUT_SECONDS,
                check=True,
            )
            report = from_json(done.stdout, SandboxReport)
        except (OSError, ValueError, subprocess.SubprocessError):
            return SandboxReport()
        with suppress(BlockingIOError):
            receiver.recv(len(_SENT))
            return SandboxReport(report.mechanisms, {**(report.held or {}), "network": False}, report.reads_video)
        return report


def _read(task: _Task) -> None:
    task.other.read_bytes()


def _write(task: _Task) -> None:
    for path in (task.allowed, task.allowed.with_name("new"), Path(tempfile.gettempdir(), "framelens-new")):
        with suppress(OSError):
            path.write_bytes(_SENT)
            return
    task.allowed.chmod(0o777)


def _connect(task: _Task) -> None:
    with suppress(OSError), socket.create_connection(("127.0.0.1", task.tcp_port), timeout=5):
        return
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        sender.sendto(_SENT, ("127.0.0.1", task.udp_port))
    # Whether it arrived is seen at the other end.
    raise ConnectionError


def _start(_: _Task) -> None:
    with suppress(OSError):
        subprocess.run([sys.executable, "-c", ""], check=True, capture_output=True)
        return
    if hasattr(os, "fork") and os.fork() == 0:
        os._exit(0)


def _allocate(_: _Task) -> None:
    if hasattr(os, "memfd_create"):  # no limit counts its bytes
        with suppress(OSError):
            os.close(os.memfd_create("more"))
            return
    bytearray(2 * _MEMORY_BYTES)


def _slow_down(_: _Task) -> None:
    os.setpriority(os.PRIO_PROCESS, os.getppid(), os.getpriority(os.PRIO_PROCESS, os.getppid()))


_TRIES: dict[str, Callable[[_Task], None]] = {
    "files": _read,
    "writing": _write,
    "network": _connect,
    "processes": _start,
    "memory": _allocate,
    **({"others": _slow_down} if hasattr(os, "setpriority") else {}),
}


def _is_prevented(attempt: Callable[[_Task], None], task: _Task) -> bool:
    try:
        attempt(task)
    except (OSError, MemoryError, subprocess.SubprocessError):
        return True
    return False


def main() -> None:
    """Enter the sandbox of a decoder and print what it prevents."""
    task = from_json(sys.stdin.buffer.readline(), _Task)
    mechanisms = sandbox.enter([task.allowed], memory_bytes=_MEMORY_BYTES)
    reads_video = task.allowed.read_bytes() == _SENT
    held = {name: _is_prevented(attempt, task) for name, attempt in _TRIES.items()}
    sys.stdout.write(to_json(SandboxReport(mechanisms, held, reads_video)))


if __name__ == "__main__":
    main()
