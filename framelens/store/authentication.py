"""Who a request or a page is for: the user of its session, or without accounts the only user.

A plugin has the sessions (`framelens.registry.Hooks.parts`, "authentication"). Where there are accounts and no plugin
knows their sessions, no one is let in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from framelens import registry
from framelens.core.errors import ConfigError, InputError
from framelens.core.roles import AccessSettings, User
from framelens.store.database import DATABASE, Store, open_store
from framelens.store.users import Users

COOKIE = "framelens_session"
"""Cookie of a session."""


@dataclass(frozen=True)
class LoginSession:
    """The session of a request or a page.

    Attributes:
        user: The user who is logged in.
        key: The session's key for the routes of the page; it doesn't reveal the cookie.
    """

    user: User
    key: str


class LoginSessions(Protocol):
    """The sessions of users who have logged in, as a plugin knows them."""

    def session(self, cookie: str, *, uses: bool) -> LoginSession | None:
        """Return the session of a cookie; None if it is forged, has ended or has expired.

        Args:
            cookie: Value of the cookie.
            uses: Whether the request counts as activity of the user, which delays the expiry of the session.
        """


class Authentication:
    """The answer to who asks. Safe to use from several threads; every method raises StorageError."""

    def __init__(self, store: Store, settings: AccessSettings) -> None:
        self._store = store
        self._settings = settings
        self._users = Users(store)

    def session(self, cookie: str, *, uses: bool = False) -> LoginSession | None:
        """Return the session of a cookie; None without accounts. `uses` is as for `LoginSessions`.

        Raises:
            InputError: "login_needed".
            ConfigError: "accounts_without_plugin".
        """
        if (sessions := self.sessions()) is None:
            return None
        if session := sessions.session(cookie, uses=uses):
            return session
        raise InputError("login_needed")

    def sessions(self) -> LoginSessions | None:
        """Return the sessions of the plugin; None without accounts, when the only user may do everything.

        Raises:
            ConfigError: "accounts_without_plugin": no plugin knows the sessions, but there are accounts, or settings
                for them.
        """
        has_accounts = self._users.exist()
        if not has_accounts and not self._settings.expects_accounts:
            return None
        if self.plugin is None:
            raise ConfigError("accounts_without_plugin", folder=str(self._store.folder))
        return self.plugin if has_accounts else None

    @cached_property
    def plugin(self) -> LoginSessions | None:
        """Return the sessions that the plugin knows; None without it."""
        return next(registry.results("authentication", self._store, self._settings), None)


def open_checked_store(data_dir: Path, settings: AccessSettings, *, public_address: str = "") -> Store:
    """Open the store of a data folder if it is known who asks.

    Args:
        data_dir: The folder.
        settings: The settings.
        public_address: Address at which other machines can open the page, if they can.

    Raises:
        ConfigError: "accounts_without_plugin"; or "accounts_needed": others can open the page, there are no accounts,
            and no setting admits everyone.
        StorageError: The store can't be opened.
    """
    store = open_store(data_dir)
    try:
        if Authentication(store, settings).sessions() is None and public_address and not settings.insecure:
            raise ConfigError("accounts_needed", address=public_address)
    except BaseException:
        store.close()
        raise
    return store


def check_access(data_dir: Path, settings: AccessSettings) -> None:
    """Check that it is known who asks, where there are accounts, or may be; raise what `open_checked_store` raises."""
    if settings.expects_accounts or (data_dir / DATABASE).exists():
        open_checked_store(data_dir, settings).close()
