"""The audit log from the command line."""

import io
import json
from pathlib import Path

import pytest

from framelens import config
from framelens.cli.main import main
from framelens.composition import SAMPLE
from framelens.core.roles import User, as_user
from framelens.plugins.accounts import audit
from framelens.plugins.accounts.audit import ACTIONS, entries
from framelens.store.audit import AuditLog
from framelens.store.database import Store


@pytest.mark.slow
def test_the_newest_entries_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["admin", "audit", "--language", "zh"]) == 0
    assert "没有这样的记录" in capsys.readouterr().err
    monkeypatch.setattr(audit, "MOST_ENTRIES", len(ACTIONS))
    store = Store(config.load().data_dir / "framelens.sqlite")
    log = AuditLog(store)
    log.record("switch", object_name="lost")
    with as_user(User("u1", "ann", "analyst")):
        for action in ACTIONS[:-1]:
            log.record(action, "id1", "two\nlines.mp4")
    log.record("delete", "id2", "b.mp4")
    store.close()
    assert main(["admin", "audit", "--language", "en", "--limit", "2"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("(local)  deleted  b.mp4 (id2)")
    assert "  ann  " in second and second.endswith("  two lines.mp4 (id1)")
    assert main(["admin", "audit", "--json", "--user", "ann", "--action", "export", "--action", "login"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["action"], one["user_id"]) for one in found] == [("login", "u1"), ("export", "u1")]
    assert main(["admin", "audit", "--json", "--limit", "999"]) == 0
    assert "lost" not in capsys.readouterr().out


def recorded() -> list[tuple[str, str]]:
    """Action and name of all entries, the oldest first."""
    store = Store(config.load().data_dir / "framelens.sqlite")
    try:
        return [(entry.action, entry.object_name) for entry in reversed(entries(store, limit=99))]
    finally:
        store.close()


@pytest.mark.slow
def test_changes_of_accounts_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ("add ann", "add ben --role viewer", "role ben analyst", "password ben", "remove ben"):
        monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
        assert main(["admin", "users", *words.split()]) == 0
    assert main(["admin", "users", "remove", "nobody"]) == 6
    assert recorded() == [
        ("account_added", "ann: administrator"),
        ("account_added", "ben: viewer"),
        ("account_changed", "ben: analyst"),
        ("account_changed", "ben: password"),
        ("account_removed", "ben"),
    ]


@pytest.mark.every_plugin
@pytest.mark.slow
def test_keys_of_accounts_and_backups_are_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("users add ann --no-password", "keys create camera --user ann", "keys revoke camera"):
        assert main(["admin", *words.split()]) == 0
    assert main(["admin", "keys", "create", "orphan"]) == 6
    assert main(["admin", "keys", "create", "door", "--user", "ann"]) == 0
    assert main(["admin", "backup", str(tmp_path / "b.zip")]) == 0
    assert main(["admin", "users", "remove", "ann"]) == 0
    capsys.readouterr()
    assert main(["admin", "keys", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [], "its keys end with an account"
    assert [action for action, _ in recorded()[1:-1]] == ["key_created", "key_revoked", "key_created", "backup"]


@pytest.mark.slow
@pytest.mark.usefixtures("no_text_reading")
def test_work_of_the_command_line_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    assert main(["analyse", str(SAMPLE), "--no-model", "--frames", "2", "--output", str(report)]) == 0
    capsys.readouterr()
    assert main(["library", "--json"]) == 0
    (job,) = json.loads(capsys.readouterr().out)["analyses"]
    assert main(["export", job["id"], "--output", str(tmp_path / "out")]) == 0
    assert main(["library", "delete", job["id"], "--for-good", "--yes"]) == 0
    assert main(["library", "import", str(report)]) == 0
    found = recorded()
    assert [action for action, _ in found] == ["analyse", "export", "export", "delete", "import"]
    assert {name for _, name in found} == {Path(SAMPLE).name}
