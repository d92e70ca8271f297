"""Record of what the installed engines know: their arguments, architectures, model types and quantisation methods.

A child process imports the engines once for each version and writes it to the user's cache
(`framelens/engine/engine_probe.py`). Without it everything is unknown, and nothing is refused. What an engine failed to
say is there with its reason, under "faults".
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_FORMAT = 2
"""Version of the record; a record of another version is made again."""
_PACKAGES = ("vllm", "transformers")


def record_path() -> Path | None:
    """Return the file of the record for the installed engines; None without engines."""
    marks = [f"{origin} {origin.stat().st_mtime_ns}" for origin in _origins()]
    if not marks:
        return None
    digest = hashlib.sha256("\n".join([str(_FORMAT), *marks]).encode()).hexdigest()[:16]
    from platformdirs import user_cache_path  # imported late: a Python without it has no engines either

    return user_cache_path("framelens") / f"engines-{digest}.json"


def packages_changed() -> float:
    """Return when packages next to the engines were last installed or removed, in seconds since the epoch."""
    return max((origin.parents[1].stat().st_mtime for origin in _origins()), default=0.0)


def _origins() -> list[Path]:
    """List the first file of each engine's package."""
    specs = [find_spec(package) for package in _PACKAGES]
    return [Path(spec.origin) for spec in specs if spec is not None and spec.origin]


def engine_faults(*tables: str) -> list[str]:
    """List why the engines didn't say these parts of the record, which have the names of the probe's functions."""
    faults = engine_record().get("faults") or {}
    return [str(faults[name]) for name in (*tables, "") if name in faults]


def engine_record() -> Mapping[str, Any]:
    """Return the record by the names of the functions in `engine_probe_child.py`; empty before the record is made."""
    path = record_path()
    try:
        return _read(path, path.stat().st_mtime_ns) if path else {}
    except (OSError, ValueError):
        return {}


@functools.lru_cache(maxsize=2)
def _read(path: Path, _changed: int) -> Mapping[str, Any]:
    read = json.loads(path.read_text(encoding="utf-8"))
    return read if isinstance(read, dict) else {}
