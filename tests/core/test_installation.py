"""The command that adds an extra: of this folder, of this Python, with uv where there is no pip."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from framelens.core import installation


def test_line_names_this_python_and_this_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_has_pip", lambda: True)
    folder = Path(installation.__file__).parents[2]
    assert installation.install_line("speech") == f'{sys.executable} -m pip install -e "{folder}[speech]"'


def test_installed_package_is_named_without_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installation, "_FOLDER", tmp_path)
    monkeypatch.setattr(installation, "_has_pip", lambda: True)
    assert installation.install_command("speech")[1:] == ["-m", "pip", "install", "framelens[speech]"]


def test_uv_installs_where_there_is_no_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installation, "_has_pip", lambda: False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "uv").touch()
    command = installation.install_command("speech")
    assert command[:5] == [str(tmp_path / "uv"), "pip", "install", "--python", str(tmp_path / "python")]
