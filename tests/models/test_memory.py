"""The sum: against published figures, against what vLLM has logged, and how it changes with the settings."""

import pytest

from framelens.core.units import GIB
from framelens.models.architecture import Shape
from framelens.models.catalogue import built_in
from framelens.models.memory import MemoryEstimate
from framelens.models.serving_plan import Plan

VL_7B = "Qwen/Qwen2.5-VL-7B-Instruct"
VL_72B = "Qwen/Qwen2.5-VL-72B-Instruct"
R1_7B = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"


def shape_of(id_: str) -> Shape:
    return built_in().by_id[id_].shape


def sum_of(id_: str, **settings: object) -> MemoryEstimate:
    return MemoryEstimate.of(shape_of(id_), Plan(**settings))  # type: ignore[arg-type]


# ---- published figures -----------------------------------------------------------------------------------------------


def test_memory_of_a_7b_is_near_what_was_measured() -> None:
    # 7b in 16 bits takes 14 gb and 20 to 24 with vision: The figures of the application's own guide: weights ~14 GB,
    # in all ~20 to 24 GB.
    sum_ = sum_of(VL_7B, format="fp16")
    assert sum_.bytes_of("text_weights") / GIB == pytest.approx(14, rel=0.1)
    assert 20e9 <= sum_.total_bytes <= 24e9
    # R1 7b takes 14 to 18 gb and 32b more than 40.
    assert 14e9 <= sum_of(R1_7B).total_bytes <= 18e9
    assert sum_of("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B").total_bytes > 40e9
    # The cache of llama 8b is what vllm has logged: 4.60 GiB were 2356 blocks of 16 tokens.
    sum_ = sum_of("deepseek-ai/DeepSeek-R1-Distill-Llama-8B")
    rest = sum_.bytes_of("text_weights", "working", "engine")
    assert sum_.cache_tokens(rest + int(4.60 * GIB)) == pytest.approx(2356 * 16, rel=0.01)


@pytest.mark.parametrize(
    ("format_", "gigabytes"), [("fp32", 28), ("bf16", 14), ("fp16", 14), ("int8", 7), ("awq", 3.5)]
)
def test_a_7b_takes_what_the_table_of_formats_says(format_: str, gigabytes: float) -> None:
    """Of numbers of exactly 7 billion; a 7B has 7.6, of which embeddings stay as they are in 8 and 4 bits."""
    weights = sum_of(R1_7B, format=format_).bytes_of("text_weights")
    assert 1.0 <= weights / (gigabytes * 1e9) <= 1.65


def test_72b_on_sixteen_11_gb_gpus_takes_about_149_gb() -> None:
    sum_ = sum_of(
        VL_72B, format="fp16", tensor_parallel=8, pipeline_parallel=2, max_model_len=4096, max_num_seqs=2,
        largest_picture_px=1003520, eager=True,
    )  # fmt: skip
    assert sum_.total_bytes / GIB == pytest.approx(149, rel=0.1)
    assert sum_.card_bytes < 11 * GIB


@pytest.mark.parametrize(
    ("id_", "cards", "gib"),
    [
        (VL_7B, 1, 15.63),
        (VL_72B, 4, 34.43),
        ("Qwen/Qwen2.5-VL-32B-Instruct", 1, 62.43),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", 1, 5.2032),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", 1, 14.9888),
    ],
)
def test_a_cards_weights_are_what_vllm_has_logged_for_it(id_: str, cards: int, gib: float) -> None:
    weights = sum_of(id_, tensor_parallel=cards).bytes_of("text_weights", "vision_weights")
    assert weights / GIB == pytest.approx(gib, rel=0.02)


# ---- how the sum follows the settings --------------------------------------------------------------------------------


