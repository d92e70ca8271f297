"""Starts decoding children, and keeps one that has loaded its libraries and waits to be asked.

The child is `python -m app.video.worker`, a program of its own: forking would copy the server's threads, and a spawned
multiprocessing child would run the page's script again. Its request is the first line on its standard input, and it
ends by itself when that closes. Loading its libraries takes a quarter of a second; a server has that to spare before it
is asked anything, and keeps one child ready meanwhile (some 100 MB). A command starts one while it reads its settings.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from app.core.child_environment import reader_environment

Child = subprocess.Popen[bytes]
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy's products are of a few numbers here; threads for larger ones wait for work at the expense of the decoder."""


class _Spare:
    """The child that waits, if any, and how many want one to wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Child | None = None
        self._keepers = 0
        self.in_background = False

    def keep(self) -> None:
        with self._lock:
            self._keepers += 1
            self._fill()

    def prepare(self) -> None:
        with self._lock:
            self._waiting = self._waiting or _started("--ready")

    def let_go(self) -> None:
        with self._lock:
            self._keepers -= 1
        self.end_unneeded()

    def end_unneeded(self) -> None:
        with self._lock:
            if not self._keepers and self._waiting:
                _end(self._waiting)
                self._waiting = None

    def refill(self) -> None:
        with self._lock:
            self._fill()

    def take(self) -> Child | None:
        with self._lock:
            taken, self._waiting = self._waiting, None
            return taken

    def _fill(self) -> None:
        if self._keepers and self._waiting is None:
            self._waiting = _started("--ready")


_spare = _Spare()


@contextmanager
def child_ready(*, in_background: bool = False) -> Iterator[None]:
    """While this lasts, a child waits to be asked; after each one that ends, the next is made ready.

    With `in_background` all of them give way to other processes: beside a page and an engine that must stay responsive.
    """
    _spare.in_background = in_background
    _spare.keep()
    try:
        yield
    finally:
        _spare.let_go()
        _spare.in_background = False


@contextmanager
def child_begun() -> Iterator[None]:
    """Start one child now, for the one file that a command reads; no other takes its place."""
    _spare.prepare()
    try:
        yield
    finally:
        _spare.end_unneeded()


def refill() -> None:
    """Where a child is to be kept ready and none waits, start one."""
    _spare.refill()


def asked(request: str) -> Child:
    """A child that was given this request, a line of JSON: the one that waits, or a new one."""
    if (child := _spare.take()) and _told(child, request):
        return child
    if child:  # it was ended from outside
        _end(child)
    child = _started()
    _told(child, request)  # a child that is gone already is seen by its exit code
    return child


def _started(*options: str) -> Child:
    # -P keeps a file in the working directory from being imported in place of a library.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app.video.worker", *options, *(["--background"] if _spare.in_background else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**_ONE_THREAD, **reader_environment()},
    )


def _told(child: Child, request: str) -> bool:
    pipe = cast(BinaryIO, child.stdin)
    try:
        pipe.write(request.encode() + b"\n")
        pipe.flush()
    except OSError:
        return False
    return child.poll() is None


def _end(child: Child) -> None:
    child.kill()
    child.wait()
    close_pipes(child)


def close_pipes(child: Child) -> None:
    """Of a child that has ended."""
    for pipe in (child.stdin, child.stdout, child.stderr):
        try:
            cast(BinaryIO, pipe).close()
        except OSError:  # what was not read of the request
            continue
