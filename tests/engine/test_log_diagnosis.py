from pathlib import Path

import pytest

from framelens.core.errors import ModelNotFound
from framelens.engine.local.log_diagnosis import diagnose, meaningful_lines
from framelens.i18n import error_text
from framelens.llm.failure_patterns import keys, match_failure

LOGS = Path(__file__).parent / "logs"
CORE = "(EngineCore pid=21466) ERROR 11-20 08:46:00 [core.py:1510] "
PYDANTIC = "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, "
WRAPPER = """
Traceback (most recent call last):
  File "/venv/vllm/v1/engine/utils.py", line 1431, in wait_for_engine_startup
    raise RuntimeError(
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""
# Whole logs that vLLM 0.32.0 and transformers 5.19 wrote on a CPU when made to fail in that way, with small models.
WHOLE = {
    "numa_nodes_too_few": {"workers": "2"},
    "ray_missing": {},
    "ray_unsupported": {"platform": "cpu"},
    "heads_not_divisible": {"heads": "4", "size": "3"},
    "quantization_needs_gpu": {},
    "context_exceeds_cache": {"length": "8192", "possible": "768"},
    "cache_has_no_room": {},
    "context_exceeds_model": {"length": "100000", "possible": "8192"},
    "architecture_unsupported": {"architecture": "FooVLForConditionalGeneration"},
    "architecture_unsupported-transformers": {"architecture": "foo_vl"},
    "architecture_unsupported-processor": {"architecture": "DeepseekVL"},
    "dtypes_mixed": {"left": "float", "right": "BFloat16"},
    "weights_broken": {"detail": "Error while deserializing header: incomplete metadata, file not fully covered"},
    "quantization_unknown": {"detail": "Unknown quantization method: foo"},
    "memory_too_small": {
        "detail": "Available memory on node 0 (4.73/14.71 GiB) on kv cache allocation is less than requested memory "
        "for kv (900.0 GiB)"
    },
    "quantization_kernel_missing": {
        "detail": "Dynamic4bitLinearKernel cannot implement due to: Unsupported quant type uint4 "
        "ZentorchWNA16LinearKernel cannot implement due to: ZentorchWNA16 requires an AMD Zen CPU. "
        "CPUWNA16LinearKernel cannot implement due to: Output size (4) not supported by CPUWNA16, supported sizes are "
        "multiples of 32"
    },
    "dtype_unknown": {"dtype": "int8"},
    "vllm_argument_refused": {"detail": "unrecognized arguments: --temperature=0.6"},
    "vllm_argument_refused-choice": {
        "detail": "argument --kv-cache-dtype: invalid choice: 'foo' (choose from 'auto', 'bfloat16', 'float16', 'fp8', "
        "'fp8_ds_mla', 'fp8_e4m3', 'fp8_e5m2', 'fp8_inc', 'fp8_per_token_head', 'int4_per_token_head', "
        "'int8_per_token_head', 'nvfp4', 'nvfp4_4over6', 'nvfp4_ds_mla', 'turboquant_3bit_nc', "
        "'turboquant_4bit_nc', 'turboquant_k3v4_nc', 'turboquant_k8v4', 'ultraquant_4bit')"
    },
    "vllm_argument_refused-range": {"detail": "tensor_parallel_size Input should be greater than or equal to 1"},
}
# What torch 2.13, vLLM 0.32.0 and transformers 5.19 say in their sources where it takes other hardware to hear it, and
# what users of older versions were told.
WORDS = [
    ("cuda_out_of_memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
    ("cuda_out_of_memory", "torch.outofmemoryerror:cuda out of memory. tried to allocate 640.00MiB GPU 0 has a total"),
    (
        "cuda_out_of_memory",
        "RuntimeError: CUDA out of memory occurred when warming up sampler with 256 dummy requests.",
    ),
    (
        "gpu_memory_taken",
        "ValueError: Free memory on device cuda:0 (3.2/23.5 GiB) on startup is less than desired GPU memory "
        "utilization (0.8, 18.8 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
    ),
    (
        "context_exceeds_cache",
        "ValueError: To serve at least one request with the model's max seq len (128000), (6.84 GiB KV cache is "
        "needed, which is larger than the available KV cache memory (3.03 GiB). Based on the available memory, the "
        "estimated maximum model length is 56704. Try increasing",
    ),
    (
        "context_exceeds_cache",
        "ValueError: The model's max seq len (10240) is larger than the maximum number of tokens that can be stored in "
        "KV cache (3408). Try increasing `gpu_memory_utilization` or decreasing",
    ),
    ("heads_not_divisible", "Total number of attention heads(16) must be divisible by tensor parallel size(6)"),
    ("bfloat16_unsupported", "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0."),
    ("no_kernel_image", "RuntimeError: CUDA error: no kernel image is available for execution on the device"),
    (
        "attention_unsupported",
        "NotImplementedError: requires device with capability > (8, 0) but your GPU has capability (7, 5) (too old)",
    ),
    ("attention_unsupported", "xFormers wasn't build with CUDA support"),
    ("attention_unsupported", "xformers wasn\u2019t build with CUDA suport"),
    (
        "attention_unsupported",
        "ValueError: No valid attention backend found for cuda with AttentionSelectorConfig(head_size=80, dtype="
        "torch.bfloat16). Reasons: {FLASH_ATTN: [compute capability not supported]}.",
    ),
    ("quantization_needs_gpu", "    assert self.quant_method is not None\nAssertionError"),
    ("quantization_needs_gpu", "AssertionError: assert self.quant_method is not None"),
    (
        "quantization_too_new",
        "ValueError: The quantization method mxfp4 is not supported for the current GPU. Minimum capability: 80. "
        "Current capability: 75.",
    ),
    ("quantization_unknown", "ValueError: Cannot find the config file for awq"),
    (
        "quantization_dtype",
        "ValueError: torch.float32 is not supported for quantization method awq. Supported dtypes: [torch.float16]",
    ),
    ("float16_unsupported", "  Value error, The model type 'gemma3' does not support float16. Reason: Numerical"),
    (
        "architecture_unsupported",
        "ValueError: Model architecture QWenLMHeadModel was supported in vLLM until v0.23.0, and is not supported",
    ),
    (
        "quantization_misaligned",
        "ValueError: The input size is not aligned with the quantized weight shape. This can be caused by too large "
        "tensor parallel size.",
    ),
    ("ray_unsupported", "ValueError: current platform cpu does not support ray."),
    (
        "cuda_fork",
        "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use "
        "the 'spawn' start method",
    ),
    ("dtypes_mixed", "RuntimeError: Input type (struct c10::BFloat16) and bias type (float) should be the same"),
    ("dtypes_mixed", "RuntimeError: Input type (c10::BFloat16) and bias type (float) should be the same"),
    ("dtype_unknown", "ValueError: Unknown dtype: int8"),
    (
        "remote_code_needed",
        "Loading this model requires you to execute custom code contained in the model repository on your local "
        "machine. Please set the option `trust_remote_code=True` to permit loading of this model.",
    ),
    (
        "packages_missing",
        "ImportError: This modeling file requires the following packages that were not found in your environment: "
        "attrdict, timm. Run `pip install attrdict timm`",
    ),
    (
        "model_files_missing",
        "OSError: Can't load image processor for '/models/x'. If you were trying to load it from 'https://…'",
    ),
    ("devices_too_few", "ValueError: World size (4) is larger than the number of available GPUs (2) in this node."),
    ("gpu_missing", "RuntimeError: No CUDA GPUs are available"),
    ("gpu_missing", "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"),
    ("gpu_driver_old", "RuntimeError: The NVIDIA driver on your system is too old (found version 11080)."),
    (
        "machines_not_connected",
        "RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details)",
    ),
    ("shared_memory_full", "OSError: [Errno 28] No space left on device: '/dev/shm/nccl-x'"),
    ("compiler_missing", "RuntimeError: Failed to find C compiler. Please specify via CC environment variable or set"),
    ("engine_port_taken", "OSError: [Errno 98] Address already in use"),
    (
        "engine_port_taken",
        "ERROR: [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use",
    ),
    ("cpu_out_of_memory", "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
    # Reports of users: other devices and versions, and what a full or foreign system says.
    ("cuda_out_of_memory", "RuntimeError: NPU out of memory. Tried to allocate 23.16 GiB (NPU 3; 60.96 GiB total"),
    ("cuda_out_of_memory", "RuntimeError: MPS backend out of memory (MPS allocated: 16.00 GB"),
    ("cuda_out_of_memory", "RuntimeError: CUDA driver error: out of memory"),
    ("cuda_out_of_memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    (
        "cuda_out_of_memory",
        "torch.distributed.DistBackendError: NCCL error in: x.hpp:268, unhandled cuda error, NCCL version 2.27.3\n"
        "ncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\nCuda failure 2 'out of memory'",
    ),
    (
        "gpu_memory_taken",
        "AssertionError: Error in memory profiling. Initial free memory 22.1 GiB, current free memory 22.9 GiB. This "
        "happens when other processes sharing the same container release GPU memory",
    ),
    (
        "shared_memory_full",
        "torch.distributed.DistBackendError: NCCL error in: x.hpp:268, unhandled system error, NCCL version 2.21.5\n"
        "Last error:\nError while creating shared memory segment /dev/shm/nccl-xxxxx (size 7340384)",
    ),
    ("shared_memory_full", "NCCL WARN Error: failed to extend /dev/shm/nccl-3Yx9zw to 33030532 bytes\nNCCL error: x"),
    ("shared_memory_full", "RuntimeError: unable to mmap 1056 bytes from file </torch_2190_1>: Cannot allocate memory"),
    ("no_kernel_image", "torch.AcceleratorError: HIP error: invalid device function"),
    ("no_kernel_image", "`ptxas` stderr:\nptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'"),
    ("gpu_driver_old", "CUDA error: the provided PTX was compiled with an unsupported toolchain."),
    ("gpu_driver_old", "Error 804: forward compatibility was attempted on non supported HW"),
    ("gpu_driver_old", "ImportError: /lib/libcuda.so.1: undefined symbol: cuTensorMapEncodeTiled"),
    ("gpu_missing", "RuntimeError: No HIP GPUs are available"),
    ("gpu_missing", "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized"),
    ("gpu_missing", "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory"),
    (
        "machines_not_connected",
        "torch.distributed.DistBackendError: NCCL error in: x.cpp:1970, unhandled cuda error, NCCL version 2.20.5\n"
        "Last error:\nCuda failure 'peer access is not supported between these two devices'",
    ),
    ("machines_not_connected", "DistNetworkError: The client socket has timed out after 600000ms while trying to"),
    ("machines_not_connected", "RuntimeError: [/gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.2]"),
    ("attention_unsupported", "RuntimeError: FlashAttention only supports Ampere GPUs or newer."),
    ("fp8_unsupported", "ValueError: type fp8e4nv not supported in this architecture. The supported fp8 dtypes are"),
    ("quantization_misaligned", "Weight output_size_per_partition = 1710 is not divisible by min_thread_n = 64."),
    ("quantization_misaligned", "The output_size of gate's and up's weight = 192 is not divisible by weight"),
    (
        "architecture_unsupported",
        "FooVL has no vLLM implementation and the Transformers implementation is not compatible",
    ),
    (
        "devices_too_few",
        "The number of required GPUs exceeds the total number of available GPUs in the placement group.",
    ),
    ("model_files_missing", "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't"),
    ("model_files_missing", "ValueError: Invalid repository ID or local directory specified: '/models/x'."),
    ("weights_broken", "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central"),
    ("weights_broken", "_pickle.UnpicklingError: invalid load key, 'v'."),
    ("compiler_missing", "/usr/bin/ld: cannot find -lcuda: No such file or directory\ncollect2: error: ld returned 1"),
    ("compiler_missing", "RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't exist"),
    ("compiler_missing", "FileNotFoundError: [Errno 2] No such file or directory: 'ninja'"),
    ("packages_mismatched", "ImportError: /venv/vllm/_C.abi3.so: undefined symbol: _ZN3c106ivalue14ConstantString6"),
    ("packages_mismatched", "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory"),
    ("packages_mismatched", "AttributeError: '_OpNamespace' '_C' object has no attribute 'silu_and_mul'"),
    ("packages_mismatched", "AttributeError: Qwen2Tokenizer has no attribute all_special_tokens_extended"),
    ("packages_mismatched", "ImportError: cannot import name 'Qwen2_5_VLForConditionalGeneration' from 'transformers'"),
    ("system_limit", "OSError: [Errno 24] Too many open files"),
    ("system_limit", "RuntimeError: can't start new thread"),
    ("system_limit", "OpenBLAS blas_thread_init: pthread_create failed for thread 3 of 64: Resource temporarily"),
    ("cuda_fork", "runtimeError: cannot re-initialize cuda in forked subprocess. To use CUDA with multiprocessing."),
    ("no_kernel_image", "cuda error: cuda error:no kernel image is availabe for execution on the device"),
    ("pinned_memory_off", "RuntimeError: UVA is not available"),
    (
        "kernel_too_large",
        "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 263168, Hardware limit: "
        "232448. Reducing block sizes or `num_stages` may help.",
    ),
    ("files_refused", "OSError: [Errno 28] No space left on device: '/root/.cache/vllm/torch_compile_cache/1d'"),
    ("files_refused", "PermissionError: [Errno 13] Permission denied: '/.cache'"),
    ("files_refused", "OSError: [Errno 30] Read-only file system: '/root/.cache/vllm'"),
    ("engine_port_taken", "port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use"),
    ("engine_port_taken", "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:5570')"),
]


def log_of(name: str) -> str:
    return (LOGS / f"{name}.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WHOLE)
def test_of_a_whole_log_the_cause_is_reported_with_its_values(name: str) -> None:
    error = diagnose(log_of(name), 1, model="org/model")
    assert (error.key, error.values) == (name.partition("-")[0], {"model": "org/model", **WHOLE[name]})
    assert "org/model" in error_text(error, "zh") and "org/model" in error_text(error, "en")


@pytest.mark.parametrize(("key", "words"), WORDS)
def test_a_cause_is_known_by_each_of_its_wordings(key: str, words: str) -> None:
    error = diagnose(CORE + words + WRAPPER, 1, model="m")
    assert error.key == key
    assert "?" not in error.values.values() and error_text(error, "zh") and error_text(error, "en")


def test_every_cause_has_a_sample_and_words() -> None:
    assert {name.partition("-")[0] for name in WHOLE} | {key for key, _ in WORDS} == set(keys())


@pytest.mark.parametrize("name", ["healthy-vision", "healthy-text", "healthy-two-processes"])
def test_nothing_is_found_in_the_log_of_an_engine_that_is_well(name: str) -> None:
    log = log_of(name)
    assert "Application startup complete" in log
    assert match_failure(log, "m") is None
    assert diagnose(log, 0, model="m", was_ready=True).key == "engine_died"


@pytest.mark.parametrize(
    "warning",
    [
        "WARNING Failed to import from vllm._C with ImportError('libcudart.so.12: cannot open shared object file')",
        "WARNING could not write usage stats: [Errno 13] Permission denied: '/.config'",
        "Retrying after OSError(24, 'Too many open files')",
        "INFO 10-27 [shm_broadcast.py:466] No available shared memory broadcast block found in 60 seconds.",
    ],
)
def test_warnings_beside_the_cause_are_not_the_cause(warning: str) -> None:
    log = f"{warning}\n{CORE}Traceback (most recent call last):\n{CORE}  File x\n{CORE}OverflowError: too big"
    assert diagnose(log, 1, model="m").values["cause"] == "OverflowError: too big"


def test_exceptions_are_shown_by_what_they_say() -> None:
    # Log lines of older versions have causes too.
    old = "ERROR 05-10 16:00:15 [core.py:396] "
    log = f"{old}Traceback (most recent call last):\n{old}  File x\n{old}OverflowError: too big"
    assert diagnose(log, 1, model="m").values["cause"] == "OverflowError: too big"
    # Words that begin on the next line are shown.
    log = "Traceback (most recent call last):\n  File x\nRuntimeError: \n    The moon is full.\n"
    assert diagnose(log, 1, model="m").values["cause"] == "RuntimeError: The moon is full."
    # A validation error is shown by what it says.
    log = "Traceback (most recent call last):\n  File x\n" + PYDANTIC + "the moon is full. [type=value_error, input]"
    assert diagnose(log, 1, model="m").values["cause"] == "the moon is full."
    # A complaint of the command line parser is a cause.
    log = "usage: serve.py [-h]\nserve.py: error: no model was given"
    assert diagnose(log, 2, model="m").values["cause"] == log.splitlines()[1]


def test_logs_without_errors_have_no_cause() -> None:
    # A port that was taken and replaced is no cause.
    assert match_failure("WARNING [parallel.py:746] Address already in use. Retrying with a new port.", "m") is None
    # Log without errors shows informative lines.
    assert meaningful_lines("INFO one\n\nINFO two\nINFO two\nINFO three\n", max_lines=2) == ("INFO two", "INFO three")


def test_unknown_failure_shows_log_end_and_how_to_report() -> None:
    log = f"""$ python -m vllm --api-key sesame
