"""Accounts of users, their sessions, and the secret that signs the sessions' cookies.

Passwords and the tokens of sessions arrive here as hashes, so nothing in the database is enough to log in.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass

from framelens.core.errors import InputError
from framelens.core.roles import LOCAL_USER, Role, User
from framelens.store.database import Store

_ACCOUNTS = "id, name, role, password, created"
_SESSIONS = "sha256, account_id, created, used"
_OTHERS = "SELECT count(*), ifnull(sum(role = 'administrator'), 0) FROM accounts WHERE name <> ?"


@dataclass(frozen=True)
class AccountRow:
    """An account.

    Attributes:
        name: What its user types to log in, in lower case; an e-mail address where another service checks logins.
        password: The password's hash, "" where only another service checks logins.
    """

    id: str
    name: str
    role: Role
    password: str
    created: str

    @property
    def user(self) -> User:
        """Return the user for whom its requests run."""
        return User(self.id, self.name, self.role)

    @property
    def owner(self) -> User:
        """Return the account's user for its own data alone: an administrator as an analyst."""
        return User(self.id, self.name, "analyst" if self.role == "administrator" else self.role)


@dataclass(frozen=True)
class SessionRow:
    """A session of a user in a browser.

    Attributes:
        sha256: Hash of its token in hex digits.
        created: When it began, in seconds since 1970.
        used: When it was used last, in seconds since 1970.
    """

    sha256: str
    account_id: str
    created: float
    used: float


class AccountStore:
    """The accounts in a store. Safe to use from several threads; every method raises StorageError.

    Attributes:
        num_changes: Number of times that this object has changed an account or ended sessions.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.num_changes = 0

    def exist(self) -> bool:
        """Return whether there is an account."""
        return bool(self._store.select("SELECT 1 FROM accounts LIMIT 1"))

    def add(self, account: AccountRow) -> AccountRow:
        """Store an account, the first account as an administrator, and return it.

        Raises:
            InputError: "account_name_taken".
        """
        with self._changing() as connection:
            if connection.execute("SELECT 1 FROM accounts WHERE name = ?", (account.name,)).fetchone():
                raise InputError("account_name_taken", name=account.name)
            connection.execute(f"INSERT INTO accounts ({_ACCOUNTS}) VALUES (?, ?, ?, ?, ?)", astuple(account))
            connection.execute("UPDATE accounts SET role = 'administrator' WHERE (SELECT count(*) FROM accounts) = 1")
        return self.named(account.name) or account

    def all(self) -> list[AccountRow]:
        """List all accounts, the oldest first."""
        return [AccountRow(*row) for row in self._store.select(f"SELECT {_ACCOUNTS} FROM accounts ORDER BY rowid")]

    def named(self, name: str) -> AccountRow | None:
        """Return the account with this name."""
        return next(iter(self._rows("name = ?", name)), None)

    def get(self, account_id: str) -> AccountRow | None:
        """Return the account with this id."""
        return next(iter(self._rows("id = ?", account_id)), None)

    def owner(self, user_id: str) -> User:
        """Return the owner of background work as the user it acts for, with the account's current role.

        An owner whose account was removed may only read.
        """
        if account := self.get(user_id):
            return account.owner
        if not user_id:
            return LOCAL_USER
        return User(user_id, user_id, "viewer" if self.exist() else "analyst")

    def remove(self, name: str) -> None:
        """Delete an account with its sessions and keys.

        Raises:
            InputError: "account_last_administrator": others would be left without an administrator.
        """
        with self._changing() as connection:
            others, administrators = connection.execute(_OTHERS, (name,)).fetchone()
            if others and not administrators:
                raise InputError("account_last_administrator", name=name)
            connection.execute("DELETE FROM accounts WHERE name = ?", (name,))

    def set_role(self, name: str, role: Role) -> None:
        """Change what an account may do.

        Raises:
            InputError: "account_last_administrator".
        """
        with self._changing() as connection:
            _, administrators = connection.execute(_OTHERS, (name,)).fetchone()
            if not administrators and role != "administrator":
                raise InputError("account_last_administrator", name=name)
            connection.execute("UPDATE accounts SET role = ? WHERE name = ?", (role, name))

    def set_password(self, account_id: str, password: str, *, ends_sessions: bool) -> None:
        """Store the hash of a new password."""
        with self._changing() as connection:
            connection.execute("UPDATE accounts SET password = ? WHERE id = ?", (password, account_id))
            if ends_sessions:
                connection.execute("DELETE FROM sessions WHERE account_id = ?", (account_id,))

    # ---- sessions

    def add_session(self, row: SessionRow, *, created_after: float, used_after: float) -> None:
        """Store a session and delete all that began or were used before these times.

        On a full disk it uses the reserved space, since users must log in to free some.
        """
        with self._store.changing(frees=True) as connection:
            connection.execute("DELETE FROM sessions WHERE created < ? OR used < ?", (created_after, used_after))
            connection.execute(f"INSERT INTO sessions ({_SESSIONS}) VALUES (?, ?, ?, ?)", astuple(row))

    def session(self, sha256: str) -> tuple[SessionRow, AccountRow] | None:
        """Return a session with its account."""
        accounts = ", ".join(f"accounts.{column}" for column in _ACCOUNTS.split(", "))
        sessions = ", ".join(f"sessions.{column}" for column in _SESSIONS.split(", "))
        rows = self._store.select(
            f"SELECT {sessions}, {accounts} FROM sessions JOIN accounts ON accounts.id = account_id WHERE sha256 = ?",
            sha256,
        )
        return next(((SessionRow(*row[:4]), AccountRow(*row[4:])) for row in rows), None)

    def use_session(self, sha256: str, now: float) -> None:
        """Store that a session is used now."""
        with self._store.changing() as connection:
            connection.execute("UPDATE sessions SET used = ? WHERE sha256 = ?", (now, sha256))

    def end_session(self, sha256: str) -> None:
        """Delete a session."""
        with self._changing() as connection:
            connection.execute("DELETE FROM sessions WHERE sha256 = ?", (sha256,))

    def secret(self, suggested: str) -> str:
        """Return the secret that signs cookies, `suggested` where there is no secret yet."""
        with self._store.changing() as connection:
            connection.execute("INSERT OR IGNORE INTO secrets (purpose, value) VALUES ('cookies', ?)", (suggested,))
            ((secret,),) = connection.execute("SELECT value FROM secrets WHERE purpose = 'cookies'").fetchall()
        return str(secret)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._store.changing() as connection:
            yield connection
        self.num_changes += 1

    def _rows(self, where: str, value: str) -> list[AccountRow]:
        return [
            AccountRow(*row) for row in self._store.select(f"SELECT {_ACCOUNTS} FROM accounts WHERE {where}", value)
        ]
