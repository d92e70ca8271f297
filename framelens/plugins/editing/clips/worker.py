"""Clip worker: a sandboxed process that reads a video and writes clips of it as messages, or reads clips again.

It is started by framelens.plugins.editing.clips.clip_workers and works as framelens.video.worker does, for requests in
turn until a request fails.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from framelens.core.errors import DecodeError
from framelens.plugins.editing.clips.copying import copied
from framelens.plugins.editing.clips.joining import joined
from framelens.plugins.editing.clips.messages import WORKER, ClipPictures, ClipProgress, ClipRequest
from framelens.reports.graphics.fonts import REGULAR
from framelens.video import limits
from framelens.video.files import printable_path
from framelens.video.readers import FIRST_READER, open_reader
from framelens.video.readers.base import Picture
from framelens.video.remux.written_file import WrittenBytes
from framelens.video.seeking import pictures_at
from framelens.video.worker import further_requests, serve


def files_of(request: ClipRequest) -> list[Path]:
    """Return what a request, and those after it, need to read."""
    return [request.path, REGULAR, *(one.path for one in request.clips), *request.later]


def messages_of(request: ClipRequest) -> Iterator[WrittenBytes | ClipProgress | ClipPictures]:
    """Yield the messages of a request and of those that follow. Raises AppErrors."""
    for one in chain([request], further_requests(ClipRequest)):
        yield from _messages(one)


def _messages(request: ClipRequest) -> Iterator[WrittenBytes | ClipProgress | ClipPictures]:
    if request.task == "join":
        yield from joined(request)
        return
    with open_reader(request.path) as reader:
        limits.check_size(reader.info)
        info, name = reader.info, reader.name
    if name != FIRST_READER:
        raise DecodeError("clip_without_pictures", name=printable_path(info.name))
    if request.task == "check":
        yield _checked(request)
    elif request.mode == "fast":
        yield from copied(info, request)
    else:
        from framelens.plugins.editing.clips.encoding import encoded

        yield from encoded(info, request)


def _checked(request: ClipRequest) -> ClipPictures:
    """Decode a clip: all pictures of an exact clip, the first and last picture of a fast clip."""
    with open_reader(request.path) as reader:
        info = reader.info
        if request.mode == "fast":
            pictures = list(pictures_at(info, reader.name, [0.0, request.last_seconds]))
            return _pictures(pictures, [one.time_seconds for one in pictures], sum(one.is_damaged for one in pictures))
        first = last = None
        times = []
        for last in reader.frames():
            limits.move_on()
            first = first or last
            times.append(last.time_seconds)
        return _pictures([one for one in (first, last) if one], times, reader.num_damaged)


def _pictures(pictures: list[Picture], times: list[float], num_damaged: int) -> ClipPictures:
    from framelens.plugins.editing.clips.encoding import levels_of

    first, last = (levels_of(one) for one in (pictures[0], pictures[-1]))
    end = pictures[-1].time_seconds + pictures[-1].duration_seconds
    return ClipPictures(0.0, end, tuple(times), first, last, num_damaged)


if __name__ == "__main__":
    serve(ClipRequest, WORKER, files_of, messages_of)
