"""Plans of models on machines with cards: what vLLM accepts, what fits, and what is refused."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from framelens.cli import main
from framelens.core.engines import vllm_arguments
from framelens.core.errors import AppError
from framelens.i18n import error_text, in_language, notice_text
from framelens.models.catalogue import built_in
from framelens.models.memory import MemoryEstimate
from framelens.models.placement import GpuCard, find_card
from framelens.models.serving_plan import Plan
from framelens.plugins.batch.cluster.commands import ENGINE_IMAGE, RAY_IMAGE, ClusterNetwork, cluster_commands
from framelens.plugins.batch.cluster.plan import ClusterPlan, parse_gpus, plan_cluster
from tests.cli.test_grammar import refused
from tests.cli.walk import parsed
from tests.core.test_vllm_arguments import needs_vllm
from tests.test_deploy import ROOT, images, text

TINY = Path(__file__).parents[3] / "fixtures" / "tiny-vl"


def plan(gpus: str, model: str, memory: float | str = 80, **options: Any) -> ClusterPlan:
    card = find_card(memory) if isinstance(memory, str) else GpuCard(memory)
    assert card
    return plan_cluster(parse_gpus(gpus, card), model, built_in(), **options)


def layout(gpus: str, model: str, memory: float = 80, **options: Any) -> tuple[int, int, int, int]:
    found = plan(gpus, model, memory, **options).layout
    return found.tensor, found.pipeline, found.nodes, found.copies


def refusal(gpus: str, model: str, memory: float = 80, **options: Any) -> AppError:
    with pytest.raises(AppError) as caught:
        plan(gpus, model, memory, **options)
    for language in ("zh", "en"):
        assert error_text(caught.value, language)  # type: ignore[arg-type]
    return caught.value


EACH = [
    (gpus, entry.id, memory)
    for gpus in ("1", "3", "2x8", "3x4", "5x6", "4x7")
    for memory in (11, 24, 80)
    for entry in built_in().by_id.values()
    if entry.engine == "vllm"
]


@pytest.mark.slow
@pytest.mark.parametrize("gpus", ["1", "3", "2x8", "3x4", "5x6", "4x7"])
def test_every_plan_is_one_that_vllm_can_divide(gpus: str) -> None:
    for given, model, memory in EACH:
        if given != gpus:
            continue
        try:
            found = plan(gpus, model, memory)
        except AppError as error:
            assert error.key in ("cluster_too_small", "cluster_never_fits"), model
            continue
        text, division, hardware = found.entry.shape.text, found.layout, found.hardware
        kv_heads = text.cache.heads
        assert text.heads % division.tensor == 0
        assert text.cache.latent or kv_heads % division.tensor == 0 or division.tensor % kv_heads == 0
        assert division.tensor <= hardware.cards and division.pipeline <= text.layers
        used = division.tensor * division.pipeline * division.copies
        assert used + division.idle == hardware.total_cards
        if division.nodes > 1:
            assert division.tensor * division.pipeline == division.nodes * hardware.cards
        again = MemoryEstimate.of(found.entry.shape, Plan.parse(found.proposal.config))
        assert again.card_bytes <= found.proposal.budget_bytes
        assert found.requests >= 1


def test_copies_are_whole_where_they_fit() -> None:
    # Whole copies are preferred where they fit.
    assert layout("2x8", "Qwen2.5-VL-7B-Instruct") == (1, 1, 1, 16)
    assert layout("2x8", "Qwen2.5-VL-72B-Instruct") == (4, 1, 1, 4)
    # A model that needs both machines is a pipeline.
    assert layout("2x8", "Qwen2.5-VL-72B-Instruct", 11) == (8, 2, 2, 1)
    assert layout("4x8", "Qwen2.5-VL-72B-Instruct", 16) == (8, 2, 2, 2)
    # One copy over everything on request.
    assert layout("2x8", "Qwen2.5-VL-72B-Instruct", copies=1) == (8, 2, 2, 1)
    assert refusal("2x8", "Qwen2.5-VL-7B-Instruct", copies=5).key == "cluster_copies"


def test_cards_that_do_not_divide_are_pipelines_or_left_over() -> None:
    # Cards that do not divide the heads make a pipeline.
    found = plan("3", "Qwen2.5-VL-72B-Instruct")
    assert (found.layout.tensor, found.layout.pipeline) == (1, 3)
    assert "cluster_tensor_limited" in [reason.key for reason in found.reasons]
    # Cards left over are named.
    found = plan("2x7", "Qwen2.5-VL-72B-Instruct", 80)
    assert found.layout.idle == 2
    assert "cluster_idle" in [reason.key for reason in found.reasons]


def test_a_checkpoint_is_converted_only_where_nothing_else_fits() -> None:
    assert "quantization" not in plan("2", "Qwen2.5-VL-7B-Instruct", "RTX 4080").proposal.config
    found = plan("1", "Qwen2.5-VL-7B-Instruct", "RTX 4080")
    assert found.proposal.config["quantization"] == "fp8"
    assert "cluster_converted" in [reason.key for reason in found.reasons]


@pytest.mark.parametrize("given", ["", "0x8", "2x0", "2x8x2", "two", "-1x8", "2,4", "9999x8"])
def test_counts_that_mean_nothing_are_refused(given: str) -> None:
    with pytest.raises(AppError) as caught:
        parse_gpus(given, GpuCard(80))
    assert caught.value.key == "cluster_gpus" and caught.value.exit_code == 2


def test_plans_that_do_not_fit_name_what_would() -> None:
    # A model too large names what would do.
    error = refusal("1x2", "Qwen2.5-VL-72B-Instruct", 24)
    assert error.key == "cluster_too_small"
    enough = str(error.values["enough"])
    assert plan(enough, "Qwen2.5-VL-72B-Instruct", 24).layout.nodes > 1
    assert plan("1x2", str(error.values["other"]), 24)
    # Refused plan proposes another model that fits.
    error = refusal("4x4", "Qwen2.5-VL-72B-Instruct", 11)
    assert error.values["other"] not in ("–", "Qwen/Qwen2.5-VL-72B-Instruct")
    assert plan("4x4", str(error.values["other"]), 11)
    # Unknown models and other engines are refused.
    assert refusal("2x8", "no-such-model-at-all").key == "model_unlike_catalogue"
    assert refusal("2x8", "deepseek-vl-7b-chat").key == "cluster_engine"


def test_wrong_tensor_parallel_sizes_are_refused() -> None:
    assert refusal("2x8", "Qwen2.5-VL-72B-Instruct", tensor_parallel=3).key == "cluster_tensor_cards"
    error = refusal("1x6", "Qwen2.5-VL-72B-Instruct", tensor_parallel=6)
    assert error.key == "cluster_tensor_heads" and error.values["possible"] == "1, 2"
    assert layout("2x8", "Qwen2.5-VL-72B-Instruct", tensor_parallel=8) == (8, 1, 1, 2)


def test_a_folder_is_planned_by_its_config() -> None:
    found = plan("2", str(TINY), 8)
    assert found.model_path == str(TINY)
    lines = [line for block in cluster_commands(found) for line in block.lines]
    assert f"ls {TINY}/config.json" in lines


# ---- commands --------------------------------------------------------------------------------------------------------


@needs_vllm
@pytest.mark.parametrize(
    ("gpus", "model", "memory"),
    [
        ("2x8", "Qwen2.5-VL-72B-Instruct", 11),
        ("2x8", "Qwen2.5-VL-72B-Instruct", 80),
        ("1x4", "Qwen3-VL-30B-A3B-Instruct", 80),
        ("1", "Qwen2.5-VL-7B-Instruct", "RTX 4080"),
    ],
)
def test_vllm_has_every_flag_of_the_commands(gpus: str, model: str, memory: float | str) -> None:
    known = {f"--{name.replace('_', '-')}" for name in vllm_arguments.argument_names()}
    for block in cluster_commands(plan(gpus, model, memory)):
        for line in block.lines:
            if "vllm serve" in line:
                flags = {word.partition("=")[0] for word in shlex.split(line) if word.startswith("--")}
                assert flags - known <= {"--host", "--port"}


def test_commands_of_two_machines_name_every_variable() -> None:
    found = plan("2x8", "Qwen2.5-VL-72B-Instruct", 11)
    blocks = cluster_commands(found, ClusterNetwork("ens3", ("10.0.0.1", "10.0.0.2")))
    text = "\n".join(block.text for block in blocks)
    for wanted in (
        "ray start --head --node-ip-address=10.0.0.1 --port=6379 --num-gpus=8",
        "ray start --address=10.0.0.1:6379 --node-ip-address=10.0.0.2 --num-gpus=8",
        "export GLOO_SOCKET_IFNAME=ens3",
        "export NCCL_SOCKET_IFNAME=ens3",
        "export VLLM_HOST_IP=10.0.0.2",
        "export RAY_AUTH_MODE=token",
        "--tensor-parallel-size=8 --pipeline-parallel-size=2",
        "--distributed-executor-backend=ray",
        "export FRAMELENS_BASE_URL=http://10.0.0.1:8000/v1",
        "--network host --shm-size 16g",
    ):
        assert wanted in text


def test_each_group_and_copy_has_its_server() -> None:
    # Every group of machines has a head of its own.
    hosts = tuple(f"10.0.0.{number}" for number in range(1, 5))
    blocks = cluster_commands(plan("4x8", "Qwen2.5-VL-72B-Instruct", 16), ClusterNetwork(hosts=hosts))
    heads = [line for block in blocks for line in block.lines if "ray start --head" in line]
    assert ["10.0.0.1" in heads[0], "10.0.0.3" in heads[1], len(heads)] == [True, True, 2]
    urls = next(line for block in blocks for line in block.lines if "FRAMELENS_BASE_URL" in line)
    assert urls == "export FRAMELENS_BASE_URL=http://10.0.0.1:8000/v1,http://10.0.0.3:8000/v1"
    # Copies of a mixture have servers of their own.
    found = plan("1x4", "Qwen3-VL-30B-A3B-Instruct", 80)
    servers = [line for block in cluster_commands(found) for line in block.lines if "vllm serve" in line]
    assert len(servers) == found.layout.copies > 1
    assert not any("data-parallel" in line for line in servers)
    cards = [line.split()[0] for line in servers]
    assert len(set(cards)) == len(cards) and cards[0].startswith("CUDA_VISIBLE_DEVICES=0")


@pytest.mark.every_plugin
def test_commands_of_ours_are_read_by_our_parser(english: None) -> None:
    for block in cluster_commands(plan("2x8", "Qwen2.5-VL-72B-Instruct", 11)):
        for line in block.lines:
            if line.startswith("framelens "):
                parsed(shlex.split(line)[1:])


def test_a_path_with_blanks_stays_one_word(tmp_path: Path) -> None:
    folder = tmp_path / "my models"
    folder.symlink_to(TINY)
    (serve,) = (
        line for block in cluster_commands(plan("1", str(folder), 8)) for line in block.lines if "serve" in line
    )
    assert shlex.split(serve)[2] == str(folder)


def test_addresses_must_be_one_for_each_machine() -> None:
    with pytest.raises(AppError) as caught:
        cluster_commands(plan("2x8", "Qwen2.5-VL-7B-Instruct"), ClusterNetwork(hosts=("10.0.0.1",)))
    assert caught.value.key == "cluster_hosts"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_line_of_a_plan_has_its_words(language: Any) -> None:
    keys = set()
    with in_language(language):
        for gpus, memory in (("2x8", 11), ("2x8", 80), ("3", 80), ("1", "RTX 4080"), ("2x7", 80)):
            for model in ("Qwen2.5-VL-72B-Instruct", "Qwen2.5-VL-7B-Instruct", "Qwen3-VL-30B-A3B-Instruct"):
                try:
                    found = plan(gpus, model, memory)
                except AppError:
                    continue
                for notice in (*found.reasons, *(block.notice for block in cluster_commands(found))):
                    assert "{" not in notice_text(notice)
                    keys.add(notice.key)
    assert len(keys) >= 15


# ---- the command -----------------------------------------------------------------------------------------------------


def test_plan_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cluster", "plan", "--gpus", "2x8", "--model", "Qwen2.5-VL-72B-Instruct", "--gpu-memory", "RTX 2080 Ti"]
    assert main.main([*words, "--language", "zh"]) == 0
    assert "ray start --head" in capsys.readouterr().out
    assert main.main([*words, "--json", "--language", "en"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["tensor_parallel"], document["pipeline_parallel"], document["copies"]) == (8, 2, 1)
    assert document["config"]["tensor_parallel_size"] == 8
    assert any("vllm serve" in line for block in document["commands"] for line in block["lines"])


def test_plan_says_which_model_a_name_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["cluster", "plan", "--gpus", "2x24", "--model", "qwen3:8b", "--language", "en"]) == 0
    assert "qwen3:8b is a name in Ollama" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--gpus", "2x", "--model", "Qwen2.5-VL-7B-Instruct"], 2),
        (["--gpus", "2x8", "--model", "nothing-like-it"], 4),
        (["--gpus", "1x1", "--model", "Qwen2.5-VL-72B-Instruct", "--gpu-memory", "11"], 4),
        (["--gpus", "2x8", "--model", "Qwen2.5-VL-7B-Instruct", "--gpu-memory", "much"], 2),
    ],
)
def test_wrong_plans_end_with_a_sentence(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["cluster", "plan", *words, "--language", "en"]) == code
    printed = capsys.readouterr()
    assert not printed.out and "Traceback" not in printed.err and printed.err.strip().endswith(".")


@pytest.mark.parametrize("number", ["-1", "1.5", "many", "9" * 30, "nan"])
def test_ports_out_of_range_are_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"“{number}” is not a whole number from " in refused(capsys, "cluster", "check", "--port", number)[0]


def test_images_are_those_of_deploy() -> None:
    assert ENGINE_IMAGE in images()
    assert all(RAY_IMAGE in text(ROOT / f"docs/guide/deployment.{language}.md") for language in ("en", "zh"))
