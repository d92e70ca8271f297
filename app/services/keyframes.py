"""Keyframes of a video without a model, for commands and programs: found in the cache or decoded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from app.analysis import open_extraction_cache
from app.config import Settings
from app.core import AnalysisRequest, KeyframesChosen, Probed, Selection, VideoEvent, VideoInfo
from app.video import ExtractOptions


def frames_that_fit(settings: Settings, path: Path) -> int:
    """Return the number of frames that one request for a description holds.

    Raises:
        AppError: The video can't be read.
    """
    from app.analysis.prompts.templates import built_in
    from app.services import open_planner
    from app.video import probe

    request = AnalysisRequest(path)
    template = built_in()[request.template]
    return open_planner(settings).held_frames(probe(path), request, template)


def open_events(
    settings: Settings, path: Path, frames: int, selection: Selection, cancel: threading.Event | None
) -> tuple[Iterator[VideoEvent], bool]:
    """Return the events of choosing keyframes, and whether they are cached; a video is decoded as they are consumed.

    Raises:
        InputError: The file can't be read.
    """
    options = ExtractOptions(frames, selection, read_text=False)
    cache = open_extraction_cache(settings.data_dir)
    known = cache.find(path, options, cancel)
    return (cache.make(path, options, cancel), False) if known is None else (iter(known), True)


def consume(events: Iterable[VideoEvent], show: Callable[[VideoEvent], None]) -> tuple[VideoInfo, KeyframesChosen]:
    """Return the video and its keyframes; all other events are passed to `show`.

    Raises:
        AppError: The video can't be decoded.
        Cancelled: It was cancelled.
    """
    video, chosen = None, None
    for event in events:
        match event:
            case Probed():
                video = event.video
            case KeyframesChosen():
                chosen = event
            case _:
                show(event)
    assert video and chosen
    return video, chosen
