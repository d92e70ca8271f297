"""Command `framelens cluster`: plans a model on machines with cards, and checks a running Ray cluster.

`plan` starts nothing and asks no machine: it prints the commands that a person types. `check` runs a job on the head.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table

from framelens import config
from framelens.cli.common import (
    PORT,
    add_output_options,
    cancel_on_signals,
    finding_lines,
    print_json,
    split_list,
    use_language,
    whole_number,
    wide_console,
)
from framelens.config import export_environment
from framelens.core.codec import to_json
from framelens.core.failures.check_findings import CheckFinding
from framelens.core.units import gib_number
from framelens.i18n import error_text, notice_text, t
from framelens.models.catalogue import find_entry, load_catalogue
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
from framelens.services.engines.hardware_profile import parse_card
from framelens.services.engines.model_names import meant_text

_MOST_CARDS = 64_000
"""Cards of the largest cluster that can be planned: 1000 machines with 64."""
_GPU_MEMORY = "80"  # GB; cards of machines with eight usually have it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command and its subcommands."""
    add_output_options(parser, None)
    asks = parser.add_subparsers(dest="question", metavar=t("cli.command"), required=True)
    plan = asks.add_parser("plan", help=t("cli.cluster_plan"))
    plan.set_defaults(ask=_plan)
    plan.add_argument("--gpus", required=True, metavar="NODESxCARDS", help=t("cli.cluster_gpus"))
    plan.add_argument("--model", required=True, help=t("cli.cluster_model"))
    plan.add_argument(
        "--gpu-memory", default=_GPU_MEMORY, metavar="GB|CARD", help=t("cli.cluster_memory", default=_GPU_MEMORY)
    )
    plan.add_argument("--tensor-parallel", type=whole_number(1, _MOST_CARDS), metavar="N", help=t("cli.cluster_tensor"))
    plan.add_argument("--copies", type=whole_number(1, _MOST_CARDS), metavar="N", help=t("cli.cluster_copies"))
    plan.add_argument("--network", default="eth0", metavar="INTERFACE", help=t("cli.cluster_network"))
    plan.add_argument("--hosts", type=split_list, default=(), metavar="IP,IP,…", help=t("cli.cluster_hosts"))
    plan.add_argument(
        "--port",
        type=whole_number(1, PORT),
        default=ENGINE_PORT,
        help=t("cli.cluster_port", default=ENGINE_PORT),
    )
    check = asks.add_parser("check", help=t("cli.cluster_check"))
    check.set_defaults(ask=_check)
    check.add_argument("--address", default=LOCAL_DASHBOARD, metavar="URL", help=t("cli.cluster_address"))
    check.add_argument("--model", default="", metavar="FOLDER", help=t("cli.cluster_check_model"))
    check.add_argument(
        "--port",
        type=whole_number(1, PORT),
        default=ENGINE_PORT,
        help=t("cli.cluster_port", default=ENGINE_PORT),
    )
    for one in (plan, check):
        add_output_options(one, argparse.SUPPRESS)


def run(given: argparse.Namespace) -> int:
    """Run the chosen subcommand and return the exit code.

    Raises:
        AppError: A name or an option is wrong, or the model doesn't fit the machines.
    """
    settings = config.load()
    use_language(given, settings)
    return int(given.ask(given, settings))


# ---- plan ------------------------------------------------------------------------------------------------------------


def _plan(given: argparse.Namespace, settings: config.Settings) -> int:
    catalogue = load_catalogue(settings.data_dir / "models")
    for problem in catalogue.problems:
        print(error_text(problem), file=sys.stderr)
    hardware = parse_gpus(given.gpus, parse_card(given.gpu_memory))
    if meant := meant_text(*find_entry(given.model, catalogue)):
        print(meant, file=sys.stderr)
    plan = plan_cluster(hardware, given.model, catalogue, tensor_parallel=given.tensor_parallel, copies=given.copies)
    blocks = cluster_commands(plan, ClusterNetwork(given.network, given.hosts, given.port))
    if given.json:
        print_json(_plan_document(plan, blocks))
        return 0
    head = {"nodes": hardware.nodes, "cards": hardware.cards, "gib": f"{hardware.card.memory_gib:.4g}"}
    print(t("cluster.machines", **head), t("cluster.layout", **_sizes(plan)), sep="\n")
    for reason in plan.reasons:
        print(f"  - {notice_text(reason)}")
    for block in blocks:
        print(f"\n# {notice_text(block.place)}\n{block.text}")
    return 0


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
        "commands": [{"place": notice_text(one.place), "lines": list(one.lines)} for one in blocks],
    }


# ---- check -----------------------------------------------------------------------------------------------------------


def _check(given: argparse.Namespace, settings: config.Settings) -> int:
    """Check the cluster and print the result; the exit code is 4 if something would keep a model from running."""
    export_environment(settings)  # RAY_AUTH_MODE and the token may be in .env
    cluster = RayCluster(given.address)
    facts = check_cluster(cluster, model=given.model, port=given.port, cancel=cancel_on_signals())
    problems = find_problems(facts, model=given.model, port=given.port)
    if given.json:
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
    listed = [{"level": one.level, "key": one.key, "text": notice_text(one)} for one in notices]
    return {**json.loads(to_json(facts)), "problems": listed}
