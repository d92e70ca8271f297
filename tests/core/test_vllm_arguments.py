import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from framelens.core.domain import Notice
from framelens.core.engines import vllm_arguments
from framelens.core.engines.vllm_arguments import (
    argument_names,
    arguments_to_argv,
    arguments_with_code,
    check_arguments,
)
from framelens.core.errors import ConfigError
from framelens.i18n import error_text, notice_text

ROOT = Path(__file__).parents[2]
needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is installed on Linux alone")

RIGHT: dict[str, Any] = {
    "max_model_len": 8192,
    "gpu_memory_utilization": 0.8,
    "tensor_parallel_size": 1,
    "pipeline_parallel_size": 2,
    "dtype": "half",
    "trust_remote_code": False,
    "enforce_eager": True,
    "limit_mm_per_prompt": {"image": 16, "video": 0},
    "mm_processor_kwargs": {"max_pixels": 401408},
    "quantization": "awq",
    "max_num_seqs": 8,
    "kv_cache_dtype": "fp8",
    "allowed_media_domains": ["a.example", "b.example"],
    "compilation_config": {"mode": 0},
    "chat_template": "/templates/a.jinja",
    "cpu_offload_gb": 4,
}


@pytest.mark.parametrize(
    ("arguments", "key", "values"),
    [
        (
            {"max_modl_len": 1},
            "vllm_argument_misspelt",
            {"key": "max_modl_len", "value": "1", "nearest": "max_model_len"},
        ),
        ({"tensor-parallel-size": 2}, "vllm_argument_misspelt", {"nearest": "tensor_parallel_size"}),
        ({"gpu-memory-untilization": 0.8}, "vllm_argument_misspelt", {"nearest": "gpu_memory_utilization"}),
        ({"gpu_memory": 0.8}, "vllm_argument_misspelt", {"nearest": "gpu_memory_utilization"}),
        ({"num_ctx": 4096}, "vllm_argument_misspelt", {"nearest": "max_model_len"}),
        ({"max-image-nums": 10}, "vllm_argument_misspelt", {"nearest": "limit_mm_per_prompt"}),
        ({"load_in_4bit": True}, "vllm_argument_misspelt", {"nearest": "quantization"}),
        ({"torch_dtype": "float16"}, "vllm_argument_misspelt", {"nearest": "dtype"}),
        ({"gpu_memory_utilization": 1.7}, "vllm_argument_range", {"value": "1.7", "allowed": "number (> 0, <= 1)"}),
        ({"gpu_memory_utilization": 0}, "vllm_argument_range", {}),
        ({"tensor_parallel_size": 0}, "vllm_argument_range", {"allowed": "integer (>= 1)"}),
        ({"tensor_parallel_size": "two"}, "vllm_argument_type", {"value": '"two"', "allowed": "integer (>= 1)"}),
        ({"tensor_parallel_size": True}, "vllm_argument_type", {}),
        ({"max_model_len": 8192.5}, "vllm_argument_type", {}),
        ({"dtype": "int8"}, "vllm_dtype_quantized", {"value": '"int8"'}),
        ({"dtype": "fp8"}, "vllm_dtype_quantized", {}),
        ({"dtype": "hafl"}, "vllm_argument_choice", {"value": '"hafl"'}),
        ({"dtype": 16}, "vllm_argument_choice", {}),
        ({"model": "x/y"}, "vllm_argument_elsewhere", {"variable": "VLLM_MODEL_PATH"}),
    ],
)
def test_wrong_argument_names_key_value_and_allowed(
    arguments: dict[str, object], key: str, values: dict[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_arguments(arguments)
    given = caught.value.values
    shown = {name: notice_text(one, "en") if isinstance(one, Notice) else one for name, one in given.items()}
    assert caught.value.key == key and values.items() <= shown.items()
    for language in ("zh", "en"):
        text = error_text(caught.value, language)
        assert json.dumps(next(iter(arguments.values()))) in text and next(iter(arguments)) in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"gpu_memory_utilization": 1.7}, "允许的是：数字（> 0, <= 1）。"),
        ({"trust_remote_code": "yes"}, "允许的是：true、false。"),
        ({"tensor_parallel_size": "two"}, "允许的是：整数（>= 1）。"),
    ],
)
def test_allowed_values_are_named_in_chinese(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_arguments(arguments)
    assert said in error_text(caught.value, "zh")


def test_arguments_that_vllm_takes_are_passed_on() -> None:
    # What vllm takes is taken.
    check_arguments(RIGHT)
    check_arguments(dict.fromkeys(RIGHT))
    check_arguments({"max_model_len": "32k"})
    check_arguments({"max_model_len": "auto"})
    check_arguments({"max_num_batched_tokens": "8k"})
    # What the list lacks is passed on.
    check_arguments({"n_gpu_layers": 99, "temperature": 0.6, "limit_mm_per_prompt": 3, "max_lora_rank": 7})
    # Plain arguments load no code.
    plain = {name: value for name, value in RIGHT.items() if name != "allowed_media_domains"}
    plain |= {"served_model_name": "model.v2", "speculative_config": {"model": "org/Qwen2.5-0.5B", "method": "eagle3"}}
    assert arguments_with_code(plain) == []


def test_list_is_that_of_the_pinned_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = re.search(r"vllm==([\d.]+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = json.loads(Path(vllm_arguments.__file__).with_suffix(".json").read_text(encoding="utf-8"))
    assert pinned and pinned[1] == listed["vllm"] and len(listed["arguments"]) > 200
    monkeypatch.setattr(vllm_arguments, "_installed_version", lambda: "0.99.0")
    argument_names.cache_clear()
    check_arguments({"max_modl_len": 4096, "data_parallel_size": 2})
    with pytest.raises(ConfigError, match="vllm_argument_misspelt"):
        check_arguments({"torch_dtype": "half"})
    argument_names.cache_clear()


def test_arguments_become_flags_of_the_server() -> None:
    argv = arguments_to_argv(
        {
            "max_model_len": 8192,
            "dtype": "half",
            "enforce_eager": True,
            "trust_remote_code": False,
            "limit_mm_per_prompt": {"image": 4},
            "allowed_media_domains": ["a", "b"],
            "revision": None,
            "ignore_patterns": [],
            "chat_template": "--looks like a flag",
        }
    )
    assert argv == [
        "--max-model-len=8192",
        "--dtype=half",
        "--enforce-eager",
        "--no-trust-remote-code",
        "--limit-mm-per-prompt",
        '{"image": 4}',
        "--allowed-media-domains",
        "a",
        "b",
        "--chat-template=--looks like a flag",
    ]


# Run where vLLM may be imported: its own parser reads the flags, and tells which names it has.
PARSE = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
order = json.loads(sys.argv[1])
found = vars(parser.parse_args(order["argv"]))
named = {action.dest for action in parser._actions}
values = {name: found[name] for name in order["names"]}
print("RESULT" + json.dumps({"values": values, "unknown": [n for n in order["known"] if n not in named]}, default=str))
"""


@pytest.mark.thorough
@pytest.mark.engine
@needs_vllm
def test_vllm_parser_knows_and_reads_back_our_arguments() -> None:
    order = {"argv": arguments_to_argv(RIGHT), "names": list(RIGHT), "known": list(argument_names())}
    answer = subprocess.run(
        [sys.executable, "-P", "-c", PARSE, json.dumps(order)], capture_output=True, text=True, timeout=300, check=False
    )
    line = next((line for line in answer.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, answer.stderr[-2000:]
    result = json.loads(line.removeprefix("RESULT"))
    assert result["unknown"] == []
    plain = {name: value for name, value in RIGHT.items() if name != "compilation_config"}
    assert {name: result["values"][name] for name in plain} == plain


@pytest.mark.parametrize(
    "arguments",
    [
        {"tool_parser_plugin": "/videos/evil.py"},
        {"tool-parser-plugin": "/videos/evil.py"},
        {"tool_parser_plugin=/videos/evil.py": "x"},
        {"structured_outputs_config.reasoning_parser_plugin": "evil.py"},
        {"structured_outputs_config": {"reasoning_parser_plugin": "evil.py"}},
        {"structured_outputs_config": '{"reasoning_parser_plugin": "evil.py"}'},
        {"kv_transfer_config": {"kv_connector_extra_config": {"spec_module_path": "evil"}}},
        {"speculative_config": {"method": "custom_class", "model": "evil.Proposer"}},
        {"compilation_config": {"inductor_compile_config": {"hook": "evil.hook"}}},
        {"distributed_executor_backend": "evil.Executor"},
        {"logits_processors": ["evil:Processor"]},
        {"allowed_local_media_path": "/"},
        {"trust_remote_code": True},
    ],
)
def test_arguments_that_load_code_are_found(arguments: dict[str, Any]) -> None:
    assert arguments_with_code(arguments) == list(arguments)


def test_vllm_has_no_other_name_for_code() -> None:
    known = [name for name in argument_names() if arguments_with_code({name: "x"})]
    assert sorted(known) == [
        *("allowed_local_media_path", "allowed_media_domains", "io_processor_plugin", "log_config_file"),
        *("logits_processors", "model_class_overrides", "reasoning_parser_plugin", "scheduler_cls"),
        *("tool_parser_plugin", "trust_remote_code", "worker_cls", "worker_extension_cls"),
    ]
