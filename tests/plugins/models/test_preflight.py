"""Preflight checks: the model, settings and machine that cause each finding, and those that don't."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from framelens.core.errors import ConfigError, ModelNotFound
from framelens.core.units import GIB
from framelens.engine.check_findings import CheckFinding, Fix
from framelens.engine.diagnostics.facts import DiskFacts, GpuFacts, SystemFacts
from framelens.i18n import error_text, notice_text
from framelens.models.catalogue import built_in, raw_built_in
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.config import read_shape
from framelens.plugins.models.preflight import check
from framelens.plugins.models.preflight.local_vllms import LocalVllm
from framelens.plugins.models.preflight.subject import CheckedModel, PreflightSubject
from tests.models.checkpoints import AWQ, GPTQ, QWEN2, QWEN2_VL, QWEN3_MOE

FILES = frozenset({"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"})
CPU = SystemFacts(vllm=("cpu", "0.32.0"), cpu_features=("avx2", "avx512_bf16"), memory_nodes=1, memory_bytes=32 * GIB,
              memory_free_bytes=24 * GIB, shm_bytes=8 * GIB, cache=DiskFacts("/cache", 100 * GIB))  # fmt: skip
AMPERE = GpuFacts("RTX 3090", (8, 6), 24 * GIB, 0)
TURING = GpuFacts("RTX 2080 Ti", (7, 5), 11 * GIB, 0)
VOLTA = GpuFacts("V100", (7, 0), 16 * GIB, 0)
ENGINE = LocalVllm("org/other", 4711, 1764441000.0, 0.8, (0,))
USUAL = {"max_model_len": 512, "dtype": "auto"}
# A Qwen2.5-VL-72B as its early AWQ upload was: 29568 is no multiple of 8 × 128.
LARGE: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 8192, "num_hidden_layers": 80,
    "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 29568, "vocab_size": 152064,
    "max_position_embeddings": 32768, "dtype": "float16", "tie_word_embeddings": False,
    "quantization_config": {**AWQ, "group_size": 128},
}  # fmt: skip


def cards(card: GpuFacts, number: int = 1) -> SystemFacts:
    return replace(CPU, vllm=("gpu", "0.32.0"), cards=(card,) * number)


def kin_of(config: dict[str, Any]) -> CatalogueEntry | None:
    return built_in().of_type(config.get("model_type"))


def subject(config: dict[str, Any] = QWEN2, machine: SystemFacts = CPU, **arguments: Any) -> PreflightSubject:
    """A whole model in a folder; arguments set to None are left out."""
    try:
        shape = read_shape(config)
    except ModelNotFound:
        shape = None
    given = {key: value for key, value in {**USUAL, **arguments}.items() if value is not None}
    model = CheckedModel("tiny", "/models/tiny", files=FILES, config=config, shape=shape, kin=kin_of(config))
    return PreflightSubject(model, given, given, machine)


def reported(subject: PreflightSubject) -> list[str]:
    """What stops or hinders."""
    found = check(subject)
    for finding in found:
        for language in ("zh", "en"):
            assert "…" not in notice_text(finding.notice, language).replace("(./download_model.sh …", "")
            assert finding.fix is None or notice_text(finding.fix.notice, language)
            if finding.severity == "stops":
                assert error_text(finding.error, language)
    return [finding.key for finding in found if finding.severity != "tells"]


def only(subject: PreflightSubject) -> CheckFinding:
    found = [finding for finding in check(subject) if finding.severity != "tells"]
    assert len(found) == 1, found
    return found[0]


def config_of(id_: str) -> dict[str, Any]:
    return dict(raw_built_in()[id_]["config"])


def uncounted(weights: int, machine: SystemFacts, **arguments: Any) -> PreflightSubject:
    """A model of a family that the calculator doesn't know, of which the weights alone are certain."""
    known = subject(machine=machine, **arguments)
    return replace(known, model=replace(known.model, shape=None, weights_bytes=weights))


