"""What is proposed for so much memory: that it fits, that vLLM takes it, and that the better comes first."""

import json
from itertools import pairwise
from typing import Any

import pytest

from framelens import config
from framelens.core.engines import vllm_arguments
from framelens.core.units import GIB
from framelens.models.catalogue import built_in
from framelens.models.formats import prefers_float32
from framelens.models.memory import MemoryEstimate, float32_bytes
from framelens.models.placement import GpuCard, Proposal, find_card, propose_for_cpu
from framelens.models.serving_plan import Plan

ENTRIES = tuple(built_in().by_id.values())


def on(name: str, cards: int = 1) -> tuple[Proposal, ...]:
    card = find_card(name)
    assert card
    return Proposal.for_cards(card, ENTRIES, cards=cards)


MACHINES: dict[str, tuple[Proposal, ...]] = {
    "24 GB": Proposal.for_cards(GpuCard(24), ENTRIES),
    "16 GB": Proposal.for_cards(GpuCard(16), ENTRIES),
    "12 GB": Proposal.for_cards(GpuCard(12), ENTRIES),
    "8 GB": Proposal.for_cards(GpuCard(8), ENTRIES),
    "RTX 2080 Ti": on("RTX 2080 Ti"),
    "16 × RTX 2080 Ti": on("RTX 2080 Ti", 16),
    "RTX 4090": on("NVIDIA GeForce RTX 4090 D"),
    "2 × RTX 4090": on("RTX 4090", 2),
    "CPU 8": propose_for_cpu(8, ENTRIES),
    "CPU 32": propose_for_cpu(32, ENTRIES),
}
each_machine = pytest.mark.parametrize("machine", MACHINES)


@each_machine
def test_proposed_settings_fit_by_their_own_estimate(machine: str) -> None:
    for proposal in MACHINES[machine]:
        if proposal.entry.engine != "vllm":
            continue
        plan = Plan.parse(proposal.config, device=proposal.plan.device)
        again = MemoryEstimate.of(proposal.entry.shape, plan)
        assert again.card_bytes <= proposal.budget_bytes, proposal.entry.id
        assert again.card_bytes == proposal.sum.card_bytes
        assert proposal.concurrency >= 1


@each_machine
def test_vllm_takes_every_proposed_setting(machine: str) -> None:
    for proposal in MACHINES[machine]:
        vllm_arguments.check_arguments(proposal.config)
        assert config.load({"VLLM_CONFIG": json.dumps(proposal.config)}).vllm_config["max_model_len"]


@each_machine
def test_free_licence_comes_first_then_what_sees(machine: str) -> None:
    found = [(proposal.entry.is_for_research, not proposal.entry.sees) for proposal in MACHINES[machine]]
    assert found[0] == (False, False) and found == sorted(found)


def first(machine: str) -> tuple[str, Any]:
    proposal = MACHINES[machine][0]
    return proposal.entry.name, proposal.config.get("dtype")


def test_the_best_for_each_card_is_the_one_that_is_known_to_be() -> None:
    assert first("24 GB") == first("RTX 4090") == ("Qwen3-VL-8B-Instruct", "bfloat16")
    assert first("12 GB") == ("Qwen3-VL-4B-Instruct", "bfloat16")
    assert first("8 GB") == ("Qwen3-VL-2B-Instruct", "bfloat16")
    assert first("16 × RTX 2080 Ti") == ("Qwen3-VL-32B-Instruct", "half")


def test_cards_get_the_formats_that_they_compute() -> None:
    # Gpu before ampere uses half only.
    for machine in ("RTX 2080 Ti", "16 × RTX 2080 Ti"):
        for proposal in MACHINES[machine]:
            assert proposal.config.get("dtype", "half") == "half", proposal.entry.id
            assert "quantization" not in proposal.config
    # Online fp8 needs gpus with fp8.
    made = {one.entry.name for one in on("RTX 4070") if one.config.get("quantization") == "fp8"}
    assert "Qwen2.5-VL-7B-Instruct" in made
    assert not any(one.config.get("quantization") for one in on("RTX 3060"))
    # A card holds one usual request before two short.
    (proposal,) = (one for one in MACHINES["12 GB"] if one.entry.name == "Qwen3-VL-4B-Instruct")
    assert proposal.plan.max_model_len == 8192 and 1 <= proposal.concurrency < 2 and proposal.frames > 50


