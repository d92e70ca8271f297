"""What is refused before a batch starts on a cluster: nodes that differ, folders that aren't shared, and so on."""

import os
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from framelens import config
from framelens.core.codec import Failure
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import EngineError
from framelens.core.units import GIB
from framelens.i18n import LANGUAGES, error_text
from framelens.jobs.analyses import with_named
from framelens.plugins.batch.ray_jobs import node_checks
from framelens.plugins.batch.ray_jobs.node_analyser import passed_variables
from framelens.plugins.batch.ray_jobs.node_checks import NodeFacts, find_faults, inspect_node

CONDITIONS = {"app": "0.1.0 (abc)", "engine": "vllm 0.32.0", "model": "m (1)", "answer_tokens": "1024"}
NODE = NodeFacts("one", "3.11.9", "2.60.0", CONDITIONS, free_bytes=9 * GIB)
REMOTE = "http://127.0.0.1:9/v1"


def keys(*nodes: NodeFacts) -> list[tuple[str, object]]:
    faults = find_faults(NODE, nodes, "en")
    for language in LANGUAGES:
        assert all("{" not in error_text(fault, language) for fault in faults)
    return [(fault.key, fault.values["host"]) for fault in faults]


def test_equal_nodes_may_start() -> None:
    assert keys(NODE, replace(NODE, host="two", python="3.11.2", conditions={**CONDITIONS, "model": "m (2)"})) == []


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"python": "3.12.1"}, "ray_node_differs"),
        ({"ray": "2.59.0"}, "ray_node_differs"),
        ({"conditions": {**CONDITIONS, "app": "0.0.9 (abc)"}}, "ray_node_differs"),
        ({"conditions": {**CONDITIONS, "engine": "vllm 0.31.0"}}, "ray_node_differs"),
        ({"conditions": {**CONDITIONS, "answer_tokens": "2048"}}, "ray_node_differs"),
        ({"missing": ("/videos/a.mp4",)}, "ray_videos_missing"),
        ({"engine": Failure.of(EngineError("remote_unreachable", base_url="u", reason="r"))}, "ray_engine"),
        ({"model": Failure.of(EngineError("model_unconfirmed", model="m"))}, "ray_model"),
        ({"free_bytes": GIB // 2}, "ray_disk"),
    ],
)
def test_a_node_that_differs_is_named(change: dict[str, object], key: str) -> None:
    assert keys(NODE, replace(NODE, host="two", **change)) == [(key, "two")]  # type: ignore[arg-type]


def test_a_node_reports_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_checks, "version", lambda name: "2.60.0")
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "there.mp4").touch()
    paths, request = [tmp_path / "there.mp4", tmp_path / "gone.mp4"], AnalysisRequest(Path("x"))
    found = inspect_node({"FRAMELENS_BASE_URL": REMOTE}, request, paths)
    assert (found.python, found.missing) == (platform.python_version(), (str(tmp_path / "gone.mp4"),))
    assert found.engine and found.engine.key == "remote_unreachable"
    assert found.model is None and found.free_bytes > 0
    found = inspect_node({"VLLM_MODEL_PATH": "/no/such/model"}, request, ())
    assert found.model and found.model.key == "model_folder_missing"


def test_neither_keys_nor_folders_of_a_machine_travel() -> None:
    given = {
        "FRAMELENS_API_KEY": "secret", "HF_TOKEN": "secret", "FRAMELENS_DATA_DIR": "/here", "PATH": "/bin",
        "FRAMELENS_BASE_URL": REMOTE, "VLLM_CONFIG": "{}",
    }  # fmt: skip
    settings = with_named(config.load(given, Path(os.devnull)), model="other", base_url="")
    passed = passed_variables(given, settings)
    assert passed == {"FRAMELENS_BASE_URL": REMOTE, "VLLM_CONFIG": "{}", "VLLM_MODEL_PATH": "other"}
