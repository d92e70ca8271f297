"""Video access for the rest of the application: probing, extraction, sound and subtitles, decoded in a worker process.

Checks the file, starts the worker and forwards its events; nothing here decodes. Only text subtitles can be read; those
stored as pictures are reported by name. Speech recognition happens elsewhere, from `sound_pieces`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from app.core.domain import (
    DecodeSummary,
    FactsMeasured,
    Keyframe,
    KeyframeFound,
    KeyframesChosen,
    Language,
    Notice,
    Noticed,
    Probed,
    ScreenText,
    Selection,
    SoundPiece,
    Transcript,
    VideoEvent,
    VideoInfo,
)
from app.core.errors import Cancelled, DecodeError
from app.core.filenames import readable
from app.video.files import check_file, printable
from app.video.hashing import picture_key
from app.video.keyframes.timestamp_selection import Fetched, Known, Opening, in_shots, wishes_of
from app.video.subtitles.discovery import files_beside
from app.video.worker_pool import DecoderWorker

_PROBE_SECONDS = 60
"""Nobody can cancel a probe, so it ends by itself; decoding one frame takes well under a second."""
MAX_SIDE = 1280
"""Pixels of the longer side of a keyframe, unless told otherwise: as large as a model or a page makes use of."""
_WHOLE = Selection()
_MAY_OPEN = ("auto", "uniform")
Texts = Mapping[str, tuple[ScreenText, ...]]
_NO_TEXTS: Texts = {}


def probe(path: Path) -> VideoInfo:
    """What the file holds, proved by decoding one frame of it.

    Raises InputError for what is no readable video and DecodeError for a video of which nothing can be decoded.
    """
    check_file(path)
    too_long = threading.Event()
    timer = threading.Timer(_PROBE_SECONDS, too_long.set)
    timer.start()
    try:
        with DecoderWorker("probe", path) as child:
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
    opening: Opening | None = None,
    texts: Texts = _NO_TEXTS,
    on_known: Callable[[Known], None] | None = None,
    cancel: threading.Event | None = None,
) -> Iterator[VideoEvent]:
    """Surveys the video once and yields Probed, then SurveyProgress and KeyframeFound, then one KeyframesChosen of
    at most `frames` keyframes, then FactsMeasured for each of them in order (after Noticed where no text can be read).

    `selection` says how the keyframes are chosen and from which range; frames and times count from the start of the
    video all the same. JPEGs are at most `max_side` pixels long. Text on the screen is read only with `read_text`.
    With an `opening` (for "auto" and "uniform") its keyframes come in an OpeningChosen while the rest is still being
    read, unless the video ends before or shows nothing there; they count among the `frames`.
    `texts` are those read before, by `picture_key`: on such a picture text is not read again.
    `on_known` is told what the survey of a whole video found, right before KeyframesChosen; see `extract_named`.
    Raises what `probe` raises, and Cancelled within half a second of `cancel` being set. Closing the iterator ends
    the work.
    """
    if frames < 1 or max_side < 16:
        raise ValueError(f"frames is {frames} and max_side {max_side}; at least 1 and 16 are needed")
    if opening is not None and (opening.frames > frames or selection.strategy not in _MAY_OPEN):
        raise ValueError(f"{opening} does not go with {frames} frames and strategy {selection.strategy!r}")
    check_file(path)
    options = {"frames": frames, "selection": asdict(selection), "max_side": max_side, "read_text": read_text}
    if opening is not None:
        options["opening"] = asdict(opening)
    with DecoderWorker("extract", path, have_text=list(texts), **options) as child:
        events = cast(Iterator[VideoEvent | Known], child.events(cancel))
        yield from _with_texts(_without_known(events, on_known), texts)


def extract_named(
    path: Path,
    known: Known,
    *,
    frames: int,
    selection: Selection,
    max_side: int = MAX_SIDE,
    read_text: bool = True,
    opening: Opening | None = None,
    texts: Texts = _NO_TEXTS,
    cancel: threading.Event | None = None,
) -> Iterator[VideoEvent]:
    """What `extract` yields for a selection of a whole video by any strategy but "auto", without progress and without
    an OpeningChosen: what is `known` of the file stands in for a survey, and only what is wanted is decoded.

    Raises what `extract` raises.
    """
    check_file(path)
    wishes, decode = wishes_of(known, selection, frames, opening, readable(path.name))
    wanted = [(wish.time_seconds, wish.reason) for wish in wishes]
    options = {"wishes": wanted, "edges": known.edges, "max_side": max_side, "read_text": read_text}
    with DecoderWorker("named", path, have_text=list(texts), **options) as child:
        events = cast(Iterator[VideoEvent | Fetched], child.events(cancel))
        yield from _with_texts((_placed(event, decode) for event in events), texts)


def _without_known(
    events: Iterator[VideoEvent | Known], on_known: Callable[[Known], None] | None
) -> Iterator[VideoEvent]:
    for event in events:
        if not isinstance(event, Known):
            yield event
        elif on_known is not None:
            on_known(event)


def _placed(event: VideoEvent | Fetched, decode: DecodeSummary) -> VideoEvent:
    if isinstance(event, Fetched):
        return KeyframesChosen(in_shots(event.keyframes, decode.shots), decode)
    return event


def _with_texts(events: Iterator[VideoEvent], texts: Texts) -> Iterator[VideoEvent]:
    """The same, with the texts that were not read again put into the facts."""
    keys: dict[int, str] = {}
    for event in events:
        if isinstance(event, KeyframesChosen) and texts:
            keys = {one.number: picture_key(one.jpeg) for one in event.keyframes}
        if isinstance(event, FactsMeasured) and (known := texts.get(keys.get(event.facts.number, ""))):
            event = FactsMeasured(replace(event.facts, texts=known))
        yield event


def full_pictures(
    path: Path, keyframes: Sequence[Keyframe], *, cancel: threading.Event | None = None
) -> Iterator[Keyframe]:
    """The same keyframes, one by one in order of time, with their pictures at full resolution, turned upright.

    Only what is needed is decoded. Raises what `probe` raises, InputError where the file no longer has a frame at one
    of the times, and Cancelled.
    """
    check_file(path)
    ordered = sorted(keyframes, key=lambda keyframe: keyframe.time_seconds)
    with DecoderWorker("pictures", path, times_seconds=[one.time_seconds for one in ordered]) as child:
        found = (event.keyframe for event in child.events(cancel) if isinstance(event, KeyframeFound))
        for keyframe, full in zip(ordered, found, strict=True):
            yield replace(keyframe, width=full.width, height=full.height, jpeg=full.jpeg)


def sound_pieces(
    path: Path, *, start_seconds: float = 0.0, end_seconds: float | None = None, cancel: threading.Event | None = None
) -> Generator[SoundPiece, None, None]:
    """The sound of [start_seconds, end_seconds) in time order, in pieces of at most 30 s that are cut at quiet places.

    Times count from the first displayed picture. Stretches without any sound are left out, so a silent video gives no
    piece, and neither does one without a sound track. Memory does not grow with the length of the video.
    Raises what `probe` raises, DecodeError where none of the sound can be decoded, and Cancelled.
    """
    check_file(path)
    with DecoderWorker("sound", path, start_seconds=start_seconds, end_seconds=end_seconds) as child:
        yield from (event for event in child.events(cancel) if isinstance(event, SoundPiece))


def may_have_subtitles(video: VideoInfo) -> bool:
    """Return whether a child must look for subtitles: there is a track in the file, or a file beside it."""
    return video.has_subtitle_tracks or any(files_beside(video.path))


def subtitles_of(
    path: Path, language: Language, *, cancel: threading.Event | None = None
) -> tuple[Transcript | None, tuple[Notice, ...]]:
    """The subtitles in `language` if there are such, else those marked as default, else the first; None without any.

    Times count from the first displayed picture. What else there is, and what could not be read, is in the notices.
    Raises what `probe` raises, and Cancelled.
    """
    check_file(path)
    transcript: Transcript | None = None
    notices: list[Notice] = []
    with DecoderWorker("subtitles", path, language=language) as child:
        for event in child.events(cancel):
            if isinstance(event, Transcript):
                transcript = event
            elif isinstance(event, Noticed):
                notices.append(event.notice)
    return transcript, tuple(notices)