def test_large_and_rare_models_are_proposed_where_they_run() -> None:
    # 32b fits two 24 gb gpus only as awq.
    names = {proposal.entry.name for proposal in Proposal.for_cards(GpuCard(24, 8.6), ENTRIES, cards=2)}
    assert "DeepSeek-R1-Distill-Qwen-32B" not in names
    assert {"QwQ-32B-AWQ", "Qwen2.5-VL-32B-Instruct-AWQ"} <= names
    # Four bit moe is never proposed for cpu.
    names = {proposal.entry.id for proposal in propose_for_cpu(4000, ENTRIES)}
    assert "cognitivecomputations/DeepSeek-R1-AWQ" not in names
    assert {"Qwen/QwQ-32B-AWQ", "Qwen/Qwen2.5-VL-72B-Instruct"} <= names
    # A model that vllm lacks is given to the other engine.
    (found,) = [one for one in MACHINES["24 GB"] if one.entry.name == "deepseek-vl-7b-chat"]
    assert (dict(found.config), dict(found.environment)) == ({}, {"FRAMELENS_ENGINE": "transformers"})
    # More memory never offers less.
    names = [{one.entry.id for one in Proposal.for_cards(GpuCard(gib), ENTRIES)} for gib in (8, 12, 16, 24, 48, 80)]
    assert all(before <= after for before, after in pairwise(names))
    assert Proposal.for_cards(GpuCard(0.5), ENTRIES) == propose_for_cpu(0.5, ENTRIES) == ()


def test_on_a_cpu_the_room_of_the_cache_is_said_and_half_is_not() -> None:
    for proposal in MACHINES["CPU 32"]:
        if proposal.entry.engine == "vllm":
            assert int(proposal.environment["VLLM_CPU_KVCACHE_SPACE"]) >= 1
            assert (proposal.config["dtype"], proposal.config["enforce_eager"]) == ("bfloat16", True)
            assert "gpu_memory_utilization" not in proposal.config


@pytest.mark.parametrize(
    ("id_", "cards", "sizes"),
    [
        ("Qwen/Qwen2.5-VL-3B-Instruct", 6, (2, 3)),  # 16 heads cannot be shared by 6
        ("Qwen/Qwen2.5-VL-7B-Instruct", 2, (2, 1)),
        ("Qwen/Qwen2.5-VL-7B-Instruct", 8, (4, 2)),  # 28 heads
        ("Qwen/Qwen2.5-VL-72B-Instruct", 16, (8, 2)),
        ("Qwen/Qwen2.5-VL-72B-Instruct-AWQ", 8, (8, 1)),
        ("Qwen/Qwen2.5-VL-3B-Instruct-AWQ", 4, (2, 2)),  # 11008 = 86 groups of 128
    ],
)
def test_heads_and_groups_limit_tensor_parallel_size(id_: str, cards: int, sizes: tuple[int, int]) -> None:
    assert built_in().by_id[id_].shape.ways_to_divide(cards) == sizes


