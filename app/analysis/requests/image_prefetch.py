"""Frames as they are sent, made ahead: an engine does not wait while the pictures of the next part are made smaller."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor, Future

from app.domain import Keyframe
from app.llm.messages import data_url


class Pictures:
    """Each is made once in a thread of `executor`, kept until it is taken, and made on the spot where it was not
    expected. May be used from several threads; one frame is taken by one of them.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._made: dict[tuple[int, int], Future[str]] = {}

    def expect(self, frames: Iterable[Keyframe], side: int) -> None:
        """These will be wanted soon, with a longer side of `side` pixels at most."""
        for frame in frames:
            key = (frame.number, side)
            if key not in self._made:
                self._made[key] = self._executor.submit(data_url, frame, side)

    def take(self, frame: Keyframe, side: int) -> str:
        """The frame as a data URL."""
        made = self._made.pop((frame.number, side), None)
        return made.result() if made and not made.cancel() else data_url(frame, side)
