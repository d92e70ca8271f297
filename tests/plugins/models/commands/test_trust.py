"""`framelens models trust` and `untrust`: what is shown, and that only the typed hash confirms it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from framelens.cli import main
from framelens.plugins.models.trust.code_trust import trusted_code
from framelens.store.audit import AuditLog
from framelens.store.database import Store
from tests.remote_checkpoint import make_checkpoint, write_code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "data"))
    make_checkpoint(tmp_path / "m")
    return tmp_path / "m"


def shown(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    main.main(["models", "trust", str(folder), "--json", *options])
    return dict(json.loads(capsys.readouterr().out))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def typing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{text}\n"))


def test_all_that_would_run_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["models", "trust", str(folder), "--language", "en"]) == 2
    out, err = capsys.readouterr()
    digest = shown(folder, capsys)["hash"]
    for part in (
        "config.json names for AutoConfig: configuration_tiny.TinyConfig",
        "marker.py  (",
        "    SHA-256 ",
        "no revision",
        f"Hash of all of it: {digest}",
    ):
        assert part in out, part
    assert f"framelens models trust {folder} --accept {digest}" in err


@pytest.mark.parametrize(("typed", "exit_code"), [("", 1), ("y", 2), ("yes", 2)])
def test_yes_is_no_confirmation(
    folder: Path, tmp_path: Path, typed: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing(typed, monkeypatch)
    assert main.main(["models", "trust", str(folder)]) == exit_code
    assert trusted_code(tmp_path / "data").all() == {}


@pytest.mark.slow
def test_typed_hash_confirms_until_it_is_withdrawn(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typing(shown(folder, capsys)["hash"][:8], monkeypatch)
    assert main.main(["models", "trust", str(folder)]) == 0
    capsys.readouterr()
    assert shown(folder, capsys)["state"] == "trusted"
    assert main.main(["models", "--language", "en"]) == 0
    assert f"{folder} · hash" in capsys.readouterr().out
    assert main.main(["models", "untrust", str(folder)]) == 0
    assert main.main(["models", "untrust", str(folder)]) == 2
    capsys.readouterr()
    assert shown(folder, capsys)["state"] == "untrusted"
    store = Store(tmp_path / "data" / "framelens.sqlite")
    assert [one.action for one in AuditLog(store).entries(limit=5)] == ["code_untrusted", "code_trusted"]
    store.close()


def test_scripts_accept_by_hash_and_see_changes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = shown(folder, capsys)["hash"]
    for given in ("00000000", digest[:8]):
        assert main.main(["models", "trust", str(folder), "--accept", given]) == 2
    assert main.main(["models", "trust", str(folder), "--accept", digest]) == 0
    write_code(folder, tmp_path / "m-marker", "other")
    capsys.readouterr()
    changed = shown(folder, capsys)
    assert (changed["state"], changed["changes"]) == ("changed", ["configuration_tiny.py"])
    assert main.main(["models", "--language", "en"]) == 0
    assert "changed since" in capsys.readouterr().out


def test_names_cannot_change_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a\x1b[2J\u202e.py").write_text("x = '\x1b[2J\u202e'")
    main.main(["models", "trust", str(folder)])
    assert not {"\x1b", "\u202e"} & set(capsys.readouterr().out)


def test_model_without_code_needs_nothing(tiny_text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["models", "trust", str(tiny_text), "--language", "en"]) == 0
    assert "nothing of it runs" in capsys.readouterr().out
    assert main.main(["models", "trust", "no/such-model", "--language", "en"]) == 4
    assert "framelens download no/such-model" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "meant"), [("qwen3:8b", "Ollama"), ("Qwen2.5-8B-Instruct", "Qwen/Qwen3-8B")])
def test_name_that_no_hub_has_is_explained(name: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["models", "trust", name, "--language", "en"]) == 4
    assert meant in capsys.readouterr().err
