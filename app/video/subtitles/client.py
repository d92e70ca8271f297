"""From a video file to its subtitles: a track inside it, or a file beside it of the same name, read in a child process.

Only subtitles that are text can be read; those that are pictures are named. What is said without subtitles is found
out elsewhere, from `sound_pieces`.
"""

from __future__ import annotations

import threading
from pathlib import Path

from app.core.domain import Language, Notice, Noticed, Transcript, VideoInfo
from app.video.files import check_file
from app.video.subtitles.discovery import files_beside
from app.video.worker_process import DecodingChild


def may_have_subtitles(video: VideoInfo) -> bool:
    """Return whether a child must look for subtitles: there is a track in the file, or a file beside it."""
    return video.has_subtitle_tracks or any(files_beside(video.path))


def subtitles_of(
    path: Path, language: Language, *, cancel: threading.Event | None = None
) -> tuple[Transcript | None, tuple[Notice, ...]]:
    """The subtitles in `language` if there are such, else those marked as default, else the first; None without any.

    Times count from the first displayed picture. What else there is, and what could not be read, is in the notices.
    Raises what `probe` raises, and Cancelled.
    """
    check_file(path)
    transcript: Transcript | None = None
    notices: list[Notice] = []
    with DecodingChild("subtitles", path, language=language) as child:
        for event in child.events(cancel):
            if isinstance(event, Transcript):
                transcript = event
            elif isinstance(event, Noticed):
                notices.append(event.notice)
    return transcript, tuple(notices)
