"""Links in place of files on the command line: fetched with a line of progress, once per command."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from framelens import config
from framelens.cli import terminal
from framelens.cli.progress_lines import Throttle
from framelens.cli.running import running
from framelens.core.links import typed_link
from framelens.i18n import notice_text
from framelens.plugins.sources.words import progress_words
from framelens.services.container import open_videos
from framelens.services.link_transfer import FetchProgress
from framelens.services.links import LinkFetcher
from framelens.store.video_repository import notice_of

_REDRAW_SECONDS = 0.1


def fetched(typed: str) -> Path:
    """Fetch the video at a link that was typed, unless this command has done so, and return its file.

    Raises:
        AppError: It can't be fetched, or the user stopped it.
    """
    command = running()
    if typed not in command.fetched:
        settings = config.load()
        videos = open_videos(settings)
        with _Line(quiet=command.quiet) as line:
            links = LinkFetcher(videos, settings.sources, is_open=True)
            video_id = links.fetch(typed_link(typed), line.show, command.cancel, overview=command.overview)
        command.fetched[typed] = path = videos.path(video_id)
        if (notice := notice_of(path)) and command.overview and not command.quiet:
            sys.stderr.write(f"{notice_text(notice)}\n")
    return command.fetched[typed]


class _Line:
    """Line of progress on standard error: redrawn on a terminal, elsewhere one every few seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._is_terminal = quiet, sys.stderr.isatty()
        self._throttle = Throttle()
        self._is_first, self._drawn = True, 0.0

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal and not (self._quiet or self._is_first):
            terminal.redraw("")

    def show(self, now: FetchProgress) -> None:
        """Show what has arrived."""
        if self._quiet:
            return
        if self._is_terminal and time.monotonic() - self._drawn > _REDRAW_SECONDS:
            self._drawn = time.monotonic()
            terminal.redraw(progress_words(now))
        elif not self._is_terminal and self._throttle.is_due(at_once=self._is_first):
            sys.stderr.write(f"{progress_words(now)}\n")
            sys.stderr.flush()
        self._is_first = False
