"""Request and messages of the diarisation worker, which its parent and it share; its sound is sent as SoundSent."""

from dataclasses import dataclass
from pathlib import Path

from framelens.plugin.speech import SpeakerTurn
from framelens.plugin.storage import Failure
from framelens.plugins.speech.recognition.messages import STUCK_SECONDS

WORKER = "framelens.plugins.speech.diarisation.worker"
"""Module of the worker's program."""


@dataclass(frozen=True)
class DiarisationRequest:
    """A task of a diarisation worker: take the sound that follows, then say who speaks when.

    Attributes:
        path: File of the segmentation.
        embedding: File of the embedding.
        memory_bytes: Limit of memory.
        num_speakers: Number of speakers, 0 to guess it.
        threads: Threads on a CPU.
        confined: Folders below which no link is followed; a model is in no such folder.
        stuck_seconds: Time without progress after which the worker ends.
    """

    path: Path
    embedding: Path
    memory_bytes: int
    num_speakers: int = 0
    threads: int = 2
    confined: tuple[Path, ...] = ()
    stuck_seconds: float = STUCK_SECONDS


@dataclass(frozen=True)
class SoundTaken:
    """Answer to each SoundSent with samples."""


@dataclass(frozen=True)
class DiarisationProgress:
    """So much of the voices is compared, 0 to 1."""

    share: float


@dataclass(frozen=True)
class TurnsFound:
    """Who speaks when, in time order."""

    turns: tuple[SpeakerTurn, ...]


MESSAGES = (SoundTaken, DiarisationProgress, TurnsFound, Failure)
