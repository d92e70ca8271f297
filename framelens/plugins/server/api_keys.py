"""Keys of programs for the HTTP API: created, listed, revoked and checked.

A key is 256 random bits, so it can't be guessed from its hash, and SHA-256 is enough: a slow hash protects passwords,
which people choose, and would cost every request a tenth of a second. The key itself is shown once and stored nowhere.
"""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime

from framelens import ConfigError, InputError
from framelens.plugin.files import new_id
from framelens.plugin.texts import single_line
from framelens.plugins.server.api_records import ApiKeyRow, ApiStore
from framelens.plugins.server.rate_limit import PER_MINUTE

JOBS, MOST_JOBS = 8, 1_000
"""Jobs at a time of a key without a limit of its own, and the highest limit of a key."""
_PREFIX = "fl_"
_NAME = re.compile(r"[\w.-]{1,64}")


def create(store: ApiStore, name: str, *, per_minute: int = PER_MINUTE, jobs: int = JOBS, account_id: str = "") -> str:
    """Create a key and return it.

    Args:
        store: Where keys are kept.
        name: Its name: letters, digits, "_", "-" and ".".
        per_minute: Requests that it may send in a minute.
        jobs: Its jobs that may be fetched, wait or run at a time.
        account_id: The account for which its requests run, "" for no account.

    Raises:
        ConfigError: "key_name_wrong", or a limit is out of range.
        InputError: "key_name_taken".
    """
    if not _NAME.fullmatch(name):
        raise ConfigError("key_name_wrong", name=single_line(name)[:80])
    if not 1 <= jobs <= MOST_JOBS:
        raise ConfigError("setting_number", key="--jobs", value=jobs, low=1, high=MOST_JOBS)
    key = _PREFIX + secrets.token_urlsafe(32)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    store.add_key(ApiKeyRow(new_id(), name, _hash(key), created, per_minute, jobs, account_id))
    return key


def revoke(store: ApiStore, name: str) -> None:
    """Delete a key with its webhooks; its jobs stay.

    Raises:
        InputError: "key_unknown".
    """
    keys = store.keys()
    if not store.delete_key(name):
        names = ", ".join(key.name for key in keys) or "–"
        raise InputError("key_unknown", name=single_line(name)[:80], known=names)


def check(store: ApiStore, authorization: str) -> ApiKeyRow:
    """Return the key that a request has.

    Args:
        store: Where keys are kept.
        authorization: The request's header of this name.

    Raises:
        InputError: "api_no_keys": no key was created yet, or "api_key_wrong".
    """
    keys = store.keys()
    if not keys:
        raise InputError("api_no_keys")
    kind, _, token = authorization.partition(" ")
    hashed = _hash(token.strip()) if kind.lower() == "bearer" else ""
    fitting = [key for key in keys if hmac.compare_digest(key.sha256, hashed)]
    if not fitting:
        raise InputError("api_key_wrong")
    return fitting[0]


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
