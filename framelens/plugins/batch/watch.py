"""Watched folder: yields each video that arrives, once it is complete.

A file is complete when its size and time have stopped changing and the decoder can open it. watchfiles reports changes
at once where the system does; the folder is listed from time to time as well, since network drives often report no
changes.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from framelens import AppError, Cancelled, InputError
from framelens.plugin.files import Input, printable_path, resolve
from framelens.plugin.processes import probe
from framelens.plugins.batch.batch import BatchVideo, Sha256, identify

_log = logging.getLogger(__name__)
_POLL_SECONDS = 1.0
_LIST_SECONDS = 5.0
"""How often the folder is listed although no change was reported."""
_SETTLED_SECONDS = 3.0
"""A file that didn't change for so long is complete, if it can be opened. Programs write more often."""
_PATIENCE_SECONDS = 60.0
"""A file that can't be opened for so long without a change is passed on, so that its error is reported."""


@dataclass
class _Candidate:
    """A file that may still be written; `opens_at` is when to try to open it next."""

    state: tuple[int, int]
    since: float
    opens_at: float


class WatchedFolder:
    """A folder whose videos are taken once they are complete.

    Args:
        folder: The folder; hidden files and folders are skipped.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._states: dict[Path, tuple[int, int]] = {}
        self._growing: dict[Path, _Candidate] = {}

    def arriving(
        self, sha256: Sha256, cancel: threading.Event, on_waiting: Callable[[int], None] = lambda number: None
    ) -> Iterator[BatchVideo | None]:
        """Yield the videos that are there and those that arrive, each content once; None at least once a second.

        Args:
            sha256: Returns the digest of a file.
            cancel: Ends the iterator.
            on_waiting: Called with the number of files that aren't complete yet, whenever it has changed.

        Raises:
            InputError: "watch_no_folder": it isn't a folder, or no longer exists.
        """
        keys: set[str] = set()
        num_waiting = 0
        for is_due in self._ticks(cancel):
            yield None
            for path in self._complete() if is_due else ():
                try:
                    video = identify(Input(path), sha256, cancel)
                except Cancelled:
                    del self._states[path]
                    return
                except AppError as error:  # it was deleted or can't be read; a change of it is another try
                    _log.warning("%s can't be analysed: %s", path, error)
                    continue
                if video.key not in keys:
                    keys.add(video.key)
                    yield video
            if num_waiting != len(self._growing):
                num_waiting = len(self._growing)
                on_waiting(num_waiting)

    def num_left(self) -> int:
        """Return the number of files that are there and haven't been taken."""
        return sum(self._states.get(path) != state for path, state in self._files())

    def _files(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        """Yield the files with their size and time of change."""
        for item in resolve([str(self._folder)]).items:
            with suppress(OSError):  # it was deleted
                if not item.error:
                    status = item.path.stat()
                    yield item.path, (status.st_size, status.st_mtime_ns)

    def _complete(self) -> Iterator[Path]:
        """List the folder and yield the files that are complete now; each once until it changes."""
        if not self._folder.is_dir():
            raise InputError("watch_no_folder", path=printable_path(self._folder))
        now, files = time.monotonic(), dict(self._files())
        self._growing = {path: self._growing[path] for path in files if path in self._growing}
        for path, state in files.items():
            if self._states.get(path) == state:
                continue
            candidate = self._growing.get(path)
            if candidate is None or candidate.state != state:
                self._growing[path] = _Candidate(state, now, now + _SETTLED_SECONDS)
            elif now >= candidate.opens_at and self._opens(path, candidate, now):
                del self._growing[path]
                self._states[path] = state
                yield path

    def _opens(self, path: Path, candidate: _Candidate, now: float) -> bool:
        try:
            probe(path)
        except AppError:
            candidate.opens_at = now + max(_LIST_SECONDS, _SETTLED_SECONDS)
            return now - candidate.since >= _PATIENCE_SECONDS
        return True

    def _ticks(self, cancel: threading.Event) -> Iterator[bool]:
        """Yield at least once a second whether the folder is to be listed, until `cancel` is set."""
        listed = float("-inf")
        for has_changes in _changes(self._folder, cancel):
            if cancel.is_set():
                return
            is_due = has_changes or bool(self._growing) or time.monotonic() - listed >= _LIST_SECONDS
            listed = time.monotonic() if is_due else listed
            yield is_due


def _changes(folder: Path, cancel: threading.Event) -> Iterator[bool]:
    """Yield at least once a second whether a change was reported."""
    yield True
    try:
        import watchfiles  # the extra "batch"

        reported = watchfiles.watch(
            folder,
            watch_filter=None,
            stop_event=cancel,
            rust_timeout=round(1000 * _POLL_SECONDS),
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        yield from (bool(changes) for changes in reported)
    except (ImportError, OSError, RuntimeError):  # it isn't installed; no more watches, or a system without them
        _log.warning("changes of %s are not reported; it is listed instead", folder, exc_info=True)
    while not cancel.wait(_POLL_SECONDS):
        yield False
