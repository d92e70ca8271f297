"""Time of day that a wrong change of the system's clock doesn't mislead while the program runs.

The clock of a machine may be set back, or jump ahead for a while. What expires is compared with `latest_time`, which
isn't set back, and what is deleted for its age with `earliest_time`, which doesn't jump ahead.
"""

import time

_started_seconds, _started = time.time(), time.monotonic()


def latest_time() -> float:
    """Return the later of the clock's time and the start plus the elapsed time, in seconds since 1970."""
    return max(time.time(), _by_what_has_passed())


def earliest_time() -> float:
    """Return the earlier of the clock's time and the start plus the elapsed time, in seconds since 1970.

    The result is too early if the machine has slept since the start.
    """
    return min(time.time(), _by_what_has_passed())


def _by_what_has_passed() -> float:
    return _started_seconds + time.monotonic() - _started
