"""Public face for plugins: what they may import beside the names of `framelens`.

Each name is imported from its room on first use, so that listing plugins imports nothing heavy.
"""

from typing import TYPE_CHECKING, Any

from framelens.core import exported
from framelens.registry import Page as Page
from framelens.registry import hook as hook

if TYPE_CHECKING:
    from framelens.config import Settings as Settings
    from framelens.engine.local.launch_checks import LaunchChecks as LaunchChecks
    from framelens.reports.format import ReportFormat as ReportFormat
    from framelens.reports.format import lazy as lazy


def __getattr__(name: str) -> Any:
    return exported(globals(), name)
