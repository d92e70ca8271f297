"""What is read from a config.json, what a picture costs, and what is said of a config that cannot be used."""

import json
from contextlib import suppress

import pytest

from framelens.core.errors import ModelNotFound
from framelens.i18n import error_text
from framelens.models.architecture import Quantisation, Shape
from framelens.models.catalogue import built_in, raw_built_in
from framelens.models.config import read_shape
from framelens.models.memory import MemoryEstimate
from framelens.models.serving_plan import Plan

QWEN = {
    "model_type": "qwen2", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 512,
}  # fmt: skip

QWEN2_7B = {
    "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152000, "max_position_embeddings": 32768,
}  # fmt: skip
OTHERS: dict[str, dict[str, object]] = {
    "Mistral-7B-v0.3": {
        "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 32768,
        "sliding_window": None,
    },
    "Mixtral-8x7B": {
        "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "num_local_experts": 8,
        "num_experts_per_tok": 2,
    },
    "InternVL3-8B-hf": {
        "model_type": "internvl", "downsample_ratio": 0.5, "text_config": QWEN2_7B,
        "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                          "image_size": [448, 448], "patch_size": [14, 14]},
    },
    "GLM-4.5V": {
        "model_type": "glm4v_moe",
        "text_config": {"model_type": "glm4v_moe_text", "hidden_size": 4096, "intermediate_size": 10944,
                        "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8,
                        "head_dim": 128, "vocab_size": 151552, "n_routed_experts": 128, "n_shared_experts": 1,
                        "num_experts_per_tok": 8, "moe_intermediate_size": 1408, "first_k_dense_replace": 1},
        "vision_config": {"model_type": "glm4v_moe", "depth": 24, "hidden_size": 1536, "intermediate_size": 10944,
                          "out_hidden_size": 4096, "patch_size": 14, "spatial_merge_size": 2},
    },
}  # fmt: skip
"""Configs of models that users name, shortened; no line of the reader is about their families."""


def shape_of(id_: str) -> Shape:
    return built_in().by_id[id_].shape


def refusal(config: object) -> ModelNotFound:
    with pytest.raises(ModelNotFound) as caught:
        read_shape(config)  # type: ignore[arg-type]
    assert error_text(caught.value, "zh") and error_text(caught.value, "en")
    return caught.value


def test_missing_and_odd_sizes_are_named() -> None:
    # What is no config of a model is refused.
    assert refusal({"a": 1}).key == refusal([]).key == "model_shape_incomplete"
    # All missing keys are named.
    config = {key: value for key, value in QWEN.items() if key not in ("hidden_size", "vocab_size")}
    assert refusal(config).values["keys"] == "hidden_size, vocab_size"
    # A missing key of the tower is named with its place.
    config = {**QWEN, "model_type": "qwen2_5_vl", "vision_config": {"depth": 2, "patch_size": 14}}
    assert refusal(config).values["keys"] == "vision_config.embed_dim"
    # Sizes under other names are said to be unknown.
    wrong = refusal({"model_type": "mamba", "d_model": 64, "n_layer": 2})
    assert (wrong.key, wrong.values["model_type"]) == ("model_type_unknown", "mamba")


@pytest.mark.parametrize("value", ["many", -1, True, 2.5, [14, 16]])
def test_a_size_that_is_none_is_named_with_its_value(value: object) -> None:
    wrong = refusal({**QWEN, "num_hidden_layers": value})
    assert (wrong.key, wrong.values["key"]) == ("model_shape_wrong", "num_hidden_layers")


@pytest.mark.parametrize(
    "id_",
    ["Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "Qwen/Qwen3-VL-30B-A3B-Instruct", "deepseek-ai/deepseek-vl2-small",
     "deepseek-community/deepseek-vl-7b-chat", "llava-hf/llava-1.5-7b-hf", "openbmb/MiniCPM-V-4_5"],
)  # fmt: skip
def test_any_config_gives_an_estimate_or_an_error(id_: str) -> None:
    config = raw_built_in()[id_]["config"]
    places = [(config, key) for key in config]
    places += [(inner, key) for inner in config.values() if isinstance(inner, dict) for key in inner]
    for table, key in places:
        was = table[key]
        for odd in (None, 0, -1, 1, 1.5, True, "x", [], {}, [[]], 10**9):
            table[key] = odd
            try:
                assert MemoryEstimate.of(read_shape(config), Plan(tensor_parallel=2)).total_bytes > 0
            except ModelNotFound as error:
                assert error_text(error, "zh")
        table[key] = was


@pytest.mark.parametrize("name", OTHERS)
def test_an_odd_config_of_another_family_is_an_error_too(name: str) -> None:
    config = json.loads(json.dumps(OTHERS[name]))
    places = [(config, key) for key in config]
    places += [(inner, key) for inner in config.values() if isinstance(inner, dict) for key in inner]
    for table, key in places:
        was = table[key]
        for odd in (None, 0, -1, 1, 1.5, True, "x", [], {}, [[]], [[384]], [[0, 0]], 10**9):
            table[key] = odd
            with suppress(ModelNotFound):
                shape = read_shape(config)
                assert MemoryEstimate.of(shape, Plan(tensor_parallel=2)).total_bytes > 0
                assert shape.vision is None or shape.vision.image_tokens(1280, 720) > 0
        table[key] = was


