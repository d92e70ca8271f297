"""Logins by password or through another service, and the sessions that they begin.

A session is a random token in a cookie; the store has its hash. Each session has a key of its own for the routes of
the page, so a link with the key of another session, or of an ended session, opens nothing.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from contextlib import suppress
from functools import cached_property

from framelens import InputError, StorageError
from framelens.plugin import as_user
from framelens.plugin.files import readable
from framelens.plugin.storage import Store
from framelens.plugin.users import AccessSettings, AuditLog, LoginSession, User, Users
from framelens.plugins.accounts.accounts import NAME, Account, Accounts, fits, hash_password
from framelens.plugins.accounts.login_limits import LoginLimiter

_TOUCH_SECONDS = 60.0
"""How often the use of a session is stored."""
_TICKET_SECONDS = 60.0
"""How long a browser may take to fetch its cookie after another service has checked who it is."""
_PROOF_SECONDS = 600.0
"""How old the login at another service may be: time for the way back and for clocks that differ."""
FAILURE_SECONDS = 0.25
"""A login that fails is answered after a multiple of this time, whatever was wrong."""
_LOGINS_AT_A_TIME = 2
"""Passwords that are compared at a time; each takes 64 MiB."""


class Logins:
    """The logins and sessions of a store. Safe to use from several threads; every method raises StorageError."""

    def __init__(self, store: Store, settings: AccessSettings) -> None:
        self._store = store
        self._settings = settings
        self._accounts = Accounts(store)
        self._audit = AuditLog(store)
        self._limiter = LoginLimiter()
        self._slots = threading.BoundedSemaphore(_LOGINS_AT_A_TIME)
        self._lock = threading.Lock()
        self._tickets: dict[str, tuple[str, float, str]] = {}
        self._used_proofs: dict[str, float] = {}

    def log_in(self, name: str, password: str, address: str) -> str:
        """Check a password and return the cookie of a new session.

        An unknown name takes as long as a wrong password and gets the same answer: a pause hides the time for steps
        that only one of them needs, such as an entry of the audit log.

        Args:
            name: The name that was typed.
            password: The password that was typed.
            address: Address of the browser.

        Raises:
            InputError: "login_wrong" or "login_limit".
        """
        name, began = Users.normal_name(name)[:254], time.monotonic()
        self._limiter.admit(name, address)
        unknown, account = self._unknown, self._accounts.find(name)
        with self._slots:
            is_right = fits(account.password if account and account.password else unknown, password)
        if account is None or not is_right:
            if account:
                self._audit.record("login_failed", account.id, _with_address(account.name, address))
            time.sleep((began - time.monotonic()) % FAILURE_SECONDS)
            raise InputError("login_wrong")
        self._limiter.succeed(name)
        return self._begin(account, address)

    def is_used(self, proof: str, issued: float) -> bool:
        """Return whether a login at another service has begun a session here before, or is too old to begin a session.

        Streamlit's cookie keeps the login for 30 days, which would begin a new session whenever a session has ended.

        Args:
            proof: Identifies the login.
            issued: Time at which the service confirmed the login, in seconds since 1970.
        """
        with self._lock:
            return proof in self._used_proofs or abs(time.time() - issued) > _PROOF_SECONDS

    def ticket_for(self, email: str, *, is_verified: bool, proof: str = "") -> str:
        """Return a ticket, good once and for a minute, for a user whom another service has identified.

        A user without an account gets an account if a setting names the role for new accounts.

        Args:
            email: The address that the service gives, which is the account's name.
            is_verified: False if the service says that it hasn't checked that the address is the user's.
            proof: Identifies the login there, which begins a single session.

        Raises:
            InputError: "login_no_account" or "login_unverified".
        """
        name = Users.normal_name(email)
        if not is_verified or not NAME.fullmatch(name):
            raise InputError("login_unverified", name=readable(name)[:80])
        if self._accounts.find(name) is None:
            if not (self._settings.new_user_role and self._accounts.users.exist()):
                raise InputError("login_no_account", name=name)
            self._accounts.add(name, None, self._settings.new_user_role)
        now, ticket = time.monotonic(), secrets.token_urlsafe(32)
        with self._lock:
            waiting = {key: value for key, value in self._tickets.items() if value[1] > now}
            self._tickets = {**waiting, ticket: (name, now + _TICKET_SECONDS, proof)}
        return ticket

    def redeem(self, ticket: str, address: str = "") -> str:
        """Return the cookie of a new session for a ticket from a browser at this address.

        Raises:
            InputError: "login_wrong".
        """
        now = time.monotonic()
        with self._lock:
            name, until, proof = self._tickets.pop(ticket, ("", 0.0, ""))
            if until < now or proof in self._used_proofs:
                raise InputError("login_wrong")
            if proof:
                recent = {key: used for key, used in self._used_proofs.items() if used > now - 3 * _PROOF_SECONDS}
                self._used_proofs = {**recent, proof: now}
        if (account := self._accounts.find(name)) is None:
            raise InputError("login_wrong")
        return self._begin(account, address)

    def session(self, cookie: str, *, uses: bool = False) -> LoginSession | None:
        """Return the session of a cookie; None if it is forged, has ended or has expired.

        Args:
            cookie: Value of the cookie.
            uses: Whether the request counts as activity of the user, which delays the expiry of the session.
        """
        rows = self._store.select(
            "SELECT sessions.created, used, accounts.id, name, role FROM sessions JOIN accounts"
            " ON accounts.id = account_id WHERE sha256 = ?",
            _sha256(cookie),
        )
        for created, used, *user in rows:
            now = time.time()
            if now - created > self._settings.session_seconds or now - used > self._settings.idle_seconds:
                return None
            if uses and now - used > _TOUCH_SECONDS:
                # a full disk must not keep users from deleting something
                with suppress(StorageError), self._store.changing() as connection:
                    connection.execute("UPDATE sessions SET used = ? WHERE sha256 = ?", (now, _sha256(cookie)))
            return LoginSession(User(*user), _sha256(f"routes {cookie}"))
        return None

    def log_out(self, cookie: str) -> None:
        """End the session of a cookie."""
        if session := self.session(cookie):
            with as_user(session.user):
                self._audit.record("logout")
        with self._store.changing() as connection:
            connection.execute("DELETE FROM sessions WHERE sha256 = ?", (_sha256(cookie),))

    @cached_property
    def _unknown(self) -> str:
        """Return a hash to compare the passwords of unknown names with."""
        return hash_password(secrets.token_urlsafe())

    def _begin(self, account: Account, address: str) -> str:
        token, now = secrets.token_urlsafe(32), time.time()
        expired = (now - self._settings.session_seconds, now - self._settings.idle_seconds)
        with self._store.changing(frees=True) as connection:  # users must log in to free a full disk
            connection.execute("DELETE FROM sessions WHERE created < ? OR used < ?", expired)
            values = (_sha256(token), account.id, now, now)
            connection.execute("INSERT INTO sessions (sha256, account_id, created, used) VALUES (?, ?, ?, ?)", values)
        with as_user(account.user):
            self._audit.record("login", account.id, _with_address(account.name, address))
        return token


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _with_address(name: str, address: str) -> str:
    """Return the text of the audit log for a login: the account and the address."""
    return f"{name} ({address[:100]})" if address else name
