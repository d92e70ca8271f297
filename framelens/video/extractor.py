"""Video access for the rest of the application: probing, extraction, sound and subtitles, decoded in a worker process.

Checks the file, starts the worker and forwards its events; nothing here decodes. Only text subtitles can be read;
subtitles stored as pictures are reported by name. Speech is not recognised here; `sound_pieces` returns the sound for
it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from framelens import registry
from framelens.core.domain import (
    DecodeSummary,
    FrameFacts,
    Keyframe,
    Language,
    Notice,
    ScreenText,
    SoundPiece,
    Transcript,
    VideoInfo,
)
from framelens.core.errors import Cancelled, DecodeError
from framelens.core.events import FactsMeasured, KeyframeFound, KeyframesChosen, Noticed, Probed, VideoEvent
from framelens.core.files import readable
from framelens.core.images import show_same
from framelens.video.files import check_file, picture_key, printable_path
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.strategies import (
    Fetched,
    SurveyResult,
    Thumbnails,
    WorkerRequest,
    in_shots,
    targets_of,
    with_damaged,
)
from framelens.video.subtitles.discovery import CAPTIONED_CODECS, files_beside
from framelens.video.worker_pool import DecoderWorker

_log = logging.getLogger(__name__)
_PROBE_SECONDS = 60
"""A probe can't be cancelled, so it ends by itself; decoding a frame takes well under a second."""
Texts = Mapping[str, tuple[ScreenText, ...]]
_NO_TEXTS: Texts = {}


def probe(path: Path) -> VideoInfo:
    """Return the metadata of a video, after decoding a frame of it.

    Raises:
        VideoError: The file is not a readable video.
        DecodeError: Nothing of it can be decoded, or not within 60 s.
    """
    check_file(path)
    too_long = threading.Event()
    timer = threading.Timer(_PROBE_SECONDS, too_long.set)
    timer.start()
    try:
        with DecoderWorker(WorkerRequest("probe", path)) as child:
            return cast(Probed, next(child.events(too_long))).video
    except Cancelled as error:
        raise DecodeError("video_probe_timeout", name=printable_path(path.name), seconds=_PROBE_SECONDS) from error
    finally:
        timer.cancel()


def extract(
    path: Path,
    options: ExtractOptions,
    *,
    texts: Texts = _NO_TEXTS,
    only_frames: bool = False,
    on_result: Callable[[SurveyResult], None] = lambda result: None,
    on_thumbnails: Callable[[Thumbnails], None] = lambda thumbnails: None,
    cancel: threading.Event | None = None,
) -> Iterator[VideoEvent]:
    """Survey the video once and yield its events; closing the iterator ends the work.

    Yields Probed, then SurveyProgress and KeyframeFound, then one KeyframesChosen, then FactsMeasured for each of its
    keyframes in order (after a Noticed if text can't be read), and SilenceMeasured if there is sound.

    Args:
        path: The video file.
        options: What to extract.
        texts: Texts read before, by `picture_key`; they are not read again.
        only_frames: Yield neither KeyframeFound, FactsMeasured nor SilenceMeasured, which take a tenth of the
            processor's time or more.
        on_result: Called with the results of the survey of a whole video, right before KeyframesChosen; see
            `extract_named`.
        on_thumbnails: Called with small pictures of what was surveyed, before KeyframesChosen.
        cancel: Setting it raises Cancelled within half a second.

    Raises:
        VideoError: The file is not a readable video.
        DecodeError: Nothing of it can be decoded, or the decoder failed.
        Cancelled: `cancel` was set.
    """

    def received(message: VideoEvent | SurveyResult | Thumbnails) -> VideoEvent | None:
        if isinstance(message, SurveyResult):
            on_result(message)
        elif isinstance(message, Thumbnails):
            on_thumbnails(message)
        else:
            return message
        return None

    check_file(path)
    request = WorkerRequest("extract", path, options, only_frames=only_frames, have_text=tuple(texts))
    return _worker_events(request, received, texts, cancel)