def test_frames_of_a_proposal_fit() -> None:
    # Picture limit counts frames as they are sent: A frame of 448 × 252 is 144 tokens for Qwen2.5-VL; with its mark,
    # 41 of them fit 8192 tokens beside the rest.
    entry = built_in().by_id["Qwen/Qwen2.5-VL-3B-Instruct"]
    found = propose_for_cpu(64, (entry,))[0]
    by_context = min(64, (found.plan.max_model_len - 1536) // (144 + 16))
    assert found.config["limit_mm_per_prompt"]["image"] == by_context >= 16
    # Frames of a proposal fit its context.
    for proposals in MACHINES.values():
        for proposal in proposals:
            assert (proposal.frames > 0) == proposal.entry.sees
            if proposal.entry.sees and proposal.config:
                assert proposal.config["limit_mm_per_prompt"]["image"] == proposal.frames


def test_cards_are_known_by_what_drivers_call_them() -> None:
    cards = [find_card(name) for name in ("NVIDIA GeForce RTX 3090", "rtx4090", "Tesla T4", "NVIDIA L40S")]
    assert [(card.memory_gib, card.capability) for card in cards if card] == [(24, 8.6), (24, 8.9), (16, 7.5)]
    reported = find_card("NVIDIA Something New", 32.0)
    assert reported == GpuCard(32.0, None, "NVIDIA Something New")
    assert reported.memory_gib * GIB > 0


VL_3B = built_in().by_id["Qwen/Qwen2.5-VL-3B-Instruct"]
OLD = frozenset({"avx2", "avx512f"})


def test_proposals_for_a_cpu_stay_small() -> None:
    # First proposal for a cpu is not too large.
    firsts = {gib: propose_for_cpu(gib, ENTRIES)[0] for gib in (8, 16, 24, 32, 64)}
    assert not any(one.is_slow for one in firsts.values())
    names = [firsts[gib].entry.name.removesuffix("-Instruct") for gib in firsts]
    assert names == ["Qwen2-VL-2B-Instruct-AWQ", "Qwen3-VL-2B", "Qwen3-VL-4B", "Qwen3-VL-4B", "Qwen3-VL-4B"]
    # Float32 never costs the usual context.
    for gib in (16, 24, 32):
        wide = {one.entry.id: one.plan.max_model_len for one in propose_for_cpu(gib, ENTRIES, wide=True)}
        for one in propose_for_cpu(gib, ENTRIES):
            assert wide[one.entry.id] >= min(8192, one.plan.max_model_len), one.entry.id
    # Linear attention comes later on a cpu.
    names = [one.entry.name for one in propose_for_cpu(16, ENTRIES)]
    assert names.index("Qwen3-VL-2B-Instruct") < names.index("Qwen3.5-4B")
    (wide,) = (one for one in propose_for_cpu(32, ENTRIES, wide=True) if one.entry.name == "Qwen3.5-4B")
    assert wide.config["dtype"] == "bfloat16"


def test_large_models_come_last_on_a_cpu_smaller_first() -> None:
    found = [one for one in propose_for_cpu(64, ENTRIES) if one.entry.sees and one.entry.engine == "vllm"]
    found = [one for one in found if not one.entry.needs_code and one.plan.max_model_len >= 8192]
    found = [one for one in found if not one.entry.is_for_research]
    slow = [one.entry.shape.active_parameters for one in found if one.is_slow]
    assert [one.is_slow for one in found] == sorted(one.is_slow for one in found)
    assert slow and slow == sorted(slow)
    assert not any(one.is_slow for one in Proposal.for_cards(GpuCard(80), ENTRIES))


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16"])
def test_few_cores_without_bfloat16_prefer_float32(flag: str) -> None:
    assert prefers_float32(OLD, 2)
    assert not prefers_float32(OLD, 16)
    assert not prefers_float32(OLD | {flag}, 2) and not prefers_float32(frozenset(), 2)


def test_the_faster_width_that_fits_is_proposed() -> None:
    for memory, wide, dtype in ((64, False, "bfloat16"), (64, True, "float32"), (16, True, "bfloat16")):
        (proposal,) = propose_for_cpu(memory, [VL_3B], wide=wide)
        assert proposal.config["dtype"] == dtype
        assert proposal.format.key == {"bfloat16": "bf16", "float32": "fp32"}[dtype]
        assert proposal.sum.card_bytes < memory * GIB
    for id_ in (f"{VL_3B.id}-AWQ", "deepseek-community/deepseek-vl-1.3b-chat", "Qwen/Qwen3-1.7B"):
        (proposal,) = propose_for_cpu(64, [built_in().by_id[id_]], wide=True)
        assert proposal.format.key != "fp32", id_


def test_float32_needs_what_was_measured() -> None:
    """22.7 GB at the peak of a benchmark, whose cache held two requests."""
    arguments = {"max_model_len": 8192, "dtype": "float32", "max_num_seqs": 8,
                 "mm_processor_kwargs": {"max_pixels": 1003520}}  # fmt: skip
    needed = MemoryEstimate.of(VL_3B.shape, Plan.parse(arguments, device="cpu", sequences=2))
    assert needed.card_bytes == pytest.approx(22.73e9, rel=0.05)
    assert float32_bytes(VL_3B.shape, arguments, needed.bytes_of("cache")) == needed.card_bytes


@pytest.mark.parametrize(
    ("typed", "gib"),
    [
        ("RTX 2080 Ti", 11),
        ("2080ti", 11),
        ("rtx2080ti", 11),
        ("4090", 24),
        ("A100", 40),
        ("A100-80G", 80),
        ("24GB", 24),
    ],
)
def test_cards_are_known_as_people_type_them(typed: str, gib: float) -> None:
    assert GpuCard.parse(typed).memory_gib == gib