(APIServer pid=1) INFO 11-20 21:57:56 [api_utils.py:347]        █     █     █▄   ▄█
(APIServer pid=1) INFO 11-20 21:57:56 [api_utils.py:286] non-default args: {{'api_key': ['sesame']}}
{CORE}EngineCore failed to start.
{CORE}Traceback (most recent call last):
{CORE}  File "core.py", line 7, in __init__
{CORE}    raise OverflowError("too big")
{CORE}OverflowError: too big for http://me:sesame@hub/x?token=sesame
{CORE} the moon is full
{WRAPPER}"""
    error = diagnose(log, 1, model="m")
    assert error.key == "engine_failed"
    assert error.values["lines"] == "  OverflowError: too big for http://***@hub/x?token=***\n  the moon is full"
    for language in ("zh", "en"):
        text = error_text(error, language)  # type: ignore[arg-type]
        assert "framelens doctor" in text and "the moon is full" in text and "sesame" not in text


def test_errors_are_of_their_kind_and_time() -> None:
    assert isinstance(diagnose(log_of("weights_broken"), 1, model="m"), ModelNotFound)  # broken models are model errors
    # A crash while serving says so.
    log = "Traceback (most recent call last):\n  File x\nValueError: bad frame"
    assert diagnose(log, 1, model="m", was_ready=True).key == "engine_crashed"
    # Old request error is not cause of later death.
    log = "Traceback (most recent call last):\n  File x\nValueError: old\n" + "INFO fine\n" * 200
    assert diagnose(log, 1, model="m", was_ready=True).key == "engine_died"
    fatal = (
        f"{CORE}EngineCore encountered a fatal error.\nTraceback (most recent call last):\n  File x\nIndexError: new"
    )
    assert diagnose(log + fatal, 1, model="m", was_ready=True).values["cause"] == "IndexError: new"


def test_of_several_exceptions_the_cause_is_shown() -> None:
    # Of two exceptions the one written for people is shown.
    log = """Traceback (most recent call last):
  File "auto.py", line 1, in f