def extract_named(
    path: Path,
    result: SurveyResult,
    options: ExtractOptions,
    *,
    texts: Texts = _NO_TEXTS,
    cancel: threading.Event | None = None,
) -> Iterator[VideoEvent]:
    """Yield the events of `extract` without another survey: only the wanted frames are decoded.

    For a selection of a whole video by any strategy but "auto". There is no progress and no OpeningChosen.

    Args:
        path: The video file.
        result: The results of an earlier survey, from the `on_result` of `extract`.
        options: What to extract.
        texts: See `extract`.
        cancel: See `extract`.

    Raises:
        VideoError: The file is not a readable video.
        DecodeError: Nothing of it can be decoded, or the decoder failed.
        Cancelled: `cancel` was set.
    """
    check_file(path)
    targets, decode = targets_of(result, options, readable(path.name))
    request = WorkerRequest(
        "named",
        path,
        options,
        have_text=tuple(texts),
        targets=tuple(targets),
        edges=result.edges,
        end_seconds=decode.readable_seconds,
    )
    return _worker_events(request, lambda message: _as_chosen(message, decode, result), texts, cancel)


def remaining_facts(
    path: Path,
    keyframes: Sequence[Keyframe],
    facts: Sequence[FrameFacts],
    options: ExtractOptions,
    *,
    texts: Texts = _NO_TEXTS,
    sound_until: float | None = None,
    cancel: threading.Event | None = None,
) -> Iterator[VideoEvent]:
    """Yield the facts that an interrupted `extract` had not measured, as it would; of the file only sound is read.

    Args:
        path: The video file.
        keyframes: All its keyframes in time order.
        facts: The facts of the first of them.
        options: See `extract`.
        texts: See `extract`.
        sound_until: End of the sound in seconds whose silence is measured, None if that is known.
        cancel: See `extract`.

    Raises:
        DecodeError: The decoder failed.
        Cancelled: `cancel` was set.
    """
    if len(facts) == len(keyframes) and sound_until is None:
        return iter(())
    remaining = tuple(keyframes[max(0, len(facts) - 1) :])  # motion is measured against the previous frame
    done = remaining[:1] if facts else ()
    have_text = (*texts, *(picture_key(keyframe.jpeg) for keyframe in done))
    measured = {keyframe.number for keyframe in done}

    def received(message: VideoEvent) -> VideoEvent | None:
        return None if isinstance(message, FactsMeasured) and message.facts.number in measured else message

    request = WorkerRequest("facts", path, options, remaining, have_text, end_seconds=sound_until)
    return _worker_events(request, received, texts, cancel, remaining)


def _as_chosen(event: VideoEvent | Fetched, decode: DecodeSummary, result: SurveyResult) -> VideoEvent:
    if not isinstance(event, Fetched):
        return event
    keyframes = in_shots(event.keyframes, decode.shots)
    return KeyframesChosen(keyframes, with_damaged(decode, keyframes, result.damaged, event.damaged))


def _worker_events(
    request: WorkerRequest,
    received: Callable[[Any], VideoEvent | None],
    texts: Texts,
    cancel: threading.Event | None,
    keyframes: Sequence[Keyframe] = (),
) -> Iterator[VideoEvent]:
    """Yield the events of a worker, with the texts that were not read again added to the facts.

    Args:
        request: What it does.
        received: Returns the event of a message, or None.
        texts: The texts, by `picture_key`.
        cancel: Ends the worker.
        keyframes: The frames that facts are measured of, until others are chosen.
    """
    keys = {keyframe.number: picture_key(keyframe.jpeg) for keyframe in keyframes} if texts else {}
    with DecoderWorker(request) as child:
        for message in child.events(cancel):
            match event := received(message):
                case None:
                    continue
                case KeyframesChosen() if texts:
                    keys = {keyframe.number: picture_key(keyframe.jpeg) for keyframe in event.keyframes}
                case FactsMeasured(facts) if earlier_texts := texts.get(keys.get(facts.number, "")):
                    event = FactsMeasured(replace(facts, texts=earlier_texts))
            yield event


