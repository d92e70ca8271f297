"""Engines: their state, addresses and measurements, the findings of checks, and this machine."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.engine.base import Engine as Engine
    from framelens.engine.base import EngineStatus as EngineStatus
    from framelens.engine.check_findings import CheckFinding as CheckFinding
    from framelens.engine.diagnostics.checks import doctor_finding as doctor_finding
    from framelens.engine.endpoints import metrics_url as metrics_url
    from framelens.engine.endpoints import read_metrics as read_metrics
    from framelens.engine.gpu_metrics import GpuReader as GpuReader
    from framelens.engine.gpu_metrics import GpuSample as GpuSample
    from framelens.engine.gpu_metrics import GpuSamples as GpuSamples
    from framelens.engine.hardware import cpu_name as cpu_name
    from framelens.engine.hardware import free_memory_bytes as free_memory_bytes
    from framelens.engine.hardware import memory_bytes as memory_bytes
    from framelens.engine.local.launch_checks import LaunchChecks as LaunchChecks
    from framelens.engine.remote_engine import normal_base_urls as normal_base_urls
    from framelens.engine.short_requests import NoAnswer as NoAnswer
    from framelens.engine.short_requests import get_text as get_text

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
