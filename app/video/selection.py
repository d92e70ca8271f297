"""From an opened reader and a Selection to the events of its extraction. Runs in the decoding child.

"auto" over a whole video is app.video.extraction alone. A range is surveyed through a Clip; the other strategies
take the shots from that survey, name times, and have exactly the pictures of those times fetched.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from app.domain import (
    DecodeSummary,
    Keyframe,
    KeyframeFound,
    KeyframesChosen,
    Notice,
    Selection,
    SurveyProgress,
    VideoEvent,
)
from app.errors import InputError
from app.video import extraction
from app.video.clip import Clip
from app.video.exact import SAME_SECONDS, NotExact, pictures_at
from app.video.facts import facts_of
from app.video.files import printable
from app.video.late import LateReader
from app.video.readers.base import JPEG_QUALITY, FrameReader, as_jpeg
from app.video.strategies import TIMES, Surveyed, Wish, thinned

_FULL_QUALITY = 95
FULL_SIDE = 65_500
"""The longest side that a JPEG can have."""


def run(
    reader: FrameReader, *, frames: int, selection: Selection, max_side: int, read_text: bool
) -> Iterator[VideoEvent]:
    """Yields what app.video.extract promises, after Probed."""
    if selection == Selection():
        yield from extraction.run(reader, frames=frames, max_side=max_side, read_text=read_text)
        return
    clip = Clip(_begun(reader, selection.start_seconds), selection.start_seconds, selection.end_seconds)
    if selection.strategy == "auto":
        events = extraction.run(clip, frames=frames, max_side=max_side, read_text=read_text)
        yield from (clip.placed(event) for event in events)
    else:
        yield from _named(clip, selection, frames, max_side, read_text)


def full_pictures(reader: FrameReader, times_seconds: Sequence[float]) -> Iterator[KeyframeFound]:
    """The frames at exactly these rising times at full resolution, numbered from 1 in the order of the times.

    Raises InputError where the file has no frame at one of them: it is not the file that the times were taken from.
    """
    pictures = pictures_at(reader.info, reader.name, times_seconds, exactly=True)
    for number, (picture, time) in enumerate(zip(pictures, times_seconds, strict=True), 1):
        if abs(picture.time_seconds - time) > SAME_SECONDS:
            raise InputError("frame_not_there", name=printable(reader.info.name), time=f"{time:.3f}")
        jpeg, width, height = as_jpeg(picture.upright(FULL_SIDE), _FULL_QUALITY)
        yield KeyframeFound(Keyframe(number, picture.index, time, "asked", 1, width, height, jpeg))


def _begun(reader: FrameReader, start_seconds: float) -> FrameReader:
    """A reader that need not decode all that comes before the start, where there can be one."""
    if not start_seconds or reader.name != LateReader.name:
        return reader
    try:
        return LateReader(reader.info, start_seconds)
    except NotExact:
        return reader


def _named(clip: Clip, selection: Selection, frames: int, max_side: int, read_text: bool) -> Iterator[VideoEvent]:
    surveyed = yield from _survey(clip, max_side)
    wishes, notices = _wishes(clip, surveyed, selection, frames)
    decode = replace(surveyed, notices=(*surveyed.notices, *notices))
    keyframes = tuple(_keyframes(clip, wishes, decode, max_side))
    yield KeyframesChosen(keyframes, decode)
    yield from facts_of(keyframes, read_text=read_text)


def _survey(clip: Clip, max_side: int) -> Generator[VideoEvent, None, DecodeSummary]:
    """The shots and how far the file could be read; the frame that comes with them is not wanted here."""
    for event in extraction.run(clip, frames=1, max_side=max_side, read_text=False):
        if isinstance(event, KeyframesChosen):
            return clip.summary(event.decode)
        if isinstance(event, SurveyProgress):
            yield clip.placed(event)
    raise InputError("no_frames", name=printable(clip.info.name))


def _wishes(clip: Clip, decode: DecodeSummary, selection: Selection, frames: int) -> tuple[list[Wish], list[Notice]]:
    surveyed = Surveyed(clip.first[1], decode.readable_seconds, decode.shots, clip.whole_frames)
    found = TIMES[selection.strategy](selection, surveyed, frames)
    notices = []
    outside = len(set(selection.times_seconds)) - len(found)
    if selection.strategy == "times" and outside:
        notices.append(Notice("times_outside", {"count": outside, "readable": f"{decode.readable_seconds:.3f}"}))
    if not found:
        name = printable(clip.info.name)
        key = "codec_keyframes_unknown" if selection.strategy == "codec" else "times_without_frames"
        raise InputError(key, name=name, readable=f"{decode.readable_seconds:.3f}")
    kept = thinned(found, frames)
    if len(kept) < len(found):
        notices.append(Notice("frames_thinned", {"found": len(found), "kept": len(kept)}))
    return kept, notices


def _keyframes(clip: Clip, wishes: Sequence[Wish], decode: DecodeSummary, max_side: int) -> Iterator[Keyframe]:
    starts = [shot.start_seconds for shot in decode.shots]
    # Where damaged parts were skipped, packets no longer tell how many frames came before.
    edges = (clip.first, clip.last) if not clip.num_damaged else ((-1, 0.0),)
    pictures = pictures_at(clip.info, clip.name, [wish.time_seconds for wish in wishes], edges=edges)
    number, last_index = 0, -1
    for picture, wish in zip(pictures, wishes, strict=True):
        if picture.index == last_index:  # two wishes met in one frame
            continue
        number, last_index = number + 1, picture.index
        shot = max(1, bisect_right(starts, picture.time_seconds + SAME_SECONDS))
        jpeg, width, height = as_jpeg(picture.upright(max_side), JPEG_QUALITY)
        yield Keyframe(number, picture.index, picture.time_seconds, wish.reason, shot, width, height, jpeg)
