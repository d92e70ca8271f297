"""Licences, bill of materials and audit of what comes with FrameLens."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load("list_licences", monkeypatch)


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_notice_covers_all_that_is_shipped(script: ModuleType) -> None:
    rows = [script.row(distribution) for distribution in script.shipped()]
    assert {"streamlit", "av", "typst"} <= {name for name, _, _ in rows}
    assert not {"pytest", "ruff", "mypy"} & {name for name, _, _ in rows}
    assert script.uncovered(NOTICE, rows) == []


@pytest.mark.parametrize(
    ("licence", "is_covered"),
    [
        ("MIT", True),
        ("BSD License", True),
        ("Apache-2.0 AND (MIT OR BSD-3-Clause)", True),
        ("Apache-2.0 AND Apache-2.0 WITH LLVM-exception AND BSL-1.0", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-2.0-or-later", False),
        ("LGPL-2.1-only", False),
        ("Other/Proprietary License", False),
        ("?", False),
        ("Business Source License", False),
    ],
)
def test_licence_that_notice_does_not_name_is_found(script: ModuleType, licence: str, is_covered: bool) -> None:
    found = ("something-new", "1.0", licence)
    assert script.uncovered(NOTICE, [found]) == ([] if is_covered else [found])
    assert script.uncovered(NOTICE, [("nvidia-cublas", "13", "?"), ("pycountry", "1", "LGPL-2.1-only")]) == []


@pytest.mark.slow
def test_bill_of_materials_is_valid_and_complete(
    tmp_path: Path, script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load("write_sbom", monkeypatch)
    found = module.document()
    names = {component["name"].lower() for component in found["components"]}
    assert names == {distribution.metadata["Name"].lower() for distribution in script.shipped()}
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert found["metadata"]["component"]["name"] == "framelens"
    refs = {dependency["ref"] for dependency in found["dependencies"]}
    assert all(ref in refs for dependency in found["dependencies"] for ref in dependency.get("dependsOn", ()))
    some = {
        **found,
        "components": found["components"][:30],
        "dependencies": found["dependencies"][:30],
    }  # all take 10 s
    monkeypatch.setattr(module, "document", lambda: some)
    assert module.main([str(tmp_path / "sbom.json")]) == 0
    assert json.loads((tmp_path / "sbom.json").read_text(encoding="utf-8")) == some
    monkeypatch.setattr(module, "document", lambda: {**some, "components": [{"name": "without a type"}]})
    assert module.main([str(tmp_path / "wrong.json")]) == 1
    assert not (tmp_path / "wrong.json").exists() and "isn't valid" in capsys.readouterr().err


SOUND = {"name": "a", "version": "1", "vulns": []}
UNSOUND = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1"}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ([[SOUND]], 0, "1 packages, none"),
        ([[SOUND, UNSOUND]], 1, "b 2 (PYSEC-1)"),
        ([[SOUND, SKIPPED]], 3, "not found: c"),
        ([[SKIPPED], [UNSOUND]], 1, "PYSEC-1"),
        ([[SKIPPED], []], 3, "not checked"),
        ([[], []], 3, "not checked"),
    ],
)
def test_audit_without_a_database_is_no_success(
    answers: list[list[dict[str, object]]], code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, text = load("audit_pins", monkeypatch).verdict(answers)
    assert found == code and words in text
    assert "audit_pins" not in sys.modules