PAIRS: dict[str, tuple[str, Callable[[], PreflightSubject], Callable[[], PreflightSubject]]] = {
    "heads": (
        "heads_not_divisible",
        lambda: subject(machine=cards(AMPERE, 3), tensor_parallel_size=3),
        lambda: subject(machine=cards(AMPERE, 4), tensor_parallel_size=4),
    ),
    "nodes": (
        "numa_nodes_too_few",
        lambda: subject(tensor_parallel_size=2),
        lambda: replace(subject(tensor_parallel_size=2), environment={"VLLM_CPU_OMP_THREADS_BIND": "0-1|2-3"}),
    ),
    "weights of an unknown family": (
        "preflight_weights_large",
        lambda: uncounted(29 * GIB, CPU),
        lambda: uncounted(28 * GIB, CPU),
    ),
    "weights of an unknown family on cards": (
        "preflight_weights_large",
        lambda: uncounted(40 * GIB, cards(AMPERE)),
        lambda: uncounted(40 * GIB, cards(AMPERE, 2), tensor_parallel_size=2),
    ),
    "ray": (
        "ray_missing",
        lambda: subject(distributed_executor_backend="ray"),
        lambda: subject(distributed_executor_backend="mp"),
    ),
    "ray on a CPU": (
        "ray_unsupported",
        lambda: replace(
            subject(distributed_executor_backend="ray"), machine=replace(CPU, packages={"ray": "2"})
        ),
        lambda: subject(machine=replace(cards(AMPERE), packages={"ray": "2"}), distributed_executor_backend="ray"),
    ),
    "groups": (
        "quantization_misaligned",
        lambda: subject(LARGE, cards(AMPERE, 8), tensor_parallel_size=8),
        lambda: subject({**LARGE, "intermediate_size": 29696}, cards(AMPERE, 8), tensor_parallel_size=8),
    ),
    "bfloat16": (
        "bfloat16_unsupported",
        lambda: subject(machine=cards(TURING), dtype="bfloat16"),
        lambda: subject(machine=cards(AMPERE), dtype="bfloat16"),
    ),
    "bfloat16 unless it is only the checkpoint's": (
        "bfloat16_unsupported",
        lambda: subject(machine=cards(TURING), dtype="bfloat16"),
        lambda: subject(machine=cards(TURING), dtype="auto"),
    ),
    "experts in four bits": (
        "quantization_needs_gpu",
        lambda: subject({**QWEN3_MOE, "quantization_config": AWQ}),
        lambda: subject({**QWEN3_MOE, "quantization_config": AWQ}, replace(CPU, cpu_features=("amx_tile",))),
    ),
    "experts on a card": (
        "quantization_needs_gpu",
        lambda: subject({**QWEN3_MOE, "quantization_config": GPTQ}),
        lambda: subject({**QWEN3_MOE, "quantization_config": GPTQ}, cards(AMPERE)),
    ),
    "an old card": (
        "doctor_card_old",
        lambda: subject(machine=cards(VOLTA)),
        lambda: subject(machine=cards(TURING)),
    ),
    "a model that vLLM doesn't run": (
        "architecture_unsupported",
        lambda: subject(config_of("deepseek-community/deepseek-vl-1.3b-chat")),
        lambda: replace(subject(config_of("deepseek-community/deepseek-vl-1.3b-chat")), engine="transformers"),
    ),
    "a model that transformers doesn't read": (
        "transformers_lacks_type",
        lambda: replace(subject(config_of("deepseek-ai/deepseek-vl2-tiny")), engine="transformers"),
        lambda: subject(config_of("deepseek-ai/deepseek-vl2-tiny"), max_model_len=4096),
    ),
    "foreign code": (
        "remote_code_needed",
        lambda: subject(config_of("openbmb/MiniCPM-V-2_6")),
        lambda: subject(config_of("openbmb/MiniCPM-V-2_6"), trust_remote_code=True),
    ),
    "a cache that is too small": (
        "context_exceeds_cache",
        lambda: subject(max_model_len=8192, kv_cache_memory_bytes=4 * 1024**2),
        lambda: subject(max_model_len=8192, kv_cache_memory_bytes=64 * 1024**2),
    ),
    "weights": (
        "weights_exceed_card",
        lambda: subject(LARGE, cards(AMPERE)),
        lambda: subject(LARGE, cards(AMPERE, 4), tensor_parallel_size=4, gpu_memory_utilization=0.9),
    ),
    "a full card": (
        "preflight_card_busy",
        lambda: subject(machine=cards(replace(AMPERE, memory_used_bytes=14 * GIB))),
        lambda: subject(machine=cards(replace(AMPERE, memory_used_bytes=14 * GIB)), gpu_memory_utilization=0.3),
    ),
    "another engine on the card": (
        "card_taken",
        lambda: replace(subject(machine=cards(AMPERE), gpu_memory_utilization=0.3), engines=(ENGINE,)),
        lambda: replace(subject(machine=cards(AMPERE, 2), gpu_memory_utilization=0.15), engines=(ENGINE,)),
    ),
    "another engine on one of several cards": (
        "card_taken",
        lambda: replace(
            subject(machine=cards(AMPERE, 2), tensor_parallel_size=2), engines=(replace(ENGINE, cards=(1,)),)
        ),
        lambda: replace(subject(machine=cards(AMPERE, 2)), engines=(replace(ENGINE, cards=(1,)),)),
    ),
    "a cache that a card will hardly have": (
        "preflight_cache_short",
        lambda: subject({**LARGE}, cards(AMPERE, 2), tensor_parallel_size=2, max_model_len=32768),
        lambda: subject(QWEN2, cards(AMPERE), max_model_len=8192),
    ),
    "ordinary memory": (
        "preflight_memory_short",
        lambda: subject({**LARGE, "quantization_config": None}),
        subject,
    ),
    "pictures": (
        "preflight_pictures_exceed",
        lambda: subject(QWEN2_VL, max_model_len=1100, limit_mm_per_prompt={"image": 8}),
        lambda: subject(QWEN2_VL, max_model_len=8192, limit_mm_per_prompt={"image": 1}),
    ),
    "no pictures": (
        "preflight_pictures_off",
        lambda: subject(QWEN2_VL, limit_mm_per_prompt={"image": 0}),
        lambda: subject(QWEN2_VL),
    ),
    "files": (
        "model_shards_missing",
        lambda: replace(
            subject(),
            model=CheckedModel("m", error=ModelNotFound("model_shards_missing", model="m", count=2, files="a, b")),
        ),
        subject,
    ),
    "room on the disk": (
        "model_disk_full",
        lambda: replace(subject(), model=CheckedModel("a/b", absent_bytes=200 * GIB)),
        lambda: replace(subject(), model=CheckedModel("a/b", absent_bytes=20 * GIB)),
    ),
    "offline": (
        "model_offline",
        lambda: replace(subject(), model=CheckedModel("a/b", may_be_fetched=False)),
        lambda: replace(subject(), model=CheckedModel("a/b")),
    ),
    "a name of nobody's": (
        "preflight_means",
        lambda: replace(subject(), model=CheckedModel("m", match=built_in().find("Qwen/Qwen2.5-8B-Instruct"))),
        lambda: replace(subject(), model=CheckedModel("m", match=built_in().find("Qwen/Qwen2.5-7B-Instruct"))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_it_is_reported_when_it_is_there_and_not_when_it_is_not(name: str) -> None:
    key, wrong, right = PAIRS[name]
    assert key in reported(wrong())
    assert key not in reported(right())


@pytest.mark.parametrize("config", [QWEN2, QWEN2_VL, QWEN3_MOE], ids=["text", "vision", "experts"])
@pytest.mark.parametrize("machine", [CPU, cards(AMPERE), cards(TURING)], ids=["CPU", "Ampere", "Turing"])
def test_nothing_is_said_against_a_model_that_runs(config: dict[str, Any], machine: SystemFacts) -> None:
    assert reported(subject(config, machine)) == []


def test_unknown_and_overridden_configs_are_not_judged() -> None:
    # Where nothing is known nothing is said.
    nothing = PreflightSubject(CheckedModel("m", "/m"), {}, {"tensor_parallel_size": 1}, SystemFacts())
    assert reported(nothing) == []
    assert reported(replace(nothing, machine=SystemFacts(vllm=("gpu", "?"), cards=(GpuFacts(),)))) == []
    # A config that is overridden is not judged by.
    assert (
        reported(subject({**QWEN2, "model_type": "foo"}, hf_overrides={"model_type": "qwen2"}, max_model_len=9000))
        == []
    )


def test_int8_as_data_type_is_refused_with_what_was_meant() -> None:
    fault = ConfigError("vllm_dtype_quantized", value='"int8"', allowed='"auto", "half"')
    found = only(replace(subject(dtype="int8"), settings_fault=fault))
    assert found.severity == "stops" and found.fix == Fix({"dtype": "auto"})
    assert "AWQ" in notice_text(found.notice, "en") and "AWQ" in notice_text(found.notice, "zh")


SOLVED = ("heads", "nodes", "ray", "ray on a CPU", "groups", "bfloat16", "a cache that is too small",
          "a full card", "no pictures")  # fmt: skip


@pytest.mark.parametrize("name", SOLVED)
def test_what_a_fix_sets_takes_the_finding_away(name: str) -> None:
    key, wrong, _ = PAIRS[name]
    was = wrong()
    (found,) = (finding for finding in check(was) if finding.key == key)
    assert found.fix
    fixed = found.fix.applied_to(was.arguments)
    assert key not in reported(replace(was, written=fixed, arguments=fixed))
    assert set(was.arguments) - set(fixed) == set(found.fix.remove) & set(was.arguments)


@pytest.mark.parametrize(
    "id_", [one.id for one in built_in().by_id.values() if one.needs_code and one.engine == "vllm"]
)
def test_code_of_a_model_in_the_catalogue_is_known_about(id_: str) -> None:
    config = raw_built_in()[id_]["config"]
    absent = replace(subject(config), model=CheckedModel(id_, config=config, kin=built_in().by_id[id_]))
    assert reported(absent) == ["remote_code_needed"]


def test_fix_may_be_another_model_or_engine() -> None:
    missing = {**subject({**QWEN3_MOE, "quantization_config": AWQ}).arguments}
    found = only(replace(subject({**QWEN3_MOE, "quantization_config": AWQ}), alternative="org/other"))
    assert found.fix and found.fix.model == "org/other" and found.fix.applied_to(missing) == missing
    assert "org/other" in notice_text(found.fix.notice, "en")


def test_what_stops_comes_first_and_text_models_are_named() -> None:
    # What stops comes first.
    found = check(subject(QWEN2, cards(replace(AMPERE, memory_used_bytes=14 * GIB), 3), tensor_parallel_size=3))
    assert [finding.severity for finding in found] == ["stops", "hinders", "hinders", "hinders", "tells"]
    # A text model is reported to be one.
    assert [finding.key for finding in check(subject())] == ["preflight_blind"]
    assert check(subject(QWEN2_VL)) == ()


WRONG: tuple[Any, ...] = (5, 0, -1, 2.5, "x", "", [], [1, "a"], {}, {"a": 1}, True, None, 10**12)
AWKWARD = [
    (base, key, value)
    for base in (QWEN2_VL, {**QWEN3_MOE, "quantization_config": AWQ})
    for key in (*base, "rope_scaling", "auto_map", "model_max_length", "quantization_config")
    for value in WRONG
]


@pytest.mark.slow
def test_a_config_that_is_nonsense_is_no_reason_to_fail() -> None:
    for base, key, value in AWKWARD:
        for changed in ({**base, key: value}, {**base, "text_config": {**base.get("text_config", {}), key: value}}):
            for machine in (CPU, cards(AMPERE, 2)):
                check(subject(changed, machine, tensor_parallel_size=2))


@pytest.mark.slow
def test_settings_that_no_one_has_checked_are_no_reason_to_fail() -> None:
    """Where no vLLM is installed, nothing has looked at them before."""
    keys = ("max_model_len", "dtype", "quantization", "tensor_parallel_size", "limit_mm_per_prompt", "chat_template",
            "gpu_memory_utilization", "kv_cache_memory_bytes", "distributed_executor_backend")  # fmt: skip
    for key in keys:
        for value in WRONG:
            for machine in (CPU, cards(AMPERE, 2)):
                check(subject(QWEN2_VL, machine, **{key: value}))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_taken_card_names_the_engine_there(language: Any) -> None:
    found = next(iter(check(replace(subject(machine=cards(AMPERE)), engines=(ENGINE,)))))
    text = error_text(found.error, language)
    assert found.severity == "stops" and all(word in text for word in ("GPU 0", "org/other", "4711", "2025-11-29"))
