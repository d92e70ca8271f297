"""Domain values, events and errors, and helpers that know nothing else of FrameLens."""

import re
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_EXPORT = re.compile(r"^ +from (\S+) import (\w+) as (\w+)$", re.MULTILINE)


def own_version() -> str:
    """Return the version of the installed package, else the version in pyproject.toml, else "unknown"."""
    from importlib import metadata

    try:
        return metadata.version("framelens")
    except metadata.PackageNotFoundError:
        import tomllib

        try:
            pyproject = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
            return str(tomllib.loads(pyproject)["project"]["version"])
        except (OSError, ValueError, KeyError):
            return "unknown"


def exported(module: dict[str, Any], name: str) -> Any:
    """Import a name that a module, given by its globals, exports on first use; `__all__` lists these names.

    The list is what the module's source imports below `if TYPE_CHECKING`, so that type checkers read the same.
    """
    places = exports(module["__name__"])
    if name == "__all__":
        return sorted(places)
    if name not in places:
        raise AttributeError(f"module {module['__name__']!r} has no attribute {name!r}")
    package, original = places[name]
    return getattr(import_module(package), original)


@cache
def exports(module: str) -> dict[str, tuple[str, str]]:
    """Return the room of each exported name, and what it is called there."""
    loader: Any = sys.modules[module].__loader__
    return {name: (package, original) for package, original, name in _EXPORT.findall(loader.get_source(module))}
