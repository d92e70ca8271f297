import json
import os
from pathlib import Path

import pytest

from framelens.core.errors import ModelNotFound
from framelens.engine.model_resolution import check_model_folder, resolve_model
from framelens.i18n import error_text
from tests.engine.weights import model_files, safetensors


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def fault(folder: Path, *, allow_pickle: bool = False) -> ModelNotFound:
    with pytest.raises(ModelNotFound) as caught:
        check_model_folder(folder, allow_pickle=allow_pickle)
    assert error_text(caught.value, "zh") and error_text(caught.value, "en")
    return caught.value


def cached(cache: Path, files: dict[str, bytes]) -> Path:
    """A snapshot of a/b as the hub's client leaves it."""
    repository = cache / "models--a--b"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    return write(repository / "snapshots" / "c0ffee", files)


# ---- what a reference means ------------------------------------------------------------------------------------------


def test_folders_and_ids_resolve_to_what_is_there(tmp_path: Path) -> None:
    # A folder is taken unchanged and named after itself.
    folder = write(tmp_path / "Qwen2.5-VL", model_files())
    found = resolve_model(str(folder))
    assert (found.name, found.folder, found.hub_id) == ("Qwen2.5-VL", folder, None)
    # An id that is not in the cache is one to fetch.
    found = resolve_model("Qwen/Qwen2.5-VL-7B-Instruct", cache_dir=tmp_path)
    assert (found.name, found.folder, found.hub_id) == ("Qwen/Qwen2.5-VL-7B-Instruct", None, found.name)
    assert resolve_model("Qwen/Qwen2.5-VL-7B-Instruct/", cache_dir=tmp_path) == found


def test_home_quotes_and_relative_paths_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "模型 one", model_files())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for reference in ("~/模型 one", "'模型 one'", '"./模型 one"', " 模型 one/ "):
        found = resolve_model(reference)
        assert found.folder is not None and found.folder.resolve() == folder
        assert found.name == "模型 one"


@pytest.mark.parametrize("below", ["", "snapshots", "snapshots/c0ffee"])
def test_every_cache_folder_resolves_to_its_snapshot(tmp_path: Path, below: str) -> None:
    snapshot = cached(tmp_path, model_files())
    found = resolve_model(str(tmp_path / "models--a--b" / below))
    assert (found.name, found.folder) == ("a/b", snapshot)


def test_snapshots_of_the_cache_are_taken_when_whole(tmp_path: Path) -> None:
    # An id in the cache is its snapshot.
    snapshot = cached(tmp_path, model_files())
    assert resolve_model("a/b", cache_dir=tmp_path).folder == snapshot
    # A snapshot that lacks a shard counts as not there.
    files = model_files()
    del files["model-00002-of-00002.safetensors"]
    cached(tmp_path / "other", files)
    assert resolve_model("a/b", cache_dir=tmp_path / "other").folder is None


