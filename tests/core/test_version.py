"""The version of FrameLens where it is installed, and where it is only copied."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from framelens.core import own_version

ROOT = Path(__file__).resolve().parents[2]


def test_installed_version_is_that_of_the_package() -> None:
    assert own_version() == metadata.version("framelens")


def test_copy_that_is_not_installed_has_its_pyproject_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    expected = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert own_version() == expected


def test_copy_without_pyproject_has_an_unknown_one(tmp_path: Path) -> None:
    (tmp_path / "framelens/core").mkdir(parents=True)
    (tmp_path / "framelens/__init__.py").touch()
    shutil.copy(ROOT / "framelens/core/__init__.py", tmp_path / "framelens/core")
    program = "from framelens.core import own_version; print(own_version())"
    run = [sys.executable, "-S", "-c", program]  # -S: without the packages that are installed
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(run, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "unknown\n"
