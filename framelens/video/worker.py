"""Decoder worker: a program that reads a request on standard input and writes messages on standard output.

The request is a WorkerRequest on one line; the task "stills" accepts further lines, `[seconds, side]`, and "times"
paths. All, and the messages, are encoded by framelens.core.codec. The worker ends when its standard input closes, as
its parent has ended then. With `--ready` it loads all libraries before the request; with `--background` it runs at a
lower priority. Between the request and the file it enters a sandbox, see framelens.video.sandbox. Started by
framelens.video.worker_pool, not by hand. `serve` is the program of other workers, too, which have requests and messages
of their own.
"""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # while libraries are loaded, a twentieth sooner: nothing of them is garbage

import faulthandler
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import av.error
import numpy as np

from framelens.core.background_task import in_thread
from framelens.core.codec import Failure, from_json, send
from framelens.core.domain import Keyframe, SoundPiece, Stretch, Transcript, VideoInfo
from framelens.core.errors import AppError, DecodeError
from framelens.core.events import KeyframeFound, KeyframesChosen, OpeningChosen, Probed, SilenceMeasured, VideoEvent
from framelens.video import limits, sandbox
from framelens.video.audio import decoder
from framelens.video.audio.silence import silent_stretches
from framelens.video.features.frame_metrics import facts_of
from framelens.video.features.text_recognition import TextReading
from framelens.video.files import confine, picture_key, printable_path
from framelens.video.keyframes.strategies import (
    Fetched,
    FileTask,
    FrameTimes,
    SurveyResult,
    Thumbnails,
    WorkerRequest,
    is_whole,
)
from framelens.video.readers import damage, open_reader
from framelens.video.readers.base import FrameReader, Picture, as_jpeg
from framelens.video.seeking import AccurateSeeker, InaccurateSeekError, frame_times, pictures_at
from framelens.video.subtitles.discovery import files_beside, folders_beside

if TYPE_CHECKING:
    from framelens.video.subtitles.formats import SubtitleForms

Task = TypeVar("Task", bound=FileTask)
T = TypeVar("T")
_LIKELY = ("first", "shot")
"""Reasons of early keyframes that are mostly kept in the end, so their text is read at once."""
_STILLS_NICENESS = 10
"""An analysis goes first."""
_QUALITY = 80
"""JPEG quality of pictures that are seen for a moment; half the size of a keyframe."""


def _load() -> None:
    """Import everything that a request may need, except the libraries of text recognition, a process of its own.

    What is loaded stays, so the search for unreachable objects leaves it out from then on.
    """
    sandbox.has_landlock()  # looks for the C library, which takes longer than to enter the sandbox
    from framelens.video.keyframes import pipeline  # noqa: F401

    gc.freeze()


_further_input: queue.SimpleQueue[bytes] = queue.SimpleQueue()


def _request(kind: type[Task]) -> Task:
    """Read the first line of standard input and return the request.

    What follows the line is kept for later. Ends the process without a parent.
    """
    data, read = bytearray(), b""  # with keyframes, a request has tens of megabytes
    while b"\n" not in read:
        if not (read := os.read(sys.stdin.fileno(), 65536)):
            os._exit(0)
        data += read
    line, _, rest = bytes(data).partition(b"\n")
    request = from_json(line, kind)
    _further_input.put(rest)
    return request


def further_requests(kind: type[T]) -> Iterator[T]:
    """Yield the lines of standard input after the first, as they arrive; see `DecoderWorker.ask`."""
    rest = b""
    while True:
        with limits.waiting():
            rest += _further_input.get()
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield from_json(line, kind)


def _end_with_parent() -> None:
    # os.read instead of sys.stdin.read: a lock held by this thread would abort a normal exit of the interpreter.
    while read := os.read(sys.stdin.fileno(), 65536):
        _further_input.put(read)
    os._exit(0)


def files_of(request: WorkerRequest) -> list[Path]:
    """Return the paths that a request reads: the video, for "subtitles" also folders and the subtitle files in them."""
    if request.task != "subtitles":
        return [request.path, *request.later]

    beside = (source.path for source in files_beside(request.path) if source.path and not source.leads_out)
    chosen = [request.subtitles] if request.subtitles else []
    return [request.path, *folders_beside(request.path), *beside, *chosen]


def events_of(
    request: WorkerRequest, reading: TextReading | None = None
) -> Iterator[VideoEvent | SurveyResult | Thumbnails | Fetched | FrameTimes | Transcript | SoundPiece]:
    """Return the events of a request, without limits on time or memory; `reading` is closed. They raise AppErrors."""
    if request.task == "facts":
        return _with_facts(iter(()), request, reading)
    if request.task in ("extract", "named"):
        return _with_facts(_choose(request), request, reading)
    if request.task == "times":
        return _times(chain([request.path], further_requests(Path)))
    return _read(request, _forms(request))