KeyError: 'foo'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "auto.py", line 3, in f
ValueError: there is no model called foo"""
    assert diagnose(log, 1, model="m").values["cause"] == "ValueError: there is no model called foo"
    # Of a chain the first cause is shown.
    log = """Traceback (most recent call last):
  File "a.py", line 1, in f
OSError: the disk broke

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "b.py", line 3, in g
RuntimeError: could not load"""
    assert diagnose(log, 1, model="m").values["cause"] == "OSError: the disk broke"
    # The root cause is shown and never its wrapper.
    log = f"""{CORE}EngineCore failed to start.
{CORE}Traceback (most recent call last):
{CORE}  File "core.py", line 7, in __init__
{CORE}    raise OverflowError("too big")
{CORE}OverflowError: too big
{WRAPPER}"""
    error = diagnose(log, 1, model="m")
    assert (error.key, error.values["cause"]) == ("engine_failed", "OverflowError: too big")


@pytest.mark.parametrize(
    ("status", "was_ready", "key"),
    [
        (137, False, "engine_killed"),
        (137, True, "engine_killed"),
        (1, False, "engine_silent"),
        (1, True, "engine_died"),
    ],
)
def test_an_end_without_words_is_reported_by_its_status(status: int, was_ready: bool, key: str) -> None:
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
