"""Time limit of a survey: groups of pictures are decoded by what their packets say of them, until the time is over.

A group with a packet far larger than those around it has something new in it, and is decoded before others. Whatever
the packets say, every key frame is decoded if there is time for all of them, or else as many as there is time for,
evenly spread. How long a packet takes is measured meanwhile, so that the choice among the groups that are left follows
the machine and the file.

What this module does not do:

- Files whose seeks can't be trusted, or that are interlaced, and ranges: they are read from their beginning until the
  time is over.
- Limits of what comes after the survey: choosing the frames, reading their text, and listening.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np

from framelens.core.domain import Selection
from framelens.video.keyframes.groups import Groups, groups_of
from framelens.video.keyframes.strategies import is_whole
from framelens.video.readers.base import FrameReader, Gap, Picture, WrappedReader
from framelens.video.readers.packets import DecodePlan
from framelens.video.readers.pyav import AvReader

_CHOOSES_SECONDS = 0.5
"""How often the groups to decode are chosen again."""
_LEAST_SHARE = 0.25
"""Share of the limit that is left for decoding, at least, however long it takes to list the packets."""
_SPREAD = (math.sqrt(5) - 1) / 2
"""Steps of the golden ratio are spread evenly, however many there are; so are groups with the same evidence."""


class Deadline:
    """Moment at which a survey has to end; its time begins with this object."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds, self._began = limit_seconds, time.monotonic()
        self._end = self._began + limit_seconds

    def left(self) -> float:
        """Return the seconds until then, negative when it is over."""
        return self._end - time.monotonic()

    def listed(self) -> float:
        """Note that the packets are listed; return how long that took."""
        now = time.monotonic()
        self._end = max(self._end, now + _LEAST_SHARE * self._limit_seconds)
        return now - self._began


def timed(reader: FrameReader, selection: Selection, deadline: Deadline) -> AvReader | None:
    """Return a reader of the same video that decodes what there is time for; None for a video as above.

    Raises:
        VideoError: The file is not a video any more.
    """
    groups = groups_of(reader.info) if reader.name == AvReader.name and is_whole(selection) else None
    return AvReader(reader.info.path, every_frame=False, plan=TimedPlan(groups, deadline)) if groups else None


class TimedPlan(DecodePlan):
    """Plan that chooses, at each group, what there is time for.

    Args:
        groups: The groups of the video, whose packets were just listed.
        deadline: When the survey has to end.
    """

    def __init__(self, groups: Groups, deadline: Deadline) -> None:
        super().__init__({})
        self._groups, self._deadline = groups, deadline
        numbers = range(len(groups.begin))
        self._numbers = {groups.key(number): number for number in numbers}
        self._still = groups.still()
        evidence = np.array([groups.evidence(number) for number in numbers])
        evidence[[0, -1]] = math.inf  # the first shows how long a packet takes, the last where the video ends
        self._order = np.lexsort((_SPREAD * np.arange(len(evidence)) % 1, -evidence))
        self._rank = np.argsort(self._order)
        self._listing_seconds = deadline.listed() / groups.lengths.sum()
        self._began = self._chosen = time.monotonic()
        self._num_chosen, self._stride, self._next = min(2, len(evidence)), 1, 0

    def ending(self, key_pts: int) -> tuple[float, Gap] | None:
        """Return the last frame to decode of the group that a key frame begins, and why the rest is left out."""
        number = self._numbers.get(key_pts)
        if number is None:
            return None
        if time.monotonic() - self._chosen >= _CHOOSES_SECONDS or number == 1:
            self._choose(number)
        last = self._groups.last_outstanding(number) if self._still[number] else math.inf
        if self._rank[number] < self._num_chosen:
            return (math.inf if number in (0, len(self._rank) - 1) else last), "still"
        if number < self._next:
            return -math.inf, "skipped"
        self._next = number + self._stride
        return key_pts, "still" if last == key_pts else "skipped"

    def _choose(self, number: int) -> None:
        """Choose the groups from a number on, and the key frames of the others, for which there is time."""
        lengths, now = self._groups.lengths, time.monotonic()
        listing = self._listing_seconds * lengths
        self._chosen = now
        each = max(now - self._began - listing[:number].sum(), 1e-6) / max(1, self._num_taken)
        packets = (self._deadline.left() - listing[number:].sum()) / each
        keys = len(lengths) - number
        self._stride = max(1, math.ceil(keys / max(1.0, packets - lengths[-1])))
        left = self._order[self._order >= number]
        fits = np.cumsum(lengths[left] - 1) <= packets - keys / self._stride
        chosen = left[: max(1, int(fits.sum()))]  # the last group is the first in order
        self._num_chosen = int(self._rank[chosen].max()) + 1


class EarlyEnd(WrappedReader):
    """Reader that ends with the picture at which the time is over."""

    def __init__(self, reader: FrameReader, deadline: Deadline) -> None:
        super().__init__(reader)
        self._deadline = deadline
        self._is_over = False
        self._read_seconds = 0.0

    @property
    def decoded_share(self) -> float:
        """Return the share of the declared length that was read."""
        whole = self.info.duration_seconds_from_header if self._is_over else None
        return min(1.0, self._read_seconds / whole) if whole else self._reader.decoded_share

    @property
    def ended_early_seconds(self) -> float | None:
        """Return the seconds that were read if the time was over, None if it sufficed."""
        return self._read_seconds if self._is_over else None

    @property
    def held_until_seconds(self) -> float:
        """Return until when the last frame is shown because the sound is longer."""
        return 0.0 if self._is_over else self._reader.held_until_seconds

    @property
    def tail(self) -> tuple[int, float]:
        """Return the number of frames skipped at the end, and the seconds they fill."""
        return (0, 0.0) if self._is_over else self._reader.tail

    def frames(self) -> Iterator[Picture]:
        """Yield the frames until the time is over."""
        for picture in self._reader.frames():
            yield picture
            self._read_seconds = picture.time_seconds + picture.duration_seconds
            self._is_over = self._deadline.left() < 0
            if self._is_over:
                return