def _forms(request: WorkerRequest) -> SubtitleForms | None:
    """Import what a plugin reads of subtitles, before the sandbox; None without such a plugin, or if that fails."""
    if not request.forms:
        return None
    from framelens import registry

    plugin, reference = request.forms
    forms: SubtitleForms | None = registry.PluginPart(plugin, "subtitles", reference).call()
    return forms


def _times(paths: Iterable[Path]) -> Iterator[VideoEvent | FrameTimes]:
    """Yield the metadata and the times of each file."""
    for path in paths:
        with open_reader(path) as reader:
            limits.check_size(reader.info)
            info = reader.info
        yield Probed(info)
        yield frame_times(info)


def _read(request: WorkerRequest, forms: SubtitleForms | None) -> Iterator[VideoEvent | Transcript | SoundPiece]:
    """Yield the metadata of a file and the results of a task that doesn't choose frames."""
    task = request.task
    with open_reader(request.path, every_frame=True) as reader:
        limits.check_size(reader.info)
        yield Probed(reader.info)
        if task == "subtitles":
            from framelens.video.subtitles import reader as subtitle_reader

            yield from subtitle_reader.read(reader.info, request.language, request.subtitles, forms)
            return
        if task == "sound":
            yield from decoder.pieces(reader.info, request.start_seconds, request.end_seconds, request.spoken)
            return
        if task == "stills":
            limits.lower_priority(_STILLS_NICENESS)
            yield from stills(reader, further_requests(tuple[float, int]))
            return
        if task == "pictures":
            from framelens.video.keyframes import pipeline

            yield from pipeline.full_pictures(reader, request.times_seconds, seeks=request.seeks)


def _choose(request: WorkerRequest) -> Iterator[VideoEvent | SurveyResult | Thumbnails | Fetched]:
    """Yield the metadata of a video and the events of choosing its frames."""
    options = request.options
    assert options
    # In a short range every frame may be wanted.
    may_skip = request.task == "extract" and is_whole(options.selection)
    with open_reader(request.path, every_frame=not may_skip) as reader:
        limits.check_size(reader.info)
        yield Probed(reader.info)
        from framelens.video.keyframes import pipeline

        if request.task == "named":
            yield pipeline.fetch(reader, request.targets, request.edges, options.max_side)
        else:
            for event in pipeline.run(reader, options, shows=not request.only_frames):
                if isinstance(event, KeyframesChosen) and reader.changes.outliers_seconds:
                    # the header counts outliers as well
                    yield Probed(replace(reader.info, duration_seconds_from_header=None))
                yield event


def _with_facts(
    events: Iterator[VideoEvent | SurveyResult | Thumbnails | Fetched],
    request: WorkerRequest,
    reading: TextReading | None,
) -> Iterator[VideoEvent | SurveyResult | Thumbnails | Fetched]:
    """Forward the events, then yield the measured facts of the chosen keyframes and the silence of the sound.

    Text is read meanwhile, starting with the first picture that will probably be chosen, and the sound is measured.
    """
    keyframes, sound_until, video = request.keyframes, request.end_seconds, None
    have_text = frozenset(request.have_text)
    try:
        if reading is not None and keyframes:
            _note_pictures(OpeningChosen(keyframes), reading, have_text)
        for event in events:
            if reading is not None:
                _note_pictures(event, reading, have_text)
            match event:
                case Probed():
                    video = event.video
                case KeyframesChosen():
                    keyframes, sound_until = event.keyframes, event.decode.readable_seconds
                case Fetched():
                    keyframes = event.keyframes
            yield event
        if request.only_frames:
            return
        silence = _measure_silence(request, video, sound_until)
        yield from facts_of(keyframes, reading, have_text)
        if silence and (stretches := silence.result()) is not None:
            yield SilenceMeasured(stretches)
    finally:
        if reading is not None:
            reading.close()


def _measure_silence(
    request: WorkerRequest, video: VideoInfo | None, end_seconds: float | None
) -> Future[tuple[Stretch, ...] | None] | None:
    """Measure the silence up to `end_seconds` in a thread; nothing is silent in sound that can't be decoded."""
    if end_seconds is None or (video and not video.has_audio):
        return None
    start_seconds = request.options.selection.start_seconds if request.options else 0.0

    def measure() -> tuple[Stretch, ...] | None:
        try:
            info = video or _probe(request.path)
            return silent_stretches(info, start_seconds, end_seconds) if info.has_audio else None
        except AppError:
            return ()

    return in_thread("silence", measure)


