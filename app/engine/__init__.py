"""Inference engines: local servers that FrameLens starts, and remote ones, behind the OpenAI chat completions API.

Other packages import from here, not from the modules behind it. No module here imports torch, vllm or transformers:
those run in child processes.
"""

from __future__ import annotations

from app.engine.base import Endpoint, Engine, EngineStatus, Launcher, NullEngine, ProgressListener
from app.engine.diagnostics.checks import run_checks
from app.engine.diagnostics.facts import CheckedSettings, SystemFacts, gather_facts
from app.engine.downloads.hub import MIRROR, download
from app.engine.downloads.manager import DownloadManager
from app.engine.hardware import installed_vllm
from app.engine.local_engine import LocalEngine
from app.engine.model_resolution import ModelReference, check_model_folder, resolve_model
from app.engine.monitoring.engine_metrics import EngineMetricsReader
from app.engine.monitoring.monitor import Monitor
from app.engine.remote_engine import RemoteEngine
from app.engine.transformers import transformers_launcher
from app.engine.vllm import speech_launcher, vllm_launcher

__all__ = [
    "MIRROR",
    "CheckedSettings",
    "DownloadManager",
    "Endpoint",
    "Engine",
    "EngineMetricsReader",
    "EngineStatus",
    "Launcher",
    "LocalEngine",
    "ModelReference",
    "Monitor",
    "NullEngine",
    "ProgressListener",
    "RemoteEngine",
    "SystemFacts",
    "check_model_folder",
    "download",
    "gather_facts",
    "installed_vllm",
    "resolve_model",
    "run_checks",
    "speech_launcher",
    "transformers_launcher",
    "vllm_launcher",
]
