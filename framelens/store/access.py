"""Accounts of the users who may log in, and their sessions.

A session is a random token in a signed cookie; the store has its hash. Each session has a key of its own for the
routes of the page, so a link with the key of another session, or of an ended session, opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from itsdangerous import BadSignature, Signer

from framelens.core.errors import ConfigError, InputError, StorageError
from framelens.core.files import new_id, readable, single_line
from framelens.core.roles import LOCAL_USER, AccessSettings, Role, User, as_user
from framelens.store.accounts import AccountRow, AccountStore, SessionRow
from framelens.store.audit import AuditLog
from framelens.store.database import Store, open_store
from framelens.store.login_limits import LoginLimiter
from framelens.store.videos.video_repository import drop_unfinished_uploads

COOKIE = "framelens_session"
LEAST_CHARACTERS, MOST_CHARACTERS = 10, 200
"""Length of a password. Without rules about its characters, length is what counts (NIST SP 800-63B)."""
_NAME = re.compile(r"[\w.@+-]{1,254}")
_TOUCH_SECONDS = 60.0
"""How often the use of a session is stored."""
_TICKET_SECONDS = 60.0
"""How long a browser may take to fetch its cookie after another service has checked who it is."""
_PROOF_SECONDS = 600.0
"""How old the login at another service may be: time for the way back and for clocks that differ."""
FAILURE_SECONDS = 0.25
"""A login that fails is answered after a multiple of this time, whatever was wrong."""
_LOGINS_AT_A_TIME = 2
"""Each takes 64 MiB and 50 ms (argon2-cffi's defaults, the second choice of RFC 9106)."""


@dataclass(frozen=True)
class LoginSession:
    """The session of a request or a page.

    Attributes:
        user: The user who is logged in.
        key: The session's key for the routes of the page.
    """

    user: User
    key: str


class Accounts:
    """The accounts of an installation. Safe to use from several threads; every method raises StorageError."""

    def __init__(self, store: Store, settings: AccessSettings) -> None:
        self._data_dir = store.folder
        self._store = AccountStore(store)
        self._audit = AuditLog(store)
        self._settings = settings
        self._limiter = LoginLimiter()
        self._hasher = PasswordHasher()
        self._slots = threading.BoundedSemaphore(_LOGINS_AT_A_TIME)
        self._lock = threading.Lock()
        self._tickets: dict[str, tuple[str, float, str]] = {}
        self._used_proofs: dict[str, float] = {}

    # ---- accounts

    @property
    def num_changes(self) -> int:
        """Return the number of times that this process has changed an account or ended sessions."""
        return self._store.num_changes

    def exist(self) -> bool:
        """Return whether there is an account; without accounts, everyone who can open the page may do everything."""
        return self._store.exist()

    def all(self) -> list[AccountRow]:
        """List the accounts, the oldest first."""
        return self._store.all()

    def named(self, name: str) -> AccountRow:
        """Return the account with this name.

        Raises:
            InputError: "account_unknown".
        """
        if account := self._store.named(_plain(name)):
            return account
        names = ", ".join(account.name for account in self.all()) or "–"
        raise InputError("account_unknown", name=single_line(name)[:80], known=names)

    def add(self, name: str, password: str | None, role: Role) -> AccountRow:
        """Add an account and return it. The first account of an installation is an administrator whatever the role.

        Args:
            name: What its user types to log in.
            password: None where another service checks the logins of this account.
            role: What it may do.

        Raises:
            ConfigError: "account_name_wrong", "password_short" or "password_long".
            InputError: "account_name_taken".
        """
        plain = _plain(name)
        if not _NAME.fullmatch(plain):
            raise ConfigError("account_name_wrong", name=single_line(name)[:80])
        hashed = "" if password is None else self._hashed(password)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        account = self._store.add(AccountRow(new_id(), plain, role, hashed, created))
        self._audit.record("account_added", account.id, f"{account.name}: {account.role}")
        return account

    def remove(self, name: str) -> None:
        """Delete an account; its sessions, keys and unfinished uploads end with it.

        Raises:
            InputError: "account_unknown" or "account_last_administrator".
        """
        account = self.named(name)
        self._store.remove(account.name)
        drop_unfinished_uploads(self._data_dir, account.id)
        self._audit.record("account_removed", account.id, account.name)

    def set_role(self, name: str, role: Role) -> None:
        """Change what an account may do, from its next request on.

        Raises:
            InputError: "account_unknown" or "account_last_administrator".
        """
        account = self.named(name)
        self._store.set_role(account.name, role)
        self._audit.record("account_changed", account.id, f"{account.name}: {role}")

    def set_password(self, name: str, password: str) -> None:
        """Change a password; the sessions of the account end.

        Raises:
            ConfigError: "password_short" or "password_long".
            InputError: "account_unknown".
        """
        account = self.named(name)
        self._store.set_password(account.id, self._hashed(password), ends_sessions=True)
        self._audit.record("account_changed", account.id, f"{account.name}: password")

    def user_of_key(self, account_id: str) -> User:
        """Return the user for whom requests with an API key of this account run: they see that user's data alone.

        Raises:
            InputError: "api_key_without_user": there are accounts, and the key belongs to no account.
        """
        if account := self._store.get(account_id):
            return account.owner
        if self.exist():
            raise InputError("api_key_without_user")
        return LOCAL_USER

    # ---- logins

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
        plain, began = _plain(name)[:254], time.monotonic()
        self._limiter.admit(plain, address)
        unknown, account = self._unknown, self._store.named(plain)
        hashed = account.password if account and account.password else unknown
        with self._slots:
            is_right = self._fits(hashed, password)
        if not (is_right and account and account.password):
            if account:
                self._audit.record("login_failed", account.id, _with_address(account.name, address))
            time.sleep((began - time.monotonic()) % FAILURE_SECONDS)
            raise InputError("login_wrong")
        self._limiter.succeed(plain)
        if self._hasher.check_needs_rehash(account.password):
            self._store.set_password(account.id, self._hasher.hash(password), ends_sessions=False)
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
        name = _plain(email)
        if not is_verified or not _NAME.fullmatch(name):
            raise InputError("login_unverified", name=readable(name)[:80])
        account = self._store.named(name)
        if account is None and self._settings.new_user_role and self.exist():
            account = self.add(name, None, self._settings.new_user_role)
        if account is None:
            raise InputError("login_no_account", name=name)
        now, ticket = time.monotonic(), secrets.token_urlsafe(32)
        with self._lock:
            waiting = {key: value for key, value in self._tickets.items() if value[1] > now}
            self._tickets = {**waiting, ticket: (account.id, now + _TICKET_SECONDS, proof)}
        return ticket

    def redeem(self, ticket: str, address: str = "") -> str:
        """Return the cookie of a new session for a ticket from a browser at this address.

        Raises:
            InputError: "login_wrong".
        """
        with self._lock:
            account_id, until, proof = self._tickets.pop(ticket, ("", 0.0, ""))
            is_used = proof in self._used_proofs
        account = self._store.get(account_id)
        if until < time.monotonic() or account is None or is_used:
            raise InputError("login_wrong")
        if proof:
            with self._lock:
                now = time.monotonic()
                recent = {key: used for key, used in self._used_proofs.items() if used > now - 3 * _PROOF_SECONDS}
                self._used_proofs = {**recent, proof: now}
        return self._begin(account, address)

    # ---- sessions

    def session(self, cookie: str, *, uses: bool = False) -> LoginSession | None:
        """Return the session of a cookie, None if it is forged, has ended or has expired.

        Args:
            cookie: Value of the cookie.
            uses: Whether the request counts as activity of the user, which delays the expiry of the session.
        """
        if (sha256 := self._hash_in(cookie)) is None or (stored := self._store.session(sha256)) is None:
            return None
        row, account = stored
        now = time.time()
        if now - row.created > self._settings.session_seconds or now - row.used > self._settings.idle_seconds:
            with suppress(StorageError):
                self._store.end_session(sha256)
            return None
        if uses and now - row.used > _TOUCH_SECONDS:
            with suppress(StorageError):  # a full disk must not keep users from deleting something
                self._store.use_session(sha256, now)
        key = hmac.digest(self._secret.encode(), f"routes {sha256}".encode(), "sha256").hex()
        return LoginSession(account.user, key)

    def log_out(self, cookie: str) -> None:
        """End the session of a cookie."""
        if sha256 := self._hash_in(cookie):
            if session := self.session(cookie):
                with as_user(session.user):
                    self._audit.record("logout")
            self._store.end_session(sha256)

    @cached_property
    def _unknown(self) -> str:
        """Return a hash to compare the passwords of unknown names with."""
        return self._hasher.hash(secrets.token_urlsafe())

    @cached_property
    def _secret(self) -> str:
        return self._store.secret(secrets.token_urlsafe(32))

    @property
    def _signer(self) -> Signer:
        return Signer(self._secret, salt="framelens-session", digest_method=hashlib.sha256)

    def _begin(self, account: AccountRow, address: str) -> str:
        token, now = secrets.token_urlsafe(32), time.time()
        self._store.add_session(
            SessionRow(hashlib.sha256(token.encode()).hexdigest(), account.id, now, now),
            created_after=now - self._settings.session_seconds,
            used_after=now - self._settings.idle_seconds,
        )
        with as_user(account.user):
            self._audit.record("login", account.id, _with_address(account.name, address))
        return self._signer.sign(token).decode()

    def _hash_in(self, cookie: str) -> str | None:
        try:
            return hashlib.sha256(self._signer.unsign(cookie.encode(errors="replace"))).hexdigest()
        except BadSignature:
            return None

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password[: MOST_CHARACTERS + 1])
        except (Argon2Error, InvalidHashError):
            return False

    def _hashed(self, password: str) -> str:
        if len(password) < LEAST_CHARACTERS:
            raise ConfigError("password_short", least=LEAST_CHARACTERS)
        if len(password) > MOST_CHARACTERS:
            raise ConfigError("password_long", most=MOST_CHARACTERS)
        return self._hasher.hash(password)


def check_start(settings: AccessSettings, data_dir: Path, address: str) -> None:
    """Check that the page may be served at an address other than loopback.

    Raises:
        ConfigError: "accounts_needed": there are no accounts, and no setting admits everyone.
        StorageError: The store can't be opened.
    """
    if settings.insecure:
        return
    store = open_store(data_dir)
    try:
        if not AccountStore(store).exist():
            raise ConfigError("accounts_needed", address=address)
    finally:
        store.close()


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().lower()


def _with_address(name: str, address: str) -> str:
    """Return the text of the audit log for a login: the account and the address."""
    return f"{name} ({address[:100]})" if address else name
