"""Checks that a plugin makes before a local engine starts. Without such a plugin an engine just starts, or fails.

Program code that a model brings never runs unchecked: without a check of it, the engine is refused (`engine/vllm.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from framelens import registry
from framelens.core.domain import Notice

if TYPE_CHECKING:
    from framelens.config import Settings
    from framelens.engine.base import Prepare


@dataclass(frozen=True)
class LaunchChecks:
    """Checks of a local engine with certain settings.

    Attributes:
        find: Returns what prevents or hinders its start, the worst first; an error prevents it.
        inspect: Called with the model's folder right before a start: returns what hinders it, and raises the AppError
            that prevents it.
        prepare: Returns, for the model of this name, what checks its code before it runs (`vllm_launcher`); None lets
            no code run.
    """

    find: Callable[[], tuple[Notice, ...]] = tuple
    inspect: Callable[[Path], tuple[Notice, ...]] = lambda _: ()
    prepare: Callable[[str], Prepare | None] = lambda _: None


def launch_checks(settings: Settings) -> LaunchChecks:
    """Return the checks of the first plugin that has some."""
    for plugin in registry.used():
        if plugin.launch_checks and (make := registry.loaded(plugin, plugin.launch_checks)):
            checks: LaunchChecks = make(settings)
            return checks
    return LaunchChecks()
