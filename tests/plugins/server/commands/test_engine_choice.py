"""The engine that serves a model: the one that has its type and runs on this processor."""

import pytest

from framelens.models.catalogue import built_in
from framelens.plugins.server.commands.serve import choose_engine


@pytest.mark.parametrize(
    ("model_type", "engine"),
    [
        ("deepseek_vl", "transformers"),
        ("deepseek_vl_hybrid", "transformers"),
        ("deepseek_vl_v2", "vllm"),
        ("qwen3", "vllm"),
    ],
)
def test_each_is_served_by_the_engine_that_has_it(model_type: str, engine: str) -> None:
    kin = built_in().of_type(model_type)
    assert kin is not None
    for device in ("auto", "cpu"):
        assert choose_engine(device, installed="cpu", prefers=kin.engine) == engine  # type: ignore[arg-type]
    assert choose_engine("cuda", installed="gpu", prefers=kin.engine) == engine


@pytest.mark.parametrize(
    ("features", "engine"),
    [({"sse2"}, "transformers"), ({"sse2", "avx2"}, "vllm"), ({"asimd"}, "vllm"), (set(), "vllm")],
)
def test_old_cpu_uses_transformers_engine(features: set[str], engine: str) -> None:
    found = {
        installed: choose_engine("auto", installed=installed, prefers=None, cpu_features=features)
        for installed in ("cpu", "gpu")
    }
    assert found == {"cpu": engine, "gpu": "vllm"}  # on a card it is the card that counts
