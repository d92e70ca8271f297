"""Decoder workers that are forked from a process with all libraries loaded, in a thirtieth of the time of a start.

Each is a process of its own as users have it: with its pipes, its sandbox, its limits and its exit code; so is the
process that reads text for it. Run as a program, this module is the process that they are forked from.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from framelens.core.child_environment import reader_environment
from framelens.video import worker_pool
from framelens.video.features import text_recognition

_ROOT = Path(__file__).resolve().parents[1]
_REQUEST_BYTES = 1 << 20


class ForkedWorker:
    """What `subprocess.Popen` would be for such a worker."""

    def __init__(self, module: str, options: list[str]) -> None:
        theirs, ours = zip(*(os.pipe(), os.pipe()[::-1], os.pipe()[::-1], os.pipe()[::-1]), strict=True)
        request = {"module": module, "options": options, "environment": reader_environment(), "folder": str(Path.cwd())}
        server, _ = _server()
        socket.send_fds(server, [json.dumps(request).encode()], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        self.stdin: BinaryIO = os.fdopen(ours[0], "wb")
        self.stdout, self.stderr, self._status = (os.fdopen(number, "rb") for number in ours[1:])
        self.pid = int(self._status.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while the worker runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            return self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the worker and return its exit code."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked worker", timeout or 0)
            self.returncode = int(self._status.readline())
            self._status.close()
        return self.returncode

    def kill(self) -> None:
        """End the worker by signal 9, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def start_worker(*options: str, module: str = worker_pool.DECODER) -> ForkedWorker:
    """Do what `worker_pool._start_worker` does."""
    return ForkedWorker(module, [*options, *(["--background"] if worker_pool._idle.in_background else [])])


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the process that workers are forked from; it ends with the last end of its socket, so with the tests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**worker_pool._ONE_THREAD, **reader_environment(), "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-P", "-m", "tests.forked_workers"]
    with theirs:
        return ours, subprocess.Popen(command, stdin=theirs, env=environment, process_group=0)


def _serve() -> None:
    # Each worker that runs: the descriptor that is readable when it ends, its id and where its exit code is awaited.
    running: dict[int, tuple[int, int]] = {}
    with socket.socket(fileno=os.dup(0)) as requests:
        while True:
            for ready in select.select([requests, *running], [], [])[0]:
                if ready is not requests:
                    pid, status = running.pop(ready)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with suppress(BrokenPipeError):  # none waits for it
                        os.write(status, b"%d\n" % code)
                    os.close(status)
                    os.close(ready)
                    continue
                data, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, 4)
                if not data:
                    return
                request = json.loads(data)
                importlib.import_module(request["module"])
                if not (pid := os.fork()):
                    _become(request, descriptors)
                for descriptor in descriptors[:3]:
                    os.close(descriptor)
                os.write(descriptors[3], b"%d\n" % pid)
                running[os.pidfd_open(pid)] = (pid, descriptors[3])


def _become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Be the worker, in this forked process."""
    try:
        os.setpgid(0, 0)
        for number, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, number)
        os.closerange(3, 1024)
        os.chdir(request["folder"])
        sys.path[:0] = request["environment"]["PYTHONPATH"].split(os.pathsep)
        text_recognition.subprocess = _Forking  # type: ignore[attr-defined]
        os.environ.clear()
        os.environ.update({**worker_pool._ONE_THREAD, **request["environment"]})
        sys.argv = [request["module"], *request["options"]]
        importlib.import_module(request["module"]).main()
    except BaseException:  # noqa: BLE001 - a worker that fails ends as any program does
        sys.excepthook(*sys.exc_info())
    os._exit(1)


class _ForkedReader:
    """What `TextReading` needs of `subprocess.Popen`, before the sandbox and the first thread."""

    _code: int | None

    def __init__(self, *_: object, **__: object) -> None:
        (theirs_in, ours_in), (ours_out, theirs_out) = os.pipe(), os.pipe()
        if not (pid := os.fork()):
            try:
                os.dup2(theirs_in, 0)
                os.dup2(theirs_out, 1)
                os.closerange(3, 1024)
                text_recognition.main()
            except BaseException:  # noqa: BLE001 - as above
                sys.excepthook(*sys.exc_info())
            os._exit(1)
        self._pid, self._code, self._waiting = pid, None, threading.Lock()
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(ours_in, "wb"), os.fdopen(ours_out, "rb")

    def wait(self) -> int:
        with self._waiting:  # two threads do
            if self._code is None:
                self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
            return self._code


class _Forking:
    """In place of the module `subprocess`."""

    Popen = _ForkedReader
    PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL


if __name__ == "__main__":
    from framelens.video import worker

    worker._load()
    _serve()
