"""The facts that the look before a start gathers: of real folders, of this machine, of the installed engine."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.core.domain import Notice
from framelens.core.engines.model_hub import ModelHub
from framelens.core.errors import EngineError
from framelens.engine.downloads.hub import hub_config
from framelens.engine.hardware import installed_vllm
from framelens.engine.local.launch_checks import launch_checks
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.model_arguments import computes_wide
from framelens.i18n import notice_text
from framelens.plugins.models.preflight import run as preflight
from framelens.plugins.models.preflight.run import subject_of
from framelens.plugins.models.vision_checks import engine_of
from tests.engine.fakes import fake_launcher
from tests.engine.test_local_engine import ready
from tests.models.checkpoints import QWEN2, QWEN2_VL, checkpoint

needs_vllm = pytest.mark.skipif(installed_vllm() is None, reason="reads the installed vLLM")


def keys(model: str | Path, given: dict[str, Any] | None = None, **settings: Any) -> list[str]:
    wanted = replace(config.load({}), model_path=str(model), **settings)
    return [one.key for one in preflight.preflight(wanted, given) if one.severity != "tells"]


OLD, NEW = frozenset({"avx2", "avx512f"}), frozenset({"avx2", "avx512_bf16"})


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_cpu_without_bfloat16_uses_float32_if_it_fits(
    device: str, monkeypatch: pytest.MonkeyPatch, tiny_vl: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("framelens.engine.local.model_arguments.installed_vllm", lambda: (device, "0.32.0"))
    monkeypatch.setattr("framelens.engine.local.model_arguments.memory_bytes", lambda: 24 * 2**30)
    monkeypatch.setattr("framelens.engine.local.model_arguments.cpu_cores", lambda: 2)

    def is_wide(model: str | Path, flags: frozenset[str] = OLD) -> bool:
        monkeypatch.setattr("framelens.engine.local.model_arguments.cpu_flags", lambda: flags)
        return computes_wide(replace(config.load({}), model_path=str(model), data_dir=tmp_path))

    assert is_wide(tiny_vl) is is_wide("Qwen/Qwen2-VL-2B-Instruct") is (device == "cpu")
    assert not is_wide(tiny_vl, NEW) and not is_wide(tiny_vl, frozenset())
    assert not is_wide("Qwen/Qwen2.5-VL-7B-Instruct"), "31 GiB of weights"
    assert not is_wide("Qwen/Qwen2-VL-2B-Instruct-AWQ") and not is_wide("nobody/knows") and not is_wide(tmp_path)


def test_format_of_a_check_is_that_of_the_engine(monkeypatch: pytest.MonkeyPatch, tiny_vl: Path) -> None:
    settings = replace(config.load({}), model_path=str(tiny_vl), vllm_config={"dtype": "half"})
    for device, flags, used in (("gpu", NEW, "fp16"), ("cpu", NEW, "bf16")):
        monkeypatch.setattr("framelens.engine.local.model_arguments.installed_vllm", lambda device=device: (device, ""))
        monkeypatch.setattr("framelens.plugins.models.vision_checks.installed_vllm", lambda device=device: (device, ""))
        monkeypatch.setattr("framelens.engine.local.model_arguments.cpu_flags", lambda flags=flags: flags)
        assert engine_of(settings)["format"] == used


# ---- names and folders -----------------------------------------------------------------------------------------------


@needs_vllm
def test_nothing_is_said_against_the_models_that_run_here(tiny_vl: Path, tiny_text: Path) -> None:
    small = {"max_model_len": 512, "dtype": "auto"}
    assert keys(tiny_vl, small) == keys(tiny_text, small) == []


@pytest.mark.slow
def test_incomplete_folder_is_reported_as_at_start(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    assert keys(folder) == ["model_shard_broken"]
    (folder / "model.safetensors").unlink()
    assert keys(folder) == ["model_weights_missing"]
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"")
    assert keys(folder) == ["model_shards_missing"]
    (folder / "tokenizer.json").unlink()
    assert keys(folder) == ["model_tokenizer_missing"]


@pytest.mark.parametrize("path", ["C:\\models\\Qwen", "/no/such/model", "./nowhere"])
def test_a_path_that_leads_nowhere_is_reported_with_the_path(path: str) -> None:
    assert keys(path) == ["model_folder_missing"]


def test_cache_snapshot_is_known_by_its_hub_name(tmp_path: Path) -> None:
    repository = tmp_path / "models--org--Tiny"
    snapshot = checkpoint(repository / "snapshots" / "c0ffee")
    for named in (repository, snapshot):
        found = subject_of(replace(config.load({}), model_path=str(named)))
        assert found.model.name == "org/Tiny" and found.model.folder == str(snapshot)


@pytest.mark.slow
def test_ollama_names_and_folders_are_mapped_or_explained(tmp_path: Path) -> None:
    wanted = replace(config.load({}), model_path="qwen3:8b")
    (found,) = (one for one in preflight.preflight(wanted) if one.severity == "stops")
    assert found.key == "model_named_by_ollama" and found.fix and found.fix.model == "Qwen/Qwen3-8B"
    (tmp_path / "blobs").mkdir()
    (tmp_path / "manifests").mkdir()
    assert keys(tmp_path) == ["model_is_ollama"]


def test_other_engines_and_networks_are_not_judged(monkeypatch: pytest.MonkeyPatch, tiny_text: Path) -> None:
    # Offline a model that is not here stops.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert keys("Qwen/Qwen3-8B") == ["model_offline"]
    assert keys("/no/such/model", base_url="http://127.0.0.1:1/v1") == []  # an engine elsewhere is not judged
    # The second engine takes no settings of vllm.
    assert keys(tiny_text, {"tensor_parallel_size": 3, "dtype": "int8"}, engine="transformers") == []
    # Absent model is judged by the catalogue.
    wanted = replace(config.load({}), model_path="Qwen/Qwen2.5-VL-72B-Instruct")
    found = subject_of(wanted)
    assert found.shape and found.shape.parameters > 7e10 and found.model.absent_bytes > 1.4e11


# ---- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_vllm
def test_settings_that_vllm_has_not_are_told_with_what_helps(tiny_text: Path) -> None:
    assert keys(tiny_text, {"dtype": "int8"}) == ["vllm_dtype_quantized"]
    (found,) = preflight.preflight(replace(config.load({}), model_path=str(tiny_text)), {"dtype": "int8"})
    assert '"auto", "half", "float16"' in notice_text(found.notice, "en"), "a list in words"
    assert keys(tiny_text, {"max_model_length": 5}) == ["vllm_argument_misspelt"]


# ---- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_answers_without_torch_and_without_the_network(tiny_vl: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from framelens.cli.main import main;"
        "print(main(['models', 'check', sys.argv[1]]), file=sys.stderr);"
        "print({'torch', 'vllm', 'transformers', 'langchain_core', 'streamlit', 'cv2'} & set(sys.modules))"
    )
    environment = {**os.environ, "VLLM_CONFIG": '{"max_model_len": 512, "dtype": "auto"}'}
    started = time.monotonic()
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tiny_vl)], capture_output=True, text=True, check=True, env=environment
    )
    assert answer.stdout.splitlines()[-1] == "set()", answer
    assert time.monotonic() - started < 60  # a hang is a failure; how long it takes is measured elsewhere


# ---- the hub ---------------------------------------------------------------------------------------------------------


class _Hub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        document = {
            "/org/new/resolve/main/config.json": {**QWEN2, "model_type": "deepseek_vl"},
            "/org/large/resolve/main/config.json": {"model_type": "mamba", "d_model": 64},
            "/org/large/resolve/main/model.safetensors.index.json": {"metadata": {"total_size": 10**15}},
        }.get(self.path)
        self.send_response(200 if document else 404)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_unknown_config_is_fetched_from_hub_if_allowed(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    wanted = replace(config.load({}), model_path="org/new")
    assert "architecture_unsupported" in [one.key for one in preflight.preflight(wanted, asks_hub=True)]
    assert "architecture_unsupported" not in keys("org/new")
    assert all(
        hub_config("org/absent", hub=ModelHub("huggingface", url)) is None for url in (hub, "http://127.0.0.1:1")
    )


@pytest.mark.slow
def test_size_of_absent_weights_is_that_of_the_hub(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    found = {
        one.key: one for one in preflight.preflight(replace(config.load({}), model_path="org/large"), asks_hub=True)
    }
    assert found["model_disk_full"].values["needed"] == found["preflight_weights_large"].values["weights"]


# ---- before a start --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_vllm
def test_failing_start_is_refused_and_hindrances_kept(tiny_text: Path, tmp_path: Path) -> None:
    wanted = replace(config.load({}), model_path=str(tiny_text), vllm_config={"tensor_parallel_size": 3})
    with pytest.raises(EngineError) as caught:
        launch_checks(wanted).inspect(tiny_text)
    assert caught.value.key == "heads_not_divisible"
    folder = checkpoint(tmp_path / "model", QWEN2_VL)
    kept = launch_checks(
        replace(wanted, vllm_config={"max_model_len": 512, "limit_mm_per_prompt": {"image": 0}})
    ).inspect(folder)
    assert "preflight_pictures_off" in [notice.key for notice in kept]


def test_a_fault_of_the_look_itself_keeps_no_one_from_starting(
    tiny_text: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(preflight, "subject_of", broken)
    assert launch_checks(config.load({})).inspect(tiny_text) == ()
    assert "is left out" in caplog.text
    caplog.clear()


@pytest.mark.slow
def test_engine_reports_preflight_and_refuses_failing_start(tmp_path: Path) -> None:
    kept = (Notice("preflight_blind", {"model": "m"}, "info"),)
    engine = LocalEngine(fake_launcher({}, inspect=lambda folder: kept), log_dir=tmp_path)
    ready(engine)
    assert engine.status().notices == kept
    engine.stop()

    def refusing(folder: Path) -> tuple[Notice, ...]:
        raise EngineError("quantization_needs_gpu", model=str(folder))

    engine = LocalEngine(fake_launcher({}, inspect=refusing), log_dir=tmp_path / "refused")
    with pytest.raises(EngineError) as caught:
        ready(engine)
    assert caught.value.values["model"] == "/model" and engine.status().state == "failed"
    assert not list((tmp_path / "refused").glob("*.log"))
