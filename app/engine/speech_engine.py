"""How a speech model is started beside the one that looks at frames: vLLM with a Whisper, in what memory is left.

It is a second engine of the same kind. It keeps to a small share, since the first one may be there already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from app.engine.base import Launcher
from app.engine.vllm import GIB, vllm_launcher

SPEECH_ARGUMENTS: Mapping[str, object] = {
    "dtype": "half",
    # Of a GPU that the first engine has 0.80 of. vLLM asks for this much to be free, and takes what the model needs.
    "gpu_memory_utilization": 0.15,
    # A piece of sound takes 38 MiB of it with Whisper large-v3-turbo, and 304 with large-v3.
    "kv_cache_memory_bytes": 512 << 20,
    "max_num_seqs": 8,
}


def speech_launcher(model: str, arguments: Mapping[str, object]) -> Launcher:
    """A vLLM server for the speech model `model` (see `resolve_model`), with `arguments` over SPEECH_ARGUMENTS.

    Raises EngineError where vLLM is not installed.
    """
    wanted = {**SPEECH_ARGUMENTS, **arguments}
    launcher = vllm_launcher(model, wanted)
    environment = launcher.environment
    cache_bytes = wanted["kv_cache_memory_bytes"]
    # What the environment says is meant for the first engine, and on a CPU it would override the argument.
    cache = {"VLLM_CPU_KVCACHE_SPACE": str(max(1, cache_bytes // GIB) if isinstance(cache_bytes, int) else 1)}
    return replace(launcher, environment=lambda api_key: {**environment(api_key), **cache}, notices=())
