"""Keys of programs for the HTTP API: created, listed, revoked and checked.

A key is 256 random bits, so it can't be guessed from its hash, and SHA-256 is enough: a slow hash protects passwords,
which people choose, and would cost every request a tenth of a second. The key itself is shown once and stored nowhere.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import deque
from datetime import UTC, datetime

from framelens.core.errors import ConfigError, InputError
from framelens.core.files import new_id, one_line
from framelens.store.api_records import ApiKeyRow, ApiStore

PER_MINUTE, JOBS = 600, 8
"""Limits of a key without its own: requests a minute, and jobs at a time."""
_MOST_PER_MINUTE, MOST_JOBS = 100_000, 1_000
_PREFIX = "fl_"
_LIMIT = re.compile(r"([0-9]{1,6})(?:/min)?")
_NAME = re.compile(r"[\w.-]{1,64}")
_MINUTE_SECONDS = 60.0


def create(store: ApiStore, name: str, *, per_minute: int = PER_MINUTE, jobs: int = JOBS, account_id: str = "") -> str:
    """Create a key and return it.

    Args:
        store: Where keys are kept.
        name: Its name: letters, digits, "_", "-" and ".".
        per_minute: Requests that it may send in a minute.
        jobs: Its jobs that may be fetched, wait or run at a time.
        account_id: The account for which its requests run, "" for none.

    Raises:
        ConfigError: "key_name_wrong", or a limit is out of range.
        InputError: "key_name_taken".
    """
    if not _NAME.fullmatch(name):
        raise ConfigError("key_name_wrong", name=one_line(name)[:80])
    if not 1 <= jobs <= MOST_JOBS:
        raise ConfigError("setting_number", key="--jobs", value=jobs, low=1, high=MOST_JOBS)
    key = _PREFIX + secrets.token_urlsafe(32)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    store.add_key(ApiKeyRow(new_id(), name, _hash(key), created, per_minute, jobs, account_id))
    return key


def parse_limit(text: str) -> int:
    """Parse a limit such as "60/min".

    Raises:
        ConfigError: "key_limit_wrong".
    """
    found = _LIMIT.fullmatch(text.strip())
    if found is None or not 1 <= int(found[1]) <= _MOST_PER_MINUTE:
        raise ConfigError("key_limit_wrong", given=text[:40], most=_MOST_PER_MINUTE)
    return int(found[1])


def revoke(store: ApiStore, name: str) -> None:
    """Delete a key with its webhooks; its jobs stay.

    Raises:
        InputError: "key_unknown".
    """
    keys = store.keys()
    if not store.delete_key(name):
        known = ", ".join(one.name for one in keys) or "–"
        raise InputError("key_unknown", name=one_line(name)[:80], known=known)


def check(store: ApiStore, authorization: str) -> ApiKeyRow:
    """Return the key that a request has.

    Args:
        store: Where keys are kept.
        authorization: The request's header of this name.

    Raises:
        InputError: "api_no_keys": none was created yet, or "api_key_wrong".
    """
    keys = store.keys()
    if not keys:
        raise InputError("api_no_keys")
    kind, _, given = authorization.partition(" ")
    hashed = _hash(given.strip()) if kind.lower() == "bearer" else ""
    fitting = [one for one in keys if hmac.compare_digest(one.sha256, hashed)]
    if not fitting:
        raise InputError("api_key_wrong")
    return fitting[0]


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


class RateLimiter:
    """Counter of the requests of each key in the last minute. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def check(self, key: ApiKeyRow) -> None:
        """Count a request.

        Raises:
            InputError: "api_rate" with the seconds until the next request is allowed; this one isn't counted.
        """
        now = time.monotonic()
        with self._lock:
            times = self._times.setdefault(key.id, deque())
            while times and times[0] <= now - _MINUTE_SECONDS:
                times.popleft()
            if len(times) >= key.per_minute:
                seconds = max(1, round(times[0] + _MINUTE_SECONDS - now + 0.5))
                raise InputError("api_rate", name=key.name, limit=key.per_minute, seconds=seconds)
            times.append(now)
