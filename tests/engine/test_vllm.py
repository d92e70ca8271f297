from pathlib import Path

import pytest

from framelens.engine.local import vllm as vllm_module
from framelens.engine.local.vllm import SPEECH_ARGUMENTS, speech_launcher

MODEL = Path("/models/whisper")


@pytest.fixture(params=["gpu", "cpu"], autouse=True)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(vllm_module, "installed_vllm", lambda: (request.param, "0.32.0"))
    return str(request.param)


def test_speech_engine_fits_beside_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    # Speech engine fits beside the first engine.
    share = SPEECH_ARGUMENTS["gpu_memory_utilization"]
    assert isinstance(share, float) and 0.80 + share < 1
    assert f"--gpu-memory-utilization={share}" in speech_launcher("org/whisper", {}).command(MODEL, 1)
    # What the user sets goes before our choice.
    command = speech_launcher("org/whisper", {"gpu_memory_utilization": 0.3, "max_num_seqs": 2}).command(MODEL, 1)
    assert "--gpu-memory-utilization=0.3" in command and "--max-num-seqs=2" in command
    # Speech engine does not inherit cache size.
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "40")
    assert speech_launcher("org/whisper", {}).environment("key")["VLLM_CPU_KVCACHE_SPACE"] == "1"
    larger = speech_launcher("org/whisper", {"kv_cache_memory_bytes": 3 << 30})
    assert larger.environment("key")["VLLM_CPU_KVCACHE_SPACE"] == "3"
    assert speech_launcher("org/whisper", {}).notices == ()  # no one is reported of a type that no one chose
