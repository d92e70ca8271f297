"""Environments of child processes: each kind gets the variables that it needs, no secrets, and a limit of memory.

The app's own environment may hold keys of engines, hubs and clouds. A decoder reads untrusted files, and an engine may
run untrusted model code; neither needs the keys.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from framelens.core.redaction import is_secret

# Names and prefixes in upper case: Windows knows no others, and proxies are also written in lower case.
_PYTHON = (
    *("PATH", "HOME", "LANG", "LC_", "TZ", "TMP", "TEMP", "LD_", "DYLD_", "PYTHON", "VIRTUAL_ENV", "COVERAGE_"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "PROGRAM", "APPDATA", "LOCALAPPDATA", "USERPROFILE"),
    *("NUMBER_OF_PROCESSORS", "PROCESSOR_", "COMMONPROGRAM", "ALLUSERSPROFILE", "HOMEDRIVE", "HOMEPATH"),
)
_SYSTEM = (*_PYTHON, "USER", "LOGNAME", "SHELL", "XDG_", "CONDA_", "SSL_CERT_")
_THREADS = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_", "MALLOC_", "GLIBC_TUNABLES")
_READER = (*_PYTHON, *_THREADS, "OPENCV_", "AV_")
_HUB = (
    *("HF_", "HUGGING", "MODELSCOPE_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
_ENGINE = (
    *_SYSTEM,
    *_THREADS,
    *("VLLM_", "TORCH", "PYTORCH_", "TRITON_", "INDUCTOR", "FLASH", "XFORMERS_", "LMCACHE_", "XGRAMMAR_", "OUTLINES_"),
    *("HF_", "HUGGING", "TRANSFORMERS_", "TOKENIZERS_", "SAFETENSORS_", "ACCELERATE_", "DO_NOT_TRACK", "TVM_"),
    *("TIKTOKEN_", "PROMETHEUS_"),
    *("CUDA", "CUDNN_", "CUBLAS", "NVIDIA_", "NVCC_", "NV_", "NCCL_", "GPU_", "ROC", "HIP_", "HSA_", "AMD_", "AITER_"),
    *("MIOPEN_", "RCCL_", "ZE_", "SYCL_", "ONEAPI_", "ONEDNN_", "DNNL_", "CCL_", "ATEN_", "CPU_VISIBLE_", "NUMBA_"),
    *("GLOO_", "UCX_", "RAY_", "MASTER_", "RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "TP_SOCKET_", "FI_", "IB_"),
    *("ASCEND_", "HCCL_", "ATB_", "MUSA_"),
    *("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH"),
    *("MAX_JOBS", "NO_PROXY"),
)
# Entries that are whole names and not prefixes.
_WHOLE = frozenset({"PATH", "HOME", "USER", "SHELL", "CC", "CXX", "RANK", "LANG", "TZ"})
_HUB_TOKENS = frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MODELSCOPE_API_TOKEN"})


def reader_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process of this package that reads untrusted files: videos, imported reports.

    It has paths, language, and numbers of threads, with the package itself on Python's path.
    """
    return with_package(_select(environ, _READER))


def engine_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process that runs a model: settings of drivers, PyTorch, vLLM and transformers."""
    return _select(environ, _ENGINE)


def hub_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process that uses a model hub: tokens, and the proxies with their passwords."""
    return _select(environ, (*_SYSTEM, *_HUB), also=_HUB_TOKENS)


def limit_memory(num_bytes: int) -> None:
    """Let allocations of this process beyond `num_bytes` fail for good, and let Linux kill it first if memory ends."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = num_bytes if hard == resource.RLIM_INFINITY else min(num_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, soft))
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("500")


def with_package(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment with this package on Python's path."""
    paths = (str(Path(__file__).resolve().parents[2]), environment.get("PYTHONPATH"))
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _select(
    environ: Mapping[str, str] | None, allowed: tuple[str, ...], also: frozenset[str] = frozenset()
) -> dict[str, str]:
    source = os.environ if environ is None else environ
    return {name: value for name, value in source.items() if name in also or _is_allowed(name.upper(), allowed)}


def _is_allowed(name: str, allowed: tuple[str, ...]) -> bool:
    if is_secret(name):
        return False
    return any(name == entry or (entry not in _WHOLE and name.startswith(entry)) for entry in allowed)
