"""Joining of two files, with the pictures and with the sound of a video, as sites send them apart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from framelens.core.codec import Failure
from framelens.video.files import check_file
from framelens.video.limits import MEMORY_BYTES, STUCK_SECONDS
from framelens.video.remux.written_file import WrittenBytes, size_after
from framelens.video.worker_pool import DecoderWorker

WORKER = "framelens.video.remux.sound_track_worker"


@dataclass(frozen=True)
class JoinRequest:
    """Request to join two files.

    Attributes:
        path: The file with the pictures.
        sound: The file with the sound.
    """

    path: Path
    sound: Path
    confined: tuple[Path, ...] = ()
    memory_bytes: int = MEMORY_BYTES
    stuck_seconds: float = STUCK_SECONDS


def joined_tracks(path: Path, sound: Path, cancel: threading.Event) -> Iterator[WrittenBytes]:
    """Copy the pictures of one file and the sound of another into an MP4, and yield its bytes as they are written.

    Args:
        path: The file with the pictures.
        sound: The file with the sound.
        cancel: Setting it raises Cancelled.

    Raises:
        VideoError: A file can't be read, or has no such track.
        DecodeError: The worker failed.
        Cancelled: `cancel` was set.
    """
    check_file(path)
    check_file(sound)
    size = 0
    with DecoderWorker(JoinRequest(path, sound), module=WORKER, messages=(WrittenBytes, Failure)) as worker:
        for message in worker.events(cancel):
            if isinstance(message, WrittenBytes):
                size = size_after(message, size, path)
                yield message
