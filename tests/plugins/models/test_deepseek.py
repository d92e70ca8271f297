"""DeepSeek-VL in its three kinds: as it was published, converted for transformers, and the second generation."""

from dataclasses import replace
from typing import Any

import pytest

from framelens import config
from framelens.engine.check_findings import CheckFinding, Fix
from framelens.i18n import error_text, notice_text
from framelens.models.catalogue import built_in, raw_built_in
from framelens.plugins.models.preflight import check
from framelens.plugins.models.preflight import run as preflight
from framelens.plugins.models.preflight.subject import CheckedModel, PreflightSubject

SMALL, LARGE = "deepseek-community/deepseek-vl-1.3b-chat", "deepseek-community/deepseek-vl-7b-chat"
VL2 = "deepseek-ai/deepseek-vl2-tiny"
# What tells them in the config.json files that were published in 2024.
ORIGINAL_SMALL: dict[str, Any] = {
    "architectures": ["MultiModalityCausalLM"], "model_type": "multi_modality", "torch_dtype": "float16",
    "aligner_config": {"cls": "MlpProjector", "model_type": "aligner", "params": {"projector_type": "mlp_gelu"}},
    "vision_config": {"cls": "CLIPVisionTower", "model_type": "vision", "params": {"image_size": 384}},
    "language_config": {"model_type": "llama", "vocab_size": 102400, "hidden_size": 2048, "num_hidden_layers": 24},
}  # fmt: skip
ORIGINAL_LARGE: dict[str, Any] = {
    **ORIGINAL_SMALL,
    "vision_config": {"cls": "HybridVisionTower", "model_type": "vision", "params": {"concat_type": "tuple"}},
    "language_config": {"model_type": "llama", "vocab_size": 102400, "num_hidden_layers": 30},
}
JANUS = {**ORIGINAL_SMALL, "gen_vision_config": {"cls": "VQ-16", "model_type": "gen_vision"}}


def config_of(id_: str) -> dict[str, Any]:
    return dict(raw_built_in()[id_]["config"])


def looked_at(config: dict[str, Any], engine: Any) -> list[CheckFinding]:
    """What stops a folder with this config.json."""
    kin = built_in().of_type(config["model_type"])
    found = check(PreflightSubject(CheckedModel("m", "/models/m", config=config, kin=kin), engine=engine))
    return [finding for finding in found if finding.severity == "stops"]


@pytest.mark.parametrize("engine", ["vllm", "transformers"])
@pytest.mark.parametrize(("original", "converted"), [(ORIGINAL_SMALL, SMALL), (ORIGINAL_LARGE, LARGE)])
def test_published_deepseek_offers_the_converted_one(original: dict[str, Any], converted: str, engine: str) -> None:
    (found,) = looked_at(original, engine)
    assert found.key == "checkpoint_original"
    assert found.fix == Fix(model=converted, engine="transformers")
    assert converted in built_in().by_id
    for language in ("zh", "en"):
        assert converted in error_text(found.error, language) and converted in notice_text(found.fix.notice, language)


def test_other_names_are_not_taken_for_deepseek() -> None:
    # Janus has the same type and is not taken for it.
    assert "checkpoint_original" not in [finding.key for finding in looked_at(JANUS, "vllm")]
    assert [finding.key for finding in looked_at(JANUS, "transformers")] == ["transformers_lacks_type"]
    # Of the other names nothing is said.
    for named in (VL2, SMALL, "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"):
        assert "checkpoint_original" not in [finding.key for finding in stops(named)]


@pytest.mark.parametrize("id_", [SMALL, LARGE])
def test_converted_deepseek_needs_transformers_engine(id_: str) -> None:
    """vLLM 0.32 asks transformers' class for a count of tokens that this class lacks: see tests/engine/logs."""
    assert looked_at(config_of(id_), "transformers") == []
    (found,) = looked_at(config_of(id_), "vllm")
    assert found.key == "architecture_unsupported" and found.fix == Fix(engine="transformers")


def test_deepseek_vl2_runs_in_vllm_only() -> None:
    assert looked_at(config_of(VL2), "vllm") == []
    (found,) = looked_at(config_of(VL2), "transformers")
    assert found.key == "transformers_lacks_type" and found.fix == Fix(engine="vllm")
    for language in ("zh", "en"):
        assert "deepseek_vl_v2" in error_text(found.error, language)


def stops(model: str) -> list[CheckFinding]:
    found = preflight.preflight(replace(config.load({}), model_path=model))
    return [finding for finding in found if finding.severity == "stops"]


@pytest.mark.parametrize(
    ("named", "converted"),
    [
        ("deepseek-ai/deepseek-vl-7b-chat", Fix(model=LARGE, engine="transformers")),
        ("deepseek-ai/deepseek-vl-1.3b-chat", Fix(model=SMALL, engine="transformers")),
        ("liuhaotian/llava-v1.5-7b", Fix(model="llava-hf/llava-1.5-7b-hf")),
    ],
)
def test_deepseek_is_reported_before_download(named: str, converted: Fix) -> None:
    (found,) = stops(named)
    assert (found.key, found.fix) == ("checkpoint_original", converted)
