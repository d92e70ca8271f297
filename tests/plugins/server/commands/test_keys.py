"""Keys from the command line: shown once, stored as hashes, listed without them, revoked."""

import json
import sqlite3
from pathlib import Path

import pytest

from framelens import config
from framelens.cli.main import main
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore
from framelens.store.database import Store


def test_a_key_is_shown_once_and_opens_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["admin", "keys", "create", "camera", "--limit", "60/min", "--jobs", "3", "--language", "en"]) == 0
    shown = capsys.readouterr()
    key = shown.out.strip()
    assert key.startswith("fl_") and len(key) > 40 and key not in shown.err
    path: Path = config.load().data_dir / "framelens.sqlite"
    store = Store(path)
    found = api_keys.check(ApiStore(store), f"Bearer {key}")
    assert (found.name, found.per_minute, found.jobs) == ("camera", 60, 3)
    store.close()
    assert key.encode() not in b"".join(one.read_bytes() for one in path.parent.glob("framelens.sqlite*"))
    assert main(["admin", "keys", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0].keys() == {"name", "created", "per_minute", "jobs"}
    assert main(["admin", "keys", "--language", "en"]) == 0
    assert "camera" in capsys.readouterr().out
    assert main(["admin", "keys", "revoke", "camera"]) == 0
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM api_keys").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "a b"], 2, "can't be the name"),
        (["create", "x", "--limit", "0/min"], 2, "60/min"),
        (["create", "x", "--limit", "many"], 2, "60/min"),
        (["create", "x", "--jobs", "0"], 2, "--jobs"),
        (["revoke", "nothing"], 6, "no key called nothing"),
    ],
)
def test_wrong_arguments_are_named(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["admin", "keys", *words, "--language", "en"]) == code
    assert said in capsys.readouterr().err


def test_a_name_is_taken_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["admin", "keys", "create", "twin"]) == 0
    assert main(["admin", "keys", "create", "twin", "--language", "zh"]) == 6
    assert "已有名为 twin 的密钥" in capsys.readouterr().err
