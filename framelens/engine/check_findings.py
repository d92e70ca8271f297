"""Findings: what is wrong with this machine, the settings or the model, and how to fix it.

Rules are functions from facts to findings. A finding is rendered later: as a `notice` for a page, a terminal or a
report, as an `error` for a refused start. Its fix is applied to a VLLM_CONFIG without changing anything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from framelens.core.domain import Notice, notice_values
from framelens.core.errors import AppError, EngineError

Severity = Literal["stops", "hinders", "tells"]
"""It certainly fails; it may fail or be of little use; information only."""
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

    def applied_to(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of a VLLM_CONFIG with the changes.

        >>> Fix({"dtype": "auto"}, remove=("quantization",)).applied_to({"dtype": "int8", "max_model_len": 8192})
        {'dtype': 'auto', 'max_model_len': 8192}
        """
        return {key: value for key, value in {**config, **self.change}.items() if key not in self.remove}


@dataclass(frozen=True)
class CheckFinding:
    """A fact to know, or a problem; `key` with `values` has its text in `table` of the language files.

    What stops a start is always in the table of errors. Its key is a key of `core.failures.failure_patterns` if a
    started engine would fail for the very same cause.
    """

    key: str
    values: Mapping[str, object] = field(default_factory=dict)
    severity: Severity = "stops"
    fix: Fix | None = None
    table: Literal["error", "notice"] = "error"

    @classmethod
    def of(cls, error: AppError, severity: Severity = "stops", fix: Fix | None = None) -> CheckFinding:
        """Build the finding that an error is."""
        return cls(error.key, error.values, severity, fix)

    @property
    def notice(self) -> Notice:
        """Build the finding that reports an error."""
        return Notice(self.key, notice_values(self.values), _LEVELS[self.severity], self.table)

    @property
    def error(self) -> EngineError:
        """Return the error with which a start is refused; only for a finding that stops it."""
        return EngineError(self.key, **self.values)

    @staticmethod
    def worst_first(findings: Iterable[CheckFinding]) -> tuple[CheckFinding, ...]:
        """Sort findings: those that stop a start, those that hinder, information."""
        return tuple(sorted(findings, key=lambda finding: list(_LEVELS).index(finding.severity)))
