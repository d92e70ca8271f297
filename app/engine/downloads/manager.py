"""One download at a time, in a thread of its own, for a page that comes and looks: paused, gone on with, given up.

What follows on a download is given with it and happens however often it was paused, whether or not anybody looks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.domain import EngineProgress
from app.engine.base import ProgressListener
from app.engine.downloads.hub import download
from app.errors import AppError, Cancelled

log = logging.getLogger(__name__)
Fetch = Callable[[str, ProgressListener, threading.Event], Path]


@dataclass(frozen=True)
class Fetched:
    """How the download of `model` stands. `error` is why it failed; what has arrived is kept in any case."""

    model: str
    state: Literal["running", "paused", "failed"]
    progress: EngineProgress | None = None
    error: AppError | None = None


class Fetching:
    """All methods may be called from any thread."""

    def __init__(self, fetch: Fetch = download) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._now: Fetched | None = None
        self._then: Callable[[], None] = lambda: None
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def now(self) -> Fetched | None:
        """The download that runs, was paused or failed; None where there is none, or it has come to its end."""
        return self._now

    def begin(self, model: str, then: Callable[[], None]) -> None:
        """Fetch `model`, then call `then`, whose AppError is told like one of the download. Takes the place of a
        download that stands still; raises AppError("download_under_way") while one runs.
        """
        with self._lock:
            if self._now and self._now.state == "running":
                raise AppError("download_under_way", model=self._now.model)
            self._start(model, then)

    def go_on(self) -> None:
        """Go on with a download that was paused or failed; nothing where there is none."""
        with self._lock:
            if self._now and self._now.state != "running":
                self._start(self._now.model, self._then)

    def pause(self) -> None:
        """Stop for now; what has arrived is kept."""
        with self._lock:
            if self._now and self._now.state == "running":
                self._cancel.set()
                self._now = replace(self._now, state="paused")

    def give_up(self) -> None:
        """Stop for good; what has arrived is kept for another time."""
        with self._lock:
            self._cancel.set()
            self._now = None

    def close(self) -> None:
        """Stop, and wait until nothing of it runs."""
        self.give_up()
        if self._thread:
            self._thread.join()

    def _start(self, model: str, then: Callable[[], None]) -> None:
        """A thread that first waits for the one before it: two would write to the same files. The lock is held."""
        self._now, self._then, self._cancel = Fetched(model, "running"), then, threading.Event()
        order = (model, then, self._cancel, self._thread)
        self._thread = threading.Thread(target=self._run, args=order, name="download", daemon=True)
        self._thread.start()

    def _run(
        self, model: str, then: Callable[[], None], cancel: threading.Event, before: threading.Thread | None
    ) -> None:
        if before:
            before.join()
        try:
            self._fetch(model, lambda progress: self._tell(cancel, Fetched(model, "running", progress)), cancel)
            if not cancel.is_set():
                then()
        except Cancelled:
            return
        except Exception as error:
            log.warning("the download of %s failed", model, exc_info=True)
            ours = error if isinstance(error, AppError) else AppError("internal", kind=type(error).__name__, log="")
            self._tell(cancel, Fetched(model, "failed", self._now.progress if self._now else None, ours))
            return
        self._tell(cancel, None)

    def _tell(self, cancel: threading.Event, news: Fetched | None) -> None:
        """Unless it was stopped meanwhile: then others tell."""
        with self._lock:
            if not cancel.is_set():
                self._now = news
