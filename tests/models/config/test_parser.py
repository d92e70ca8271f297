"""What is read from a config.json, what a picture costs, and what is said of a config that cannot be used."""

from __future__ import annotations

import pytest

from framelens.core.errors import ModelNotFound
from framelens.i18n import error_text
from framelens.models.architecture import Shape, image_tokens, largest_picture_tokens
from framelens.models.catalogue import built_in, raw_built_in
from framelens.models.config.parser import read_shape
from framelens.models.memory import estimate_memory
from framelens.models.serving_plan import Plan

QWEN = {
    "model_type": "qwen2", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 512,
}  # fmt: skip


def shape_of(id_: str) -> Shape:
    return built_in().by_id[id_].shape


def refusal(config: object) -> ModelNotFound:
    with pytest.raises(ModelNotFound) as caught:
        read_shape(config)  # type: ignore[arg-type]
    assert error_text(caught.value, "zh") and error_text(caught.value, "en")
    return caught.value


def test_what_is_no_config_of_a_model_is_refused() -> None:
    assert refusal({"a": 1}).key == refusal([]).key == "model_shape_incomplete"


def test_all_missing_keys_are_named() -> None:
    config = {key: value for key, value in QWEN.items() if key not in ("hidden_size", "vocab_size")}
    assert refusal(config).values["keys"] == "hidden_size, vocab_size"


def test_a_missing_key_of_the_tower_is_named_with_its_place() -> None:
    config = {**QWEN, "model_type": "qwen2_5_vl", "vision_config": {"depth": 2, "hidden_size": 32}}
    assert refusal(config).values["keys"] == "vision_config.intermediate_size"


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
                assert estimate_memory(read_shape(config), Plan(tensor_parallel=2)).total_bytes > 0
            except ModelNotFound as error:
                assert error_text(error, "zh")
        table[key] = was


def test_a_family_that_is_not_known_is_said_to_be_so() -> None:
    wrong = refusal({**QWEN, "model_type": "mamba"})
    assert (wrong.key, wrong.values["model_type"]) == ("model_type_unknown", "mamba")
    assert "qwen2" in str(wrong.values["known"])


def test_old_flat_and_new_nested_configs_are_one_shape() -> None:
    tower = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64}
    flat = {**QWEN, "model_type": "qwen2_5_vl", "vision_config": tower}
    nested = {
        "model_type": "qwen2_5_vl", "text_config": {**QWEN, "model_type": "qwen2_5_vl_text"}, "vision_config": tower,
    }  # fmt: skip
    assert read_shape(flat) == read_shape(nested)


def test_quantisation_is_read_from_each_method_that_is_in_use() -> None:
    def stored(**given: object) -> tuple[str, int, int, bool]:
        shape = read_shape({**QWEN, "quantization_config": given})
        assert shape.quantisation
        return (shape.quantisation.method, shape.quantisation.bits, shape.quantisation.group_size,
                shape.quantisation.covers_vision)  # fmt: skip

    assert stored(quant_method="awq", bits=4, group_size=128, zero_point=True) == ("awq", 4, 128, False)
    assert stored(quant_method="gptq", bits=8, group_size=-1) == ("gptq", 8, 0, False)
    assert stored(quant_method="fp8", modules_to_not_convert=["lm_head", "visual.blocks"]) == ("fp8", 8, 0, False)
    assert stored(quant_method="fp8") == ("fp8", 8, 0, True)
    groups = {"group_0": {"weights": {"num_bits": 4, "group_size": 64}}}
    assert stored(quant_method="compressed-tensors", config_groups=groups)[:3] == ("compressed_tensors", 4, 64)


def test_image_tokens_match_processor_of_each_family() -> None:
    """The figures are those of the processors for a frame of 1280 × 720."""
    assert image_tokens(shape_of("Qwen/Qwen2.5-VL-7B-Instruct").vision, 1280, 720) == 46 * 26  # type: ignore[arg-type]
    assert image_tokens(shape_of("Qwen/Qwen3-VL-8B-Instruct").vision, 1280, 720) == 40 * 22  # type: ignore[arg-type]
    assert image_tokens(shape_of("llava-hf/llava-1.5-7b-hf").vision, 1280, 720) == 576  # type: ignore[arg-type]
    tiles = shape_of("deepseek-ai/deepseek-vl2-tiny").vision
    assert tiles and image_tokens(tiles, 384, 384, together=3) == 14 * 15 * 2 + 1
    slices = shape_of("openbmb/MiniCPM-V-2_6").vision
    assert slices and image_tokens(slices, 448, 448) == 64
    assert slices and image_tokens(slices, 1344, 1344) == 64 * 10


def test_the_largest_picture_is_that_of_the_processor() -> None:
    assert [
        largest_picture_tokens(shape.vision)
        for id_ in ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen3-VL-2B-Instruct", "openbmb/MiniCPM-V-2_6")
        if (shape := shape_of(id_)).vision
    ] == [16384, 16384, 640]


def test_a_mixture_of_experts_meets_only_the_chosen_ones() -> None:
    shape = shape_of("Qwen/Qwen3-30B-A3B")
    assert shape.active_parameters == pytest.approx(3.3e9, rel=0.02)  # as its card says
    assert shape_of("Qwen/Qwen3-8B").active_parameters == shape_of("Qwen/Qwen3-8B").parameters


def test_latent_attention_keeps_one_latent_for_each_token() -> None:
    cache = shape_of("deepseek-ai/deepseek-vl2-small").text.cache
    assert (cache.heads, cache.numbers_per_head, cache.heads_per_card(8)) == (1, 576, 1)
