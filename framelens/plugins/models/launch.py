"""Preflight of a local engine right before it starts; what needs the catalogue is imported then."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from framelens.plugin import Settings
from framelens.plugin.engines import LaunchChecks
from framelens.plugin.machine import CheckFinding


def launch_checks(settings: Settings) -> LaunchChecks:
    """Return the checks of a local engine with these settings."""
    return LaunchChecks(find=partial(_find, settings))


def _find(settings: Settings, folder: Path | None) -> tuple[CheckFinding, ...]:
    from framelens.plugins.models.preflight.run import preflight

    return preflight(replace(settings, model_path=str(folder)), starts=True) if folder else preflight(settings)
