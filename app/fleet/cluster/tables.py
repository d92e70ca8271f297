"""Rows of the tables about a cluster, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.core import gib_text
from app.i18n import t

if TYPE_CHECKING:
    from app.fleet.cluster.check import ClusterLink, ClusterNode

NODE_COLUMNS = ("node", "address", "Python", "Ray", "vLLM", "FrameLens", "cards", "network", "model")
LINK_COLUMNS = ("from", "to", "speed", "delay")
_PRODUCTS = ("Python", "Ray", "vLLM", "FrameLens")


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
