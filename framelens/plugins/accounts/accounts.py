"""Accounts: names, roles and passwords of the users who may log in."""

import re
from dataclasses import astuple, dataclass
from datetime import UTC, datetime

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from framelens import ConfigError, InputError
from framelens.plugin.files import new_id
from framelens.plugin.storage import Store, VideoRepository
from framelens.plugin.texts import single_line
from framelens.plugin.users import AuditLog, Role, User, Users

LEAST_CHARACTERS, MOST_CHARACTERS = 10, 200
"""Length of a password. Without rules about its characters, length is what counts (NIST SP 800-63B)."""
NAME = re.compile(r"[\w.@+-]{1,254}")
_COLUMNS = "id, name, role, password, created"


@dataclass(frozen=True)
class Account:
    """An account.

    Attributes:
        name: What its user types to log in, in lower case; an e-mail address where another service checks logins.
        password: The password's hash, "" where only another service checks logins.
        created: ISO time in UTC.
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


class Accounts:
    """The accounts in a store. Safe to use from several threads; every method raises StorageError.

    Attributes:
        users: Their users.
    """

    def __init__(self, store: Store) -> None:
        self.users = Users(store)
        self._store = store
        self._audit = AuditLog(store)

    def all(self) -> list[Account]:
        """List the accounts, the oldest first."""
        return self._select("ORDER BY rowid")

    def find(self, name: str) -> Account | None:
        """Return the account with this name, however it is typed."""
        return next(iter(self._select("WHERE name = ?", Users.normal_name(name))), None)

    def add(self, name: str, password: str | None, role: Role) -> Account:
        """Add an account and return it. The first account of an installation is an administrator whatever the role.

        Args:
            name: What its user types to log in.
            password: None where another service checks the logins of this account.
            role: What it may do.

        Raises:
            ConfigError: "account_name_wrong", "password_short" or "password_long".
            InputError: "account_name_taken".
        """
        if not NAME.fullmatch(name := Users.normal_name(name)):
            raise ConfigError("account_name_wrong", name=single_line(name)[:80])
        hashed = "" if password is None else hash_password(password)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        with self._store.changing() as connection:
            if self.find(name):
                raise InputError("account_name_taken", name=name)
            account = Account(new_id(), name, role if self.users.exist() else "administrator", hashed, created)
            connection.execute(f"INSERT INTO accounts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)", astuple(account))
        self._audit.record("account_added", account.id, f"{name}: {account.role}")
        return account

    def remove(self, name: str) -> None:
        """Delete an account; its sessions, keys and unfinished uploads end with it.

        Raises:
            InputError: "account_unknown" or "account_last_administrator".
        """
        user = self._change(name, "DELETE FROM accounts WHERE id = ?")
        VideoRepository.drop_unfinished_uploads(self._store.folder, user.id)
        self._audit.record("account_removed", user.id, user.name)

    def set_role(self, name: str, role: Role) -> Account:
        """Change what an account may do, from its next request on, and return the account.

        Raises:
            InputError: "account_unknown" or "account_last_administrator".
        """
        user = self._change(name, "UPDATE accounts SET role = ? WHERE id = ?", role)
        self._audit.record("account_changed", user.id, f"{user.name}: {role}")
        return next(account for account in self.all() if account.id == user.id)

    def set_password(self, name: str, password: str) -> None:
        """Change a password; the sessions of the account end.

        Raises:
            ConfigError: "password_short" or "password_long".
            InputError: "account_unknown".
        """
        with self._store.together():
            user = self._change(name, "UPDATE accounts SET password = ? WHERE id = ?", hash_password(password))
            self._change(name, "DELETE FROM sessions WHERE account_id = ?")
        self._audit.record("account_changed", user.id, f"{user.name}: password")

    def _change(self, name: str, statement: str, *values: str) -> User:
        """Execute a statement with the values and the id of an account; return the account's user.

        Raises:
            InputError: "account_unknown"; or "account_last_administrator": the others would have no administrator.
        """
        user = self.users.named(name)
        with self._store.changing() as connection:
            connection.execute(statement, (*values, user.id))
            roles = {other.role for other in self.users.all()}
            if roles and "administrator" not in roles:
                raise InputError("account_last_administrator", name=user.name)
        return user

    def _select(self, clause: str, *values: str) -> list[Account]:
        return [Account(*row) for row in self._store.select(f"SELECT {_COLUMNS} FROM accounts {clause}", *values)]


def fits(hashed: str, password: str) -> bool:
    """Return whether a password has this hash."""
    try:
        return PasswordHasher().verify(hashed, password[: MOST_CHARACTERS + 1])
    except (Argon2Error, InvalidHashError):
        return False


def hash_password(password: str) -> str:
    """Return the hash of a password, with argon2-cffi's defaults, the second choice of RFC 9106: 64 MiB and 50 ms.

    Raises:
        ConfigError: "password_short" or "password_long".
    """
    if len(password) < LEAST_CHARACTERS:
        raise ConfigError("password_short", least=LEAST_CHARACTERS)
    if len(password) > MOST_CHARACTERS:
        raise ConfigError("password_long", most=MOST_CHARACTERS)
    return PasswordHasher().hash(password)
