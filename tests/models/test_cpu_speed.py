"""How long a CPU takes: estimates give back what was measured, follow the machine, and order what is offered."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from framelens.core.units import GIB
from framelens.engine.hardware import cpu_cores, cpu_name
from framelens.models.catalogue import built_in
from framelens.models.cpu_speed import (
    MeasuredRun,
    ProcessorRates,
    SpeedEstimate,
    estimate_rates,
    estimate_work,
    fit_rates,
    fits_wide,
    float32_bytes,
    is_better_wide,
    parse_run,
    reference,
)
from framelens.models.memory import estimate_memory
from framelens.models.placement import propose_for_cpu
from framelens.models.serving_plan import Plan, parse_plan
from framelens.services.hardware_profile import HardwareProfile
from tests.models.measured import MEASURED

ENTRIES = built_in().by_id
VL_3B, VL_3B_AWQ = ENTRIES["Qwen/Qwen2.5-VL-3B-Instruct"], ENTRIES["Qwen/Qwen2.5-VL-3B-Instruct-AWQ"]
PLAN = Plan(format="bf16", device="cpu")
OLD = frozenset({"avx2", "avx512f"})
NARROW, WIDE = Plan(format="bf16", device="cpu"), Plan(format="fp32", device="cpu")


def test_speed_reference_matches_its_runs() -> None:
    plain, packed = (reference().pace(estimate_work(one.shape, PLAN, 168)) for one in (VL_3B, VL_3B_AWQ))
    assert (plain.frame_seconds, plain.tokens_per_second) == pytest.approx((2.34, 10.0), rel=0.01)
    assert (packed.frame_seconds, packed.tokens_per_second) == pytest.approx((2.72, 3.4), rel=0.01)


def test_more_cores_speed_up_vision_not_memory_reads() -> None:
    work = estimate_work(VL_3B.shape, PLAN)
    two, eight = reference(2).pace(work), reference(8).pace(work)
    assert two.frame_seconds == pytest.approx(4 * eight.frame_seconds)
    assert two.tokens_per_second == eight.tokens_per_second


def test_a_model_without_eyes_has_no_frames_to_look_at() -> None:
    pace = reference().pace(estimate_work(ENTRIES["Qwen/Qwen3-1.7B"].shape, PLAN))
    assert pace.frame_seconds == 0 and pace.tokens_per_second > 10


def test_moe_reads_only_active_experts() -> None:
    mixture = ENTRIES["Qwen/Qwen3-VL-30B-A3B-Instruct"].shape
    assert estimate_work(mixture, PLAN).token_bytes < 4 * estimate_work(VL_3B.shape, PLAN).token_bytes


def test_local_measurements_override_the_reference() -> None:
    trial = {**asdict(MEASURED), "machine": cpu_name(), "tokens_per_second": 5.0}
    slow = HardwareProfile("here", None, memory_gib=24, speed=reference(2)).with_measured_speed(
        [trial, {"model": "?"}], ENTRIES
    )
    assert slow.speed
    assert slow.speed.pace(estimate_work(VL_3B.shape, PLAN)).tokens_per_second == pytest.approx(5.0)
    assert slow.speed.reads_packed < reference(2).reads_packed * 1.01
    assert not slow.speed.computes_packed > slow.speed.computes
    elsewhere = HardwareProfile("here", None, memory_gib=24).with_measured_speed(
        [{**trial, "machine": "another"}], ENTRIES
    )
    assert elsewhere.speed == reference()


def test_a_trial_that_lacks_a_figure_teaches_nothing() -> None:
    assert parse_run(VL_3B.shape, asdict(MEASURED)) is not None
    assert parse_run(VL_3B.shape, {"tokens_per_second": 3.0}) is None
    assert parse_run(VL_3B.shape, {**asdict(MEASURED), "frames": []}) is None
    run = MeasuredRun(estimate_work(VL_3B.shape, PLAN), SpeedEstimate(2.0, 8.0))
    assert fit_rates([], ProcessorRates(1, 2, 3, 4)) == ProcessorRates(1, 2, 3, 4)
    assert fit_rates([run, replace(run, pace=SpeedEstimate(2.0, 8.0))], reference()).pace(run.work) == SpeedEstimate(
        pytest.approx(2.0), pytest.approx(8.0)
    )


def test_first_proposal_on_two_cores_is_fast_enough() -> None:
    entries = tuple(ENTRIES.values())
    firsts = {gib: propose_for_cpu(gib, entries)[0] for gib in (8, 12, 16, 24, 32, 64)}
    assert not any(one.is_slow for one in firsts.values())
    assert {firsts[gib].entry.id for gib in (16, 24, 32, 64)} == {VL_3B.id}
    assert firsts[8].entry.parameters < VL_3B.parameters
    quick = propose_for_cpu(64, entries, speed=reference(2).times(8, 4))[0]
    assert quick.entry.parameters > 2 * VL_3B.parameters, "a faster machine may have a larger one"


def test_what_is_slow_comes_after_what_is_not_the_quicker_first() -> None:
    found = [
        one for one in propose_for_cpu(64, tuple(ENTRIES.values())) if one.entry.sees and one.entry.engine == "vllm"
    ]
    found = [one for one in found if not one.entry.needs_code and one.plan.max_model_len >= 8192]
    slow = [one.pace.each_seconds for one in found if one.is_slow and one.pace]
    assert [one.is_slow for one in found] == sorted(one.is_slow for one in found)
    assert slow and slow == sorted(slow)


def test_cores_are_counted() -> None:
    assert cpu_cores() >= 1


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16"])
def test_cpu_with_bfloat16_instructions_uses_it(flag: str) -> None:
    assert estimate_rates({"avx2", flag}) == reference() == estimate_rates(frozenset()), (
        "of which nothing is known, too"
    )
    assert not is_better_wide(VL_3B.shape, {}, estimate_rates({"avx2", flag}, 2))


def test_without_bfloat16_few_cores_prefer_float32() -> None:
    assert estimate_rates(OLD) == reference(bfloat16=False) != reference()
    assert is_better_wide(VL_3B.shape, {}, estimate_rates(OLD, 2))
    assert not is_better_wide(VL_3B.shape, {}, estimate_rates(OLD, 16))


def test_32_bits_have_to_fit_beside_the_system() -> None:
    needed = float32_bytes(VL_3B.shape, {}, GIB)
    assert not fits_wide(VL_3B.shape, {}, needed, GIB)
    assert fits_wide(VL_3B.shape, {}, needed + 4 * GIB, GIB)
    assert not fits_wide(VL_3B.shape, {}, needed + 4 * GIB, 8 * GIB)


def test_what_is_quantised_or_not_known_stays_unchanged() -> None:
    assert not is_better_wide(VL_3B_AWQ.shape, {}, estimate_rates(OLD, 2))
    assert not is_better_wide(None, {}, estimate_rates(OLD, 2))


def test_what_float32_takes_is_what_was_measured() -> None:
    """22.7 GB at the peak of a trial, whose cache held two requests."""
    arguments = {"max_model_len": 8192, "dtype": "float32", "max_num_seqs": 8,
                 "mm_processor_kwargs": {"max_pixels": 1003520}}  # fmt: skip
    needed = estimate_memory(VL_3B.shape, parse_plan(arguments, device="cpu", sequences=2)).card_bytes
    assert needed == pytest.approx(22.73e9, rel=0.05)


def test_reference_without_bfloat16_matches_its_runs() -> None:
    old = reference(bfloat16=False)
    wide, narrow = (old.pace(estimate_work(VL_3B.shape, plan, 168)) for plan in (WIDE, NARROW))
    assert (wide.frame_seconds, wide.tokens_per_second) == pytest.approx((7.09, 1.87), rel=0.01)
    assert (narrow.frame_seconds, narrow.tokens_per_second) == pytest.approx((27.87, 3.26), rel=0.01)


def test_a_run_in_32_bits_teaches_of_16_too() -> None:
    old = reference(bfloat16=False)
    usual = old.pace(estimate_work(VL_3B.shape, WIDE))
    run = MeasuredRun(
        estimate_work(VL_3B.shape, WIDE), SpeedEstimate(usual.frame_seconds / 2, usual.tokens_per_second * 3)
    )
    taught, before = (speed.pace(estimate_work(VL_3B.shape, NARROW)) for speed in (fit_rates([run], old), old))
    assert taught.frame_seconds == pytest.approx(before.frame_seconds / 2)
    assert taught.tokens_per_second == pytest.approx(before.tokens_per_second * 3)


def test_the_quicker_width_that_fits_is_proposed() -> None:
    for memory, speed, dtype in (
        (64, reference(), "bfloat16"),
        (64, reference(bfloat16=False), "float32"),
        (16, reference(bfloat16=False), "bfloat16"),
    ):
        (proposal,) = propose_for_cpu(memory, [VL_3B], speed=speed)
        assert proposal.config["dtype"] == dtype
        assert proposal.format.key == {"bfloat16": "bf16", "float32": "fp32"}[dtype]
        assert proposal.sum.card_bytes < memory * GIB and proposal.pace
    (deepseek,) = propose_for_cpu(
        64, [ENTRIES["deepseek-community/deepseek-vl-1.3b-chat"]], speed=reference(bfloat16=False)
    )
    assert deepseek.format.key == "bf16", "transformers takes what is stored"
