"""Users with an account: their ids, names and roles. The plugin `accounts` adds and changes them."""

import unicodedata

from framelens.core.errors import InputError
from framelens.core.files import single_line
from framelens.core.roles import LOCAL_USER, User
from framelens.store.database import Store


class Users:
    """The users in a store. Safe to use from several threads; every method raises StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def normal_name(name: str) -> str:
        """Return a name as accounts have it: in lower case, without spaces around it."""
        return unicodedata.normalize("NFKC", name).strip().lower()

    def exist(self) -> bool:
        """Return whether there is an account; without accounts, everyone who can open the page may do everything."""
        return bool(self._store.select("SELECT 1 FROM accounts LIMIT 1"))

    def all(self) -> list[User]:
        """List the users, the first account first."""
        return self._select("ORDER BY rowid")

    def get(self, user_id: str) -> User | None:
        """Return the user with this id."""
        return next(iter(self._select("WHERE id = ?", user_id)), None)

    def named(self, name: str) -> User:
        """Return the user with this name, however it is typed.

        Raises:
            InputError: "account_unknown".
        """
        for user in self._select("WHERE name = ?", self.normal_name(name)):
            return user
        names = ", ".join(user.name for user in self.all()) or "–"
        raise InputError("account_unknown", name=single_line(name)[:80], known=names)

    def owner(self, user_id: str) -> User:
        """Return the owner of background work as the user it acts for: with its current role, for its own data alone.

        An owner whose account was removed may only read.
        """
        if user := self.get(user_id):
            return User(user.id, user.name, "analyst" if user.sees_all else user.role)
        if not user_id:
            return LOCAL_USER
        return User(user_id, user_id, "viewer" if self.exist() else "analyst")

    def _select(self, clause: str, *values: str) -> list[User]:
        return [User(*row) for row in self._store.select(f"SELECT id, name, role FROM accounts {clause}", *values)]
