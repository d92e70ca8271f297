"""Checks that a plugin makes before a local engine starts. Without such a plugin an engine just starts, or fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from framelens import registry
from framelens.core.domain import Notice
from framelens.engine.check_findings import CheckFinding

if TYPE_CHECKING:
    from framelens.config import Settings


def _nothing(_: Path | None) -> tuple[CheckFinding, ...]:
    return ()


@dataclass(frozen=True)
class LaunchChecks:
    """Checks of a local engine with certain settings.

    Attributes:
        find: Returns findings about the model in a folder, or about the settings' model, the worst first.
    """

    find: Callable[[Path | None], tuple[CheckFinding, ...]] = _nothing

    def inspect(self, folder: Path) -> tuple[Notice, ...]:
        """Check the settings right before an engine starts with the model in a folder, and return warnings.

        An unexpected error of the checks themselves is logged and doesn't prevent the start (`registry.results`).

        Raises:
            AppError: The first problem that prevents the start.
        """
        findings = self.find(folder)
        for finding in findings:
            if finding.severity == "stops":
                raise finding.error
        return tuple(finding.notice for finding in findings if finding.severity == "hinders")


def launch_checks(settings: Settings) -> LaunchChecks:
    """Return the checks of the first plugin that has checks for these settings."""
    return LaunchChecks(lambda folder: tuple(next(registry.results("launch.checks", settings, folder), ())))