def test_old_flat_and_new_nested_configs_are_one_shape() -> None:
    tower = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64}
    flat = {**QWEN, "model_type": "qwen2_5_vl", "vision_config": tower}
    nested = {
        "model_type": "qwen2_5_vl", "text_config": {**QWEN, "model_type": "qwen2_5_vl_text"}, "vision_config": tower,
    }  # fmt: skip
    assert read_shape(flat) == read_shape(nested)


def test_quantisation_is_read_from_each_method_that_is_in_use() -> None:
    def stored(**config: object) -> Quantisation | None:
        return read_shape({**QWEN, "quantization_config": config}).quantisation

    assert stored(quant_method="awq", bits=4, group_size=128, zero_point=True) == Quantisation("awq", 4, 128)
    assert stored(quant_method="gptq", bits=8, group_size=-1) == Quantisation("gptq", 8, 0)
    assert stored(quant_method="fp8", modules_to_not_convert=["lm_head", "visual.blocks"]) == Quantisation("fp8", 8, 0)
    groups = {"group_0": {"weights": {"num_bits": 4, "group_size": 64}}}
    assert stored(quant_method="compressed-tensors", config_groups=groups) == Quantisation("compressed_tensors", 4, 64)


def test_image_tokens_are_near_those_of_processors() -> None:
    """The figures come from the processors for a frame of 1280 × 720."""
    assert shape_of("Qwen/Qwen2.5-VL-7B-Instruct").vision.image_tokens(1280, 720) == 46 * 26  # type: ignore[union-attr]
    assert shape_of("Qwen/Qwen3-VL-8B-Instruct").vision.image_tokens(1280, 720) == 40 * 22  # type: ignore[union-attr]
    assert shape_of("llava-hf/llava-1.5-7b-hf").vision.image_tokens(1280, 720) == 576  # type: ignore[union-attr]
    tiles = shape_of("deepseek-ai/deepseek-vl2-tiny").vision
    assert tiles and tiles.image_tokens(384, 384) == pytest.approx(14 * 15 * 2 + 1, rel=0.1)
    fixed, sixteenth = (shape_of(name).vision for name in ("google/gemma-4-E2B-it", "openbmb/MiniCPM-V-4.6"))
    assert fixed and fixed.image_tokens(1280, 720) == fixed.image_tokens(448, 252) == 280
    assert sixteenth and sixteenth.image_tokens(448, 448) == 64
    slices = shape_of("openbmb/MiniCPM-V-2_6").vision
    assert slices and slices.image_tokens(448, 448) == 64
    assert slices and slices.image_tokens(1344, 1344) == 64 * 10


@pytest.mark.parametrize(
    ("name", "published"),
    [("Mistral-7B-v0.3", 7.25e9), ("Mixtral-8x7B", 46.7e9), ("InternVL3-8B-hf", 7.94e9), ("GLM-4.5V", 107.7e9)],
)
def test_models_outside_the_catalogue_are_counted(name: str, published: float) -> None:
    assert read_shape(OTHERS[name]).parameters == pytest.approx(published, rel=0.03), "as on the hub"


def test_a_picture_of_fixed_cost_is_its_own_largest() -> None:
    vision = shape_of("llava-hf/llava-1.5-7b-hf").vision
    assert vision and vision.largest_tokens == 576


def test_layers_that_keep_less_make_the_cache_an_upper_limit() -> None:
    whole, windows, linear = (
        read_shape({**QWEN, **more}).text.cache
        for more in (
            {"sliding_window": 1024, "use_sliding_window": False},
            {"sliding_window": 1024},
            {"layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"]},
        )
    )
    assert (whole.is_whole, windows.is_whole, linear.is_whole) == (True, False, False)
    assert (whole.layers, windows.layers, linear.layers) == (4, 4, 1)
    listed, by_interval = (
        read_shape({**QWEN, **more}).text
        for more in (
            {"layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"]},
            {"full_attention_interval": 4},
        )
    )
    assert listed == by_interval and listed.is_hybrid
    assert read_shape({**QWEN, "num_kv_shared_layers": 3}).text.cache.layers == 1


def test_the_largest_picture_is_that_of_the_processor() -> None:
    assert [
        shape.vision.largest_tokens
        for id_ in ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen3-VL-2B-Instruct", "openbmb/MiniCPM-V-2_6")
        if (shape := shape_of(id_)).vision
    ] == [16384, 16384, 640]


def test_attention_and_experts_are_counted() -> None:
    # A mixture of experts meets only the chosen ones.
    shape = shape_of("Qwen/Qwen3-30B-A3B")
    assert shape.active_parameters == pytest.approx(3.3e9, rel=0.02)  # as its card says
    assert shape_of("Qwen/Qwen3-8B").active_parameters == shape_of("Qwen/Qwen3-8B").parameters
    # Latent attention keeps one latent for each token.
    cache = shape_of("deepseek-ai/deepseek-vl2-small").text.cache
    assert (cache.heads, cache.numbers_per_head, cache.heads_per_card(8)) == (1, 576, 1)
