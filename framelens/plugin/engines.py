"""Engines: their state, addresses and measurements, the findings of checks, and this machine."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.config import engine_arguments as engine_arguments
    from framelens.core.engines.vllm_arguments import arguments_to_argv as arguments_to_argv
    from framelens.core.engines.vllm_arguments import check_arguments as check_arguments
    from framelens.core.engines.vllm_arguments import config_text as config_text
    from framelens.core.errors import RequestTooLarge as RequestTooLarge
    from framelens.engine.base import Endpoint as Endpoint
    from framelens.engine.base import Engine as Engine
    from framelens.engine.base import EngineStatus as EngineStatus
    from framelens.engine.endpoints import metrics_text as metrics_text
    from framelens.engine.endpoints import read_metrics as read_metrics
    from framelens.engine.endpoints import served_models as served_models
    from framelens.engine.engine_builder import build_engine as build_engine
    from framelens.engine.local.model_arguments import Checkpoint as Checkpoint
    from framelens.engine.local.model_arguments import check_folder as check_folder
    from framelens.engine.local.model_arguments import effective_arguments as effective_arguments
    from framelens.engine.local.model_arguments import engine_environment as engine_environment
    from framelens.engine.remote_engine import normal_base_url as normal_base_url
    from framelens.engine.short_requests import NoAnswer as NoAnswer
    from framelens.engine.short_requests import get_json as get_json
    from framelens.jobs.engine_session import EngineSession as EngineSession
    from framelens.jobs.engine_session import usual_side as usual_side

else:
    __getattr__ = partial(exported, globals())
