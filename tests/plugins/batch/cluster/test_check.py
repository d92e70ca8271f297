"""Checks of Ray clusters: which facts are problems, and how they are printed; a real cluster is in ../ray_jobs."""

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens.cli import main
from framelens.core.codec import from_json, to_json
from framelens.engine.check_findings import CheckFinding
from framelens.i18n import notice_text
from framelens.plugins.batch.cluster import node_probe
from framelens.plugins.batch.cluster.check import (
    ClusterFacts,
    ClusterLink,
    ClusterNode,
    LostNode,
    NodeModel,
    find_problems,
)
from tests.plugins.batch.ray_jobs.local_cluster import free_port

TINY = Path(__file__).parents[3] / "fixtures" / "tiny-vl"
MODEL = NodeModel("ab" * 32, 3_000_000, 1, "")
LINKED = {"NCCL_SOCKET_IFNAME": "eth0", "GLOO_SOCKET_IFNAME": "eth0", "VLLM_HOST_IP": "", "RAY_AUTH_MODE": "token"}


def node(number: int, **more: Any) -> ClusterNode:
    address = f"10.0.0.{number}"
    versions = {"ray": "2.60.0", "vllm": "0.32.0", "framelens": "0.1.0"}
    interfaces = {"lo": ("127.0.0.1",), "eth0": (address,)}
    one = ClusterNode(f"node{number}", address, "3.12.4", versions, (), interfaces, "eth0", 16 << 30, MODEL, True,
                      LINKED, 8, 8)  # fmt: skip
    return replace(one, **more)


def link(source: int, target: int, **more: Any) -> ClusterLink:
    return replace(ClusterLink(f"10.0.0.{source}", f"10.0.0.{target}", 0.1, 1100.0, ""), **more)


def problems(*nodes: ClusterNode, links: tuple[ClusterLink, ...] = (), **more: Any) -> tuple[CheckFinding, ...]:
    return find_problems(ClusterFacts(nodes, more.get("lost", ()), links), model="/models/m", port=8000)


def keys(found: tuple[CheckFinding, ...]) -> list[tuple[str, str]]:
    return [(one.key, one.notice.level) for one in found]


def test_equal_nodes_and_their_facts_are_fine() -> None:
    assert problems(node(1), node(2), links=(link(1, 2), link(2, 1))) == ()  # equal nodes have no problem
    # Facts survive json.
    facts = ClusterFacts((node(1), node(2)), (), (link(1, 2),))
    assert from_json(to_json(facts), ClusterFacts) == facts


@pytest.mark.parametrize(
    ("different", "what"),
    [
        ({"python": "3.11.2"}, "Python"),
        ({"versions": {"ray": "2.59.0", "vllm": "0.32.0", "framelens": "0.1.0"}}, "Ray"),
        ({"versions": {"ray": "2.60.0", "vllm": "0.31.0", "framelens": "0.1.0"}}, "vLLM"),
        ({"versions": {"ray": "2.60.0", "vllm": "0.32.0", "framelens": ""}}, "FrameLens"),
    ],
)
def test_a_node_with_another_version_is_named(different: dict[str, Any], what: str) -> None:
    (found,) = problems(node(1), node(2, **different), node(3))
    assert (found.key, found.notice.level, found.values["what"]) == ("cluster_differs", "error", what)
    assert str(found.values["host"]).startswith("node2")


def test_a_missing_and_a_different_model_are_named() -> None:
    absent = NodeModel("", 0, 0, "No such file or directory")
    found = problems(node(1), node(2, model=absent), node(3, model=replace(MODEL, weights_bytes=1)), node(4))
    assert keys(found) == [("cluster_model_missing", "error"), ("cluster_model_differs", "error")]
    assert "node2" in notice_text(found[0].notice, "en") and "node3" in notice_text(found[1].notice, "zh")


def test_wrong_network_variables_are_named() -> None:
    assert keys(problems(node(1), node(2, variables={**LINKED, "NCCL_SOCKET_IFNAME": "ib0"}))) == [
        ("cluster_interface", "error")
    ]
    unset = {**LINKED, "GLOO_SOCKET_IFNAME": ""}
    assert keys(problems(node(1), node(2, variables=unset))) == [("cluster_interface_unset", "warning")]
    elsewhere = {**LINKED, "VLLM_HOST_IP": "192.168.0.9"}
    assert keys(problems(node(1), node(2, variables=elsewhere))) == [("cluster_host_ip", "error")]
    assert problems(node(1, variables=dict.fromkeys(LINKED, ""))) == ()


