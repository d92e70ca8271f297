"""From a video file to its sound in pieces that a speech model takes, decoded in a child process.

Nothing here hears a word; what is said in the pieces is found out elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

from app.core.domain import SoundPiece
from app.video.files import check_file
from app.video.worker_process import DecodingChild


def sound_pieces(
    path: Path, *, start_seconds: float = 0.0, end_seconds: float | None = None, cancel: threading.Event | None = None
) -> Generator[SoundPiece, None, None]:
    """The sound of [start_seconds, end_seconds) in time order, in pieces of at most 30 s that are cut at quiet places.

    Times count from the first displayed picture. Stretches without any sound are left out, so a silent video gives no
    piece, and neither does one without a sound track. Memory does not grow with the length of the video.
    Raises what `probe` raises, DecodeError where none of the sound can be decoded, and Cancelled.
    """
    check_file(path)
    with DecodingChild("sound", path, start_seconds=start_seconds, end_seconds=end_seconds) as child:
        yield from (event for event in child.events(cancel) if isinstance(event, SoundPiece))
