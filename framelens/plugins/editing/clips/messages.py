"""Request and messages of the clip worker, which its parent and it share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from framelens.core.codec import Failure
from framelens.core.domain import Cue
from framelens.video import limits
from framelens.video.files import confined_folders
from framelens.video.remux.written_file import WrittenBytes

ClipMode = Literal["fast", "exact"]
WORKER = "framelens.plugins.editing.clips.worker"
"""Module of the worker's program."""
MEMORY_BYTES = 3 << 30
"""An encoder holds some forty pictures in addition to the decoder's; with 4K that is 1.5 GB."""


@dataclass(frozen=True)
class ReelPart:
    """A clip that becomes part of a reel: its file, its length and the title of its chapter."""

    path: Path
    seconds: float
    title: str


@dataclass(frozen=True)
class Canvas:
    """Format that several videos are fitted to: upright, 8 bits, a stereo track if there is sound.

    Attributes:
        width: Width of the pictures, an even number.
        height: Their height.
        has_sound: Whether there is sound; a video without sound gets silence.
    """

    width: int
    height: int
    has_sound: bool


@dataclass(frozen=True)
class ClipRequest:
    """A task of a clip worker.

    Attributes:
        task: "cut" reads a video and writes a clip; "check" reads a clip; "join" reads clips and writes a reel.
        path: The file to read.
        mode: How it is, or was, cut.
        start_seconds: Start of the range, from the first picture of the video.
        end_seconds: End of the range, None for the end of the video.
        format: FFmpeg's name of the clip's container.
        last_seconds: For "check", when the last picture begins.
        cues: Subtitles of the video that are drawn into the pictures of an exact clip.
        canvas: Canvas that an exact clip is fitted to; None keeps the traits of the video.
        clips: For "join", the clips in their order.
        has_chapters: For "join", whether each is a chapter.
        later: Files that later requests to the same worker name.
        confined: Folders below which no link is followed; see framelens.video.files.
        memory_bytes: Limit of memory.
        stuck_seconds: Time without progress after which the worker ends.
    """

    task: Literal["cut", "check", "join"]
    path: Path
    mode: ClipMode
    start_seconds: float = 0.0
    end_seconds: float | None = None
    format: str = ""
    last_seconds: float = 0.0
    cues: tuple[Cue, ...] = ()
    canvas: Canvas | None = None
    clips: tuple[ReelPart, ...] = ()
    has_chapters: bool = False
    later: tuple[Path, ...] = ()
    confined: tuple[Path, ...] = field(default_factory=confined_folders)
    memory_bytes: int = MEMORY_BYTES
    stuck_seconds: float = limits.STUCK_SECONDS


@dataclass(frozen=True)
class ClipProgress:
    """The clip is written up to a time of the video."""

    seconds: float


@dataclass(frozen=True)
class ClipPictures:
    """Pictures of a clip, as they were written or as they are read again.

    Attributes:
        start_seconds: Time of the video at which the clip begins; 0 when it is read again.
        end_seconds: Time at which its last picture ends.
        times_seconds: When each picture begins, from the start of the clip; for a fast clip that is read again, only
            the first and the last.
        first: Levels of the first picture, of Y, Cb and Cr in cells, b"" if it wasn't decoded.
        last: Levels of the last picture.
        num_damaged: How often damage was found.
    """

    start_seconds: float
    end_seconds: float
    times_seconds: tuple[float, ...]
    first: bytes = b""
    last: bytes = b""
    num_damaged: int = 0


MESSAGES = (WrittenBytes, ClipProgress, ClipPictures, Failure)
