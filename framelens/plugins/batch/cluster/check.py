"""Check of a running Ray cluster: its nodes, the speed of their links, and what would keep a model from running.

The head runs `node_probe` as a job, whose source goes along with it, so that FrameLens need not be installed there.
`find_problems` is a pure function of what the job found.
"""

import base64
import inspect
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from framelens import Cancelled, EngineError
from framelens.plugin import t
from framelens.plugin.files import new_id
from framelens.plugin.machine import CheckFinding, Severity
from framelens.plugin.storage import from_json
from framelens.plugin.texts import gib_text
from framelens.plugins.batch.cluster import node_probe
from framelens.plugins.batch.ray_jobs.client import RUNNING, RayCluster, python_command

_LEAST_SHM_BYTES = 1_000_000_000
"""Shared memory below which processes that divide a model may fail."""
_POLL_SECONDS = 0.5
_TIMEOUT_SECONDS = 300.0
_LEAST_MEGABYTES_PER_SECOND = 100.0
"""About a gigabit. A pipeline sends some MB of activations for every batch of tokens."""
_MOST_MILLISECONDS = 5.0  # within a room, the delay is far below 1 ms
_LOG_LINES = 3
NODE_COLUMNS = ("node", "address", "Python", "Ray", "vLLM", "FrameLens", "cards", "network", "model")
LINK_COLUMNS = ("from", "to", "speed", "delay")
_PRODUCTS = ("Python", "Ray", "vLLM", "FrameLens")


@dataclass(frozen=True)
class NodeModel:
    """The model's folder on a node; without a hash it has no config.json there."""

    config_sha256: str
    weights_bytes: int
    num_weight_files: int
    reason: str


@dataclass(frozen=True)
class ClusterNode:
    """A node of the cluster.

    Attributes:
        address: Its address in the cluster.
        versions: Versions of Ray, vLLM and FrameLens; "" for what isn't installed.
        cards: Name and memory of its graphics cards, as the driver reports them.
        interfaces: Addresses of each network card.
        interface: The network card with `address`.
        shm_bytes: Free shared memory.
        model: The model's folder, if a model was asked for.
        is_port_free: Whether the engine could listen on its port.
        variables: Environment variables that Ray was started with.
        cpus: Cores that Ray may use.
        gpus: Cards that Ray may use.
    """

    host: str
    address: str
    python: str
    versions: dict[str, str]
    cards: tuple[str, ...]
    interfaces: dict[str, tuple[str, ...]]
    interface: str
    shm_bytes: int
    model: NodeModel | None
    is_port_free: bool
    variables: dict[str, str]
    cpus: float
    gpus: float


@dataclass(frozen=True)
class LostNode:
    """A node that couldn't be asked."""

    address: str
    reason: str


@dataclass(frozen=True)
class ClusterLink:
    """Connection from `source` to `target`; without figures if it can't be made."""

    source: str
    target: str
    milliseconds: float | None
    megabytes_per_second: float | None
    reason: str


@dataclass(frozen=True)
class ClusterFacts:
    """State of a cluster; the first node is its head."""

    nodes: tuple[ClusterNode, ...]
    lost: tuple[LostNode, ...]
    links: tuple[ClusterLink, ...]


def check_cluster(cluster: RayCluster, *, model: str, port: int, cancel: threading.Event) -> ClusterFacts:
    """Look at all nodes of a cluster and measure the links between them, for up to five minutes.

    Args:
        cluster: The cluster.
        model: Folder of the model on every node; "" to check no model.
        port: Port that the engine will listen on.
        cancel: Stops the job.

    Raises:
        EngineError: The head doesn't answer, or can't run the job.
        Cancelled: `cancel` was set.
    """
    job = cluster.submit(f"framelens-check-{new_id()}", _command(model, port))
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while cluster.state(job) in RUNNING:
        if cancel.wait(_POLL_SECONDS) or time.monotonic() > deadline:
            cluster.stop(job)
            if cancel.is_set():
                raise Cancelled
            raise EngineError("cluster_check_late", address=cluster.address, seconds=round(_TIMEOUT_SECONDS))
    log = cluster.log(job)
    lines = [line.partition(node_probe.MARK)[2] for line in log.splitlines() if line.startswith(node_probe.MARK)]
    if not lines:
        last = " / ".join(log.strip().splitlines()[-_LOG_LINES:]) or "–"
        raise EngineError("cluster_check_failed", address=cluster.address, log=last)
    return from_json(lines[-1], ClusterFacts)


def _command(model: str, port: int) -> str:
    """Return the head's command, which runs `node_probe` there."""
    source = base64.b64encode(zlib.compress(inspect.getsource(node_probe).encode())).decode()
    code = f"import base64, zlib; exec(zlib.decompress(base64.b64decode('{source}')))"
    return python_command(("-c", code, model, str(port)))


# ---- problems --------------------------------------------------------------------------------------------------------


def find_problems(facts: ClusterFacts, *, model: str, port: int) -> tuple[CheckFinding, ...]:
    """List what would keep a model from running on the cluster, or slow it down, the worst first."""
    lost = (_finding("lost", "stops", host=node.address, reason=node.reason) for node in facts.lost)
    findings = (*lost, *_versions(facts), *_models(facts, model), *_network(facts), *_machines(facts, port))
    return CheckFinding.worst_first(findings)


def _finding(key: str, severity: Severity, /, **values: object) -> CheckFinding:
    """Build a finding with the text `notice.cluster_<key>`."""
    return CheckFinding(f"cluster_{key}", values, severity, table="notice")


