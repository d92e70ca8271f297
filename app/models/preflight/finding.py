"""One thing that was found before a start, and the settings that mend it.

A finding is words to come: `notice` for a page or a terminal, `error` for a start that is not made. What it mends is
applied to a VLLM_CONFIG without touching anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.domain import Notice
from app.errors import AppError, EngineError

Severity = Literal["stops", "hinders", "tells"]
SEVERITIES: tuple[Severity, ...] = ("stops", "hinders", "tells")
"""A start with it fails for certain; it may fail, or be of little use; good to know."""
_LEVELS: Mapping[Severity, Literal["error", "warning", "info"]] = {
    "stops": "error", "hinders": "warning", "tells": "info",
}  # fmt: skip


@dataclass(frozen=True)
class Mend:
    """Other settings: keys of VLLM_CONFIG to set and to remove, another model, another engine ("" for the same)."""

    change: Mapping[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    model: str = ""
    engine: Literal["", "vllm", "transformers"] = ""

    @property
    def notice(self) -> Notice:
        """The words of a button that applies it."""
        if self.model:
            return Notice("mend_model", {"model": self.model}, "info")
        if self.engine:
            return Notice("mend_engine", {"engine": self.engine}, "info")
        if self.change:
            settings = ", ".join(f'"{key}": {json.dumps(value)}' for key, value in self.change.items())
            return Notice("mend_set", {"settings": settings}, "info")
        return Notice("mend_remove", {"names": ", ".join(self.remove)}, "info")


@dataclass(frozen=True)
class Finding:
    """`key` with `values` has its words in `table` of the language files; what stops is an error, whatever else it is.

    The key is that of `app.causes` where an engine that was started all the same would fail for that very cause.
    """

    key: str
    values: Mapping[str, Any]
    severity: Severity
    mend: Mend | None = None
    table: Literal["error", "notice"] = "error"

    @property
    def notice(self) -> Notice:
        """The finding for a page, a terminal or a report."""
        values = {name: value if isinstance(value, int | float) else str(value) for name, value in self.values.items()}
        return Notice(self.key, values, _LEVELS[self.severity], self.table)

    @property
    def error(self) -> EngineError:
        """What a start is refused with; only for one that stops."""
        return EngineError(self.key, **self.values)


def of_error(error: AppError, severity: Severity = "stops", mend: Mend | None = None) -> Finding:
    """What another look has found out already."""
    return Finding(error.key, error.values, severity, mend)


def told(key: str, values: Mapping[str, Any], severity: Severity = "hinders", mend: Mend | None = None) -> Finding:
    """One that stops nothing, in words of its own: `notice.preflight_<key>`."""
    return Finding(f"preflight_{key}", values, severity, mend, "notice")


def gib(size_bytes: float) -> str:
    return f"{size_bytes / 1024**3:.1f} GiB"


def applied(config: Mapping[str, Any], mend: Mend) -> dict[str, Any]:
    """`config` as the mend has it.

    >>> applied({"dtype": "int8", "max_model_len": 8192}, Mend({"dtype": "auto"}, remove=("quantization",)))
    {'dtype': 'auto', 'max_model_len': 8192}
    """
    return {key: value for key, value in {**config, **mend.change}.items() if key not in mend.remove}
