"""Accounts from the command line: passwords come from standard input, and changes count at once."""

import io
import json
from collections.abc import Callable, Iterator

import pytest

from framelens import config
from framelens.cli.main import main
from framelens.core.errors import InputError
from framelens.core.roles import User, as_user
from framelens.plugins.accounts.accounts import Accounts
from framelens.plugins.accounts.commands import users
from framelens.plugins.accounts.logins import Logins
from framelens.store.database import Store
from framelens.store.videos.video_repository import VideoRepository

PASSWORD = "correct horse battery"
Type = Callable[[str], None]


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Put a password on standard input, as a script does."""
    return lambda password: monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store(config.load().data_dir / "framelens.sqlite")
    yield opened
    opened.close()


def run(*words: str) -> int:
    return main(["admin", "users", *words, "--language", "en"])


@pytest.mark.slow
def test_first_account_is_an_administrator(type_in: Type, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    type_in(PASSWORD)
    assert run("add", "Ann@Example.org", "--role", "viewer") == 0
    type_in(PASSWORD)
    assert run("add", "ben", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["role"] == "analyst"
    assert run("list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["role"]) for one in listed] == [("ann@example.org", "administrator"), ("ben", "analyst")]
    assert PASSWORD not in str(store.select("SELECT * FROM accounts"))
    assert Logins(store, config.AccessSettings()).log_in("ann@example.org", PASSWORD, "127.0.0.1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["add", "a b"], 2, "can't be the name"),
        (["add", "x", "--role", "king"], 2, "king"),
        (["add", "ann"], 6, "already an account called ann"),
        (["remove", "nobody"], 6, "Existing accounts: ann, ben"),
        (["remove", "ann"], 6, "last administrator"),
        (["role", "ann", "viewer"], 6, "last administrator"),
    ],
)
def test_wrong_arguments_are_explained(
    words: list[str], code: int, said: str, type_in: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ann", "ben"):
        type_in(PASSWORD)
        run("add", name)
    type_in(PASSWORD)
    assert run(*words) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("password", "said"), [("too short", "at least 10"), ("x" * 201, "at most 200")])
def test_length_of_a_password_is_bounded(
    password: str, said: str, type_in: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(password)
    assert run("add", "ann") == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_typed_password_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed = iter([PASSWORD, "something else", PASSWORD, PASSWORD])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(users, "getpass", lambda _: next(typed))
    assert run("add", "ann") == 2
    assert "not the same" in capsys.readouterr().err
    assert run("add", "ann") == 0


@pytest.mark.slow
def test_changes_count_at_once(type_in: Type, store: Store) -> None:
    logins = Logins(store, config.AccessSettings())
    for name in ("ann", "ben"):
        type_in(PASSWORD)
        run("add", name)
    cookie = logins.log_in("ben", PASSWORD, "127.0.0.1")
    assert run("role", "ben", "viewer") == 0
    session = logins.session(cookie)
    assert session and session.user.role == "viewer"
    type_in("another password")
    assert run("password", "ben") == 0
    assert logins.session(cookie) is None
    with pytest.raises(InputError, match="login_wrong"):
        logins.log_in("ben", PASSWORD, "127.0.0.1")


@pytest.mark.slow
def test_account_of_another_service_has_no_password(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "ann@example.org", "--no-password") == 0
    assert run() == 0
    assert "another service" in capsys.readouterr().out
    with pytest.raises(InputError, match="login_wrong"):
        Logins(store, config.AccessSettings()).log_in("ann@example.org", "", "127.0.0.1")


@pytest.mark.slow
def test_unfinished_uploads_end_with_their_account(type_in: Type, store: Store) -> None:
    for name in ("ann", "ben"):
        type_in(PASSWORD)
        run("add", name)
    data_dir = config.load().data_dir
    videos = VideoRepository(data_dir, (), data_dir / "none.mp4")
    accounts = Accounts(store)
    for name in ("ann", "ben"):
        with as_user(User(accounts.users.named(name).id, name, "analyst")):
            upload = videos.create_upload(f"{name}.mp4", 100)
            with videos.part(upload.id, 0) as part:
                part.write(b"x")
    assert run("remove", "ben") == 0
    left = [json.loads(path.read_text())["name"] for path in (data_dir / "videos/parts").glob("*.json")]
    assert left == ["ann.mp4"] and len(list((data_dir / "videos/parts").glob("*.part"))) == 1
