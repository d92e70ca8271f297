"""Program code of models: which files are found, what their hash covers, and that the copy has those bytes alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from framelens.core.errors import EngineError
from framelens.plugins.models.trust.remote_code import CodeFile, RemoteCode, read_code, revision_of, write_copy
from tests.remote_checkpoint import make_checkpoint, write_code

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def alone(folder: Path) -> RemoteCode:
    return read_code(folder, lambda name: None)


def mapped(folder: Path, **references: object) -> RemoteCode:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"auto_map": references}))
    return alone(folder)


def test_code_is_listed_by_what_runs_it(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "m")
    for name in ("kernel.cu", "sub/tool.so.1", "unused.py", ".git/hook.py", "__pycache__/x.pyc"):
        (tmp_path / "m" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "m" / name).write_bytes(b"\0")
    code = alone(tmp_path / "m")
    assert [(file.name, file.role) for file in code.files] == [
        ("configuration_tiny.py", "named"),
        ("marker.py", "imported"),
        ("kernel.cu", "present"),
        ("sub/tool.so.1", "present"),
        ("unused.py", "present"),
    ]
    assert [(one.file, one.name, one.target) for one in code.references] == [
        ("config.json", "AutoConfig", "configuration_tiny.TinyConfig")
    ]
    assert code.files[1].conspicuous == ("subprocess:1",)


@pytest.mark.parametrize("name", ["configuration_tiny.py", "marker.py", "kernel.cu"])
def test_every_byte_of_code_changes_the_hash(tmp_path: Path, name: str) -> None:
    make_checkpoint(tmp_path / "m")
    (tmp_path / "m" / "kernel.cu").write_text("x")
    before = alone(tmp_path / "m").digest
    (tmp_path / "m" / "tokenizer.json").write_text("{}")
    assert alone(tmp_path / "m").digest == before
    with (tmp_path / "m" / name).open("a") as file:
        file.write(" ")
    assert alone(tmp_path / "m").digest != before


@pytest.mark.parametrize(
    ("file", "content", "targets"),
    [
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["a.Slow", None]}}, ["a.Slow"]),
        ("tokenizer_config.json", {"auto_map": ["a.Slow", "b.Fast"]}, ["a.Slow", "b.Fast"]),
        ("processor_config.json", {"image_processor": {"auto_map": {"AutoImageProcessor": "c.P"}}}, ["c.P"]),
        ("sub/generation_config.json", {"auto_map": {"X": "sub/d.Y"}}, ["sub/d.Y"]),
    ],
)
def test_maps_are_found_in_every_json_file(tmp_path: Path, file: str, content: object, targets: list[str]) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    for text in (json.dumps(content), json.dumps(content).replace("auto_map", "auto\\u005fmap")):
        (tmp_path / file).write_text(text)
        assert [one.target for one in alone(tmp_path).references] == targets


def test_changed_reference_changes_the_hash(tmp_path: Path) -> None:
    first, second = mapped(tmp_path, AutoModel="a.Good"), mapped(tmp_path, AutoModel="a.Bad")
    assert first.digest != second.digest


@pytest.mark.parametrize(
    "target", ["/tmp/evil.Class", "../evil.Class", "a/../../evil.Class", "a.b.C", "a", "..C", "a\\b.C"]
)
def test_reference_out_of_the_folder_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(EngineError) as caught:
        mapped(tmp_path, AutoModel=target).check("m")
    assert (caught.value.key, caught.value.values["reference"]) == ("remote_code_reference", target)


def test_code_of_an_absent_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        mapped(tmp_path, AutoModel="other/repo--a.B").check("m")
    assert (caught.value.key, caught.value.values["repository"]) == ("remote_code_elsewhere", "other/repo")


def test_code_of_another_repository_is_shown_and_copied(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "m", repository="other/repo--")
    (other := tmp_path / "other").mkdir()
    write_code(other, tmp_path / "marker", "theirs")
    (other / "unrelated.py").write_text("")
    code = read_code(tmp_path / "m", {"other/repo": other}.get)
    theirs = [file for file in code.files if file.repository]
    assert [file.name for file in theirs] == ["other/repo--configuration_tiny.py", "other/repo--marker.py"]
    write_copy(code, tmp_path / "copy")
    (target,) = json.loads((tmp_path / "copy" / "config.json").read_text())["auto_map"].values()
    module, _, name = target.partition(".")
    assert name == "TinyConfig" and "--" not in target
    assert (tmp_path / "copy" / f"{module}.py").read_bytes() == theirs[0].data


def test_copy_has_the_bytes_that_were_read(tmp_path: Path) -> None:
    make_checkpoint(folder := tmp_path / "m")
    code, config = alone(folder), (folder / "config.json").read_bytes()
    (folder / "marker.py").write_text("changed")
    (folder / "added.py").write_text("added")
    (folder / "config.json").write_text("{}")
    (folder / "added.json").write_text("{}")
    write_copy(code, copy := tmp_path / "copy")
    assert alone(copy).digest == code.digest and (copy / "config.json").read_bytes() == config
    assert not (copy / "added.py").exists() and not (copy / "added.json").exists()
    assert (copy / "model.safetensors").is_symlink() and (copy / "model.safetensors").samefile(
        folder / "model.safetensors"
    )
    assert not any(path.is_symlink() for path in copy.rglob("*.py"))


def test_copy_without_references_has_no_code(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    (tmp_path / "m" / "tool.py").write_text("")
    write_copy(alone(tmp_path / "m"), tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["config.json"]


def test_revision_is_that_of_cache_or_downloader(tmp_path: Path) -> None:
    assert revision_of(tmp_path / "models--a--b" / "snapshots" / COMMIT) == COMMIT
    notes = tmp_path / ".cache" / "huggingface" / "download" / "config.json.metadata"
    assert revision_of(tmp_path) == ""
    notes.parent.mkdir(parents=True)
    notes.write_text(f"{COMMIT}\netag\n1.0\n")
    assert revision_of(tmp_path) == COMMIT


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("import os\nos.system('x')\nos.path.join('a')", ("os.system:2",)),
        ("from os import popen", ("os.popen:1",)),
        ("import urllib.request as u, socket", ("socket:1", "urllib.request:1")),
        ("eval('1')\nexec('2')\nx.eval()", ("eval:1", "exec:2")),
        ("import torch\ntorch.load('x')\ntorch.nn.Linear", ("torch.load:2",)),
        ("from ctypes import CDLL", ("ctypes:1",)),
        ("import math\nfrom . import subprocess", ()),
        ("def broken(:", ("SyntaxError",)),
    ],
)
def test_conspicuous_imports_are_named(text: str, facts: tuple[str, ...]) -> None:
    assert CodeFile("a.py", text.encode(), "named").conspicuous == facts