def full_pictures(
    path: Path,
    keyframes: Sequence[Keyframe],
    *,
    on_other: Callable[[Keyframe], None] = lambda _: None,
    cancel: threading.Event | None = None,
) -> Iterator[Keyframe]:
    """Yield the keyframes in time order, with their pictures at full resolution and upright.

    Only the necessary frames are decoded. Where a seek leads to another picture than the chosen picture, the file is
    decoded from its start; a keyframe whose picture differs even then, in a damaged file, is yielded unchanged.

    Args:
        path: The video file.
        keyframes: Keyframes with the pictures that were chosen.
        on_other: Called with each keyframe that is yielded unchanged.
        cancel: Setting it raises Cancelled within half a second.

    Raises:
        VideoError: The file is not a readable video, or has no frame at one of the times any more.
        DecodeError: Nothing of it can be decoded, or the decoder failed.
        Cancelled: `cancel` was set.
    """
    check_file(path)
    left = deque(sorted(keyframes, key=lambda keyframe: keyframe.time_seconds))
    with closing(_full_pictures(path, left, seeks=True, cancel=cancel)) as pictures:
        for full in pictures:
            if not show_same(left[0].jpeg, full.jpeg):
                break
            yield _enlarge(left.popleft(), full)
    if not left:
        return
    for full in _full_pictures(path, left, seeks=False, cancel=cancel):
        keyframe = left.popleft()
        if show_same(keyframe.jpeg, full.jpeg):
            yield _enlarge(keyframe, full)
        else:
            _log.warning(
                "keyframe %d of %s shows another picture at full size", keyframe.number, printable_path(path.name)
            )
            on_other(keyframe)
            yield keyframe


def _full_pictures(
    path: Path, keyframes: Collection[Keyframe], *, seeks: bool, cancel: threading.Event | None
) -> Generator[Keyframe, None, None]:
    """Yield a picture at full resolution for each keyframe."""
    times = tuple(keyframe.time_seconds for keyframe in keyframes)
    with DecoderWorker(WorkerRequest("pictures", path, times_seconds=times, seeks=seeks)) as child:
        decoded = (event.keyframe for event in child.events(cancel) if isinstance(event, KeyframeFound))
        yield from (full for _, full in zip(times, decoded, strict=True))


def _enlarge(keyframe: Keyframe, full: Keyframe) -> Keyframe:
    return replace(keyframe, width=full.width, height=full.height, jpeg=full.jpeg)


def sound_pieces(
    path: Path,
    *,
    start_seconds: float = 0.0,
    end_seconds: float | None = None,
    language: str = "",
    cancel: threading.Event | None = None,
) -> Generator[SoundPiece, None, None]:
    """Yield the sound of [start_seconds, end_seconds) in time order, in pieces of at most 30 s, cut at quiet places.

    Of several sound tracks, tracks in `language` (ISO 639-1) are preferred, then the default track, then the first.

    Times count from the first displayed picture. Silence is left out, so a silent video yields nothing, as does a video
    without a sound track. Memory doesn't grow with the length of the video.

    Raises:
        VideoError: The file is not a readable video.
        DecodeError: No sound can be decoded, or the decoder failed.
        Cancelled: `cancel` was set.
    """
    check_file(path)
    request = WorkerRequest("sound", path, start_seconds=start_seconds, end_seconds=end_seconds, spoken=language)
    with DecoderWorker(request) as child:
        yield from (event for event in child.events(cancel) if isinstance(event, SoundPiece))


def may_have_subtitles(video: VideoInfo) -> bool:
    """Return whether there may be subtitles: a track in the file, captions in its pictures, or a file beside it."""
    return video.has_subtitle_tracks or video.codec in CAPTIONED_CODECS or any(files_beside(video.path))


def subtitles_of(
    path: Path, language: Language, *, subtitles: Path | None = None, cancel: threading.Event | None = None
) -> tuple[Transcript | None, tuple[Notice, ...]]:
    """Read the subtitles in the file `subtitles`, else in `language`, else the default subtitles, else the first.

    Returns:
        The transcript, if there are subtitles, and notices of other subtitles and of subtitles that couldn't be read.
        Times count from the first displayed picture.

    Raises:
        VideoError: The file is not a readable video.
        DecodeError: Nothing of it can be decoded, or the decoder failed.
        Cancelled: `cancel` was set.
    """
    check_file(path)
    transcript: Transcript | None = None
    notices: list[Notice] = []
    forms = next(((part.plugin, part.value) for part in registry.placed("subtitles")), ())
    with DecoderWorker(WorkerRequest("subtitles", path, language=language, subtitles=subtitles, forms=forms)) as child:
        for event in child.events(cancel):
            if isinstance(event, Transcript):
                transcript = event
            elif isinstance(event, Noticed):
                notices.append(event.notice)
    return transcript, tuple(notices)
