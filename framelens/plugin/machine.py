"""This machine: its processor, memory and cards, and findings about it."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.domain import Device as Device
    from framelens.engine.check_findings import CheckFinding as CheckFinding
    from framelens.engine.check_findings import Fix as Fix
    from framelens.engine.check_findings import Severity as Severity
    from framelens.engine.diagnostics.checks import doctor_finding as doctor_finding
    from framelens.engine.diagnostics.checks import old_cards as old_cards
    from framelens.engine.diagnostics.facts import ModelFacts as ModelFacts
    from framelens.engine.diagnostics.facts import SystemFacts as SystemFacts
    from framelens.engine.diagnostics.facts import gather_facts as gather_facts
    from framelens.engine.gpu_metrics import GpuReader as GpuReader
    from framelens.engine.gpu_metrics import GpuSample as GpuSample
    from framelens.engine.gpu_metrics import GpuSamples as GpuSamples
    from framelens.engine.hardware import cpu_features as cpu_features
    from framelens.engine.hardware import cpu_name as cpu_name
    from framelens.engine.hardware import free_memory_bytes as free_memory_bytes
    from framelens.engine.hardware import installed_vllm as installed_vllm
    from framelens.engine.hardware import memory_bytes as memory_bytes
    from framelens.engine.hardware_profile import HardwareProfile as HardwareProfile

else:
    __getattr__ = partial(exported, globals())
