"""From the log of a dead engine to the error that names its cause, and what to do about it.

Engines wrap the cause in several processes and exceptions; the innermost one is what counts, never the wrapper
("Engine core initialization failed"). Well-known causes have their own text; any other is shown as the engine said it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.errors import EngineError, ModelNotFound

# (key, what the log says); named groups become values of the error. The first that is found is the cause.
_KNOWN: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (key, re.compile(pattern, re.DOTALL | re.MULTILINE))
    for key, pattern in (
        ("cuda_out_of_memory", r"(?:CUDA|HIP) out of memory|torch\.OutOfMemoryError|cudaErrorMemoryAllocation"),
        (
            "gpu_memory_taken",
            r"(?P<detail>Free memory on device [^\n]*? is less than desired GPU memory utilization \([^)]*\))",
        ),
        ("memory_too_small", r"(?P<detail>Available memory on node .{1,200}? is less than [^(]*\([^)]*\))"),
        ("cpu_out_of_memory", r"DefaultCPUAllocator: (?:can't|not enough)|^MemoryError|Cannot allocate memory"),
        (
            "context_exceeds_cache",
            r"max seq len \((?P<length>\d+)\)"
            r"(?:.{0,600}?(?:estimated maximum model length is |stored in KV cache \()(?P<possible>\d+))?",
        ),
        ("cache_has_no_room", r"No available memory for the cache blocks"),
        (
            "context_exceeds_model",
            r"max_model_len \((?P<length>\d+)\) is greater than the derived max_model_len.{0,200}?=(?P<possible>\d+)",
        ),
        (
            "heads_not_divisible",
            r"attention heads \((?P<heads>\d+)\) must be divisible by tensor parallel size \((?P<size>\d+)\)",
        ),
        ("bfloat16_unsupported", r"[Bb]float16 is only supported on GPUs with compute capability"),
        ("dtype_unknown", r"(?:argument --dtype: invalid choice|Unknown dtype): '?(?P<dtype>[\w.]+)"),
        ("dtypes_mixed", r"Input type \([\w:. ]*\b(?P<left>\w+)\) and bias type \([\w:. ]*\b(?P<right>\w+)\)"),
        (
            "attention_unsupported",
            r"(?P<detail>[^\n]*requires device with capability > \([\d, ]+\) but your GPU has capability \([\d, ]+\)"
            r"|[^\n]*x[Ff]ormers wasn.t buil[dt] with CUDA support)",
        ),
        ("no_kernel_image", r"no kernel image is available for execution on the device"),
        (
            "quantization_needs_gpu",
            r"No WNA16 MoE backend supports the deployment configuration|assert self\.quant_method is not None",
        ),
        (
            "quantization_unknown",
            r"(?P<detail>Unknown quantization method: [\w-]*|Cannot find the config file for \w+"
            r"|Quantization method specified in the model config \([^)]*\) does not match[^\n]*?\(`?[\w-]*`?\))",
        ),
        ("quantization_misaligned", r"The (?:in|out)put size is not aligned with the quantized\s+weight shape"),
        ("ray_unsupported", r"current platform (?P<platform>\S+) does not support ray"),
        ("cuda_fork", r"Cannot re-initialize CUDA in forked subprocess"),
        ("architecture_unsupported", r"Model architectures \['(?P<architecture>[\w', ]+)'\] (?:are not|failed)"),
        ("architecture_unsupported", r"model type [`'\"](?P<architecture>[\w.-]+)[`'\"] but Transformers does not"),
        (
            "model_files_missing",
            r"(?P<detail>Can't load [\w ]+ for '[^']*'|Couldn't instantiate the backend tokenizer"
            r"|Can't instantiate a processor|[^\n]*does not appear to have a file named [\w.-]+\w"
            r"|Cannot find any model weights with [^\n]*)",
        ),
        ("weights_broken", r"SafetensorError: (?P<detail>[^\n]*)"),
        (
            "devices_too_few",
            r"(?P<detail>World size \(\d+\) is larger than the number of available GPUs \(\d+\)"
            r"|Not enough allowed NUMA nodes to bind threads of \d+ local CPUWorkers)",
        ),
        ("gpu_missing", r"No CUDA GPUs are available|Failed to infer device type|Found no NVIDIA driver"),
        ("engine_port_taken", r"[Aa]ddress already in use"),
    )
)
_BROKEN_MODEL = {"model_files_missing", "weights_broken"}

_PREFIX = re.compile(r"^\([^()]*pid=\d+\) ?(?:[A-Z]+ \d\d-\d\d [\d:]+ \[[\w./]+:\d+\] ?)?")
_EXCEPTION = re.compile(r"(?:\w+\.)*[A-Z]\w*(?:: .*)?")
_WRAPPERS = (
    "Engine core initialization failed",
    "WorkerProc initialization failed",
    "EngineDeadError",
    "Executor failed",
)
_HANDLING = "During handling of the above exception"
_KILLED = re.compile(r"engine core exited unexpectedly|died unexpectedly|Failed core proc\(s\): \{[^}]*-9\b")
_FATAL = "EngineCore encountered a fatal error"
_LAST_LINES = 100


def diagnose(log: str, exit_status: int, *, model: str, was_ready: bool = False) -> EngineError:
    """The error for an engine that ended with `exit_status` (128 + n for signal n) and left `log`.

    `was_ready` tells an engine that died while it served from one that never came up; of its log only the end counts,
    since requests that failed long before may have left their exceptions there.
    """
    lines = [_PREFIX.sub("", line) for line in log.splitlines()]
    if was_ready:
        fatal = next((number for number, line in enumerate(lines) if _FATAL in line), len(lines) - _LAST_LINES)
        lines = lines[max(0, fatal) :]
    text = "\n".join(lines)
    for key, pattern in _KNOWN:
        if (match := pattern.search(text)) is not None:
            return _known(key, match, model)
    cause = _root_cause(lines)
    if exit_status == 128 + 9 or (cause is None and _KILLED.search(text)):
        return EngineError("engine_killed", model=model)
    if cause is None:
        return EngineError("engine_died" if was_ready else "engine_silent", model=model, status=exit_status)
    return EngineError("engine_crashed" if was_ready else "engine_failed", model=model, cause=cause)


def _known(key: str, match: re.Match[str], model: str) -> EngineError:
    values = {name: " ".join(value.split()).rstrip(".") if value else "?" for name, value in match.groupdict().items()}
    kind = ModelNotFound if key in _BROKEN_MODEL else EngineError
    return kind(key, model=model, **values)


def _root_cause(lines: list[str]) -> str | None:
    """The first exception that is no wrapper; causes are printed before what they led to."""
    return next((text for text in _exceptions(lines) if not any(wrapper in text for wrapper in _WRAPPERS)), None)


def _exceptions(lines: list[str]) -> Iterator[str]:
    """What ends each traceback, and what a command line parser complains of.

    An exception that was being handled when another was raised is left out: the other one was written for people.
    """
    in_traceback = False
    for number, line in enumerate(lines):
        if line.startswith("Traceback (most recent call last)"):
            in_traceback = True
        elif in_traceback and _EXCEPTION.fullmatch(line):
            in_traceback = False
            following = next((text for text in lines[number + 1 :] if text and not text[0].isspace()), "")
            if not following.startswith(_HANDLING):
                yield _message(line, lines[number + 1 : number + 3])
        elif ": error: " in line:
            yield line.strip()


def _message(line: str, following: list[str]) -> str:
    """The exception's line; for pydantic's, which only counts its errors there, the first of them."""
    if re.search(r"\d+ validation errors? for ", line):
        said = next((text.strip() for text in following if text.strip().startswith(("Value error", "Assertion"))), "")
        said = said or " ".join(text.strip() for text in following)
        return re.sub(r"^Value error, | \[type=.*", "", said)
    return line.strip()
