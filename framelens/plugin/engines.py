"""Engines: their state, addresses and measurements, the findings of checks, and this machine."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.config import engine_arguments as engine_arguments
    from framelens.core.engines.vllm_arguments import check_arguments as check_arguments
    from framelens.core.engines.vllm_arguments import config_text as config_text
    from framelens.core.errors import PicturesRefused as PicturesRefused
    from framelens.core.errors import TooManyPictures as TooManyPictures
    from framelens.engine.base import Engine as Engine
    from framelens.engine.base import EngineStatus as EngineStatus
    from framelens.engine.check_findings import CheckFinding as CheckFinding
    from framelens.engine.check_findings import Fix as Fix
    from framelens.engine.check_findings import Severity as Severity
    from framelens.engine.check_findings import worst_first as worst_first
    from framelens.engine.diagnostics.checks import doctor_finding as doctor_finding
    from framelens.engine.diagnostics.checks import old_cards as old_cards
    from framelens.engine.diagnostics.facts import ModelFacts as ModelFacts
    from framelens.engine.diagnostics.facts import SystemFacts as SystemFacts
    from framelens.engine.diagnostics.facts import gather_facts as gather_facts
    from framelens.engine.endpoints import metrics_url as metrics_url
    from framelens.engine.endpoints import read_metrics as read_metrics
    from framelens.engine.endpoints import served_models as served_models
    from framelens.engine.engine_builder import build_engine as build_engine
    from framelens.engine.engine_builder import build_remote_engine as build_remote_engine
    from framelens.engine.gpu_metrics import GpuReader as GpuReader
    from framelens.engine.gpu_metrics import GpuSample as GpuSample
    from framelens.engine.gpu_metrics import GpuSamples as GpuSamples
    from framelens.engine.hardware import cpu_name as cpu_name
    from framelens.engine.hardware import free_memory_bytes as free_memory_bytes
    from framelens.engine.hardware import installed_vllm as installed_vllm
    from framelens.engine.hardware import memory_bytes as memory_bytes
    from framelens.engine.hardware_profile import CARD_SIZES_GIB as CARD_SIZES_GIB
    from framelens.engine.hardware_profile import HardwareProfile as HardwareProfile
    from framelens.engine.hardware_profile import parse_card as parse_card
    from framelens.engine.hardware_profile import parse_gigabytes as parse_gigabytes
    from framelens.engine.local.launch_checks import LaunchChecks as LaunchChecks
    from framelens.engine.local.model_arguments import effective_arguments as effective_arguments
    from framelens.engine.local.model_arguments import known_shape as known_shape
    from framelens.engine.local.model_arguments import least_cache_gib as least_cache_gib
    from framelens.engine.local.model_arguments import read_object as read_object
    from framelens.engine.local.model_arguments import shape_of as shape_of
    from framelens.engine.local.vllm import vllm_launcher as vllm_launcher
    from framelens.engine.remote_engine import normal_base_url as normal_base_url
    from framelens.engine.remote_engine import normal_base_urls as normal_base_urls
    from framelens.engine.short_requests import NoAnswer as NoAnswer
    from framelens.engine.short_requests import get_json as get_json
    from framelens.engine.short_requests import get_text as get_text
    from framelens.jobs.engine_session import EngineSession as EngineSession
    from framelens.jobs.engine_session import usual_side as usual_side
    from framelens.jobs.engine_switcher import EngineSwitcher as EngineSwitcher
    from framelens.jobs.model_switch import with_local_model as with_local_model
    from framelens.jobs.model_switch import with_remote_engine as with_remote_engine
    from framelens.llm.chat import connect as connect
    from framelens.llm.messages import data_url as data_url
    from framelens.llm.messages import with_pictures as with_pictures
    from framelens.llm.stream import ask as ask
    from framelens.llm.text_fallback import prove_sight as prove_sight
    from framelens.llm.text_fallback import rejection as rejection
    from framelens.llm.text_fallback import unseen as unseen
    from framelens.llm.vision_check import COLOURS as COLOURS
    from framelens.llm.vision_check import FORMS as FORMS
    from framelens.llm.vision_check import VisionCard as VisionCard
    from framelens.llm.vision_check import draw_card as draw_card

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
