"""Text recognition in a separate low-priority process, in parallel with decoding.

It is a process and not a thread, since recognition holds the interpreter for long and would delay the survey. Its
priority is low, since users wait for the survey, the page and the engine, but not for these facts. The process is
`python -m framelens.video.features.text_recognition`: it reads pictures from standard input, writes texts to standard
output (framelens.core.codec), and ends when standard input closes. It has a sandbox of its own
(framelens.video.sandbox), which allows no file but libraries, and it loads these when the first picture arrives.

Nothing is ever downloaded: without the models in RapidOCR's wheel no text is read, and a notice says so.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from framelens.core.codec import receive, send
from framelens.core.domain import Notice, ScreenText
from framelens.core.events import Noticed
from framelens.core.installation import extra_of
from framelens.video import limits, sandbox
from framelens.video.files import picture_key

if TYPE_CHECKING:
    from framelens.video.readers.base import Image

Texts = tuple[ScreenText, ...]
_MOST_SENT = 2
"""The picture being read and the next picture: a picture that was sent can't be dropped any more."""
ReadText = Callable[["Image"], Texts]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Picture:
    """A picture to read, with its `picture_key`."""

    key: str
    jpeg: bytes


@dataclass(frozen=True)
class _Read:
    """The texts on the picture with this key."""

    key: str
    texts: Texts


class TextReading:
    """Client of the recognition process, which starts at once, since a sandbox allows no start later. Not thread-safe.

    `offer` pictures that may be wanted, then `want` those that are, then `read` each. Offered pictures that are not
    wanted are dropped unless they were sent already.

    Args:
        is_quiet: Drop what the libraries write to standard error, where that is the user's terminal.
    """

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "framelens.video.features.text_recognition"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if is_quiet else None,
        )
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._queued: dict[str, bytes] = {}  # in order, by key
        self._sent: set[str] = set()
        self._texts: dict[str, Texts] = {}
        self._missing: Notice | None = None
        self._has_ended = False

    def offer(self, jpeg: bytes) -> None:
        """Queue a picture that will probably be wanted."""
        with self._changed:
            self._queue(jpeg)
        self._start()

    def want(self, jpegs: Iterable[bytes]) -> None:
        """Replace the queue by these pictures, in this order."""
        with self._changed:
            self._queued.clear()
            for jpeg in jpegs:
                self._queue(jpeg)
            is_needed = bool(self._queued)
        if is_needed:
            self._start()

    def read(self, jpeg: bytes) -> Texts:
        """Wait for the texts on a wanted picture and return them; an empty tuple if text can't be read."""
        key = picture_key(jpeg)
        with limits.waiting(), self._changed:
            self._changed.wait_for(lambda: key in self._texts or self._has_ended)
            return self._texts.get(key, ())

    @property
    def missing(self) -> Notice | None:
        """Return why text can't be read, or None if it can or the reason isn't known yet."""
        return self._missing

    def close(self) -> None:
        """End the process, by the end of its input: from within a sandbox it can't be killed."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
        with suppress(OSError):  # it has ended already
            cast(BinaryIO, self._process.stdin).close()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        cast(BinaryIO, self._process.stdout).close()

    def _queue(self, jpeg: bytes) -> None:
        key = picture_key(jpeg)
        if key not in self._sent:
            self._queued[key] = jpeg
            self._changed.notify_all()

    def _start(self) -> None:
        if self._threads:
            return
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._collect)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
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
                send(pipe, _Picture(key, jpeg))
            except OSError:  # the process has ended; `_collect` notices too
                return

    def _may_send(self) -> bool:
        return self._has_ended or (bool(self._queued) and len(self._sent) - len(self._texts) < _MOST_SENT)

    def _collect(self) -> None:
        stream = cast(BinaryIO, self._process.stdout)
        missing: Notice | None = None
        try:
            while message := receive(stream, _Read, Noticed):
                if isinstance(message, Noticed):
                    missing = message.notice
                    break
                with self._changed:
                    self._texts[message.key] = message.texts
                    self._changed.notify_all()
        except (EOFError, ValueError):
            pass  # a crash in the middle of a message
        code = None if missing else self._process.wait()
        with self._changed:
            self._missing = missing or Notice(
                "text_reading_ended", {"reason": f"framelens.video.features.text_recognition: {code}"}
            )
            self._has_ended = True
            self._changed.notify_all()


def main() -> NoReturn:
    """Recognise the pictures on standard input until it closes."""
    limits.lower_priority(limits.TEXT_NICENESS)
    output = limits.private_output()
    sandbox.enter((), memory_bytes=limits.MEMORY_BYTES)
    pictures: queue.SimpleQueue[_Picture] = queue.SimpleQueue()
    if (first := receive(sys.stdin.buffer, _Picture)) is None:
        os._exit(0)
    pictures.put(first)
    threading.Thread(target=_receive, args=(pictures,), daemon=True).start()
    import cv2
    import numpy as np

    from framelens.video.readers.base import as_image

    read, missing = load_text_reader()
    if read is None:
        send(output, Noticed(cast(Notice, missing)))
        os._exit(0)
    limits.end_if_stuck(limits.STUCK_SECONDS)
    while True:
        with limits.waiting():
            picture = pictures.get()
        image = as_image(cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR))
        send(output, _Read(picture.key, read(image)))


def _receive(pictures: queue.SimpleQueue[_Picture]) -> None:
    """Queue the pictures from standard input and end the process when it closes, even during a recognition."""
    while picture := receive(sys.stdin.buffer, _Picture):
        pictures.put(picture)
    os._exit(0)


def load_text_reader() -> tuple[ReadText | None, Notice | None]:
    """Return either the text reader or the notice that says why text can't be read."""
    try:
        from framelens.video.features.text_reader import TextReader

        return TextReader(), None
    except Exception as error:  # noqa: BLE001 - a broken optional library must not cost the report
        if isinstance(error, ModuleNotFoundError) and (extra := extra_of(error.name or "")):
            return None, Notice("text_not_installed", {"extra": extra}, "info")
        _log.warning("text on the screen cannot be read", exc_info=True)
        return None, Notice("text_not_read", {"reason": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
