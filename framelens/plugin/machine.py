"""This machine: its processor, memory and cards, what vLLM is installed, and findings of checks of it."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.engine.check_findings import CheckFinding as CheckFinding
    from framelens.engine.check_findings import Fix as Fix
    from framelens.engine.check_findings import Severity as Severity
    from framelens.engine.check_findings import worst_first as worst_first
    from framelens.engine.diagnostics.checks import doctor_finding as doctor_finding
    from framelens.engine.diagnostics.checks import old_cards as old_cards
    from framelens.engine.diagnostics.facts import ModelFacts as ModelFacts
    from framelens.engine.diagnostics.facts import SystemFacts as SystemFacts
    from framelens.engine.diagnostics.facts import gather_facts as gather_facts
    from framelens.engine.gpu_metrics import GpuReader as GpuReader
    from framelens.engine.gpu_metrics import GpuSample as GpuSample
    from framelens.engine.gpu_metrics import GpuSamples as GpuSamples
    from framelens.engine.hardware import LEAST_SHM_BYTES as LEAST_SHM_BYTES
    from framelens.engine.hardware import cpu_features as cpu_features
    from framelens.engine.hardware import cpu_name as cpu_name
    from framelens.engine.hardware import free_memory_bytes as free_memory_bytes
    from framelens.engine.hardware import installed_vllm as installed_vllm
    from framelens.engine.hardware import memory_bytes as memory_bytes
    from framelens.engine.hardware_profile import CARD_SIZES_GIB as CARD_SIZES_GIB
    from framelens.engine.hardware_profile import HardwareProfile as HardwareProfile
    from framelens.engine.hardware_profile import parse_card as parse_card
    from framelens.engine.hardware_profile import parse_gigabytes as parse_gigabytes

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
