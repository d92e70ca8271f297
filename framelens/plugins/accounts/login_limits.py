"""Limits of logins: attempts of each address, failures of each account."""

import ipaddress
import threading
import time
from collections import deque
from contextlib import suppress

from framelens import InputError

PER_ADDRESS, ADDRESS_SECONDS = 30, 60.0
"""Most attempts from an address: enough for an office behind one address at nine o'clock, too few to guess passwords.
"""
PER_ACCOUNT, ACCOUNT_SECONDS = 10, 900.0
"""Most failures with a name, however many addresses they come from: under 1,000 guesses a day."""
BUCKETS = 1 << 16
"""Number of counts, so that memory stays bounded. Which count a name or an address uses is unpredictable."""


class Recent:
    """Count of events in the last seconds, by a key. Not thread-safe.

    The hash of a key, which differs in each process, chooses one of BUCKETS counts. Several keys may share a count, so
    no number of keys evicts the count of another key.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._times: dict[int, deque[float]] = {}

    def wait_seconds(self, key: str, now: float) -> int:
        """Return the seconds until another event may happen, 0 if it may happen now."""
        times = self._times.get(hash(key) % BUCKETS, deque())
        while times and times[0] <= now - self._seconds:
            times.popleft()
        return max(1, round(times[0] + self._seconds - now + 0.5)) if len(times) >= self._most else 0

    def add(self, key: str, now: float) -> None:
        """Count an event."""
        self._times.setdefault(hash(key) % BUCKETS, deque(maxlen=self._most)).append(now)

    def forget(self, key: str) -> None:
        """Forget the events of a key."""
        self._times.pop(hash(key) % BUCKETS, None)


class LoginLimiter:
    """Limits of logins, the same for names that exist and others. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts = Recent(PER_ADDRESS, ADDRESS_SECONDS)
        self._failures = Recent(PER_ACCOUNT, ACCOUNT_SECONDS)

    def admit(self, name: str, address: str) -> None:
        """Count an attempt, which is a failure until `succeed`.

        Raises:
            InputError: "login_limit" with the seconds to wait; this attempt isn't counted.
        """
        now, origin = time.monotonic(), _origin(address)
        with self._lock:
            seconds = max(self._attempts.wait_seconds(origin, now), self._failures.wait_seconds(name, now))
            if seconds:
                raise InputError("login_limit", seconds=seconds)
            self._attempts.add(origin, now)
            self._failures.add(name, now)

    def succeed(self, name: str) -> None:
        """Forget the failures of an account."""
        with self._lock:
            self._failures.forget(name)


def _origin(address: str) -> str:
    """Return the address, or for IPv6 its /64 network, which a provider assigns to a single customer."""
    with suppress(ValueError):
        parsed = ipaddress.ip_address(address)
        if isinstance(parsed, ipaddress.IPv6Address):
            return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return address[:100]
