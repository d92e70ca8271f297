"""Inference engines: local servers that FrameLens starts, and remote ones, behind the OpenAI chat completions API.

Other packages import from here, not from the modules behind it. No module here imports torch, vllm or transformers:
those run in child processes.
"""

from __future__ import annotations

from app.engine.base import Endpoint, Engine, EngineStatus, Launcher, NullEngine, ProgressListener
from app.engine.diagnostics.checks import run_checks
from app.engine.diagnostics.facts import CheckedSettings, SystemFacts, cpu_features, gather_facts, is_offline
from app.engine.downloads.hub import MIRROR, download, hub_config, human_bytes
from app.engine.downloads.manager import DownloadManager, DownloadState
from app.engine.hardware import (
    cpu_cores,
    cpu_flags,
    cpu_name,
    free_memory_bytes,
    installed_vllm,
    memory_bytes,
    memory_nodes,
)
from app.engine.http_client import NoAnswer, get_json, served_models
from app.engine.local_engine import LocalEngine
from app.engine.model_resolution import ModelReference, check_model_folder, hub_cache_folder, resolve_model
from app.engine.monitoring.engine_metrics import LONGEST_INTERVAL_SECONDS, EngineLoad, EngineMetricsReader
from app.engine.monitoring.monitor import KEPT_SECONDS, PERIOD_SECONDS, Monitor, Sample
from app.engine.monitoring.system_metrics import PROCESS_ROLES, GpuReader, GpuSample, own_memory
from app.engine.remote_engine import LOCAL_HOSTS, RemoteEngine, normal_base_url
from app.engine.supported_architectures import Kind, RequestedDevice, choose_engine
from app.engine.transformers import transformers_launcher
from app.engine.vllm import fit_arguments, kv_cache_gib, speech_launcher, vllm_launcher

__all__ = [
    "KEPT_SECONDS",
    "LOCAL_HOSTS",
    "LONGEST_INTERVAL_SECONDS",
    "MIRROR",
    "PERIOD_SECONDS",
    "PROCESS_ROLES",
    "CheckedSettings",
    "DownloadManager",
    "DownloadState",
    "Endpoint",
    "Engine",
    "EngineLoad",
    "EngineMetricsReader",
    "EngineStatus",
    "GpuReader",
    "GpuSample",
    "Kind",
    "Launcher",
    "LocalEngine",
    "ModelReference",
    "Monitor",
    "NoAnswer",
    "NullEngine",
    "ProgressListener",
    "RemoteEngine",
    "RequestedDevice",
    "Sample",
    "SystemFacts",
    "check_model_folder",
    "choose_engine",
    "cpu_cores",
    "cpu_features",
    "cpu_flags",
    "cpu_name",
    "download",
    "fit_arguments",
    "free_memory_bytes",
    "gather_facts",
    "get_json",
    "hub_cache_folder",
    "hub_config",
    "human_bytes",
    "installed_vllm",
    "is_offline",
    "kv_cache_gib",
    "memory_bytes",
    "memory_nodes",
    "normal_base_url",
    "own_memory",
    "resolve_model",
    "run_checks",
    "served_models",
    "speech_launcher",
    "transformers_launcher",
    "vllm_launcher",
]
