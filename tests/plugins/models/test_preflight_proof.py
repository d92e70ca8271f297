"""What preflight says would stop a start does stop the real engine, for the cause that it names.

Each case is a checkpoint made for it, and a start of vLLM on the CPU that has to fail.
"""

from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.core.errors import EngineError
from framelens.engine.hardware import cpu_features
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.vllm import vllm_launcher
from framelens.plugins.models.preflight.run import preflight
from tests.conftest import ready
from tests.models.checkpoints import AWQ, GPTQ, QWEN2, QWEN3_MOE, checkpoint

pytestmark = [pytest.mark.engine, pytest.mark.thorough]  # each is a start of some fifteen seconds


@dataclass(frozen=True)
class Case:
    """`said` before; `seen` by the diagnosis afterwards, where that has other words."""

    said: str
    changes: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    base: dict[str, Any] = field(default_factory=lambda: QWEN2)
    seen: str = ""


_LARGE_CACHE = {"hidden_size": 512, "num_attention_heads": 8, "num_key_value_heads": 8, "num_hidden_layers": 16,
                "layer_types": ["full_attention"] * 16, "max_position_embeddings": 65536}  # fmt: skip
CASES = {
    "heads": Case("heads_not_divisible", arguments={"tensor_parallel_size": 3}),
    "memory nodes": Case("numa_nodes_too_few", arguments={"tensor_parallel_size": 4}),
    "ray": Case(
        "ray_unsupported" if find_spec("ray") else "ray_missing", arguments={"distributed_executor_backend": "ray"}
    ),
    "cache of one request": Case("context_exceeds_cache", _LARGE_CACHE, {"max_model_len": 65536, "dtype": "bfloat16"}),
    # The router is left as it is, as in all such checkpoints.
    "experts in awq": Case(
        "quantization_needs_gpu",
        {"quantization_config": {**AWQ, "modules_to_not_convert": ["lm_head", "mlp.gate"]}},
        base=QWEN3_MOE,
    ),
    "experts in gptq": Case(
        "quantization_needs_gpu",
        {"quantization_config": {**GPTQ, "dynamic": {"-:.*mlp\\.gate$": {}}}},
        base=QWEN3_MOE,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_engine_fails_for_the_cause_that_was_told_before(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    if case.said == "quantization_needs_gpu" and "amx_tile" in cpu_features():
        pytest.skip("this processor computes it")
    if case.said == "numa_nodes_too_few":
        monkeypatch.delenv("VLLM_CPU_OMP_THREADS_BIND")
    folder = checkpoint(tmp_path / "model", case.base, **case.changes)
    usual: dict[str, Any] = {"enforce_eager": True, "max_model_len": 512, "dtype": "auto", "load_format": "dummy"}
    arguments = {**usual, **case.arguments}
    settings = replace(config.load({}), model_path=str(folder), vllm_config=arguments)
    assert [one.key for one in preflight(settings) if one.severity == "stops"][:1] == [case.said]
    engine = LocalEngine(vllm_launcher(str(folder), arguments), log_dir=tmp_path)
    try:
        with pytest.raises(EngineError) as caught:
            ready(engine)
    finally:
        engine.stop()
    assert caught.value.key == (case.seen or case.said), engine.log_tail(40)
