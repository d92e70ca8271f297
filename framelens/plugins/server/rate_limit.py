"""Rate limit of the HTTP API: requests of a key in a minute."""

import re
import threading
import time
from collections import deque

from framelens import ConfigError, InputError
from framelens.plugins.server.api_records import ApiKeyRow

PER_MINUTE = 600
"""Limit of a key without its own."""
_MOST_PER_MINUTE = 100_000
_LIMIT = re.compile(r"([0-9]{1,6})(?:/min)?")
_MINUTE_SECONDS = 60.0


def parse_limit(text: str) -> int:
    """Parse a limit such as "60/min".

    Raises:
        ConfigError: "key_limit_wrong".
    """
    match = _LIMIT.fullmatch(text.strip())
    if match is None or not 1 <= int(match[1]) <= _MOST_PER_MINUTE:
        raise ConfigError("key_limit_wrong", given=text[:40], most=_MOST_PER_MINUTE)
    return int(match[1])


class RateLimiter:
    """Counter of the requests of each key in the last minute. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def check(self, key: ApiKeyRow) -> None:
        """Count a request.

        Raises:
            InputError: "api_rate" with the seconds until the next request is allowed; this request isn't counted.
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
