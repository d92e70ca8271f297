"""Preflight of a local engine right before it starts; what needs the catalogue is imported then."""

from dataclasses import replace
from pathlib import Path

from framelens.plugin import Settings
from framelens.plugin.machine import CheckFinding


def find(settings: Settings, folder: Path | None) -> tuple[CheckFinding, ...]:
    """Return the findings about the model in a folder, or about the settings' model, the worst first."""
    from framelens.plugins.models.preflight.run import preflight

    return preflight(replace(settings, model_path=str(folder)), starts=True) if folder else preflight(settings)