def _probe(path: Path) -> VideoInfo:
    with open_reader(path) as reader:
        return reader.info


def _note_pictures(event: object, reading: TextReading, have_text: Collection[str]) -> None:
    match event:
        case KeyframeFound(keyframe) if keyframe.reason in _LIKELY and not have_text:
            reading.offer(keyframe.jpeg)
        case OpeningChosen(keyframes) | KeyframesChosen(keyframes) | Fetched(keyframes):
            jpegs = [
                keyframe.jpeg for keyframe in keyframes if not have_text or picture_key(keyframe.jpeg) not in have_text
            ]
            reading.want(jpegs)
        case _:
            pass


def _start_reading(request: WorkerRequest) -> TextReading | None:
    if not (request.options and request.options.read_text):
        return None
    return TextReading()


def serve(
    kind: type[Task],
    files_of: Callable[[Task], list[Path]],
    begin: Callable[[Task], Iterator[object]],
    *,
    niceness: int = 0,
) -> NoReturn:
    """Handle the request of this process in the sandbox, and end the process.

    Args:
        kind: Class of the request.
        files_of: Returns the paths that a request reads.
        begin: Starts the processes that a request needs, before the sandbox, and returns its messages.
        niceness: Steps by which the priority of this process is lowered.
    """
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # a service manager sends it to all processes; the parent ends this one
    damage.watch()
    faulthandler.enable()
    output = limits.private_output()
    if "--background" in sys.argv[1:]:
        limits.lower_priority(limits.DECODER_NICENESS)
    if "--ready" in sys.argv[1:]:
        _load()
    gc.enable()
    request = _request(kind)
    limits.lower_priority(niceness)
    confine(request.confined)
    files = files_of(request)
    messages = begin(request)  # the sandbox allows no new process
    _reserve_product_memory()
    sandbox.enter(files, memory_bytes=request.memory_bytes)  # before the first thread, which it holds for as well
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limits.end_if_stuck(request.stuck_seconds)
    try:
        for message in messages:
            with limits.waiting():  # the parent may be slow to read
                send(output, message)
    except AppError as error:
        send(output, Failure.of(error))
    except Exception as error:
        if not limits.is_out_of_memory(error):
            raise
        send(output, Failure.of(DecodeError("video_out_of_memory", name=printable_path(request.path.name))))
    # Everything was sent, so the libraries' own threads needn't be joined.
    output.flush()
    os._exit(0)


def _reserve_product_memory() -> None:
    """Have OpenBLAS allocate the 32 MB it works in: where a decoder has taken all memory, it would try for minutes."""
    size = 8192  # it needs none for a few thousand numbers
    np.ones((2, size), np.float32) @ np.ones(size, np.float32)


def main() -> NoReturn:
    """Handle a request to the decoder."""
    serve(
        WorkerRequest,
        files_of,
        lambda request: events_of(request, _start_reading(request)),
    )


class StillReader:
    """Random access to the pictures of a video; the list of packets is kept between requests."""

    def __init__(self, video: VideoInfo, reader: str) -> None:
        self._video = video
        self._reader = reader
        self._jumper: AccurateSeeker | None = None
        if reader == "pyav":
            self._open()

    def at(self, seconds: float) -> Picture | None:
        """Return the picture shown at `seconds`, or None for a file without pictures."""
        if self._jumper is not None:
            try:
                return self._jumper.at(seconds)
            except (InaccurateSeekError, av.error.FFmpegError):
                self._open()  # decoder state from a damaged place must not affect the next request
        return next(pictures_at(self._video, self._reader, [seconds]), None)

    def _open(self) -> None:
        self.close()
        try:
            self._jumper = AccurateSeeker(self._video)
        except (InaccurateSeekError, av.error.FFmpegError):
            self._jumper = None

    def close(self) -> None:
        """Release the file."""
        if self._jumper is not None:
            self._jumper.close()
            self._jumper = None


def stills(reader: FrameReader, requests: Iterable[tuple[float, int]]) -> Iterator[KeyframeFound]:
    """Yield the picture for each request (seconds, longest side in pixels), numbered in the order of the requests.

    A Keyframe without a JPEG means that there is no picture.
    """
    source = StillReader(reader.info, reader.name)
    try:
        for number, (seconds, side) in enumerate(requests, 1):
            picture = source.at(seconds)
            if picture is None:
                yield KeyframeFound(Keyframe(number, 0, seconds, "asked", 1, 0, 0, b""))
                continue
            jpeg, width, height = as_jpeg(picture.upright(side), _QUALITY)
            yield KeyframeFound(Keyframe(number, picture.index, picture.time_seconds, "asked", 1, width, height, jpeg))
    finally:
        source.close()


if __name__ == "__main__":
    main()
