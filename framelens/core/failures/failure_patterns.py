"""Patterns of engines' failure messages: maps a text to an error with its own remedy.

vLLM, torch, transformers and their older versions word the same failure differently; all these wordings lead to the
same key. Used for logs by `engine.local.log_diagnosis` and for HTTP answers by `core.failures.refusals`. Each key has a
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
            r"(?i:(?:CUDA|HIP) out of memory)",
            r"torch\.(?:cuda\.)?OutOfMemoryError",
            r"cudaErrorMemoryAllocation",
            r"(?:CUDA error|cudaMalloc failed): out of memory",
        ),
    ),
    (
        "gpu_memory_taken",
        (r"(?P<detail>Free memory on device [^\n]*? is less than desired GPU memory utilization \([^)]*\))",),
    ),
    ("memory_too_small", (r"(?P<detail>Available memory on node .{1,200}? is less than [^(]*\([^)]*\))",)),
    (
        "cpu_out_of_memory",
        (r"DefaultCPUAllocator: (?:can't|not enough)", r"^MemoryError", r"Cannot allocate memory"),
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
        "attention_unsupported",
        (
            r"(?P<detail>[^\n]*requires device with capability > \([\d, ]+\) but your GPU has capability \([\d, ]+\))",
            r"(?P<detail>[^\n]*x[Ff]ormers was(?:n.t| not) buil[dt] with CUDA sup+ort)",
            r"(?P<detail>No valid attention backend found for [^\n]*)",
        ),
    ),
    ("no_kernel_image", (r"no kernel image is available for execution on the device",)),
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
    ("quantization_misaligned", (r"The (?:in|out)put size is not aligned with the quantized\s+weight shape",)),
    ("ray_unsupported", (r"current platform (?P<platform>\S+) does not support ray",)),
    ("ray_missing", (r"Failed to import Ray", r"Ray is not installed")),
    ("cuda_fork", (r"[Cc]annot re-initialize CUDA in forked subprocess",)),
    (
        "architecture_unsupported",
        (
            r"Model architectures \['(?P<architecture>[\w', ]+)'\] (?:are not|failed)",
            r"Model architecture (?P<architecture>\w+) (?:was supported in vLLM until|is not supported in-tree)",
            r"model type [`'\"](?P<architecture>[\w.-]+)[`'\"] but Transformers does not",
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
        ),
    ),
    ("weights_broken", (r"SafetensorError: (?P<detail>[^\n]*)",)),
    (
        "numa_nodes_too_few",
        (r"Not enough allowed NUMA nodes to bind threads of (?P<workers>\d+) local CPUWorkers",),
    ),
    ("devices_too_few", (r"(?P<detail>World size \(\d+\) is larger than the number of available GPUs \(\d+\))",)),
    ("gpu_driver_old", (r"NVIDIA driver on your system is too old", r"CUDA driver version is insufficient")),
    (
        "gpu_missing",
        (
            r"No CUDA GPUs are available",
            r"Failed to infer device type",
            r"Found no NVIDIA driver",
            r"no CUDA-capable device is detected",
            r"CUDA-capable device\(s\) is/are busy or unavailable",
        ),
    ),
    (
        "machines_not_connected",
        (r"(?P<detail>NCCL error:[^\n]*)", r"(?P<detail>[^\n]*Gloo connectFullMesh failed[^\n]*)"),
    ),
    ("shared_memory_full", (r"No space left on device: '/dev/shm", r"insufficient shared memory \(shm\)")),
    ("compiler_missing", (r"Failed to find C compiler", r"InvalidCxxCompiler", r"Python\.h: No such file")),
    ("engine_port_taken", (r"(?:\[Errno 98\]|error while attempting to bind)[^\n]*[Aa]ddress already in use",)),
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
