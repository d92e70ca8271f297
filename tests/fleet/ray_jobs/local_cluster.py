"""A Ray cluster of two nodes on this machine, in a process of its own.

Run as a program it reads commands from standard input, one a line, and answers each with a line; at its end, or when
the input closes, all processes of Ray end.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import psutil

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "the-token-of-a-test-cluster-on-loopback"
_OBJECT_STORE_BYTES = 80 * 2**20  # rows are keys; Ray's least is 75 MiB

_PATIENCE = {"RAY_agent_register_timeout_ms": "120000", "RAY_raylet_start_wait_time_s": "120"}
"""Ray gives its own processes 15 seconds to start, which a busy machine may need for its imports."""


@dataclass
class LocalCluster:
    """A head with one core, and one more node with one core unless it was removed."""

    address: str
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
        assert self.command("add-node") == "done"

    def actors(self) -> list[psutil.Process]:
        """Return the processes of actors that analyse."""
        return [one for one in self._all() if "MapWorker" in _words(one)]

    def drivers(self) -> list[psutil.Process]:
        return [one for one in self._all() if "-m app.fleet.ray_jobs.driver" in _words(one)]

    def decoders(self) -> list[psutil.Process]:
        """Return the decoder workers of the actors, which have none of our variables."""
        found = list[psutil.Process]()
        for actor in self.actors():
            with suppress(psutil.Error):
                found += [one for one in actor.children(recursive=True) if "app.video.worker" in _words(one)]
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
    folder: Path, variables: Mapping[str, str], *, nodes: int = 2, pinned: bool = False
) -> Iterator[LocalCluster]:
    """Start a cluster whose nodes have these variables, and end it with all its processes.

    Args:
        folder: Folder for the data of all nodes.
        variables: Environment variables beside this process's own.
        nodes: Number of nodes with one core each.
        pinned: Keep all processes of a node on a core of its own, as on a machine with one core.
    """
    port = free_port()
    environment = {
        **os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0",
        "FRAMELENS_DATA_DIR": str(folder), **variables,
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.fleet.ray_jobs.local_cluster", str(port), str(nodes), str(int(pinned))]
    with (folder.parent / "ray.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    with process:
        try:
            cluster = LocalCluster(f"http://127.0.0.1:{port}", folder, process)
            assert cast(IO[str], process.stdout).readline().strip() == "ready", (folder.parent / "ray.log").read_text()
            yield cluster
        finally:
            cast(IO[str], process.stdin).close()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def on_core(number: int | None) -> Iterator[None]:
    """Start processes on this core, in turns if there are fewer; on any for None."""
    allowed = sorted(os.sched_getaffinity(0))
    if number is not None:
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def main(port: int, nodes: int, pinned: bool) -> None:
    from ray.cluster_utils import Cluster

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(
        prefix="r", dir="/tmp", ignore_cleanup_errors=True
    ) as sockets:  # their paths are short
        options = {"num_cpus": 1, "object_store_memory": _OBJECT_STORE_BYTES, "temp_dir": sockets}
        with on_core(0 if pinned else None):
            head = {**options, "include_dashboard": True, "dashboard_port": port}
            cluster = Cluster(initialize_head=True, head_node_args=head)
        for number in range(1, nodes):
            with on_core(number if pinned else None):
                cluster.add_node(**options)
        cluster.wait_for_nodes()
        answer = os.fdopen(os.dup(1), "w")  # Ray prints to standard output
        os.dup2(2, 1)
        print("ready", file=answer, flush=True)
        for line in sys.stdin:
            if line.strip() == "kill-node":
                cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            elif line.strip() == "add-node":
                cluster.add_node(**options)
                cluster.wait_for_nodes()
            print("done", file=answer, flush=True)
        cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")
