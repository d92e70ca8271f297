"""Programs of FrameLens, forked from a process with all libraries loaded, in a thirtieth of the time of a start.

Each is a process of its own as users have it: with its pipes, its sandbox, its limits and its exit code; so is the
process that reads text for a decoder. Run as a program, this module is the process that they are forked from.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from weakref import WeakValueDictionary

from framelens.core.child_environment import reader_environment
from framelens.video import worker_pool
from framelens.video.features import text_recognition

_ROOT = Path(__file__).resolve().parents[1]
_REQUEST_BYTES = 1 << 20
_START = subprocess.Popen
_LOADED = {
    "decoders": ("framelens.video.keyframes.pipeline",),
    "documents": (
        *("framelens.reports.document_worker", "framelens.reports.pdf.report", "framelens.jobs.stored.import_worker"),
        "docx",
    ),
    "commands": (
        *("framelens.cli.main", "framelens.cli.grammar", "framelens.composition", "framelens.llm.chat"),
        *("mcp.server.mcpserver", "streamlit.web.cli"),
    ),
}
"""What the process has loaded that programs of a kind are forked from. Decoders measure their memory, and no plugin is
loaded before the settings of a command are known."""


_inherited: list[socket.socket] = []
"""In a command, the socket of the process that its decoders are forked from."""


_forked: WeakValueDictionary[int, ForkedPopen] = WeakValueDictionary()
_waitpid = os.waitpid


def waitpid(pid: int, options: int) -> tuple[int, int]:
    """Do what `os.waitpid` does, which asyncio calls, also for forked processes: they are no children."""
    if (process := _forked.get(pid)) is None:
        return _waitpid(pid, options)
    code = process._ended(0 if options & os.WNOHANG else None)
    return (0, 0) if code is None else (pid, code << 8 if code >= 0 else -code)


class ForkedPopen(subprocess.Popen[Any]):
    """Forks what can be forked, and starts the rest."""

    _status: int | None = None
    """A pipe on which the exit code arrives, for a forked process."""

    def _execute_child(
        self, args: Any, executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any, cwd: Any, env: Any, *rest: Any
    ) -> None:
        environment = dict(os.environ if env is None else env)
        _, _, shell, *pipes, _, _, _, _, _, start_new_session, process_group = rest
        words = None if preexec_fn or pass_fds or shell else _words_of(args, environment)
        if words is None or (_inherited and _kind_of(words[0]) != "decoders"):
            super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)  # type: ignore[misc]
            return
        request = {"words": words, "environment": environment, "folder": os.fsdecode(cwd or Path.cwd())}
        request |= {"is_group": process_group == 0, "is_session": start_new_session}
        reading, writing = os.pipe()
        theirs = [pipe if pipe != -1 else number for number, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        descriptors = [*theirs, writing, _server("decoders")[0].fileno()]
        socket.send_fds(_server(_kind_of(words[0]))[0], [json.dumps(request).encode()], descriptors)
        os.close(writing)
        self._status, self.pid = reading, int(_line(reading))
        _forked[self.pid] = self
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _internal_poll(self, *args: Any, **options: Any) -> int | None:
        if self._status is None:
            return super()._internal_poll(*args, **options)  # type: ignore[misc, no-any-return]
        return self._ended(0)

    def _wait(self, timeout: float | None) -> int:
        if self._status is None:
            return super()._wait(timeout)  # type: ignore[misc, no-any-return]
        if (code := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        assert self._status is not None
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            with self._waitpid_lock:  # type: ignore[attr-defined]
                if self.returncode is None:
                    self.returncode = int(_line(self._status))
        return self.returncode

    def __del__(self, *args: Any, **options: Any) -> None:
        super().__del__(*args, **options)  # type: ignore[misc]
        if self._status is not None:
            os.close(self._status)


def _words_of(args: Any, environment: Mapping[str, str]) -> list[str] | None:
    """Return the module and the arguments of a program that can be forked, else None."""
    if "PYTHONIOENCODING" in environment:  # which Python itself reads as it starts, like the next
        return None
    if any(Path(path, "sitecustomize.py").exists() for path in environment.get("PYTHONPATH", "").split(os.pathsep)):
        return None
    match [] if isinstance(args, str | bytes) else [os.fsdecode(word) for word in args]:
        case [sys.executable, "-P", "-m", module, *more] if module.startswith("framelens."):
            return [module, *more]
        case [sys.executable, "-m", ("framelens" | "framelens.cli.main") as module, *more]:
            return [module, *more]
        case [sys.executable, "-P", "-m", "streamlit", *more]:
            return ["streamlit.__main__", *more]
    return None


def _kind_of(module: str) -> str:
    if module in _LOADED["documents"]:
        return "documents"
    return "commands" if module in ("framelens", "streamlit.__main__", *_LOADED["commands"]) else "decoders"


def _line(pipe: int) -> bytes:
    line = b""
    while byte := os.read(pipe, 1):
        if byte == b"\n":
            break
        line += byte
    return line


@cache
def _server(kind: str) -> tuple[socket.socket, subprocess.Popen[bytes] | None]:
    """Start the process that programs are forked from; it ends with the last end of its socket, so with the tests."""
    if _inherited:
        return _inherited[0], None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**worker_pool._ONE_THREAD, **reader_environment(), "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-P", "-m", "tests.forked_workers", kind]
    with theirs:
        return ours, _START(command, stdin=theirs, env=environment, process_group=0)


def _serve() -> None:
    # Each process that runs: the descriptor that is readable when it ends, its id and where its exit code is awaited.
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
                data, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, 5)
                if not data:
                    return
                if not (pid := os.fork()):
                    _become(json.loads(data), descriptors)
                for descriptor in (*descriptors[:3], descriptors[4]):
                    os.close(descriptor)
                os.write(descriptors[3], b"%d\n" % pid)
                running[os.pidfd_open(pid)] = (pid, descriptors[3])


def _become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Be the program, in this forked process."""
    code: Any = 1
    try:
        if request["is_session"]:
            os.setsid()
        elif request["is_group"]:
            os.setpgid(0, 0)
        environment, (module, *_) = request["environment"], request["words"]
        decoders = socket.socket(fileno=os.dup(descriptors[4]))
        for number, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, number)
        os.closerange(3, decoders.fileno())
        os.closerange(decoders.fileno() + 1, 1024)
        if _kind_of(module) == "commands":
            _inherited.append(decoders)
            subprocess.Popen = ForkedPopen  # type: ignore[misc]
        else:
            decoders.close()
        os.chdir(request["folder"])
        sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
        text_recognition.subprocess = _Forking  # type: ignore[attr-defined]
        os.environ.clear()
        os.environ.update(environment)
        for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
            setattr(sys, name, open(number, mode, -1 if number < 2 else 1, "utf-8"))  # noqa: PTH123, SIM115
        sys.argv = request["words"]
        sys.modules.pop(module, None)
        runpy.run_module(f"{module}.__main__" if module == "framelens" else module, run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else bool(ended.code)
    except BaseException:  # noqa: BLE001 - a program that fails ends as any does
        sys.excepthook(*sys.exc_info())
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    os._exit(code)


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
    import gc
    from importlib.util import find_spec

    from framelens.video import sandbox

    sandbox.has_landlock()  # looks for the C library
    for name in _LOADED[sys.argv[1]]:
        if find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    gc.freeze()
    _serve()
