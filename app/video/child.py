"""The decoding child: from a request on its command line to messages on its standard output.

`python -m app.video.child '{"task": "probe" | "extract" | "pictures", "path": …}'`. It ends when its standard input
closes, which is how it learns that its parent is gone. Run by app.video.process, not by people.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from app.domain import Probed, Selection, VideoEvent
from app.errors import AppError
from app.video.wire import send


def _end_with_parent() -> None:
    # os.read and not sys.stdin.read: a lock held by this thread would abort an ordinary exit of the interpreter.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


def _private_output() -> BinaryIO:
    """Standard output for our messages alone: what a library prints goes to standard error instead."""
    private = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(private, "wb")


def _events(request: Mapping[str, Any]) -> Iterator[VideoEvent]:
    # Imported here: a probe needs no OpenCV and no text reader, and should not wait for them.
    from app.video.readers import open_reader

    path = Path(request["path"])
    with open_reader(path) as reader:
        yield Probed(reader.info)
        if request["task"] == "probe":
            return
        from app.video import selection

        if request["task"] == "pictures":
            yield from selection.full_pictures(reader, request["times_seconds"])
            return
        wanted = request["selection"]
        yield from selection.run(
            reader,
            frames=request["frames"],
            selection=Selection(**{**wanted, "times_seconds": tuple(wanted["times_seconds"])}),
            max_side=request["max_side"],
            read_text=request["read_text"],
        )


def main() -> NoReturn:
    faulthandler.enable()
    output = _private_output()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        for event in _events(json.loads(sys.argv[1])):
            send(output, event)
    except AppError as error:
        send(output, error)
    # The libraries' own threads are not waited for: everything has been sent.
    output.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
