"""Repetition of requests: which failures are worth another attempt, how often, and after how long.

The same rule is used for analyses, questions, votes, speech, embeddings and checks. A busy engine is asked again after
the time that it names, else after 2, 4, 8 … seconds, and so is an engine that can't be reached any more but has
answered in the same run, since it may be restarting. A request whose connection broke is sent again soon if its caller
has seen that the engine still runs. A model that says once that it sees no pictures is asked once more. Any other
request would fail again.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from framelens.core.errors import AppError, Cancelled, EngineBrokeOff, EngineBusy

T = TypeVar("T")
VARIED: Mapping[str, float] = {"temperature": 0.4, "frequency_penalty": 0.4}
"""Options that make a model answer differently than before."""
_BUSY_ATTEMPTS = 6
_LONGEST_WAIT_SECONDS = 120.0
_BROKEN_ATTEMPTS = 3
_FIRST_WAIT_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 1.0


class Retries:
    """Attempts of a request."""

    def __init__(self) -> None:
        self._busy = self._broken = self._unseen = 0

    def pause_after(self, error: AppError, *, runs: bool = False, was_lost: bool = False) -> float | None:
        """Return the seconds to wait before the request is sent again; None if it isn't sent again.

        An engine that names a longer wait than two minutes, such as the rest of a day, is not asked again.

        Args:
            error: Why the request failed.
            runs: The engine is known to run after the error.
            was_lost: The engine answered earlier in this run, then was lost.
        """
        if isinstance(error, EngineBusy) or (was_lost and isinstance(error, EngineBrokeOff)):
            self._busy += 1
            wait_seconds = error.wait_seconds if isinstance(error, EngineBusy) else None
            seconds = wait_seconds or _FIRST_WAIT_SECONDS * 2 ** (self._busy - 1)
            return seconds if self._busy < _BUSY_ATTEMPTS and seconds <= _LONGEST_WAIT_SECONDS else None
        if runs and isinstance(error, EngineBrokeOff):
            self._broken += 1
            seconds = _FIRST_PAUSE_SECONDS * (2**self._broken - 1)
            return seconds if self._broken < _BROKEN_ATTEMPTS else None
        return None

    def may_retry_unseen(self, error: AppError) -> bool:
        """Return whether the model says for the first time that it sees no pictures; callers then retry with VARIED."""
        is_unseen = error.key == "pictures_unseen"
        self._unseen += is_unseen
        return is_unseen and self._unseen == 1


async def repeated(send: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `send`, which is called again if the engine is busy; raises the AppErrors of `send`."""
    retries = Retries()
    while True:
        try:
            return await send()
        except AppError as error:
            pause = retries.pause_after(error)
            if pause is None:
                raise
        await asyncio.sleep(pause)


def waited(send: Callable[[], T], cancel: threading.Event, *, was_lost: bool = False) -> T:
    """Return the result of `send`, which is called again if the engine is busy, or can't be reached after it was lost.

    Setting `cancel` raises Cancelled.
    """
    retries = Retries()
    while True:
        try:
            return send()
        except AppError as error:
            pause = retries.pause_after(error, was_lost=was_lost)
            if pause is None:
                raise
        if cancel.wait(pause):
            raise Cancelled
