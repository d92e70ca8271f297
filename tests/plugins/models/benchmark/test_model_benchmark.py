"""A trial of a shape: what it needs is looked at first, and what it measures is what an engine really took."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from framelens.analysis.planning.benchmark_result import FrameCost, parse_result
from framelens.core.errors import Cancelled, EngineError
from framelens.core.events import EngineProgress
from framelens.core.units import GIB
from framelens.engine.local.child_process import GUARD
from framelens.models.catalogue import built_in
from framelens.models.config.parser import read_shape
from framelens.models.placement import propose_for_cpu
from framelens.models.serving_plan import parse_plan
from framelens.plugins.models.benchmark import measurements
from framelens.plugins.models.benchmark import model_benchmark as trying
from framelens.plugins.models.benchmark.model_benchmark import run_benchmark
from framelens.plugins.models.benchmark.planning import benchmark_settings, estimate_analysis
from framelens.store.model_records import trials as kept_trials
from tests.models.measured import MEASURED

VL_3B = built_in().by_id["Qwen/Qwen2.5-VL-3B-Instruct"]


def small() -> dict[str, Any]:
    """Qwen2.5-VL with two layers in each part."""
    sizes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2}
    tower = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "out_hidden_size": 256}
    config = {**VL_3B.config, **sizes, "num_key_value_heads": 1}
    return {**config, "vision_config": {**config["vision_config"], **tower}}


def test_benchmark_uses_proposed_settings_and_fixed_cache() -> None:
    (proposal,) = propose_for_cpu(24, [VL_3B])
    settings = benchmark_settings(proposal)
    assert settings["max_model_len"] == 8192 < proposal.plan.max_model_len
    assert settings["mm_processor_kwargs"] == proposal.config["mm_processor_kwargs"]
    assert settings["kv_cache_memory_bytes"] == 2 * 8192 * proposal.sum.cache_bytes_per_token
    assert (
        benchmark_settings(propose_for_cpu(24, [built_in().by_id["Qwen/Qwen3-0.6B"]])[0]).get("limit_mm_per_prompt")
        is None
    )


def test_given_arguments_override_the_proposal() -> None:
    (proposal,) = propose_for_cpu(24, [VL_3B])
    assert benchmark_settings(proposal, proposal.config) == benchmark_settings(proposal), "as proposed is not otherwise"
    longer = benchmark_settings(proposal, {"max_model_len": 16384})
    assert (longer["dtype"], longer["max_model_len"]) == ("bfloat16", 16384)
    assert longer["kv_cache_memory_bytes"] == 2 * benchmark_settings(proposal)["kv_cache_memory_bytes"]


def test_model_larger_than_free_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (proposal,) = propose_for_cpu(24, [VL_3B])
    settings = benchmark_settings(proposal)
    monkeypatch.setattr(measurements, "free_bytes", lambda: 16 * GIB)
    measurements.check_memory(proposal, {})
    monkeypatch.setattr(measurements, "free_bytes", lambda: 4 * GIB)
    with pytest.raises(EngineError) as caught:
        measurements.check_memory(proposal, {})
    assert caught.value.key == "benchmark_memory" and float(str(caught.value.values["needed"])) > 8
    assert parse_plan(settings, device="cpu").max_model_len == 8192


def test_the_time_of_an_analysis_follows_from_frames_and_words() -> None:
    coming = estimate_analysis(MEASURED, 16)
    assert coming and coming.parts == 1 and coming.is_exact and coming.seconds
    low, high = coming.seconds
    reading, writing = 16 * 2.3, coming.answer_tokens / 10
    assert low < reading + writing < high
    quicker = replace(MEASURED, frames=(replace(MEASURED.frames[0], each_seconds=0.2),))
    faster = estimate_analysis(quicker, 16)
    assert faster and faster.seconds and faster.seconds[1] < high
    assert estimate_analysis(replace(MEASURED, frames=()), 16) is None


def test_stored_benchmark_round_trips_and_damage_is_ignored() -> None:
    document = json.loads(json.dumps(asdict(MEASURED)))
    assert parse_result({**document, "at": "2026-01-02 03:04"}) == MEASURED
    assert parse_result({**document, "frames": [{"width": 448}]}) is None
    assert parse_result({**document, "tokens_per_second": 0}) is None


def test_the_newest_trial_of_each_kind_is_kept(tmp_path: Path) -> None:
    trials = kept_trials(tmp_path / "data")
    one = {"model": "m", "machine": "here", "arguments": {"dtype": "half"}, "load_seconds": 1.0}
    for trial in (one, {**one, "machine": "there"}, {**one, "load_seconds": 2.0}):
        trials.save(trial)
    assert [trial["load_seconds"] for trial in trials.matching(model="m", machine="here")] == [2.0]
    assert len(trials.all()) == 2


def test_a_size_that_would_take_very_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"each": 2.3}

    def cost(_: object, width: int, height: int) -> FrameCost:
        return FrameCost(width, height, 160.0, 0.0, 8, seconds["each"])

    monkeypatch.setattr(trying._RequestTimer, "_frame_cost", cost)
    asking = object.__new__(trying._RequestTimer)
    assert [one.width for one in asking.frame_costs(trying.SIZES)] == [448, 896]
    seconds["each"] = 7.1
    assert [one.width for one in asking.frame_costs(trying.SIZES)] == [448]


@pytest.mark.thorough
@pytest.mark.engine
def test_a_real_engine_loads_the_shape_and_is_measured_and_gone(tmp_path: Path) -> None:
    config, reported = small(), []
    arguments = {
        "max_model_len": 8192, "max_num_seqs": 8, "dtype": "bfloat16", "kv_cache_memory_bytes": GIB // 4,
        "limit_mm_per_prompt": {"image": 8, "video": 0},
    }  # fmt: skip
    trial = run_benchmark(
        "me/small", config, arguments, log_dir=tmp_path, on_progress=reported.append, cancel=threading.Event()
    )
    assert trial.load_seconds > 0 and trial.tokens_per_second > 0
    assert trial.peak_bytes > GIB // 8
    # 16 × 9 and 32 × 18 squares of 28 pixels, and a mark of a token for each byte.
    (smaller, larger), mark = trial.frames, trial.frames[0].tokens - 16 * 9
    assert 20 < mark < 60 and larger.tokens - smaller.tokens == 32 * 18 - 16 * 9
    assert smaller.each_seconds > 0 and estimate_analysis(trial, 8)
    assert reported[-1] == EngineProgress("benchmarking_frames", {"width": 896, "height": 504, "n": 8})
    assert read_shape(config).parameters < 10**9
    assert not _guards()


@pytest.mark.engine
def test_a_trial_that_is_cancelled_leaves_no_engine(tmp_path: Path) -> None:
    cancel = threading.Event()

    def stop(progress: EngineProgress) -> None:
        if progress.phase == "importing":
            cancel.set()

    with pytest.raises(Cancelled):
        run_benchmark("me/small", small(), {}, log_dir=tmp_path, on_progress=stop, cancel=cancel)
    assert not _guards()


def _guards() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if {str(GUARD), "small"} <= set(_words(one))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return []
