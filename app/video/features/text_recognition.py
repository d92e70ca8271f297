"""Text on frames, read by a process of its own at low priority while the rest of the video is being decoded.

It is a process and not a thread, since reading holds the interpreter for long and would make the survey wait; and it
gives way to everything else, since a survey, a page and an engine are waited for and facts are not. The process is
`python -m app.video.features.text_recognition`: pictures come on its standard input, texts go to its standard output
(app.video.protocol), and it ends when its standard input closes.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, BinaryIO, NoReturn, cast

from app.core.domain import Notice, Noticed, ScreenText
from app.video import limits
from app.video.hashing import picture_key
from app.video.protocol import private_output, receive, send

Texts = tuple[ScreenText, ...]
_MOST_SENT = 2
"""One that is being read and the next; what has been sent cannot be dropped any more."""


class TextReading:
    """The process and what it has read; starts with the first picture.

    `offer` pictures that may be wanted, then `want` those that are, then `read` each. Pictures that were offered and
    are not wanted are dropped as far as they have not been sent. Nothing here may be called from several threads.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Condition()
        self._queued: dict[str, bytes] = {}  # in order, by key
        self._sent: set[str] = set()
        self._texts: dict[str, Texts] = {}
        self._missing: Notice | None = None
        self._has_ended = False

    def offer(self, jpeg: bytes) -> None:
        """Read this picture while there is time: it will probably be wanted."""
        with self._changed:
            self._queue(jpeg)
        self._start()

    def want(self, jpegs: Iterable[bytes]) -> None:
        """Read these pictures, in this order, and no other."""
        with self._changed:
            self._queued.clear()
            for jpeg in jpegs:
                self._queue(jpeg)
            is_needed = bool(self._queued)
        if is_needed:
            self._start()

    def read(self, jpeg: bytes) -> Texts:
        """Return the texts on a wanted picture once they have been read; none where nothing can read them."""
        key = picture_key(jpeg)
        with limits.waiting(), self._changed:
            self._changed.wait_for(lambda: key in self._texts or self._has_ended)
            return self._texts.get(key, ())

    @property
    def missing(self) -> Notice | None:
        """Why texts could not be read, as far as that is known; None where they are."""
        return self._missing

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not read of a picture
                cast(BinaryIO, pipe).close()

    def _queue(self, jpeg: bytes) -> None:
        key = picture_key(jpeg)
        if key not in self._sent:
            self._queued[key] = jpeg
            self._changed.notify_all()

    def _start(self) -> None:
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "app.video.features.text_recognition"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._collect)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        assert self._process
        pipe = cast(BinaryIO, self._process.stdin)
        while True:
            with self._changed:
                self._changed.wait_for(self._may_send)
                if self._has_ended:
                    return
                key = next(iter(self._queued))
                jpeg = self._queued.pop(key)
                self._sent.add(key)
            try:
                send(pipe, [key, jpeg])
            except OSError:  # it has ended, which `_collect` sees too
                return

    def _may_send(self) -> bool:
        return self._has_ended or (bool(self._queued) and len(self._sent) - len(self._texts) < _MOST_SENT)

    def _collect(self) -> None:
        assert self._process
        stream = cast(BinaryIO, self._process.stdout)
        missing: Notice | None = None
        try:
            while (message := cast(Any, receive(stream))) is not None:
                if isinstance(message, Noticed):
                    missing = message.notice
                    break
                key, texts = message
                with self._changed:
                    self._texts[key] = tuple(texts)
                    self._changed.notify_all()
        except (EOFError, ValueError, KeyError, TypeError):
            pass  # a crash in the middle of a message
        code = None if missing else self._process.wait()
        with self._changed:
            self._missing = missing or Notice(
                "text_not_read", {"reason": f"app.video.features.text_recognition: {code}"}
            )
            self._has_ended = True
            self._changed.notify_all()


def main() -> NoReturn:
    """Read the pictures on standard input until it closes."""
    limits.lower_priority(limits.TEXT_NICENESS)
    output = private_output()
    pictures: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(pictures,), daemon=True).start()
    import cv2
    import numpy as np

    from app.video.features.ocr import load_text_reader
    from app.video.readers.base import as_image

    read, missing = load_text_reader()
    if read is None:
        send(output, Noticed(cast(Notice, missing)))
        os._exit(0)
    limits.end_if_stuck(limits.STUCK_SECONDS)
    while True:
        with limits.waiting():
            key, jpeg = pictures.get()
        image = as_image(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
        send(output, [key, list(read(image))])


def _receive(pictures: queue.SimpleQueue[tuple[str, bytes]]) -> None:
    """Take in the pictures; the end of the input is the end of the process, whatever it is reading."""
    while (message := cast(Any, receive(sys.stdin.buffer))) is not None:
        pictures.put((message[0], message[1]))
    os._exit(0)


if __name__ == "__main__":
    main()
