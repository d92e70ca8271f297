"""A Ray cluster of two nodes on this machine, in a process of its own.

Run as a program it reads a command a line from standard input, and answers each with a line; at its end, or when the
input closes, all processes of Ray end.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import psutil

ROOT = Path(__file__).resolve().parents[4]
TOKEN = "the-token-of-a-test-cluster-on-loopback"
_OBJECT_STORE_BYTES = 80 * 2**20  # rows are keys; Ray's least is 75 MiB

_CPU_GROUPS = Path("/sys/fs/cgroup/cpu")
_PATIENCE = {
    "RAY_agent_register_timeout_ms": "120000",
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "120",
}
"""Ray gives its own processes 15 seconds to start, which a busy machine may need for its imports."""


@dataclass
class LocalCluster:
    """A head with a core, and another node with a core unless it was removed; `port` takes connections of programs."""

    address: str
    port: int
    folder: Path
    process: subprocess.Popen[str]

    def command(self, line: str) -> str:
        """Send a command and return the answer."""
        cast(IO[str], self.process.stdin).write(line + "\n")
        cast(IO[str], self.process.stdin).flush()
        return cast(IO[str], self.process.stdout).readline().strip()

    def kill_node(self) -> None:
        """Kill the second node by signal 9, with all that runs on it."""
        assert self.command("kill-node") == "done"

    def add_node(self) -> None:
        """Start a second node where there is none."""
        assert self.command("add-node") == "done"

    def actors(self) -> list[psutil.Process]:
        """Return the processes of actors that analyse."""
        return [one for one in self._all() if "NodeAnalyser" in _words(one)]

    def decoders(self) -> list[psutil.Process]:
        """Return the decoder workers of the actors, which don't have the cluster's variables."""
        found = list[psutil.Process]()
        for actor in self.actors():
            with suppress(psutil.Error):
                found += [one for one in actor.children(recursive=True) if "framelens.video.worker" in _words(one)]
        return found

    def _all(self) -> Iterator[psutil.Process]:
        for one in psutil.process_iter():
            if one.pid != os.getpid() and str(self.folder) in _environment(one):
                yield one


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _environment(process: psutil.Process) -> str:
    try:
        return process.environ().get("FRAMELENS_DATA_DIR", "")
    except psutil.Error:
        return ""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def local_cluster(
    folder: Path, variables: Mapping[str, str], *, nodes: int = 2, core_share: float = 0.0
) -> Iterator[LocalCluster]:
    """Start a cluster whose nodes have these variables, and end it with all its processes.

    Args:
        folder: Folder for the data of all nodes.
        variables: Environment variables beside this process's own.
        nodes: Number of nodes with a core each.
        core_share: Part of a core that all processes of a node have together, while the head, which then takes no
            videos, has the rest, as where each of them is a machine of its own. 0 for no limits.
    """
    environment = {
        **os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0",
        "FRAMELENS_DATA_DIR": str(folder), **_PATIENCE, **variables,
    }  # fmt: skip
    process, port, client_port = _start(folder, [str(nodes), str(core_share)], environment)
    with process:
        try:
            cluster = LocalCluster(f"http://127.0.0.1:{port}", client_port, folder, process)
            yield cluster
        finally:
            cast(IO[str], process.stdin).close()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def _start(folder: Path, words: list[str], environment: Mapping[str, str]) -> tuple[subprocess.Popen[str], int, int]:
    """Start the process that has the cluster, once more if a node takes more than the 30 seconds that Ray waits."""
    log_path = folder.parent / "ray.log"
    for _ in range(2):
        port, client_port = free_port(), free_port()
        command = [
            sys.executable,
            "-m",
            "tests.plugins.batch.ray_jobs.local_cluster",
            str(port),
            str(client_port),
            *words,
        ]
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        if cast(IO[str], process.stdout).readline().strip() == "ready":
            return process, port, client_port
        process.communicate()
    raise AssertionError(log_path.read_text())


@contextmanager
def limited_to(core_share: float) -> Iterator[None]:
    """Start processes in a control group that has this part of a core, or in this process's group for 0.

    Only root may, with version 1 of control groups.
    """
    if not core_share:
        yield
        return
    group = _CPU_GROUPS / f"framelens-{os.getpid()}-{time.monotonic_ns()}"
    group.mkdir()
    period = int((group / "cpu.cfs_period_us").read_text())
    (group / "cpu.cfs_quota_us").write_text(str(round(period * core_share)))
    before = _CPU_GROUPS / _cpu_group()
    (group / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (before / "cgroup.procs").write_text(str(os.getpid()))


def _cpu_group() -> str:
    lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    return next(line.split(":")[2].lstrip("/") for line in lines if line.split(":")[1] == "cpu")


def main(port: int, client_port: int, nodes: int, core_share: float) -> None:
    from ray.cluster_utils import Cluster

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    Path("/tmp/ray").mkdir(exist_ok=True)  # Ray writes a file there, wherever its other files are
    with tempfile.TemporaryDirectory(
        prefix="r", dir="/tmp", ignore_cleanup_errors=True
    ) as sockets:  # their paths are short
        options = {"num_cpus": 1, "object_store_memory": _OBJECT_STORE_BYTES, "temp_dir": sockets}
        own = {"num_cpus": 0} if core_share else {}
        dashboard = {"include_dashboard": True, "dashboard_port": port, "ray_client_server_port": client_port}
        cluster = Cluster(initialize_head=True, head_node_args={**options, **own, **dashboard})
        for _ in range(nodes if core_share else nodes - 1):
            with limited_to(core_share):
                cluster.add_node(**options)
        cluster.wait_for_nodes()
        answer = os.fdopen(os.dup(1), "w")  # Ray prints to standard output
        os.dup2(2, 1)
        print("ready", file=answer, flush=True)
        for line in sys.stdin:
            if line.strip() == "kill-node":
                cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            elif line.strip() == "add-node" and not cluster.worker_nodes:
                cluster.add_node(**options)
                cluster.wait_for_nodes()
            print("done", file=answer, flush=True)
        cluster.shutdown()
    for group in _CPU_GROUPS.glob(f"framelens-{os.getpid()}-*"):
        with suppress(OSError):  # a process of Ray is still about to end
            group.rmdir()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