@pytest.mark.parametrize("given", ["eth0", "eth", "=eth0", "^docker,lo", "ib0,eth0"])
def test_forms_of_nccl_that_mean_the_card_are_accepted(given: str) -> None:
    assert problems(node(1), node(2, variables={**LINKED, "NCCL_SOCKET_IFNAME": given})) == ()


def test_links_ports_and_memory_are_judged() -> None:
    broken = link(1, 2, milliseconds=None, megabytes_per_second=None, reason="timed out")
    found = problems(
        node(1, is_port_free=False), node(2, shm_bytes=64 << 20, is_port_free=False),
        links=(broken, link(2, 1, megabytes_per_second=11.0)), lost=(LostNode("10.0.0.9", "died"),),
    )  # fmt: skip
    assert keys(found) == [
        ("cluster_lost", "error"), ("cluster_link_broken", "error"), ("cluster_port", "error"),
        ("cluster_link_slow", "warning"), ("cluster_shm", "warning"),
    ]  # fmt: skip
    for language in ("zh", "en"):
        assert all("{" not in notice_text(one.notice, language) for one in found)  # type: ignore[arg-type]


def test_a_node_describes_itself() -> None:
    found = node_probe.look("127.0.0.1", str(TINY), free_port())
    assert found["interface"] == "lo" and found["is_port_free"] and found["model"]["num_weight_files"] == 1
    assert found["versions"]["framelens"]
    assert node_probe.look("127.0.0.1", "/nowhere", 1)["model"]["reason"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not node_probe.look("127.0.0.1", "", taken.getsockname()[1])["is_port_free"]


def test_a_link_is_measured_and_a_closed_one_has_a_reason() -> None:
    measured = node_probe.measure("127.0.0.1", node_probe.Listener("127.0.0.1").port())
    assert measured["megabytes_per_second"] > 0 and measured["milliseconds"] > 0 and not measured["reason"]
    assert node_probe.measure("127.0.0.1", free_port())["reason"]


def test_without_ray_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main.main(["cluster", "check", "--language", "en"]) == 2
    assert "framelens[fleet]" in capsys.readouterr().err


def test_the_command_prints_tables_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = NodeModel("", 0, 0, "No such file or directory")
    facts = ClusterFacts((node(1, model=absent), node(2)), (), (link(1, 2), link(2, 1)))
    monkeypatch.setattr("framelens.plugins.batch.commands.cluster.RayCluster", lambda address: None)
    monkeypatch.setattr("framelens.plugins.batch.commands.cluster.check_cluster", lambda *_, **__: facts)
    words = ["cluster", "check", "--address", "http://127.0.0.1:9", "--model", "/nowhere/model"]
    assert main.main([*words, "--language", "zh"]) == 4
    printed = capsys.readouterr().out
    assert "/nowhere/model" in printed and "MB/s" in printed
    assert main.main([*words, "--json", "--language", "en"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert len(document["nodes"]) == 2
    assert [(one["key"], one["level"]) for one in document["problems"]] == [("cluster_model_missing", "error")]


def test_the_command_marks_problems_as_doctor_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = ClusterFacts((node(1, shm_bytes=64 << 20),), (LostNode("10.0.0.9", "token=hf_abcdefghijklmnopqrst"),), ())
    monkeypatch.setattr("framelens.plugins.batch.commands.cluster.RayCluster", lambda address: None)
    monkeypatch.setattr("framelens.plugins.batch.commands.cluster.check_cluster", lambda *_, **__: facts)
    assert main.main(["cluster", "check", "--language", "en"]) == 4
    error, warning = capsys.readouterr().out.splitlines()[-2:]
    assert error.startswith("❌ The node 10.0.0.9 could not be asked:") and "hf_abc" not in error
    assert warning.startswith("⚠️  node1 (10.0.0.1) has only")
    lost, small = problems(node(1, shm_bytes=64 << 20), lost=(LostNode("10.0.0.9", "died"),))
    assert (lost.severity, small.severity) == ("stops", "hinders")
