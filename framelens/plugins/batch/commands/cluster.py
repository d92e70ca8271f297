"""Command `framelens cluster`: plans a model on machines with cards, and checks a running Ray cluster.

`plan` starts nothing and asks no machine: it prints the commands that a person types. `check` runs a job on the head.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table

from framelens import error_text, notice_text
from framelens.plugin import Settings, load, t
from framelens.plugin.command_line import (
    PORT,
    Group,
    Options,
    cancel_on_signals,
    export_environment,
    finding_lines,
    json_option,
    option,
    print_json,
    split_list,
    use_language,
    whole_number,
    wide_console,
)
from framelens.plugin.machine import CheckFinding
from framelens.plugin.models import Catalogue, GpuCard
from framelens.plugin.storage import to_json
from framelens.plugin.texts import gib_number
from framelens.plugins.batch.cluster.check import (
    LINK_COLUMNS,
    NODE_COLUMNS,
    ClusterFacts,
    check_cluster,
    column_title,
    find_problems,
    found_text,
    link_row,
    node_row,
)
from framelens.plugins.batch.cluster.commands import ENGINE_PORT, ClusterNetwork, CommandBlock, cluster_commands
from framelens.plugins.batch.cluster.plan import ClusterPlan, parse_gpus, plan_cluster
from framelens.plugins.batch.ray_jobs.client import LOCAL_DASHBOARD, RayCluster

_MOST_CARDS = 64_000
"""Cards of the largest cluster that can be planned: 1000 machines with 64."""
_GPU_MEMORY = "80"  # GB; cards of machines with eight usually have it


run = Group("cluster", help="cli.cluster_command")


# ---- plan ------------------------------------------------------------------------------------------------------------


port_option = option(
    "--port",
    type=whole_number(1, PORT),
    default=ENGINE_PORT,
    metavar="PORT",
    help=lambda: t("cli.cluster_port", default=ENGINE_PORT),
)


@run.command("plan", help="cli.cluster_plan")
@option("--gpus", required=True, metavar="NODESxCARDS", help="cli.cluster_gpus")
@option("--model", required=True, metavar="MODEL", help="cli.cluster_model")
@option(
    "--gpu-memory",
    default=_GPU_MEMORY,
    metavar="GB|CARD",
    help=lambda: t("cli.cluster_memory", default=_GPU_MEMORY),
)
@option("--tensor-parallel", type=whole_number(1, _MOST_CARDS), metavar="N", help="cli.cluster_tensor")
@option("--copies", type=whole_number(1, _MOST_CARDS), metavar="N", help="cli.cluster_copies")
@option("--network", default="eth0", metavar="INTERFACE", help="cli.cluster_network")
@option("--hosts", type=split_list, multiple=True, metavar="IP,IP,…", help="cli.cluster_hosts")
@port_option
@json_option
def _plan(options: Options) -> int:
    settings = _settings(options)
    catalogue = Catalogue.load(settings.data_dir / "models")
    for problem in catalogue.problems:
        print(error_text(problem), file=sys.stderr)
    hardware = parse_gpus(options.gpus, GpuCard.parse(options.gpu_memory))
    entry, match = catalogue.find_entry(options.model)
    if match is not None and match.entry is entry and match.text:
        print(match.text, file=sys.stderr)
    plan = plan_cluster(
        hardware, options.model, catalogue, tensor_parallel=options.tensor_parallel, copies=options.copies
    )
    blocks = cluster_commands(plan, ClusterNetwork(options.network, options.hosts, options.port))
    if options.json:
        print_json(_plan_document(plan, blocks))
        return 0
    head = {"nodes": hardware.nodes, "cards": hardware.cards, "gib": f"{hardware.card.memory_gib:.4g}"}
    print(t("cluster.machines", **head), t("cluster.layout", **_sizes(plan)), sep="\n")
    for reason in plan.reasons:
        print(f"  - {notice_text(reason)}")
    for block in blocks:
        print(f"\n# {notice_text(block.notice)}\n{block.text}")
    return 0


def _settings(options: Options) -> Settings:
    settings = load()
    use_language(options, settings)
    return settings


def _sizes(plan: ClusterPlan) -> dict[str, Any]:
    layout = plan.layout
    return {"tensor": layout.tensor, "pipeline": layout.pipeline, "copies": layout.copies}


def _plan_document(plan: ClusterPlan, blocks: tuple[CommandBlock, ...]) -> dict[str, Any]:
    """Convert a plan to JSON."""
    return {
        "model": plan.entry.id,
        "model_path": plan.model_path,
        "nodes": plan.hardware.nodes,
        "cards_per_node": plan.hardware.cards,
        "card_gib": plan.hardware.card.memory_gib,
        "tensor_parallel": plan.layout.tensor,
        "pipeline_parallel": plan.layout.pipeline,
        "nodes_per_copy": plan.layout.nodes,
        "copies": plan.layout.copies,
        "idle_cards": plan.layout.idle,
        "card_gib_needed": float(gib_number(plan.proposal.sum.card_bytes)),
        "requests_in_cache": round(plan.requests, 1),
        "config": dict(plan.proposal.config),
        "reasons": [{"key": reason.key, "text": notice_text(reason)} for reason in plan.reasons],
        "commands": [{"place": notice_text(block.notice), "lines": list(block.lines)} for block in blocks],
    }


# ---- check -----------------------------------------------------------------------------------------------------------


@run.command("check", help="cli.cluster_check")
@option("--address", default=LOCAL_DASHBOARD, metavar="URL", help="cli.cluster_address")
@option("--model", default="", metavar="FOLDER", help="cli.cluster_check_model")
@port_option
@json_option
def _check(options: Options) -> int:
    """Check the cluster and print the result; the exit code is 4 if something would keep a model from running."""
    settings = _settings(options)
    export_environment(settings)  # RAY_AUTH_MODE and the token may be in .env
    cluster = RayCluster(options.address)
    facts = check_cluster(cluster, model=options.model, port=options.port, cancel=cancel_on_signals())
    problems = find_problems(facts, model=options.model, port=options.port)
    if options.json:
        print_json(_check_document(facts, problems))
    else:
        _print_check(facts, problems)
    return 4 if any(problem.severity == "stops" for problem in problems) else 0


def _print_check(facts: ClusterFacts, problems: Sequence[CheckFinding]) -> None:
    console, nodes = wide_console(), facts.nodes
    console.print(found_text(nodes))
    console.print(_table(NODE_COLUMNS, (node_row(node) for node in nodes)))
    if facts.links:
        console.print(_table(LINK_COLUMNS, (link_row(link) for link in facts.links)))
    for line in finding_lines(problems):
        print(line)
    if not problems:
        print(t("cluster.well"))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(column_title(name))
    for row in rows:
        table.add_row(*row)
    return table


def _check_document(facts: ClusterFacts, problems: Sequence[CheckFinding]) -> dict[str, Any]:
    """Convert the facts and problems to JSON."""
    notices = [problem.notice for problem in problems]
    listed = [{"level": notice.level, "key": notice.key, "text": notice_text(notice)} for notice in notices]
    return {**json.loads(to_json(facts)), "problems": listed}
