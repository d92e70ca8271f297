from __future__ import annotations

import pytest

from app.engine.diagnose import diagnose
from app.errors import ModelNotFound
from app.i18n import error_text

# What vLLM 0.32.0 wrote on this project's tiny checkpoints (the first group), and what its source says it writes where
# a GPU is needed to see it. Each is cut to the lines that matter, as they stand in the log.
PYDANTIC = "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, "
CORE = "(EngineCore pid=21466) ERROR 11-20 08:46:00 [core.py:1510] "
WRAPPER = """
Traceback (most recent call last):
  File "/venv/vllm/v1/engine/utils.py", line 1431, in wait_for_engine_startup
    raise RuntimeError(
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""
SEEN = {
    "context_exceeds_model": (
        PYDANTIC + "User-specified max_model_len (1000000) is greater than the derived max_model_len "
        "(max_position_embeddings=8192.0 or model_max_length=None in model's config.json). To allow overriding this "
        "maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1. [type=value_error, input_value=ArgsKwargs((),",
        {"length": "1000000", "possible": "8192"},
    ),
    "heads_not_divisible": (
        PYDANTIC + "Total number of attention heads (4) must be divisible by tensor parallel size (3). "
        "[type=value_error, input_value=ArgsKwargs((), {'model_co... 'shutdown_timeout': 0}), input_type=ArgsKwargs]",
        {"heads": "4", "size": "3"},
    ),
    "weights_broken": (
        CORE + "safetensors._safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, "
        "file not fully covered" + WRAPPER,
        {"detail": "Error while deserializing header: incomplete metadata, file not fully covered"},
    ),
    "model_files_missing": (
        "OSError: Can't load image processor for '/models/x'. If you were trying to load it from 'https://…', make "
        "sure you don't have a local directory with the same name.",
        {"detail": "Can't load image processor for '/models/x'"},
    ),
    "architecture_unsupported": (
        PYDANTIC + "Model architectures ['FooVLForConditionalGeneration'] are not supported for now. Supported "
        "architectures: dict_keys([",
        {"architecture": "FooVLForConditionalGeneration"},
    ),
    "cache_has_no_room": (
        CORE
        + "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`"
        + WRAPPER,
        {},
    ),
    "memory_too_small": (
        CORE + "ValueError: Available memory on node 0 (8.14/13.21 GiB) on kv cache allocation is less than requested "
        "memory for kv (900.0 GiB). Decrease --kv-cache-memory-bytes, VLLM_CPU_KVCACHE_SPACE" + WRAPPER,
        {
            "detail": "Available memory on node 0 (8.14/13.21 GiB) on kv cache allocation is less than requested "
            "memory for kv (900.0 GiB)"
        },
    ),
    "quantization_unknown": (
        "ValueError: Cannot find the config file for awq",
        {"detail": "Cannot find the config file for awq"},
    ),
}
ON_A_GPU = {
    "cuda_out_of_memory": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    "gpu_memory_taken": "ValueError: Free memory on device cuda:0 (3.2/23.5 GiB) on startup is less than desired GPU "
    "memory utilization (0.8, 18.8 GiB). Decrease GPU memory utilization",
    "context_exceeds_cache": "ValueError: To serve at least one request with the model's max seq len (128000), "
    "(6.84 GiB KV cache is needed, which is larger than the available KV cache memory (3.03 GiB). Based on the "
    "available memory, the estimated maximum model length is 56704. Try increasing",
    "bfloat16_unsupported": "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
    "no_kernel_image": "RuntimeError: CUDA error: no kernel image is available for execution on the device",
    "quantization_needs_gpu": "NotImplementedError: No WNA16 MoE backend supports the deployment configuration.",
    "cuda_fork": "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing",
    "devices_too_few": "ValueError: World size (4) is larger than the number of available GPUs (2) in this node.",
    "quantization_misaligned": "ValueError: The input size is not aligned with the quantized weight shape. This can be "
    "caused by too large tensor parallel size.",
    "attention_unsupported": "NotImplementedError: requires device with capability > (8, 0) but your GPU has "
    "capability (7, 5) (too old)",
    "dtypes_mixed": "RuntimeError: Input type (struct c10::BFloat16) and bias type (float) should be the same",
    "ray_unsupported": "ValueError: current platform cpu does not support ray.",
    "dtype_unknown": "api_server.py: error: argument --dtype: invalid choice: 'int8' (choose from 'auto', 'bfloat16')",
    "engine_port_taken": "OSError: [Errno 98] Address already in use",
    "gpu_missing": "RuntimeError: No CUDA GPUs are available",
    "architecture_unsupported": "ValueError: The checkpoint you are trying to load has model type `foo_vl` but "
    "Transformers does not recognize this architecture.",
    "cpu_out_of_memory": "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to",
}


@pytest.mark.parametrize("key", SEEN)
def test_a_cause_that_was_provoked_here_has_its_own_text_and_values(key: str) -> None:
    log, values = SEEN[key]
    error = diagnose(log, 1, model="org/model")
    assert (error.key, error.values) == (key, {"model": "org/model", **values})
    assert "org/model" in error_text(error, "zh") and "org/model" in error_text(error, "en")


@pytest.mark.parametrize("key", ON_A_GPU)
def test_a_cause_that_takes_other_hardware_is_known_by_its_words(key: str) -> None:
    error = diagnose(CORE + ON_A_GPU[key] + WRAPPER, 1, model="m")
    assert error.key == key
    assert "{" not in error_text(error, "zh") and "?" not in error_text(error, "en")


def test_the_same_is_known_in_the_words_of_older_engines() -> None:
    old = (
        "ValueError: The model's max seq len (10240) is larger than the maximum number of tokens that can be stored in "
    )
    error = diagnose(old + "KV cache (3408). Try increasing `gpu_memory_utilization` or decreasing", 1, model="m")
    assert (error.key, error.values["length"], error.values["possible"]) == ("context_exceeds_cache", "10240", "3408")
    assert diagnose("xFormers wasn't build with CUDA support", 1, model="m").key == "attention_unsupported"
    assert diagnose("ValueError: Unknown dtype: int8", 1, model="m").values["dtype"] == "int8"


def test_awq_experts_on_a_cpu_are_known_by_the_failed_assertion() -> None:
    assert (
        diagnose("    assert self.quant_method is not None\nAssertionError", 1, model="m").key
        == "quantization_needs_gpu"
    )


def test_broken_models_are_model_errors() -> None:
    assert isinstance(diagnose(SEEN["weights_broken"][0], 1, model="m"), ModelNotFound)


def test_the_root_cause_is_shown_and_never_its_wrapper() -> None:
    log = f"""{CORE}EngineCore failed to start.
{CORE}Traceback (most recent call last):
{CORE}  File "core.py", line 7, in __init__
{CORE}    raise OverflowError("too big")
{CORE}OverflowError: too big
{WRAPPER}"""
    error = diagnose(log, 1, model="m")
    assert (error.key, error.values["cause"]) == ("engine_failed", "OverflowError: too big")


def test_of_two_exceptions_the_one_written_for_people_is_shown() -> None:
    log = """Traceback (most recent call last):
  File "auto.py", line 1, in f
