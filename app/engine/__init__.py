"""Engines: from a model's name or a URL to an endpoint that speaks OpenAI chat completions.

This is the public face; the modules behind it are not imported from outside. No module here imports torch, vllm or
transformers: those run in child processes.
"""

from __future__ import annotations

from app.engine.absent import AbsentEngine
from app.engine.base import Endpoint, Engine, EngineStatus, Launcher, ProgressListener
from app.engine.checkup import Facts, Wanted, gather
from app.engine.doctor import examine
from app.engine.download import MIRROR, download
from app.engine.fetching import Fetching
from app.engine.hardware import installed_vllm
from app.engine.load import LoadReader
from app.engine.managed import ManagedEngine
from app.engine.model import ModelReference, check_model_folder, resolve_model
from app.engine.monitor import Monitor
from app.engine.remote import RemoteEngine
from app.engine.speech import speech_launcher
from app.engine.transformers import transformers_launcher
from app.engine.vllm import vllm_launcher

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
