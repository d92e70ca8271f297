"""The audit log from the command line."""

from __future__ import annotations

import json

import pytest

from app import config
from app.cli.main import main
from app.core import User, as_user
from app.store import ACTIONS, AuditLog, Store, audit


def test_the_newest_entries_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["audit", "--language", "zh"]) == 0
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
    assert main(["audit", "--language", "en", "--limit", "2"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("(local)  deleted  b.mp4 (id2)") and second.endswith("ann  logged out  two lines.mp4 (id1)")
    assert main(["audit", "--json", "--user", "ann", "--action", "share", "--action", "login"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["action"], one["user_id"]) for one in found] == [("login", "u1"), ("share", "u1")]
    assert main(["audit", "--json", "--limit", "999"]) == 0
    assert "lost" not in capsys.readouterr().out
