"""Domain values, events and errors, and helpers that know nothing else of FrameLens."""

from pathlib import Path


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
