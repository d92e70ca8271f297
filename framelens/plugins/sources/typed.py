"""Links in place of files for commands and programs: fetched with a line of progress, once per command."""

from __future__ import annotations

from pathlib import Path

from framelens import config
from framelens.cli.progress_lines import ProgressLine
from framelens.composition import open_videos
from framelens.core.links import typed_link
from framelens.jobs.running import running
from framelens.plugins.sources.words import progress_words
from framelens.store.videos.link_transfer import FetchProgress
from framelens.store.videos.links import LinkFetcher, operator_sources


def fetched(typed: str) -> Path:
    """Fetch the video at a link that was typed, unless this command has done so, and return its file.

    Raises:
        AppError: It can't be fetched, or the user stopped it.
    """
    command = running()
    if typed not in command.fetched:
        settings = command.settings or config.load()
        videos = open_videos(settings)
        with ProgressLine(quiet=command.quiet) as line:
            links = LinkFetcher(videos, operator_sources(settings.sources, settings.data_dir), is_open=True)

            def show(now: FetchProgress) -> None:
                line.show(progress_words(now))

            video_id = links.fetch(typed_link(typed), show, command.cancel)
        command.fetched[typed] = videos.path(video_id)

    return command.fetched[typed]
