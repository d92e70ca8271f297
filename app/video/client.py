"""From a path to VideoInfo and to the stream of video events, with all decoding in a child process.

Nothing here looks at a picture; it checks the file, starts the child, and hands on what it says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from app.domain import Keyframe, KeyframeFound, Probed, Selection, VideoEvent, VideoInfo
from app.errors import Cancelled, DecodeError
from app.video.files import check_file, printable
from app.video.process import DecodingChild

_PROBE_SECONDS = 60
"""Nobody can cancel a probe, so it ends by itself; decoding one frame takes well under a second."""
MAX_SIDE = 1280
"""Pixels of the longer side of a keyframe, unless told otherwise: as large as a model or a page makes use of."""
_WHOLE = Selection()


def probe(path: Path) -> VideoInfo:
    """What the file holds, proved by decoding one frame of it.

    Raises InputError for what is no readable video and DecodeError for a video of which nothing can be decoded.
    """
    check_file(path)
    too_long = threading.Event()
    timer = threading.Timer(_PROBE_SECONDS, too_long.set)
    timer.start()
    try:
        with DecodingChild("probe", path) as child:
            return cast(Probed, next(child.events(too_long))).video
    except Cancelled as error:
        raise DecodeError("video_probe_timeout", name=printable(path.name), seconds=_PROBE_SECONDS) from error
    finally:
        timer.cancel()


def extract(
    path: Path,
    *,
    frames: int,
    selection: Selection = _WHOLE,
    max_side: int = MAX_SIDE,
    read_text: bool = True,
    cancel: threading.Event | None = None,
) -> Iterator[VideoEvent]:
    """Surveys the video once and yields Probed, then SurveyProgress and KeyframeFound, then one KeyframesChosen of
    at most `frames` keyframes, then FactsMeasured for each of them in order (after Noticed where no text can be read).

    `selection` says how the keyframes are chosen and from which range; frames and times count from the start of the
    video all the same. JPEGs are at most `max_side` pixels long. Text on the screen is read only with `read_text`.
    Raises what `probe` raises, and Cancelled within half a second of `cancel` being set. Closing the iterator ends
    the work.
    """
    if frames < 1 or max_side < 16:
        raise ValueError(f"frames is {frames} and max_side {max_side}; at least 1 and 16 are needed")
    check_file(path)
    options = {"frames": frames, "selection": asdict(selection), "max_side": max_side, "read_text": read_text}
    with DecodingChild("extract", path, **options) as child:
        yield from cast(Iterator[VideoEvent], child.events(cancel))


def full_pictures(
    path: Path, keyframes: Sequence[Keyframe], *, cancel: threading.Event | None = None
) -> Iterator[Keyframe]:
    """The same keyframes, one by one in order of time, with their pictures at full resolution, turned upright.

    Only what is needed is decoded. Raises what `probe` raises, InputError where the file no longer has a frame at one
    of the times, and Cancelled.
    """
    check_file(path)
    ordered = sorted(keyframes, key=lambda keyframe: keyframe.time_seconds)
    with DecodingChild("pictures", path, times_seconds=[one.time_seconds for one in ordered]) as child:
        found = (event.keyframe for event in child.events(cancel) if isinstance(event, KeyframeFound))
        for keyframe, full in zip(ordered, found, strict=True):
            yield replace(keyframe, width=full.width, height=full.height, jpeg=full.jpeg)
