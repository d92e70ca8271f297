"""How long a CPU takes: estimates give back what was measured, follow the machine, and order what is offered."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from app.engine.hardware import cpu_cores, cpu_name
from app.models import Plan, built_in, on_cpu
from app.models.cpu_speed import Pace, Run, Speed, reference, run_of, speed_of, work_of
from app.places import Place
from tests.analysis.test_trial import MEASURED

ENTRIES = built_in().by_id
VL_3B, VL_3B_AWQ = ENTRIES["Qwen/Qwen2.5-VL-3B-Instruct"], ENTRIES["Qwen/Qwen2.5-VL-3B-Instruct-AWQ"]
PLAN = Plan(format="bf16", device="cpu")


def test_the_reference_gives_back_the_runs_that_it_was_made_from() -> None:
    plain, packed = (reference().pace(work_of(one.shape, PLAN, 168)) for one in (VL_3B, VL_3B_AWQ))
    assert (plain.frame_seconds, plain.tokens_per_second) == pytest.approx((2.34, 10.0), rel=0.01)
    assert (packed.frame_seconds, packed.tokens_per_second) == pytest.approx((2.72, 3.4), rel=0.01)


def test_more_cores_look_at_frames_faster_and_read_memory_no_faster() -> None:
    work = work_of(VL_3B.shape, PLAN)
    two, eight = reference(2).pace(work), reference(8).pace(work)
    assert two.frame_seconds == pytest.approx(4 * eight.frame_seconds)
    assert two.tokens_per_second == eight.tokens_per_second


def test_a_model_without_eyes_has_no_frames_to_look_at() -> None:
    pace = reference().pace(work_of(ENTRIES["Qwen/Qwen3-1.7B"].shape, PLAN))
    assert pace.frame_seconds == 0 and pace.tokens_per_second > 10


def test_of_a_mixture_of_experts_only_those_that_a_token_meets_are_read() -> None:
    mixture = ENTRIES["Qwen/Qwen3-VL-30B-A3B-Instruct"].shape
    assert work_of(mixture, PLAN).token_bytes < 4 * work_of(VL_3B.shape, PLAN).token_bytes


def test_what_was_measured_here_goes_before_the_reference_and_teaches_of_other_models() -> None:
    trial = {**asdict(MEASURED), "machine": cpu_name(), "tokens_per_second": 5.0}
    slow = Place("here", None, memory_gib=24, speed=reference(2)).as_measured([trial, {"model": "?"}], ENTRIES)
    assert slow.speed
    assert slow.speed.pace(work_of(VL_3B.shape, PLAN)).tokens_per_second == pytest.approx(5.0)
    assert slow.speed.reads_packed < reference(2).reads_packed * 1.01
    assert not slow.speed.computes_packed > slow.speed.computes
    elsewhere = Place("here", None, memory_gib=24).as_measured([{**trial, "machine": "another"}], ENTRIES)
    assert elsewhere.speed == reference()


def test_a_trial_that_lacks_a_figure_teaches_nothing() -> None:
    assert run_of(VL_3B.shape, asdict(MEASURED)) is not None
    assert run_of(VL_3B.shape, {"tokens_per_second": 3.0}) is None
    assert run_of(VL_3B.shape, {**asdict(MEASURED), "frames": []}) is None
    run = Run(work_of(VL_3B.shape, PLAN), Pace(2.0, 8.0))
    assert speed_of([], Speed(1, 2, 3, 4)) == Speed(1, 2, 3, 4)
    assert speed_of([run, replace(run, pace=Pace(2.0, 8.0))], reference()).pace(run.work) == Pace(
        pytest.approx(2.0), pytest.approx(8.0)
    )


def test_on_two_cores_the_first_answers_in_bearable_time_whatever_the_memory() -> None:
    entries = tuple(ENTRIES.values())
    firsts = {gib: on_cpu(gib, entries)[0] for gib in (8, 12, 16, 24, 32, 64)}
    assert not any(one.is_slow for one in firsts.values())
    assert {firsts[gib].entry.id for gib in (16, 24, 32, 64)} == {VL_3B.id}
    assert firsts[8].entry.parameters < VL_3B.parameters
    quick = on_cpu(64, entries, speed=reference(2).times(8, 4))[0]
    assert quick.entry.parameters > 2 * VL_3B.parameters, "a faster machine may have a larger one"


def test_what_is_slow_comes_after_what_is_not_the_quicker_first() -> None:
    found = [one for one in on_cpu(64, tuple(ENTRIES.values())) if one.entry.sees and one.entry.engine == "vllm"]
    found = [one for one in found if not one.entry.needs_code and one.plan.max_model_len >= 8192]
    slow = [one.pace.each_seconds for one in found if one.is_slow and one.pace]
    assert [one.is_slow for one in found] == sorted(one.is_slow for one in found)
    assert slow and slow == sorted(slow)


def test_cores_are_counted() -> None:
    assert cpu_cores() >= 1
