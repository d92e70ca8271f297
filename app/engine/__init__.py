"""Engines: from a model's name or a URL to an endpoint that speaks OpenAI chat completions.

This is the public face; the modules behind it are not imported from outside. No module here imports torch, vllm or
transformers: those run in child processes.
"""

from __future__ import annotations

from app.engine.base import AbsentEngine, Endpoint, Engine, EngineStatus, Launcher, ProgressListener
from app.engine.diagnostics.checks import examine
from app.engine.diagnostics.facts import Facts, Wanted, gather
from app.engine.downloads.hub import MIRROR, download
from app.engine.downloads.manager import Fetching
from app.engine.hardware import installed_vllm
from app.engine.local_engine import ManagedEngine
from app.engine.model_resolution import ModelReference, check_model_folder, resolve_model
from app.engine.monitoring.engine_metrics import LoadReader
from app.engine.monitoring.monitor import Monitor
from app.engine.remote_engine import RemoteEngine
from app.engine.transformers import transformers_launcher
from app.engine.vllm import speech_launcher, vllm_launcher

__all__ = [
    "MIRROR",
    "AbsentEngine",
    "Endpoint",
    "Engine",
    "EngineStatus",
    "Facts",
    "Fetching",
    "Launcher",
    "LoadReader",
    "ManagedEngine",
    "ModelReference",
    "Monitor",
    "ProgressListener",
    "RemoteEngine",
    "Wanted",
    "check_model_folder",
    "download",
    "examine",
    "gather",
    "installed_vllm",
    "resolve_model",
    "speech_launcher",
    "transformers_launcher",
    "vllm_launcher",
]
