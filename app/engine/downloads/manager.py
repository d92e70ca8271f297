"""Download manager: one model download at a time in a background thread, which a page polls, pauses or cancels.

The callback that follows a download is given at its start and runs however often it was paused, polled or not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.core import AppError, Cancelled, EngineProgress

if TYPE_CHECKING:
    from app.engine.base import ProgressListener

log = logging.getLogger(__name__)
Fetch = Callable[[str, "ProgressListener", threading.Event], Path]


def _download(model: str, on_progress: ProgressListener, cancel: threading.Event) -> Path:
    from app.engine.downloads.hub import download  # imports the client of the hub

    return download(model, on_progress, cancel)


@dataclass(frozen=True)
class DownloadState:
    """State of the download of `model`. `error` is why it failed; the bytes that have arrived are always kept."""

    model: str
    state: Literal["running", "paused", "failed"]
    progress: EngineProgress | None = None
    error: AppError | None = None


class DownloadManager:
    """Run one download at a time; all methods may be called from any thread."""

    def __init__(self, fetch: Fetch = _download) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._current: DownloadState | None = None
        self._on_done: Callable[[], None] = lambda: None
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def current(self) -> DownloadState | None:
        """Return the download that runs, was paused or failed; None if there is none or it has finished."""
        return self._current

    def start(self, model: str, on_done: Callable[[], None]) -> None:
        """Download `model` in place of a paused or failed download.

        Args:
            model: Hub id.
            on_done: Called after the download; its AppError is reported like one of the download.

        Raises:
            AppError: "download_under_way", while another download runs.
        """
        with self._lock:
            if self._current and self._current.state == "running":
                raise AppError("download_under_way", model=self._current.model)
            self._start(model, on_done)

    def resume(self) -> None:
        """Resume a download that was paused or failed; do nothing if there is none."""
        with self._lock:
            if self._current and self._current.state != "running":
                self._start(self._current.model, self._on_done)

    def pause(self) -> None:
        """Stop for now; the bytes that have arrived are kept."""
        with self._lock:
            if self._current and self._current.state == "running":
                self._cancel.set()
                self._current = replace(self._current, state="paused")

    def cancel(self) -> None:
        """Stop for good; the bytes that have arrived are kept for a later download."""
        with self._lock:
            self._cancel.set()
            self._current = None

    def close(self) -> None:
        """Stop, and wait for the thread to end."""
        self.cancel()
        if self._thread:
            self._thread.join()

    def _start(self, model: str, on_done: Callable[[], None]) -> None:
        """Start a thread, which waits for the previous one: it writes to the same files. The lock must be held."""
        self._current, self._on_done, self._cancel = DownloadState(model, "running"), on_done, threading.Event()
        arguments = (model, on_done, self._cancel, self._thread)
        self._thread = threading.Thread(target=self._run, args=arguments, name="download", daemon=True)
        self._thread.start()

    def _run(
        self, model: str, on_done: Callable[[], None], cancel: threading.Event, previous: threading.Thread | None
    ) -> None:
        if previous:
            previous.join()
        try:
            self._fetch(model, lambda progress: self._update(cancel, DownloadState(model, "running", progress)), cancel)
            if not cancel.is_set():
                on_done()
        except Cancelled:
            return
        except Exception as error:
            log.warning("the download of %s failed", model, exc_info=True)
            reported = error if isinstance(error, AppError) else AppError("internal", kind=type(error).__name__, log="")
            progress = self._current.progress if self._current else None
            self._update(cancel, DownloadState(model, "failed", progress, reported))
            return
        self._update(cancel, None)

    def _update(self, cancel: threading.Event, state: DownloadState | None) -> None:
        """Publish `state`, unless this download was paused or cancelled."""
        with self._lock:
            if not cancel.is_set():
                self._current = state
