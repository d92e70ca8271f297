"""Process supervisor: a program that runs a command as a group of processes that cannot outlive its caller.

`python -I process_supervisor.py GRACE LOCKS COMMAND…` starts COMMAND in a session of its own and waits. When standard
input closes (the calling process ended, even by kill -9), on SIGTERM or SIGINT, and when COMMAND itself ends, every
process that descends from it is ended: by SIGTERM, and after GRACE seconds by SIGKILL. It exits with COMMAND's status,
or 128 + n if signal n ended it. vLLM's sockets, which it leaves behind when it is ended, are in a folder that goes with
it, unless VLLM_RPC_BASE_PATH names another folder. It needs Linux and the standard library, and imports nothing of
FrameLens.

LOCKS is "" or "RECORD,USERS", two open files of an engine that several programs use (`shared_engine.py`). Then the
command ends when no program holds a lock on USERS, and not with the calling process. RECORD stays locked until every
process has ended; the exit status is written to it.
"""

import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _parent_of(pid: int) -> int | None:
    """Return the parent's id; None if the process has ended or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[1])


def _descendants() -> list[int]:
    """List every live process below this process, orphans included: as a subreaper, this process inherits them."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    parents = {pid: _parent_of(pid) for pid in pids}
    descendants, frontier = [], [os.getpid()]
    while frontier:
        parent = frontier.pop()
        children = [pid for pid, its_parent in parents.items() if its_parent == parent]
        descendants += children
        frontier += children
    return descendants


def _send(signal_number: int, pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            continue


def _collect() -> None:
    """Reap ended children, so that no zombie stays in the process table."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _end_all(child: subprocess.Popen[bytes], grace_seconds: float) -> None:
    _send(signal.SIGTERM, _descendants())
    deadline = time.monotonic() + grace_seconds
    while _descendants() and time.monotonic() < deadline:
        child.poll()
        time.sleep(0.05)
    for _ in range(100):  # a process may still fork between the listing and the kill
        if not (pids := _descendants()):
            break
        _send(signal.SIGKILL, pids)
        time.sleep(0.02)
    child.wait()
    _collect()


def _wait(child: subprocess.Popen[bytes], wakeup: int, owner: int, users: int | None) -> bool:
    """Wait until the command ends; return whether a signal, or the end of the owner or of all users, came first."""
    while child.poll() is None:
        readable, _, _ = select.select([wakeup] if users else [0, wakeup], [], [], 0.5)
        if wakeup in readable and set(os.read(wakeup, 64)) & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
            return True
        if users is not None:
            if _is_unused(users):
                return True
        # A fork of the owner may keep the other end of standard input open after the owner's death.
        elif (0 in readable and not os.read(0, 64)) or os.getppid() != owner:
            return True
    return False


def _is_unused(users: int) -> bool:
    """Return whether no program holds the lock; then this process holds it, so that none can join any more."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_status(record: int, status: int) -> None:
    os.ftruncate(record, 0)
    os.pwrite(record, str(status).encode(), 0)


def main(grace_seconds: float, locks: str, command: list[str]) -> int:
    """Run `command` until it ends or has to be ended, and return its exit status."""
    owner = os.getppid()
    record, users = map(int, locks.split(",")) if locks else (None, None)
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write_end)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    with tempfile.TemporaryDirectory(prefix="framelens-engine-", ignore_cleanup_errors=True) as sockets:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={"VLLM_RPC_BASE_PATH": sockets} | os.environ,
            preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )
        is_asked = _wait(child, read_end, owner, users)
        _end_all(child, grace_seconds)
    status = child.returncode if child.returncode >= 0 else 128 - child.returncode
    if record is not None:
        _write_status(record, 128 + signal.SIGTERM if is_asked else status)
    return status


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2], sys.argv[3:]))
