"""Patterns of engines' failure messages: maps a text to an error with its own remedy.

vLLM, torch, transformers and their older versions word the same failure differently; all these wordings lead to the
same key. Used for logs by `engine.local.log_diagnosis` and for HTTP answers by `framelens.llm.refusals`. Each key has a
text in framelens/i18n and its place in docs/guide/troubleshooting.
"""

import re
from collections.abc import Iterator
from functools import cache

from framelens.core.errors import EngineError, ModelNotFound

# (key, wordings); named groups become values of the error. If several match, the first is the cause.
_WORDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "cuda_out_of_memory",
        (
            r"(?i:(?:CUDA|HIP|NPU|XPU|MUSA|MLU|MPS backend) out of memory)",
            r"torch\.(?:cuda\.)?OutOfMemoryError",
            r"cudaErrorMemoryAllocation",
            r"(?:CUDA (?:driver )?error|cudaMalloc failed): out of memory",
            r"Cuda failure (?:\d+ )?'out of memory'",
            r"CUBLAS_STATUS_ALLOC_FAILED",
            r"\[metal::malloc\]|kIOGPUCommandBufferCallbackErrorOutOfMemory",
        ),
    ),
    (
        "gpu_memory_taken",
        (
            r"(?P<detail>Free memory on device [^\n]*? is less than desired GPU memory utilization \([^)]*\))",
            r"(?P<detail>Error in memory profiling\. Initial free memory [\d.]+ \w+, current free memory [\d.]+ \w+)",
        ),
    ),
    ("memory_too_small", (r"(?P<detail>Available memory on node .{1,200}? is less than [^(]*\([^)]*\))",)),
    (
        "shared_memory_full",
        (
            r"No space left on device: '/dev/shm",
            r"insufficient shared memory \(shm\)",
            r"(?:shared memory segment|failed to extend) /dev/shm/",
            r"workers are out of shared memory",
            r"unable to \w+ [^\n]*</torch_",
        ),
    ),
    (
        "cpu_out_of_memory",
        (
            r"DefaultCPUAllocator: (?:can't|not enough)",
            r"^MemoryError",
            r"Cannot allocate memory",
            r"model requires more system memory",
        ),
    ),
    (
        "context_exceeds_cache",
        (
            r"max seq len \((?P<length>\d+)\)"
            r"(?:.{0,600}?(?:estimated maximum model length is |stored in KV cache \()(?P<possible>\d+))?",
        ),
    ),
    ("cache_has_no_room", (r"No available memory for the cache blocks",)),
    (
        "context_exceeds_model",
        (r"max_model_len \((?P<length>\d+)\) is greater than the derived max_model_len.{0,200}?=(?P<possible>\d+)",),
    ),
    (
        "heads_not_divisible",
        (r"attention heads ?\((?P<heads>\d+)\) must be divisible by tensor parallel size ?\((?P<size>\d+)\)",),
    ),
    ("bfloat16_unsupported", (r"[Bb]float16 is only supported on GPUs with compute capability",)),
    ("float16_unsupported", (r"The model type '(?P<type>[\w.-]+)' does not support float16",)),
    ("dtype_unknown", (r"(?:argument --dtype: invalid choice|Unknown dtype): '?(?P<dtype>[\w.]+)",)),
    ("dtypes_mixed", (r"Input type \([\w:. ]*\b(?P<left>\w+)\) and bias type \([\w:. ]*\b(?P<right>\w+)\)",)),
    (
        "vllm_argument_refused",
        (
            r"error: (?P<detail>(?:argument --\w|unrecognized arguments: )[^\n]*)",
            r"validation errors? for \w+Config\s+(?P<detail>\w[\w.]*\s+Input should be [^\n\[]*\w)",
        ),
    ),
    (
        "attention_unsupported",
        (
            r"(?P<detail>[^\n]*requires device with capability > \([\d, ]+\) but your GPU has capability \([\d, ]+\))",
            r"(?P<detail>[^\n]*x[Ff]ormers was(?:n.t| not) buil[dt] with CUDA sup+ort)",
            r"(?P<detail>No valid attention backend found for [^\n]*)",
            r"(?P<detail>FlashAttention only supports [^\n]*)",
        ),
    ),
    (
        "no_kernel_image",
        (
            r"no kernel image is availabl?e for execution on the device",
            r"HIP error: invalid device function",
            r"is not defined for option 'gpu-name'",
            r"GPUs with compute capability below [\d.]+ are not supported",
        ),
    ),
    (
        "quantization_needs_gpu",
        (
            r"No WNA16 MoE backend supports the deployment configuration",
            r"assert self\.quant_method is not None",
        ),
    ),
    (
        "quantization_kernel_missing",
        (r"Failed to find a kernel that can implement the \w+ linear layer\. Reasons: *(?P<detail>(?:\n [^\n]+)*)",),
    ),
    (
        "quantization_too_new",
        (
            r"is not supported for the current GPU\. (?:Minimum|Required) capability: (?P<minimum>\d+)\. "
            r"Current capability: (?P<capability>\d+)",
        ),
    ),
    ("fp8_unsupported", (r"type fp8e4nv not supported in this architecture",)),
    (
        "quantization_unknown",
        (
            r"(?P<detail>Unknown quantization method: [\w-]*)",
            r"(?P<detail>Cannot find the config file for \w+)",
            r"(?P<detail>Quantization method specified in the model config \([^)]*\) does not match"
            r"[^\n]*?\(`?[\w-]*`?\))",
        ),
    ),
    (
        "quantization_dtype",
        (r"torch\.(?P<dtype>\w+) is not supported for quantization method (?P<method>[\w-]+)",),
    ),
    (
        "quantization_misaligned",
        (
            r"The (?:in|out)put size is not aligned with the quantized\s+weight shape",
            r"(?:in|out)put_size(?:_per_partition| of gate's and up's weight)? = \d+ is not divisible by",
        ),
    ),
    ("ray_unsupported", (r"current platform (?P<platform>\S+) does not support ray",)),
    ("ray_missing", (r"Failed to import Ray", r"Ray is not installed")),
    ("pinned_memory_off", (r"UVA is not available",)),
    (
        "kernel_too_large",
        (r"(?P<detail>out of resource: shared memory, Required: \d+, Hardware limit: \d+)",),
    ),
    ("cuda_fork", (r"(?i:cannot re-initialize CUDA in forked subprocess)",)),
    (
        "architecture_unsupported",
        (
            r"Model architectures \['(?P<architecture>[\w', ]+)'\] (?:are not|failed)",
            r"Model architecture (?P<architecture>\w+) (?:was supported in vLLM until|is not supported in-tree)",
            r"model type [`'\"](?P<architecture>[\w.-]+)[`'\"] but Transformers does not",
            r"(?P<architecture>\w+) has no vLLM implementation and the Transformers implementation is not compatible",
            r"'(?P<architecture>\w+)Processor' object has no attribute '_get_num_multimodal_tokens'",
        ),
    ),
    (
        "remote_code_needed",
        (
            r"(?:argument|option) `trust_remote_code=True` to (?:allow custom code to be run|permit loading)",
            r"set the option `trust_remote_code=True` to remove this error",
        ),
    ),
    (
        "packages_missing",
        (r"requires the following packages that were not found in your environment: (?P<packages>[\w., -]*\w)",),
    ),
    (
        "model_files_missing",
        (
            r"(?P<detail>Can't load [\w ]+ for '[^']*')",
            r"(?P<detail>Couldn't instantiate the backend tokenizer)",
            r"(?P<detail>Can't instantiate a processor)",
            r"(?P<detail>[^\n]*does not appear to have a file named [\w.-]+\w)",
            r"(?P<detail>Cannot find any model weights with [^\n]*)",
            r"(?P<detail>We couldn't connect to '[^']*' to load the files)",
            r"(?P<detail>(?:Invalid repository ID or local directory specified|Incorrect path_or_model_id): '[^']*')",
        ),
    ),
    (
        "weights_broken",
        (
            r"SafetensorError: (?P<detail>[^\n]*)",
            r"(?P<detail>PytorchStreamReader failed [^\n]*)",
            r"(?P<detail>Unable to load weights from pytorch checkpoint file for '[^']*')",
            r"UnpicklingError: (?P<detail>invalid load key, [^\n]*)",
        ),
    ),
    (
        "numa_nodes_too_few",
        (r"Not enough allowed NUMA nodes to bind threads of (?P<workers>\d+) local CPUWorkers",),
    ),
    (
        "devices_too_few",
        (
            r"(?P<detail>World size \(\d+\) is larger than the number of available GPUs \(\d+\))",
            r"(?P<detail>The number of required \w+ exceeds the total number of available \w+ in the placement group)",
        ),
    ),
    (
        "gpu_driver_old",
        (
            r"NVIDIA driver on your system is too old",
            r"CUDA driver version is insufficient",
            r"PTX was compiled with an unsupported toolchain",
            r"forward compatibility was attempted on non supported HW",
            r"^ImportError: [^\n]*libcuda\.so\.1: undefined symbol",
        ),
    ),
    (
        "gpu_missing",
        (
            r"No (?:CUDA|HIP|XPU) GPUs are available",
            r"Failed to infer device type",
            r"Found no NVIDIA driver",
            r"no CUDA-capable device is detected",
            r"CUDA-capable device\(s\) is/are busy or unavailable",
            r"Unexpected error from cudaGetDeviceCount\(\)",
            r"^ImportError: libcuda\.so\.1: cannot open shared object file",
        ),
    ),
    (
        "machines_not_connected",
        (
            r"NCCL error(?: in)?:.{0,400}?Last error: *\n(?P<detail>[^\n]+)",
            r"(?P<detail>NCCL error(?: in)?:[^\n]*)",
            r"(?P<detail>[^\n]*Gloo connectFullMesh failed[^\n]*)",
            r"(?P<detail>[^\n]*gloo/transport/tcp/pair[^\n]*)",
            r"(?P<detail>The client socket has timed out after [^\n]*)",
        ),
    ),
    (
        "compiler_missing",
        (
            r"Failed to find C compiler",
            r"InvalidCxxCompiler",
            r"Python\.h: No such file",
            r"cannot find -lcuda\b",
            r"Could not find nvcc",
            r"No such file or directory: '(?:nvcc|ninja|gcc|g\+\+|cc)'",
        ),
    ),
    (
        "packages_mismatched",
        (
            r"^ImportError: (?:[^\n]*/)?(?P<detail>[\w.-]+\.so[\w.]*: undefined symbol: [^\n]*)",
            r"^ImportError: (?P<detail>lib(?:cuda|cu|nvrtc|torch|c10|amdhip)\w+\.so[\w.]*: cannot open[^\n]*)",
            r"^AttributeError: (?P<detail>'_OpNamespace' '_\w+' object has no attribute '\w+')",
            r"^AttributeError: (?P<detail>\w*Tokenizer\w* has no attribute \w+)",
            r"^ImportError: (?P<detail>cannot import name '\w+' from 'transformers[\w.]*')",
            r"^ImportError: (?P<detail>Numba needs NumPy [^\n]*)",
        ),
    ),
    (
        "engine_port_taken",
        (
            r"(?:\[Errno 98\]|error while attempting to bind)[^\n]*[Aa]ddress already in use",
            r"name: EADDRINUSE",
            r"ZMQError: Address already in use",
        ),
    ),
    (
        "system_limit",
        (
            r"^OSError: (?P<detail>\[Errno 24\] Too many open files[^\n]*)",
            r"^RuntimeError: (?P<detail>can't start new thread)",
            r"^BlockingIOError: (?P<detail>\[Errno 11\] Resource temporarily unavailable)",
            r"(?P<detail>pthread_create failed [^\n]*)",
        ),
    ),
    (
        "files_refused",
        (
            r"^(?:OSError|PermissionError): (?P<detail>\[Errno (?:13|28|30|122)\] [^\n]*)",
            r"(?P<detail>PytorchStreamWriter failed [^\n]*)",
        ),
    ),
)
_BROKEN_MODEL = {"model_files_missing", "weights_broken"}


def keys() -> Iterator[str]:
    """List the keys of all known failures, in the order in which they are searched."""
    return (key for key, _ in _WORDINGS)


@cache
def _causes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return the wordings with their keys, compiled when the first failure is looked for."""
    flags = re.DOTALL | re.MULTILINE
    return tuple((key, re.compile(wording, flags)) for key, wordings in _WORDINGS for wording in wordings)


def match_failure(text: str, model: str) -> EngineError | None:
    """Return the error that a text of an engine means, or None if no known wording matches.

    Args:
        text: A log or the body of an answer.
        model: Name of the model, for the message.
    """
    for key, wording in _causes():
        if (match := wording.search(text)) is not None:
            groups = match.groupdict().items()
            values = {name: " ".join(value.split()).rstrip(".") if value else "?" for name, value in groups}
            return (ModelNotFound if key in _BROKEN_MODEL else EngineError)(key, model=model, **values)
    return None
