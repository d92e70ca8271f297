"""Commands of a cluster plan, exactly as they are typed: Ray, vLLM, the environment, and the settings of FrameLens."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from framelens import ConfigError, Notice
from framelens.plugin.engines import arguments_to_argv
from framelens.plugins.batch.cluster.plan import ClusterPlan

RAY_PORT = 6379  # Ray's default
ENGINE_PORT = 8000  # vLLM's default
ENGINE_IMAGE = "vllm/vllm-openai:v0.32.0"
RAY_IMAGE = "framelens-engine:0.1.0"
"""The image of deploy/Dockerfile.engine: vLLM's own has come without Ray since 0.19."""
_SHARED_MEMORY = "16g"  # as in vLLM's own example for several machines
_KEY = "CHOOSE-A-KEY"


@dataclass(frozen=True)
class ClusterNetwork:
    """How the machines reach each other.

    Attributes:
        interface: Name of the network card that connects them.
        hosts: One address per machine, the first of each group of machines being its head; empty for placeholders.
        port: Port of the engines; copies with servers of their own take the following ports.
    """

    interface: str = "eth0"
    hosts: tuple[str, ...] = ()
    port: int = ENGINE_PORT


@dataclass(frozen=True)
class CommandBlock:
    """Commands for a place, with the notice that says where they are typed."""

    notice: Notice
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the commands, each on a line."""
        return "\n".join(self.lines)


def cluster_commands(plan: ClusterPlan, network: ClusterNetwork | None = None) -> tuple[CommandBlock, ...]:
    """Return the commands of a plan in the order in which they are typed.

    Raises:
        ConfigError: There are addresses, but their number isn't the number of machines.
    """
    network = network or ClusterNetwork()
    hosts = network.hosts or tuple(f"NODE{number}" for number in range(1, plan.hardware.nodes + 1))
    if len(hosts) != plan.hardware.nodes:
        raise ConfigError("cluster_hosts", given=", ".join(hosts), count=len(hosts), nodes=plan.hardware.nodes)
    if plan.layout.nodes > 1:
        groups = [hosts[n * plan.layout.nodes : (n + 1) * plan.layout.nodes] for n in range(plan.layout.copies)]
        started = [block for group in groups for block in _with_ray(plan, network, group)]
        urls = [_url(group[0], network.port) for group in groups]
    else:
        started = [_servers(plan, network, host) for host in hosts]
        ports = range(network.port, network.port + (plan.copies_each if plan.has_servers_apart else 1))
        urls = [_url(host, port) for host in hosts for port in ports]
    return (_everywhere(plan), *started, _framelens(plan, urls), _container(plan, network, hosts[0]))


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def _everywhere(plan: ClusterPlan) -> CommandBlock:
    """Return what every machine needs: the model in the same folder, and enough shared memory."""
    fetch = f"framelens download {plan.entry.id} {shlex.quote(plan.model_path)}"
    check = f"ls {shlex.quote(plan.model_path + '/config.json')}"
    lines = [fetch if plan.entry.family else check, "df -h /dev/shm"]
    if plan.layout.nodes > 1:
        lines.append("pip install 'ray[default]==2.60.*'")
    return CommandBlock(Notice("cluster_everywhere", {"path": plan.model_path}, "info"), tuple(lines))


def _with_ray(plan: ClusterPlan, network: ClusterNetwork, hosts: Sequence[str]) -> Iterator[CommandBlock]:
    """Yield the blocks of a copy that spans several machines: head, workers, and the engine on the head."""
    head, *workers = hosts
    cards = f"--num-gpus={plan.hardware.cards}"
    start = f"ray start --head --node-ip-address={head} --port={RAY_PORT} {cards}"
    token = "ray get-auth-token --generate"
    yield CommandBlock(Notice("cluster_head", {"host": head}, "info"), (*_environment(network, head), token, start))
    for worker in workers:
        join = f"ray start --address={_host_and_port(head, RAY_PORT)} --node-ip-address={worker} {cards}"
        notice = Notice("cluster_worker", {"host": worker, "head": head}, "info")
        yield CommandBlock(notice, (*_environment(network, worker), join))
    lines = ("ray status", f"export VLLM_API_KEY={_KEY}", _serve(plan, head, network.port, {
        "distributed_executor_backend": "ray",
    }))  # fmt: skip
    yield CommandBlock(Notice("cluster_serve", {"host": head}, "info"), lines)


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _environment(network: ClusterNetwork, host: str) -> tuple[str, ...]:
    """Return the variables that Ray must see when it starts: the engine's processes inherit them from Ray."""
    links = {"VLLM_HOST_IP": host, "NCCL_SOCKET_IFNAME": network.interface, "GLOO_SOCKET_IFNAME": network.interface}
    values = {**links, "RAY_AUTH_MODE": "token"}
    return tuple(f"export {name}={shlex.quote(value)}" for name, value in values.items())


def _servers(plan: ClusterPlan, network: ClusterNetwork, host: str) -> CommandBlock:
    """Return the block that starts the engines of a machine whose copies fit in it."""
    lines = [f"export VLLM_API_KEY={_KEY}"]
    if plan.has_servers_apart:
        each = plan.layout.tensor * plan.layout.pipeline
        for number in range(plan.copies_each):
            cards = ",".join(str(card) for card in range(number * each, (number + 1) * each))
            lines.append(f"CUDA_VISIBLE_DEVICES={cards} {_serve(plan, host, network.port + number)} &")
    else:
        copies = {"data_parallel_size": plan.copies_each} if plan.copies_each > 1 else {}
        lines.append(_serve(plan, host, network.port, copies))
    return CommandBlock(Notice("cluster_serve", {"host": host}, "info"), tuple(lines))


def _serve(plan: ClusterPlan, host: str, port: int, extra: Mapping[str, object] | None = None) -> str:
    argv = ["vllm", "serve", plan.model_path, f"--served-model-name={plan.entry.id}"]
    argv += arguments_to_argv({**plan.proposal.config, **(extra or {})})
    return shlex.join([*argv, f"--host={host}", f"--port={port}"])


def _framelens(plan: ClusterPlan, urls: Sequence[str]) -> CommandBlock:
    lines = (
        f"export FRAMELENS_BASE_URL={','.join(urls)}",
        f"export FRAMELENS_API_KEY={_KEY}",
        f"export VLLM_MODEL_PATH={plan.entry.id}",
        "framelens models sight",
    )
    return CommandBlock(Notice("cluster_framelens", {}, "info"), lines)


def _container(plan: ClusterPlan, network: ClusterNetwork, host: str) -> CommandBlock:
    """Return the container in which the commands of a machine can be typed instead."""
    folder = plan.model_path.rpartition("/")[0] or "/"
    argv = ["docker", "run", "--rm", "--interactive", "--tty", "--gpus", "all", "--network", "host"]
    argv += ["--shm-size", _SHARED_MEMORY, "--volume", f"{folder}:{folder}:ro", "--entrypoint", "bash"]
    if plan.layout.nodes == 1:
        return CommandBlock(Notice("cluster_container", {}, "info"), (shlex.join([*argv, ENGINE_IMAGE]),))
    variables = [line.removeprefix("export ") for line in _environment(network, host)]
    argv += [word for variable in variables for word in ("--env", variable)]
    build = f"docker build --file deploy/Dockerfile.engine --tag {RAY_IMAGE} deploy"
    return CommandBlock(
        Notice("cluster_container_ray", {"host": host}, "info"), (build, shlex.join([*argv, RAY_IMAGE]))
    )
