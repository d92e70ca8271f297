"""Weights in pickles: refused before an engine starts, and by the engines themselves.

The pickle is made with torch.save and writes a file when it is loaded without care, which must never happen.
"""

import pickle
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.core.engines.model_hub import ModelHub
from framelens.core.errors import AppError, EngineError, ModelNotFound
from framelens.engine.base import Launcher
from framelens.engine.downloads.hub import download
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.transformers import transformers_launcher
from framelens.engine.local.vllm import vllm_launcher
from framelens.engine.model_resolution import check_model_folder
from tests.conftest import ENGINE_ARGUMENTS
from tests.engine.hub_server import Hub, serve
from tests.engine.test_local_engine import ready
from tests.engine.weights import model_files, safetensors
from tests.thorough import first_of


class Touch:
    """An object whose pickle creates `marker` when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def hostile(source: Path, folder: Path, *, keep_safetensors: bool) -> Path:
    """Copy a checkpoint with a hostile pytorch_model.bin, and return the file that its pickle would write."""
    import torch

    shutil.copytree(source, folder)
    if not keep_safetensors:
        (folder / "model.safetensors").unlink()
    marker = folder.with_name(f"{folder.name}-marker")
    torch.save({"weight": Touch(marker)}, folder / "pytorch_model.bin")
    return marker


def start(launcher: Launcher, logs: Path) -> None:
    engine = LocalEngine(launcher, log_dir=logs)
    try:
        ready(engine)
    finally:
        engine.stop()


def files(*names: str) -> dict[str, bytes]:
    return {"config.json": b"{}", "tokenizer.json": b"{}", **dict.fromkeys(names, b"x")}


def test_marker_is_written_by_a_careless_load(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Touch(tmp_path / "marker")))
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (["pytorch_model.bin"], "pytorch_model.bin"),
        (["model.pt", "model.pth"], "model.pt, model.pth"),
        (["model.ckpt"], "model.ckpt"),
        (["decoy.safetensors", "pytorch_model.bin"], "pytorch_model.bin"),
        (["model.safetensors", "adapter_config.json", "adapter_model.bin"], "adapter_model.bin"),
    ],
)
def test_folder_with_pickled_weights_is_refused(tmp_path: Path, names: list[str], refused: str) -> None:
    for name, data in files(*names).items():
        (tmp_path / name).write_bytes(safetensors() if name.endswith(".safetensors") else data)
    with pytest.raises(ModelNotFound) as caught:
        check_model_folder(tmp_path)
    assert (caught.value.key, caught.value.values["files"]) == ("model_pickled", refused)
    check_model_folder(tmp_path, allow_pickle=True)


def test_index_that_names_a_pickle_is_refused(tmp_path: Path) -> None:
    index = b'{"weight_map": {"a": "model.safetensors", "b": "evil.bin"}}'
    for name, data in {**files("evil.bin"), "model.safetensors.index.json": index}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "model.safetensors").write_bytes(safetensors())
    with pytest.raises(ModelNotFound) as caught:
        check_model_folder(tmp_path)
    assert (caught.value.key, caught.value.values["files"]) == ("model_pickled", "evil.bin")


def test_unread_pickles_beside_safetensors_are_accepted(tmp_path: Path) -> None:
    for name, data in files("training_args.bin", "optimizer.pt", "pytorch_model.bin").items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "model.safetensors").write_bytes(safetensors())
    check_model_folder(tmp_path)


def fetch(hub: Hub, folder: Path, *, allow_pickle: bool = False) -> set[str]:
    nothing = threading.Event()
    download(
        "a/b", lambda _: None, nothing, hub=ModelHub("huggingface", hub.url), folder=folder, allow_pickle=allow_pickle
    )
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_pickled_weights_are_not_downloaded(tmp_path: Path) -> None:
    with serve(Hub("a/b", files("pytorch_model.bin"))) as hub:
        with pytest.raises(ModelNotFound) as caught:
            fetch(hub, tmp_path / "refused")
        assert (caught.value.key, caught.value.values["files"]) == ("model_pickled", "pytorch_model.bin")
        assert not any("/resolve/" in request for request in hub.requests)
        assert "pytorch_model.bin" in fetch(hub, tmp_path / "allowed", allow_pickle=True)


@pytest.mark.slow
def test_other_pickles_stay_on_the_hub(tmp_path: Path) -> None:
    with serve(Hub("a/b", {**model_files(), "training_args.bin": b"x", "tokenizer.pkl": b"y"})) as hub:
        names = fetch(hub, tmp_path)
        assert not {"training_args.bin", "tokenizer.pkl"} & names and "tokenizer.json" in names
        assert not any(".bin" in request or ".pkl" in request for request in hub.requests if "resolve" in request)


@pytest.mark.parametrize("load_format", ["pt", "npcache"])
def test_load_format_of_pickles_is_refused(load_format: str) -> None:
    with pytest.raises(EngineError, match="load_format_pickled"):
        vllm_launcher("org/model", {"load_format": load_format})
    vllm_launcher("org/model", {"load_format": load_format}, allow_pickle=True)


def test_vllm_is_started_for_safetensors_only(tiny_vl: Path, tmp_path: Path) -> None:
    assert "--load-format=safetensors" in vllm_launcher(str(tiny_vl), {}).command(tiny_vl, 1)
    assert "--load-format=safetensors" not in vllm_launcher("m", {}, allow_pickle=True).command(tiny_vl, 1)
    (tmp_path / "consolidated.safetensors").write_bytes(b"")
    assert not any("load-format" in word for word in vllm_launcher("m", {}).command(tmp_path, 1))
    assert "--load-format=dummy" in vllm_launcher("m", {"load_format": "dummy"}).command(tiny_vl, 1)


@pytest.mark.engine
@pytest.mark.parametrize("kind", first_of(["transformers", "vllm"]))
def test_engines_never_run_a_pickle(kind: str, tiny_text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    marker = hostile(tiny_text, folder, keep_safetensors=False)
    arguments = {name: value for name, value in ENGINE_ARGUMENTS.items() if name != "limit_mm_per_prompt"}
    launcher = vllm_launcher(str(folder), arguments) if kind == "vllm" else transformers_launcher(str(folder))
    with pytest.raises(ModelNotFound, match="model_pickled"):
        start(launcher, tmp_path / "logs")
    past_the_check = replace(launcher, fetch=lambda on_progress, cancel: folder)
    with pytest.raises(AppError):
        start(past_the_check, tmp_path / "logs")
    assert not marker.exists()


@pytest.mark.engine
@pytest.mark.thorough
def test_vllm_starts_beside_an_unread_pickle(tiny_text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    marker = hostile(tiny_text, folder, keep_safetensors=True)
    arguments = {name: value for name, value in ENGINE_ARGUMENTS.items() if name != "limit_mm_per_prompt"}
    start(vllm_launcher(str(folder), arguments), tmp_path / "logs")
    assert not marker.exists()
