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
        self._num_messages = 0
        self._num_doubtful = 0

    def shows(
        self, seconds: float, *, num_reported: int, is_whole: bool, num_messages: int = 0, num_in_flight: int = 1
    ) -> bool:
        """Return whether the frame at `seconds` shows damage.

        Args:
            seconds: Its time.
            num_reported: How often damage was reported up to this frame, in flags or errors.
            is_whole: Whether the codec stored it by itself.
            num_messages: How often a decoder wrote of damage up to this frame.
            num_in_flight: How many frames the decoder works on at once. A message may be about any of them.
        """
        is_new, self._num_reported = num_reported > self._num_reported, num_reported
        if num_messages > self._num_messages:
            self._num_doubtful = num_in_flight
        self._num_messages = num_messages
        if self._num_doubtful:
            self._num_doubtful -= 1
            is_new = True
        if is_new:
            self._since = seconds
        elif self._since is not None and (is_whole or seconds - self._since > _HEALED_SECONDS):
            self._since = None
        return self._since is not None
