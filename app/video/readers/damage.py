"""From damage that a decoder reports to all frames that show it: what is drawn from a damaged frame is damaged too.

A decoder flags the frame whose data was broken, at best; those that follow repeat its picture or smear it until one is
stored whole. Nothing is decoded here.
"""

from __future__ import annotations

_HEALED_SECONDS = 12.0
"""Encoders store a frame whole every few seconds. Where none comes for this long, blocks were renewed one by one."""


class Damage:
    """Ask `shows` of every frame in display order."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._num_reported = 0

    def shows(self, seconds: float, *, num_reported: int, is_whole: bool) -> bool:
        """Whether the frame at `seconds` shows damage; `num_reported` is how often some was reported up to it."""
        is_new, self._num_reported = num_reported > self._num_reported, num_reported
        if is_new:
            self._since = seconds
        elif self._since is not None and (is_whole or seconds - self._since > _HEALED_SECONDS):
            self._since = None
        return self._since is not None