KeyError: 'foo'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "auto.py", line 3, in f
ValueError: there is no model called foo"""
    assert diagnose(log, 1, model="m").values["cause"] == "ValueError: there is no model called foo"


def test_of_a_chain_the_first_cause_is_shown() -> None:
    log = """Traceback (most recent call last):
  File "a.py", line 1, in f
OSError: the disk broke

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "b.py", line 3, in g
RuntimeError: could not load"""
    assert diagnose(log, 1, model="m").values["cause"] == "OSError: the disk broke"


def test_a_validation_error_is_shown_by_what_it_says() -> None:
    log = "Traceback (most recent call last):\n  File x\n" + PYDANTIC + "the moon is full. [type=value_error, input]"
    assert diagnose(log, 1, model="m").values["cause"] == "the moon is full."


def test_a_complaint_of_the_command_line_parser_is_a_cause() -> None:
    log = "usage: api_server.py [-h]\napi_server.py: error: argument --load-format: invalid choice: 'zip'"
    assert diagnose(log, 2, model="m").values["cause"] == log.splitlines()[1]


@pytest.mark.parametrize(
    ("status", "was_ready", "key"),
    [
        (137, False, "engine_killed"),
        (137, True, "engine_killed"),
        (1, False, "engine_silent"),
        (1, True, "engine_died"),
    ],
)
def test_an_end_without_words_is_told_by_its_status(status: int, was_ready: bool, key: str) -> None:
    error = diagnose("INFO all is well\n", status, model="m", was_ready=was_ready)
    assert error.key == key and error_text(error, "zh")


@pytest.mark.parametrize(
    "log",
    [
        "(APIServer pid=1) WARNING 11-20 09:04:20 [core_client.py:817] [shutdown] MPClient: engine core exited "
        "unexpectedly; starting cleanup\nTraceback (most recent call last):\n  File x\n"
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above)",
        WRAPPER.replace("{}", "{'EngineCore': -9}"),
    ],
)
def test_a_core_that_was_killed_is_told_by_what_its_server_saw(log: str) -> None:
    assert diagnose(log, 0, model="m", was_ready=True).key == "engine_killed"


def test_what_went_wrong_with_an_old_request_is_not_the_cause_of_a_later_death() -> None:
    log = "Traceback (most recent call last):\n  File x\nValueError: old\n" + "INFO fine\n" * 200
    assert diagnose(log, 1, model="m", was_ready=True).key == "engine_died"
    fatal = (
        f"{CORE}EngineCore encountered a fatal error.\nTraceback (most recent call last):\n  File x\nIndexError: new"
    )
    assert diagnose(log + fatal, 1, model="m", was_ready=True).values["cause"] == "IndexError: new"


def test_workers_that_find_no_memory_node_are_too_many() -> None:
    log = "AssertionError: Not enough allowed NUMA nodes to bind threads of 2 local CPUWorkers. Allowed NUMA nodes are"
    assert diagnose(log, 1, model="m").key == "devices_too_few"


def test_a_crash_while_serving_says_so() -> None:
    log = "Traceback (most recent call last):\n  File x\nValueError: bad frame"
    assert diagnose(log, 1, model="m", was_ready=True).key == "engine_crashed"
