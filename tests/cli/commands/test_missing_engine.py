"""What commands do on a machine without an engine."""

import threading
from pathlib import Path

import pytest

from framelens.cli.commands import download
from framelens.cli.grammar import Options
from framelens.config import Settings, load
from framelens.core.errors import EngineError
from framelens.engine.base import NullEngine
from framelens.i18n import in_language

NO_VLLM = EngineError("vllm_not_installed", model="tiny-vl")


@pytest.fixture
def settings(tiny_vl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(download, "build_engine", lambda settings: (NullEngine(settings.model_path, NO_VLLM), ()))
    monkeypatch.setattr(download, "running_engines", lambda: ())
    environment = {"VLLM_MODEL_PATH": str(tiny_vl), "FRAMELENS_DATA_DIR": str(tmp_path)}
    return load(environment, tmp_path / ".env")


def test_nothing_is_installed_unasked(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with in_language("en"):
        assert download.settle(settings, Options(yes=False)) == settings
    first, second, third, _ = capsys.readouterr().err.splitlines()
    assert "vLLM is not installed here" in first and "3.0 GB" in second
    assert "--yes" in third and "tiny-vl" in third


def test_yes_installs_the_engine_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    logs: list[Path] = []

    def install(on_progress: object, cancel: threading.Event, *, log_path: Path) -> None:
        logs.append(log_path)

    monkeypatch.setattr(download, "install_engine", install)
    monkeypatch.setattr(download, "cancel_on_signals", threading.Event)
    with in_language("en"):
        assert download.settle(settings, Options(yes=True)) == settings  # the model is here
    assert logs == [settings.data_dir / "logs" / "install.log"]
