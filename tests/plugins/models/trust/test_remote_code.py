"""Program code of models: which files are found, what their hash covers, and which references are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from framelens.core.errors import EngineError
from framelens.plugins.models.trust.remote_code import RemoteCode, read_code, revision_of
from tests.remote_checkpoint import make_checkpoint, write_code

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def alone(folder: Path) -> RemoteCode:
    return read_code(folder, lambda name: None)


def mapped(folder: Path, **references: object) -> RemoteCode:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"auto_map": references}))
    return alone(folder)


def test_every_file_that_could_run_is_listed(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "m")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / "linked.py").write_text("")
    (elsewhere / "circle").symlink_to(tmp_path / "m")
    (tmp_path / "m" / "link").symlink_to(elsewhere)
    for name in ("kernel.cu", "sub/tool.so.1", ".git/hook.py", "__pycache__/x.pyc"):
        (tmp_path / "m" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "m" / name).write_bytes(b"\0")
    code = alone(tmp_path / "m")
    assert [file.name for file in code.files] == [
        ".git/hook.py",
        "__pycache__/x.pyc",
        "configuration_tiny.py",
        "kernel.cu",
        "link/linked.py",
        "marker.py",
        "sub/tool.so.1",
    ]
    assert [file.num_bytes for file in code.files[:2]] == [1, 1]
    assert [(one.file, one.name, one.target) for one in code.references] == [
        ("config.json", "AutoConfig", "configuration_tiny.TinyConfig")
    ]


def test_hash_is_that_of_earlier_versions(tmp_path: Path) -> None:
    """What was confirmed before stays confirmed."""
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoConfig": "configuration.Small"}}')
    (tmp_path / "configuration.py").write_text("from .marker import MARKER\n")
    (tmp_path / "marker.py").write_text("MARKER = 1\n")
    assert alone(tmp_path).digest == "da035823877a10ca1abd71c5491d5754e5a31463cef53aca3d7446c7042bbb84"


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


def test_code_of_another_repository_is_listed(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "m", repository="other/repo--")
    (other := tmp_path / "other").mkdir()
    write_code(other, tmp_path / "marker", "theirs")
    code = read_code(tmp_path / "m", {"other/repo": other}.get)
    theirs = [file.name for file in code.files if file.repository]
    assert theirs == ["other/repo--configuration_tiny.py", "other/repo--marker.py"]
    code.check("m")
    (other / "marker.py").write_text("")
    assert read_code(tmp_path / "m", {"other/repo": other}.get).digest != code.digest


def test_revision_is_that_of_cache_or_downloader(tmp_path: Path) -> None:
    assert revision_of(tmp_path / "models--a--b" / "snapshots" / COMMIT) == COMMIT
    notes = tmp_path / ".cache" / "huggingface" / "download" / "config.json.metadata"
    assert revision_of(tmp_path) == ""
    notes.parent.mkdir(parents=True)
    notes.write_text(f"{COMMIT}\netag\n1.0\n")
    assert revision_of(tmp_path) == COMMIT
