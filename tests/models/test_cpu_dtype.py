"""In which numbers a CPU computes: what it has instructions for, as far as memory goes."""

from __future__ import annotations

import pytest

from app.models import built_in, memory_of, on_cpu, plan_of
from app.models.cpu_dtype import fits_wide, float32_bytes, is_better_wide, usual_speed
from app.models.cpu_speed import Pace, Run, reference, speed_of, work_of
from app.models.serving_plan import GIB, Plan

ENTRIES = built_in().by_id
VL_3B, VL_3B_AWQ = ENTRIES["Qwen/Qwen2.5-VL-3B-Instruct"], ENTRIES["Qwen/Qwen2.5-VL-3B-Instruct-AWQ"]
OLD = frozenset({"avx2", "avx512f"})
NARROW, WIDE = Plan(format="bf16", device="cpu"), Plan(format="fp32", device="cpu")


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16"])
def test_a_processor_that_has_instructions_for_bfloat16_computes_in_it(flag: str) -> None:
    assert usual_speed({"avx2", flag}) == reference() == usual_speed(frozenset()), "of which nothing is known, too"
    assert not is_better_wide(VL_3B.shape, {}, usual_speed({"avx2", flag}, 2))


def test_without_them_few_cores_are_sooner_done_in_32_bits_and_many_in_16() -> None:
    assert usual_speed(OLD) == reference(bfloat16=False) != reference()
    assert is_better_wide(VL_3B.shape, {}, usual_speed(OLD, 2))
    assert not is_better_wide(VL_3B.shape, {}, usual_speed(OLD, 16))


def test_32_bits_have_to_fit_beside_the_system() -> None:
    needed = float32_bytes(VL_3B.shape, {}, GIB)
    assert not fits_wide(VL_3B.shape, {}, needed, GIB)
    assert fits_wide(VL_3B.shape, {}, needed + 4 * GIB, GIB)
    assert not fits_wide(VL_3B.shape, {}, needed + 4 * GIB, 8 * GIB)


def test_what_is_quantised_or_not_known_stays_as_it_is() -> None:
    assert not is_better_wide(VL_3B_AWQ.shape, {}, usual_speed(OLD, 2))
    assert not is_better_wide(None, {}, usual_speed(OLD, 2))


def test_what_float32_takes_is_what_was_measured() -> None:
    """22.7 GB at the peak of a trial, whose cache held two requests."""
    arguments = {"max_model_len": 8192, "dtype": "float32", "max_num_seqs": 8,
                 "mm_processor_kwargs": {"max_pixels": 1003520}}  # fmt: skip
    needed = memory_of(VL_3B.shape, plan_of(arguments, device="cpu", sequences=2)).card_bytes
    assert needed == pytest.approx(22.73e9, rel=0.05)


def test_the_reference_without_instructions_gives_back_the_runs_that_it_was_made_from() -> None:
    old = reference(bfloat16=False)
    wide, narrow = (old.pace(work_of(VL_3B.shape, plan, 168)) for plan in (WIDE, NARROW))
    assert (wide.frame_seconds, wide.tokens_per_second) == pytest.approx((7.09, 1.87), rel=0.01)
    assert (narrow.frame_seconds, narrow.tokens_per_second) == pytest.approx((27.87, 3.26), rel=0.01)


def test_a_run_in_32_bits_teaches_of_16_too() -> None:
    old = reference(bfloat16=False)
    usual = old.pace(work_of(VL_3B.shape, WIDE))
    run = Run(work_of(VL_3B.shape, WIDE), Pace(usual.frame_seconds / 2, usual.tokens_per_second * 3))
    taught, before = (speed.pace(work_of(VL_3B.shape, NARROW)) for speed in (speed_of([run], old), old))
    assert taught.frame_seconds == pytest.approx(before.frame_seconds / 2)
    assert taught.tokens_per_second == pytest.approx(before.tokens_per_second * 3)


def test_the_quicker_width_that_fits_is_proposed() -> None:
    for memory, speed, dtype in (
        (64, reference(), "bfloat16"),
        (64, reference(bfloat16=False), "float32"),
        (16, reference(bfloat16=False), "bfloat16"),
    ):
        (proposal,) = on_cpu(memory, [VL_3B], speed=speed)
        assert proposal.config["dtype"] == dtype
        assert proposal.format.key == {"bfloat16": "bf16", "float32": "fp32"}[dtype]
        assert proposal.sum.card_bytes < memory * GIB and proposal.pace
    (deepseek,) = on_cpu(64, [ENTRIES["deepseek-community/deepseek-vl-1.3b-chat"]], speed=reference(bfloat16=False))
    assert deepseek.format.key == "bf16", "transformers takes what is stored"
