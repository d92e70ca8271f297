"""Links in place of files for commands and programs: fetched with a line of progress, once per command."""

from __future__ import annotations

from pathlib import Path

from framelens.plugin import load, open_videos
from framelens.plugin.command_line import ProgressLine, running
from framelens.plugin.links import FetchProgress, LinkFetcher, typed_link
from framelens.plugins.sources.allowed import operator_sources
from framelens.plugins.sources.words import progress_words


def fetched(typed: str) -> Path:
    """Fetch the video at a link that was typed, unless this command has done so, and return its file.

    Raises:
        AppError: It can't be fetched, or the user stopped it.
    """
    command = running()
    if typed not in command.fetched:
        settings = command.settings or load()
        videos = open_videos(settings)
        with ProgressLine(quiet=command.quiet) as line:
            links = LinkFetcher(videos, operator_sources(settings.sources, settings.data_dir), is_open=True)

            def show(now: FetchProgress) -> None:
                line.show(progress_words(now))

            video_id = links.fetch(typed_link(typed), show, command.cancel)
        command.fetched[typed] = videos.path(video_id)

    return command.fetched[typed]
