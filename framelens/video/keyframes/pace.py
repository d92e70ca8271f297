"""Pace of a survey: which groups of pictures a fast survey decodes, by their packets and key frames.

Where nothing happens, predicted frames take almost no bytes, and what appears (a slide, a caption, a person who enters)
takes many at once. Such a still group is decoded up to its last outstanding packet and a moment more, or not at all but
for its key frame. All other groups are decoded: in pictures that move or are full of noise something small takes no
more bytes than what is there anyway.

What this module does not do:

- Files whose seeks can't be trusted, or that are interlaced, and ranges: they are read at the full pace.
- Constant bit rates and codecs without prediction: packets say nothing there, so no group is still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from framelens.core.domain import Selection, VideoInfo
from framelens.video.keyframes.groups import Groups, groups_of, sampled_groups
from framelens.video.keyframes.strategies import is_whole
from framelens.video.readers.ahead import ahead
from framelens.video.readers.base import FrameReader, Image
from framelens.video.readers.packets import DecodePlan
from framelens.video.readers.pyav import AvReader

_LONG_SECONDS = 1800.0
"""Length from which a video is surveyed at the fast pace by itself, if most of it is still."""
_MOSTLY_STILL = 0.5
"""Share of a video that is still, from which most of it is."""
_SAMPLES, _LEAST_STILL_SAMPLES = 16, 5
"""Groups that are looked at before all packets are listed, and how many of them must be still. With half of a video
still there are fewer in one of 26 videos, with two thirds of it in one of 1,000 (binomial distribution)."""
_WORTH_SHARE = 0.7
"""Largest share of the packets for which the fast pace pays: it lists the packets and decodes key frames before."""


@dataclass(frozen=True)
class Pacing:
    """Frames that a survey decodes.

    Attributes:
        until: See DecodePlan.
        share: Share of the packets that are decoded, key frames included.
    """

    until: dict[int, float]
    share: float


def paced(reader: FrameReader, selection: Selection) -> AvReader | None:
    """Return a reader of the same video that leaves out what a fast survey needn't see, None for the full pace.

    Raises:
        VideoError: The file is not a video any more.
    """
    video, pace = reader.info, selection.pace
    is_long = (video.duration_seconds_from_header or 0.0) >= _LONG_SECONDS
    may_be_fast = pace == "fast" or (pace == "auto" and is_long)
    if reader.name != AvReader.name or not is_whole(selection) or not may_be_fast:
        return None
    pacing = pacing_of(video, least_still=0.0 if pace == "fast" else _MOSTLY_STILL)
    if pacing is None or pacing.share > _WORTH_SHARE:
        return None
    return AvReader(video.path, every_frame=False, plan=DecodePlan(pacing.until))


def pacing_of(video: VideoInfo, least_still: float = 0.0) -> Pacing | None:
    """Return what a fast survey of a video decodes; None if its packets can't say.

    Args:
        video: The video.
        least_still: The share of its frames that are in still groups must be larger.

    Raises:
        VideoError: The file is not a video any more.
    """
    if least_still and not _may_be_still(video):
        return None
    groups = groups_of(video)
    if groups is None:
        return None
    still, lengths = groups.still(), groups.lengths
    if lengths[np.array(still, bool)].sum() <= least_still * lengths.sum():
        return None
    levels = _key_levels(video, groups, still)
    edges = 0, len(still) - 1
    until = {
        groups.key(index): groups.last_to_decode(index, levels) if is_still and index not in edges else inf
        for index, is_still in enumerate(still)
    }
    return Pacing(until, groups.decoded_share(until))


def _may_be_still(video: VideoInfo) -> bool:
    """Return whether enough groups are still for a list of all packets, which reads the whole file."""
    groups = sampled_groups(video, _SAMPLES)
    return groups is None or sum(groups.still()) >= _LEAST_STILL_SAMPLES


def _key_levels(video: VideoInfo, groups: Groups, still: Sequence[bool]) -> dict[int, Image]:
    """Return the levels (see Picture.levels) of the key frames at either end of each still group, by timestamp."""
    needed = [index for index in range(len(still)) if still[index] or (index > 0 and still[index - 1])]
    keys = [groups.key(index) for index in sorted({0, *needed})]
    with AvReader(video.path, plan=DecodePlan({key: key for key in keys})) as reader:
        return {picture.frame.pts or 0: picture.levels() for picture in ahead(reader.frames())}
