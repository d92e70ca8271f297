"""The decoding child: from a request on its standard input to messages on its standard output.

The request is one line, `{"task": …, "path": …}`, where the task is "probe", "extract", "named", "pictures",
"subtitles", "sound" or "stills"; the last takes further lines, `[seconds, side]`. The child ends when its standard
input closes, which is how it learns that its parent is gone. With `--ready` it loads all libraries before it is asked;
with `--background` it gives way to other processes. Started by app.video.worker_pool, not by people.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from app.core.domain import (
    Keyframe,
    KeyframeFound,
    KeyframesChosen,
    OpeningChosen,
    Probed,
    Selection,
    SoundPiece,
    Transcript,
    VideoEvent,
)
from app.core.errors import AppError, DecodeError
from app.video import limits
from app.video.files import printable
from app.video.hashing import picture_key
from app.video.keyframes.strategies import Wish
from app.video.keyframes.timestamp_selection import Fetched, Known, Opening
from app.video.protocol import private_output, send

if TYPE_CHECKING:
    from app.video.features.text_recognition import TextReading
    from app.video.readers.base import FrameReader


_LIKELY = ("first", "shot")
"""Reasons of pictures found on the way that the choice at the end mostly keeps: text is read from them at once."""


_STILLS_NICENESS = 10


def _load() -> None:
    """All that a request may need; the text reader alone is left for when there is text to be read."""
    from app.video.keyframes import pipeline  # noqa: F401


_wishes: queue.SimpleQueue[bytes] = queue.SimpleQueue()


def _request() -> dict[str, Any]:
    """Read the first line of standard input; what follows is for later, and a parent that is gone ends us."""
    data = b""
    while b"\n" not in data:
        if not (read := os.read(sys.stdin.fileno(), 65536)):
            os._exit(0)
        data += read
    line, _, rest = data.partition(b"\n")
    _wishes.put(rest)
    return dict(json.loads(line))


def _further_wishes() -> Iterator[Any]:
    """The lines of standard input after the first, as they come, for as long as the parent wants more."""
    rest = b""
    while True:
        with limits.waiting():
            rest += _wishes.get()
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield json.loads(line)


def _end_with_parent() -> None:
    # os.read and not sys.stdin.read: a lock held by this thread would abort an ordinary exit of the interpreter.
    while read := os.read(sys.stdin.fileno(), 4096):
        _wishes.put(read)
    os._exit(0)


def events_of(request: Mapping[str, Any]) -> Iterator[VideoEvent | Known | Fetched | Transcript | SoundPiece]:
    """What answers a request, with no limit on time or memory. Raises AppErrors."""
    # Imported here: a probe needs no OpenCV and no text reader, and should not wait for them.
    from app.video.readers import open_reader

    path, task = Path(request["path"]), request["task"]
    wanted = request.get("selection") or {}
    # In a short range every frame may be the one that is wanted.
    is_whole = not wanted.get("start_seconds") and wanted.get("end_seconds") is None
    with open_reader(path, every_frame=task != "extract" or not is_whole) as reader:
        limits.check_size(reader.info)
        yield Probed(reader.info)
        if task == "probe":
            return
        if task == "subtitles":
            from app.video.subtitles import reader as subtitle_reader

            yield from subtitle_reader.read(reader.info, request["language"])
            return
        if task == "sound":
            from app.video.audio import decoder

            yield from decoder.pieces(reader.info, request["start_seconds"], request["end_seconds"])
            return
        if task == "stills":
            from app.video import still_reader

            limits.lower_priority(_STILLS_NICENESS)  # an analysis goes first
            yield from still_reader.stills(reader, ((float(time), int(side)) for time, side in _further_wishes()))
            return
        from app.video.keyframes import pipeline

        if task == "pictures":
            yield from pipeline.full_pictures(reader, request["times_seconds"])
            return
        yield from _with_facts(_chosen(reader, request), request)


def _chosen(reader: FrameReader, request: Mapping[str, Any]) -> Iterator[VideoEvent | Known | Fetched]:
    from app.video.keyframes import pipeline

    if request["task"] == "named":
        wishes = [Wish(*wish) for wish in request["wishes"]]
        edges = [(index, seconds) for index, seconds in request["edges"]]
        yield pipeline.named(reader, wishes, edges, max_side=request["max_side"])
        return
    wanted = request["selection"]
    yield from pipeline.run(
        reader,
        frames=request["frames"],
        selection=Selection(**{**wanted, "times_seconds": tuple(wanted["times_seconds"])}),
        max_side=request["max_side"],
        opening=Opening(**request["opening"]) if request.get("opening") else None,
    )


def _with_facts(
    events: Iterator[VideoEvent | Known | Fetched], request: Mapping[str, Any]
) -> Iterator[VideoEvent | Known | Fetched]:
    """The same, and then what can be measured on the keyframes that came last. Text is read meanwhile, from the first
    picture on that will probably be among them.
    """
    from app.video.features.frame_metrics import facts_of
    from app.video.features.text_recognition import TextReading

    keyframes: tuple[Keyframe, ...] = ()
    have_text = frozenset(request.get("have_text", ()))
    reading = TextReading() if request["read_text"] else None
    try:
        for event in events:
            if reading is not None:
                _note_pictures(event, reading, have_text)
            if isinstance(event, KeyframesChosen | Fetched):
                keyframes = event.keyframes
            yield event
        yield from facts_of(keyframes, reading, have_text)
    finally:
        if reading is not None:
            reading.close()


def _note_pictures(event: object, reading: TextReading, have_text: Collection[str]) -> None:
    match event:
        case KeyframeFound(keyframe) if keyframe.reason in _LIKELY and not have_text:
            reading.offer(keyframe.jpeg)
        case OpeningChosen(keyframes) | KeyframesChosen(keyframes) | Fetched(keyframes):
            jpegs = [one.jpeg for one in keyframes if not have_text or picture_key(one.jpeg) not in have_text]
            reading.want(jpegs)
        case _:
            pass


def main() -> NoReturn:
    from app.video.readers import damage

    damage.watch()
    faulthandler.enable()
    output = private_output()
    if "--background" in sys.argv[1:]:
        limits.lower_priority(limits.DECODER_NICENESS)
    if "--ready" in sys.argv[1:]:
        _load()
    request = _request()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limits.limit_memory(request.get("memory_bytes", limits.MEMORY_BYTES))
    limits.end_if_stuck(request.get("stuck_seconds", limits.STUCK_SECONDS))
    try:
        for event in events_of(request):
            with limits.waiting():  # who reads our messages may take their time
                send(output, event)
    except AppError as error:
        send(output, error)
    except Exception as error:
        if not limits.is_out_of_memory(error):
            raise
        send(output, DecodeError("video_out_of_memory", name=printable(Path(request["path"]).name)))
    # The libraries' own threads are not waited for: everything has been sent.
    output.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
