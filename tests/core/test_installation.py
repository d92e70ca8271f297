"""Extras: what is missing is named, and the command that adds it is of this folder and this Python."""

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from framelens.core import installation
from framelens.core.domain import Notice
from framelens.core.errors import AppError, ConfigError
from framelens.i18n import error_text
from framelens.reports.formats import FORMATS, usable_format
from framelens.video.features.text_recognition import load_text_reader
from tests.reports.test_reports import analysis

ROOT = Path(__file__).resolve().parents[2]


def test_commands_fit_the_way_of_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Line names this python and this folder.
    monkeypatch.setattr(installation, "_has_pip", lambda: True)
    folder = Path(installation.__file__).parents[2]
    assert installation.install_line("speech") == f'{sys.executable} -m pip install -e "{folder}[speech]"'
    # Installed package is named without a folder.
    monkeypatch.setattr(installation, "_FOLDER", tmp_path)
    monkeypatch.setattr(installation, "_has_pip", lambda: True)
    assert installation.install_line("speech") == f'{sys.executable} -m pip install "framelens[speech]"'
    # An engine is installed by its own command.
    assert installation.install_line("cpu") == f"{sys.executable} -m framelens download --engine"


def test_uv_installs_where_there_is_no_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installation, "_has_pip", lambda: False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "uv").touch()
    begins = f"{tmp_path / 'uv'} pip install --python {tmp_path / 'python'} "
    assert installation.install_line("speech").startswith(begins)


def test_extra_of_each_package_is_known() -> None:
    """Each package of an extra, if it is installed here, leads from its module to an extra that brings it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    of_engines = {"cpu", "gpu", "oidc", "batch"}  # child processes, Streamlit's own import, and a module that may lack
    wanted = {
        canonicalize_name(Requirement(line).name)
        for extra, lines in project["optional-dependencies"].items()
        if extra not in of_engines
        for line in lines
    } - {"framelens"}
    modules = [
        module
        for module, owners in packages_distributions().items()
        if wanted & {canonicalize_name(owner) for owner in owners} and module.isidentifier() and module[0] != "_"
    ]
    unknown = {module for module in modules if not installation.extra_of(module)}
    assert unknown <= {"example"}  # of sherpa-onnx


def test_missing_package_is_named_with_its_extra() -> None:
    error = AppError.of(ModuleNotFoundError("No module named 'typst'", name="typst"))
    assert (error.key, error.values["extra"]) == ("extra_missing", "app")
    assert "framelens[app]" in error_text(error, "en") and "framelens[app]" in error_text(error, "zh")
    assert AppError.of(ModuleNotFoundError("No module named 'nothing'", name="nothing")).key == "internal"


@pytest.mark.parametrize("name", ["pdf", "docx"])
def test_format_without_its_package_is_refused_before_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("typst", "docx"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as caught:
        usable_format(name)
    assert caught.value.values["extra"] == "app"
    assert usable_format("html") == "html"


def test_text_is_not_read_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "framelens.video.features.text_reader", raising=False)
    reader, notice = load_text_reader()
    assert reader is None and notice == Notice("text_not_installed", {"extra": "app"}, "info")


def test_report_of_a_program_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ConfigError, match="extra_missing"):
        FORMATS["pdf"].to_bytes(analysis(), "en")
