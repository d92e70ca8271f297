"""Probe of a Ray cluster's nodes, run by the head as a job: `python -c SOURCE MODEL PORT`.

Only the standard library and Ray are imported, and the functions travel to the nodes by value, so that FrameLens need
not be installed there. It prints one line that begins with MARK.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

MARK = "FRAMELENS-CLUSTER "
PACKAGES = ("ray", "vllm", "framelens")
VARIABLES = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "VLLM_HOST_IP", "RAY_AUTH_MODE")
_PINGS = 20
_CHUNK_BYTES = 1 << 20
_CHUNKS = 64
_TIMEOUT_SECONDS = 10.0
_NODE_SECONDS = 60.0
"""Longest time for a node. The 64 MiB above take half a second in a network of a gigabit."""


def look(address: str, model: str, port: int) -> dict[str, Any]:
    """Describe the node that this runs on.

    Args:
        address: The node's address in the cluster.
        model: Folder of the model; "" to check no model.
        port: Port that the engine will listen on.
    """
    interfaces = _interfaces()
    return {
        "host": socket.gethostname(),
        "address": address,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "cards": _cards(),
        "interfaces": {name: addresses for name, addresses in interfaces.items() if addresses},
        "interface": next((name for name, addresses in interfaces.items() if address in addresses), ""),
        "shm_bytes": _free_bytes("/dev/shm"),
        "model": _model(Path(model)) if model else None,
        "is_port_free": _is_free(address, port),
        "variables": {name: os.environ.get(name, "") for name in VARIABLES},
    }


def _version(name: str) -> str:
    for package in (name, f"{name}-cpu"):
        with contextlib.suppress(PackageNotFoundError):
            return version(package)
    return ""


def _cards() -> list[str]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True)
        return [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return []


def _interfaces() -> dict[str, list[str]]:
    """Return the addresses of each network card."""
    import psutil  # comes with Ray, in its own folder

    kinds = (socket.AF_INET, socket.AF_INET6)
    addresses = {}
    for name, all_ in psutil.net_if_addrs().items():
        addresses[name] = [entry.address.partition("%")[0] for entry in all_ if entry.family in kinds]
    return addresses


def _free_bytes(folder: str) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _model(folder: Path) -> dict[str, Any]:
    """Return whether the folder has a model, the hash of its config.json, and the size of its weights."""
    try:
        config = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
        weights = [file.stat().st_size for file in folder.iterdir() if re.search(r"\.(safetensors|bin)$", file.name)]
    except OSError as error:
        return {"config_sha256": "", "weights_bytes": 0, "num_weight_files": 0, "reason": error.strerror or str(error)}
    return {"config_sha256": config, "weights_bytes": sum(weights), "num_weight_files": len(weights), "reason": ""}


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


# ---- the links between nodes -----------------------------------------------------------------------------------------


class Listener:
    """Receiving end of a measured connection: echoes pings, then discards the data."""

    def __init__(self, address: str) -> None:
        self._socket = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._socket.settimeout(_NODE_SECONDS)
        threading.Thread(target=self._serve, daemon=True).start()

    def port(self) -> int:
        """Return the port that it listens on."""
        return int(self._socket.getsockname()[1])

    def _serve(self) -> None:
        with contextlib.suppress(OSError), self._socket:
            connection, _ = self._socket.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(_TIMEOUT_SECONDS)
                for _ in range(_PINGS):
                    connection.sendall(connection.recv(1))
                left = _CHUNKS * _CHUNK_BYTES
                while left and (got := connection.recv(_CHUNK_BYTES)):
                    left -= len(got)
                connection.sendall(b".")


def measure(address: str, port: int) -> dict[str, Any]:
    """Measure a connection to a listener: the median round trip in milliseconds, and MB per second to the listener."""
    try:
        with socket.create_connection((address, port), timeout=_TIMEOUT_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            trips = []
            for _ in range(_PINGS):
                begin = time.perf_counter()
                connection.sendall(b".")
                connection.recv(1)
                trips.append(time.perf_counter() - begin)
            chunk, begin = bytes(_CHUNK_BYTES), time.perf_counter()
            for _ in range(_CHUNKS):
                connection.sendall(chunk)
            connection.recv(1)
            seconds = time.perf_counter() - begin
    except OSError as error:
        return {"milliseconds": None, "megabytes_per_second": None, "reason": str(error)}
    speed = _CHUNKS * _CHUNK_BYTES / seconds / 1e6
    return {"milliseconds": sorted(trips)[_PINGS // 2] * 1000, "megabytes_per_second": speed, "reason": ""}


# ---- the job ---------------------------------------------------------------------------------------------------------


def main(model: str, port: int) -> None:
    """Look at all nodes at the same time, then measure each link in turn, and print the result."""
    import ray

    ray.init(log_to_driver=False)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    nodes.sort(key=lambda node: (not node["Resources"].get("node:__internal_head__"), node["NodeManagerAddress"]))
    described, lost = _look_everywhere(nodes, model, port)
    # A ring: every node sends once and receives once, so a bad card or cable shows in two of the links.
    pairs = list(zip(nodes, [*nodes[1:], *nodes[:1]], strict=True)) if len(nodes) > 1 else []
    links = [_link(source, target) for source, target in pairs]
    print(MARK + json.dumps({"nodes": described, "lost": lost, "links": links}), flush=True)  # noqa: T201 - the job's log


def _on(node: dict[str, Any]) -> dict[str, Any]:
    """Return the options with which Ray runs something on this node; it takes no core from other work."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)}


def _look_everywhere(
    nodes: list[dict[str, Any]], model: str, port: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the description of each node, and the nodes that could not be described with the reason."""
    import ray

    task = ray.remote(max_retries=0)(look)
    pending = [task.options(**_on(node)).remote(node["NodeManagerAddress"], model, port) for node in nodes]
    described, lost = [], []
    for node, answer in zip(nodes, pending, strict=True):
        try:
            facts = ray.get(answer, timeout=_NODE_SECONDS)
            described.append(
                {**facts, "cpus": node["Resources"].get("CPU", 0), "gpus": node["Resources"].get("GPU", 0)}
            )
        except Exception as error:  # noqa: BLE001 - a node that died, or whose Python can't run this
            lost.append({"address": node["NodeManagerAddress"], "reason": _last_line(error)})
    return described, lost


def _link(source: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    """Measure the connection from `source` to `target`."""
    import ray

    there = target["NodeManagerAddress"]
    try:
        listener = ray.remote(Listener).options(**_on(target)).remote(there)
        port = ray.get(listener.port.remote(), timeout=_NODE_SECONDS)
        task = ray.remote(max_retries=0)(measure).options(**_on(source))
        measured = ray.get(task.remote(there, port), timeout=_NODE_SECONDS)
        ray.kill(listener)
    except Exception as error:  # noqa: BLE001 - as in _look_everywhere
        measured = {"milliseconds": None, "megabytes_per_second": None, "reason": _last_line(error)}
    return {"source": source["NodeManagerAddress"], "target": there, **measured}


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
