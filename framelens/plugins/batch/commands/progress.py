"""Progress of a batch on a terminal: a row for each running analysis, and a row for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from framelens.plugin.command_line import ProgressRows
from framelens.plugin.files import printable_path
from framelens.plugins.batch.loop import BatchEvent, VideoBegun, VideoEnded, VideoProgress


class BatchProgress(ProgressRows):
    """Progress of a batch. Without `total`, more videos may come."""

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        super().__init__(total, quiet=quiet)
        self._rows: dict[Path, Any] = {}

    def show(self, event: BatchEvent) -> None:
        """Show an event: a row for each video that runs, and how many have ended."""
        match event:
            case VideoBegun(video):
                self._rows[video.path] = self.row(printable_path(video.path.name))
            case VideoProgress(video, update):
                self._rows[video.path].show(update)
            case VideoEnded(video):
                if row := self._rows.pop(video.path, None):  # a video that was done before has no row
                    row.remove()
                self.advance()
            case _:
                pass