@pytest.mark.parametrize(
    "place",
    ["models/Qwen--Q2.5-VL/snapshots/master", "models/Qwen/Q2___5-VL", "hub/models/Qwen/Q2___5-VL", "hub/Qwen/Q2.5-VL"],
)
def test_what_modelscope_tools_downloaded_is_found(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    folder = write(tmp_path / place, model_files())
    by_id, by_folder = resolve_model("Qwen/Q2.5-VL"), resolve_model(str(folder))
    assert (by_id.folder, by_folder.folder) == (folder, folder)
    assert by_folder.hub_id == by_folder.name == "Qwen/Q2.5-VL"


def test_a_modelscope_repository_folder_is_its_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    folder = write(tmp_path / "models/Qwen--Q2.5-VL/snapshots/master", model_files())
    found = resolve_model(str(folder.parents[1]))
    assert (found.name, found.folder) == ("Qwen/Q2.5-VL", folder)


@pytest.mark.parametrize(
    "reference",
    ["/no/such/model", "~/no/such/model", "./nowhere", "C:\\models\\Qwen", "D:/models/Qwen", "a/b/c", "", "Ä"],
)
def test_a_path_that_leads_nowhere_is_refused_with_the_path(reference: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        resolve_model(reference)
    assert caught.value.key == "model_folder_missing" and caught.value.values["model"] == reference


def test_wrong_paths_say_how_far_they_are_right(tmp_path: Path) -> None:
    # How far a wrong path is right is reported.
    with pytest.raises(ModelNotFound) as caught:
        resolve_model(str(tmp_path / "modles" / "Qwen"))
    assert caught.value.values["existing"] == str(tmp_path)
    # A weights file instead of its folder is reported apart.
    file = write(tmp_path, model_files()) / "model-00001-of-00002.safetensors"
    with pytest.raises(ModelNotFound) as caught:
        resolve_model(str(file))
    assert caught.value.key == "model_is_file" and caught.value.values["folder"] == str(tmp_path)


# ---- whether a folder is whole ---------------------------------------------------------------------------------------


def test_a_whole_folder_passes(tmp_path: Path) -> None:
    check_model_folder(write(tmp_path, model_files()))
    check_model_folder(write(tmp_path / "one", {**model_files(), "model.safetensors": safetensors()}))


@pytest.mark.parametrize(
    ("missing", "key"),
    [
        ("config.json", "model_config_missing"),
        ("tokenizer.json", "model_tokenizer_missing"),
        ("model-00002-of-00002.safetensors", "model_shards_missing"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, missing: str, key: str) -> None:
    files = model_files()
    del files[missing]
    assert fault(write(tmp_path, files)).key == key


def test_the_missing_shards_of_older_weights_are_found_too(tmp_path: Path) -> None:
    index = json.dumps({"weight_map": {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}}).encode()
    names = {"pytorch_model.bin.index.json": index, "pytorch_model-1.bin": b"x"}
    folder = write(tmp_path, {"config.json": b"{}", "tokenizer.json": b"{}", **names})
    error = fault(folder, allow_pickle=True)
    assert (error.key, error.values["files"]) == ("model_shards_missing", "pytorch_model-2.bin")


@pytest.mark.parametrize("length", [0, 5, 40, -1])
def test_a_truncated_shard_is_named_with_its_length(tmp_path: Path, length: int) -> None:
    files = model_files()
    name = "model-00002-of-00002.safetensors"
    files[name] = files[name][:length]
    error = fault(write(tmp_path, files))
    assert (error.key, error.values["file"]) == ("model_shard_broken", name)
    assert str(len(files[name])) in str(error.values["reason"])


def test_broken_shards_and_indexes_are_named(tmp_path: Path) -> None:
    # A shard that is something else is broken.
    error = fault(write(tmp_path, {**model_files(), "model-00001-of-00002.safetensors": b"<html>not found</html>"}))
    assert error.key == "model_shard_broken"
    # An index that is no index.
    error = fault(write(tmp_path, {**model_files(), "model.safetensors.index.json": b"[]"}))
    assert (error.key, error.values["file"]) == ("model_shard_broken", "model.safetensors.index.json")


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"\xff\xfe"])
def test_a_config_that_is_no_json_object(tmp_path: Path, text: bytes) -> None:
    assert fault(write(tmp_path, {**model_files(), "config.json": text})).key == "model_config_broken"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", model_files())
    folder.chmod(0)
    try:
        assert fault(folder).key == "model_unreadable"
    finally:
        folder.chmod(0o700)


def test_what_is_not_there_or_unreadable_is_named(tmp_path: Path) -> None:
    # Circular link is reported as unreadable.
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert fault(tmp_path / "loop").key == "model_unreadable"
    assert fault(tmp_path / "gone").key == "model_folder_missing"  # a folder that is not there
    # A folder with no weights at all.
    assert fault(write(tmp_path, {"config.json": b"{}", "tokenizer.json": b"{}"})).key == "model_weights_missing"