def test_cache_and_tower_grow_as_they_are_divided() -> None:
    # Only cache grows with length and requests.
    one, twice, both = (sum_of(VL_7B, max_model_len=n, sequences=k) for n, k in ((4096, 1), (8192, 1), (8192, 2)))
    assert one.bytes_of("cache") * 4 == twice.bytes_of("cache") * 2 == both.bytes_of("cache")
    assert one.total_bytes - one.bytes_of("cache") == both.total_bytes - both.bytes_of("cache")
    assert twice.bytes_of("cache") == 28 * 2 * 4 * 128 * 2 * 8192
    # More cards than heads of the cache keep heads twice.
    four, eight = (sum_of("Qwen/Qwen2.5-7B-Instruct", tensor_parallel=n) for n in (4, 8))
    assert four.bytes_of("cache") == eight.bytes_of("cache")
    assert eight.bytes_of("text_weights") < four.bytes_of("text_weights") < 1.05 * 2 * eight.bytes_of("text_weights")
    # The tower lies on every stage.
    whole, cut = sum_of(VL_7B), sum_of(VL_7B, pipeline_parallel=2)
    assert cut.bytes_of("vision_weights") == whole.bytes_of("vision_weights")
    total = next(term.total_bytes for term in cut.terms if term.key == "vision_weights")
    assert total == pytest.approx(2 * whole.bytes_of("vision_weights"))
    assert whole.bytes_of("text_weights") / 2 < cut.bytes_of("text_weights") < whole.bytes_of("text_weights")
    # Tied embeddings lie at both ends of a pipeline.
    whole, cut = sum_of("Qwen/Qwen3-4B"), sum_of("Qwen/Qwen3-4B", pipeline_parallel=2)
    twice = next(term for term in cut.terms if term.key == "text_weights").total_bytes
    assert twice - whole.bytes_of("text_weights") == pytest.approx(151936 * 2560 * 2, rel=0.001)


def test_types_and_images_change_the_need() -> None:
    # Awq leaves the tower and the embeddings as they are.
    plain, packed = sum_of(VL_7B), sum_of(f"{VL_7B}-AWQ")
    assert packed.bytes_of("vision_weights") == pytest.approx(plain.bytes_of("vision_weights"), rel=0.01)
    assert packed.bytes_of("text_weights") > 2 * 152064 * 3584 * 2
    assert packed.bytes_of("text_weights") < 0.4 * plain.bytes_of("text_weights")
    # Dtype does not unpack quantised model.
    assert sum_of(f"{VL_7B}-AWQ", format="fp16").total_bytes == sum_of(f"{VL_7B}-AWQ").total_bytes
    # Float32 takes twice the memory of half.
    half, brain, full = (sum_of(VL_7B, format=key) for key in ("fp16", "bf16", "fp32"))
    assert half.total_bytes == brain.total_bytes
    terms = ("text_weights", "vision_weights", "cache")
    assert full.bytes_of(*terms) == pytest.approx(2 * half.bytes_of(*terms))
    # Smaller images and fewer requests need less.
    usual, small = sum_of(VL_7B), sum_of(VL_7B, largest_picture_px=1003520, max_num_seqs=8)
    assert small.bytes_of("working") < usual.bytes_of("working") / 4
    assert usual.bytes_of("engine") > sum_of(VL_7B, eager=True).bytes_of("engine")


def test_vllm_config_says_how_a_model_is_served() -> None:
    plan = Plan.parse(
        {"max_model_len": "8k", "dtype": "half", "tensor_parallel_size": 2, "enforce_eager": True, "max_num_seqs": 4,
         "mm_processor_kwargs": {"max_pixels": 1003520}}, sequences=3,
    )  # fmt: skip
    assert plan == Plan(8000, 3, "fp16", 1003520, 2, max_num_seqs=4, eager=True)
    assert Plan.parse({}) == Plan()
    assert Plan.parse({"quantization": "fp8"}).format == "fp8"
    assert Plan.parse({"max_model_len": "auto"}, device="cpu") == Plan(device="cpu", max_num_seqs=128, eager=True)


def test_what_is_left_of_a_card_is_counted_in_whole_blocks() -> None:
    sum_ = sum_of(VL_7B)
    rest = sum_.total_bytes - sum_.bytes_of("cache")
    assert sum_.cache_tokens(rest - 1) == sum_.cache_tokens(rest + 15 * 57344) == 0
    assert sum_.cache_tokens(rest + 16 * 57344) == 16
