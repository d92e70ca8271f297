"""Findings of the preflight checks, and the settings that fix them.

A finding is rendered later: as a `notice` for a page or a terminal, as an `error` for a refused start. Its fix is
applied to a VLLM_CONFIG without changing anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.core import AppError, EngineError, Notice

Severity = Literal["stops", "hinders", "tells"]
SEVERITIES: tuple[Severity, ...] = ("stops", "hinders", "tells")
"""The start certainly fails; it may fail or be of little use; information only."""
_LEVELS: Mapping[Severity, Literal["error", "warning", "info"]] = {
    "stops": "error", "hinders": "warning", "tells": "info",
}  # fmt: skip


@dataclass(frozen=True)
class Fix:
    """Changed settings: keys of VLLM_CONFIG to set and to remove, another model, another engine ("" for the same)."""

    change: Mapping[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    model: str = ""
    engine: Literal["", "vllm", "transformers"] = ""

    @property
    def notice(self) -> Notice:
        """Return the label of a button that applies it."""
        if self.model:
            return Notice("fix_model", {"model": self.model}, "info")
        if self.engine:
            return Notice("fix_engine", {"engine": self.engine}, "info")
        if self.change:
            settings = ", ".join(f'"{key}": {json.dumps(value)}' for key, value in self.change.items())
            return Notice("fix_set", {"settings": settings}, "info")
        return Notice("fix_remove", {"names": ", ".join(self.remove)}, "info")


@dataclass(frozen=True)
class PreflightFinding:
    """A problem; `key` with `values` has its text in `table` of the language files.

    One that stops a start is always an error. The key is that of `app.core.failure_patterns` if a started engine would
    fail for the very same cause.
    """

    key: str
    values: Mapping[str, Any]
    severity: Severity
    fix: Fix | None = None
    table: Literal["error", "notice"] = "error"

    @property
    def notice(self) -> Notice:
        """Return the finding for a page, a terminal or a report."""
        values = {name: value if isinstance(value, int | float) else str(value) for name, value in self.values.items()}
        return Notice(self.key, values, _LEVELS[self.severity], self.table)

    @property
    def error(self) -> EngineError:
        """Return the error with which a start is refused; only for a finding that stops it."""
        return EngineError(self.key, **self.values)


def of_error(error: AppError, severity: Severity = "stops", fix: Fix | None = None) -> PreflightFinding:
    """Build a finding from an error that another check has raised."""
    return PreflightFinding(error.key, error.values, severity, fix)


def preflight_notice(
    key: str, values: Mapping[str, Any], severity: Severity = "hinders", fix: Fix | None = None
) -> PreflightFinding:
    """Build a finding that doesn't stop a start, with its own text `notice.preflight_<key>`."""
    return PreflightFinding(f"preflight_{key}", values, severity, fix, "notice")


def apply_fix(config: Mapping[str, Any], fix: Fix) -> dict[str, Any]:
    """Return a copy of `config` with the changes of `fix`.

    >>> apply_fix({"dtype": "int8", "max_model_len": 8192}, Fix({"dtype": "auto"}, remove=("quantization",)))
    {'dtype': 'auto', 'max_model_len': 8192}
    """
    return {key: value for key, value in {**config, **fix.change}.items() if key not in fix.remove}