def _versions(facts: ClusterFacts) -> Iterator[CheckFinding]:
    yield from _differences(facts, "Python", lambda node: node.python, "stops")
    names = {"ray": "Ray", "vllm": "vLLM", "framelens": "FrameLens"}
    for name, label in names.items():
        yield from _differences(facts, label, lambda node, name=name: node.versions[name] or "–", "stops")  # type: ignore[misc]
    if facts.nodes and not any(node.versions["vllm"] for node in facts.nodes):
        yield _finding("no_vllm", "hinders")


def _differences(
    facts: ClusterFacts, what: str, value: Callable[[ClusterNode], str], severity: Severity
) -> Iterator[CheckFinding]:
    """Yield a finding for each node that differs from most others, or from the head where there is no majority."""
    counts = Counter(value(node) for node in facts.nodes)
    usual = counts.most_common(1)[0][0] if counts else ""
    for node in facts.nodes:
        if (actual := value(node)) != usual:
            values = {"host": _name(node), "what": what, "given": actual, "usual": usual}
            yield _finding("differs", severity, **values)


def _name(node: ClusterNode) -> str:
    return f"{node.host} ({node.address})"


def _models(facts: ClusterFacts, model: str) -> Iterator[CheckFinding]:
    present = [(node, node.model) for node in facts.nodes if node.model and node.model.config_sha256]
    for node in facts.nodes:
        if node.model and not node.model.config_sha256:
            values = {"host": _name(node), "path": model, "reason": node.model.reason}
            yield _finding("model_missing", "stops", **values)
    usual = Counter((copy.config_sha256, copy.weights_bytes) for _, copy in present).most_common(1)
    for node, copy in present:
        if (copy.config_sha256, copy.weights_bytes) != usual[0][0]:
            sizes = {"given": gib_text(copy.weights_bytes, digits=2), "usual": gib_text(usual[0][0][1], digits=2)}
            yield _finding("model_differs", "stops", host=_name(node), path=model, **sizes)


def _network(facts: ClusterFacts) -> Iterator[CheckFinding]:
    is_several = len(facts.nodes) > 1
    for node in facts.nodes if is_several else ():
        for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"):
            value = node.variables[name]
            if value and node.interface and not _names(value, node.interface):
                values = {"host": _name(node), "name": name, "given": value, "usual": node.interface}
                yield _finding("interface", "stops", **values)
            elif not value:
                values = {"host": _name(node), "name": name, "usual": node.interface or "–"}
                yield _finding("interface_unset", "hinders", **values)
        address = node.variables["VLLM_HOST_IP"]
        if address and address != node.address:
            yield _finding("host_ip", "stops", host=_name(node), given=address, usual=node.address)
    for link in facts.links:
        if link.megabytes_per_second is None or link.milliseconds is None:
            values = {"source": link.source, "target": link.target, "reason": link.reason}
            yield _finding("link_broken", "stops", **values)
        elif link.megabytes_per_second < _LEAST_MEGABYTES_PER_SECOND or link.milliseconds > _MOST_MILLISECONDS:
            speed, delay = f"{link.megabytes_per_second:.0f}", f"{link.milliseconds:.1f}"
            values = {"source": link.source, "target": link.target, "speed": speed, "delay": delay}
            yield _finding("link_slow", "hinders", **values)


def _names(setting: str, interface: str) -> bool:
    """Return whether a value of NCCL_SOCKET_IFNAME means this network card: prefixes, "=" for names, "^" for others."""
    patterns = setting.lstrip("^=").split(",")
    matches = interface in patterns if setting.lstrip("^").startswith("=") else interface.startswith(tuple(patterns))
    return matches != setting.startswith("^")


def _machines(facts: ClusterFacts, port: int) -> Iterator[CheckFinding]:
    yield from _differences(facts, "GPU", lambda node: f"{node.gpus:g}", "hinders")
    for node in facts.nodes[:1]:
        if not node.is_port_free:
            yield _finding("port", "stops", host=_name(node), port=port)
    for node in facts.nodes:
        if node.shm_bytes < _LEAST_SHM_BYTES:
            yield _finding("shm", "hinders", host=_name(node), free=gib_text(node.shm_bytes))


# ---- tables ---------------------------------------------------------------------------------------------------------


def column_title(name: str) -> str:
    """Return the title of a column; names of products are the same in every language."""
    return name if name in _PRODUCTS else t(f"cluster.column_{name}")


def found_text(nodes: Sequence[ClusterNode]) -> str:
    """Return the line above the tables: how many nodes, cores and cards."""
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return t("cluster.found", nodes=len(nodes), cpus=f"{cpus:g}", gpus=f"{gpus:g}")


def node_row(node: ClusterNode) -> tuple[str, ...]:
    """Return the cells of a node, in the order of NODE_COLUMNS."""
    versions = (node.versions.get(name) or "–" for name in ("ray", "vllm", "framelens"))
    cards = ", ".join(node.cards) or f"{node.gpus:g}"
    return (node.host, node.address, node.python, *versions, cards, node.interface or "–", _model(node))


def _model(node: ClusterNode) -> str:
    if node.model is None:
        return "–"
    if not node.model.config_sha256:
        return t("cluster.model_absent")
    return t("cluster.model_present", gib=gib_text(node.model.weights_bytes, digits=2), n=node.model.num_weight_files)


def link_row(link: ClusterLink) -> tuple[str, ...]:
    """Return the cells of a link, in the order of LINK_COLUMNS."""
    speed = "–" if link.megabytes_per_second is None else f"{link.megabytes_per_second:.0f}"
    delay = "–" if link.milliseconds is None else f"{link.milliseconds:.2f}"
    return (link.source, link.target, speed, delay)
