"""Request and messages of the speech worker, which its parent and it share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from framelens.plugin.speech import SpeechSpans
from framelens.plugin.storage import Failure

WORKER = "framelens.plugins.speech.recognition.worker"
"""Module of the worker's program."""
Device = Literal["cpu", "cuda"]
ModelFamily = Literal["whisper", "sensevoice", "paraformer"]
_SHERPA_WEIGHTS = ("model.int8.onnx", "model.onnx")
SHERPA_FILES = (_SHERPA_WEIGHTS[0], "tokens.txt")
"""Files of a model for sherpa-onnx: weights, for which there may be a larger file instead, and tokens."""
STUCK_SECONDS = 1800.0
"""Half a minute of speech takes a large model minutes on two cores, if it has to try several times."""


@dataclass(frozen=True)
class SpeechRequest:
    """A task of a speech worker: load a model, then transcribe the pieces that follow.

    Attributes:
        path: Folder of the model.
        memory_bytes: Limit of memory.
        language: Spoken language (ISO 639-1), "" to detect it.
        device: The device that computes.
        threads: Threads on a CPU.
        family: What reads the model: faster-whisper, or sherpa-onnx.
        confined: Folders below which no link is followed; a model is in no such folder.
        stuck_seconds: Time without progress after which the worker ends.
    """

    path: Path
    memory_bytes: int
    language: str = ""
    device: Device = "cpu"
    threads: int = 2
    family: ModelFamily = "whisper"
    confined: tuple[Path, ...] = ()
    stuck_seconds: float = STUCK_SECONDS


@dataclass(frozen=True)
class SoundSent:
    """Sound of [start_seconds, end_seconds): 16 kHz, one channel, 16 bit; without samples, there is no more.

    `speech` has the spans to be transcribed; None asks where there is speech.
    """

    start_seconds: float
    end_seconds: float
    samples: bytes = field(default=b"", repr=False)
    speech: SpeechSpans | None = None


@dataclass(frozen=True)
class ModelLoaded:
    """The model is ready."""

    device: Device


@dataclass(frozen=True)
class Word:
    """A word on the time axis of the recording. `ends_segment` is true of the last word of the model's segment."""

    start_seconds: float
    end_seconds: float
    text: str
    ends_segment: bool = False


@dataclass(frozen=True)
class SpeechFound:
    """Answer to SoundSent without `speech`: where speech is in its sound."""

    speech: SpeechSpans


@dataclass(frozen=True)
class WordsHeard:
    """Answer to SoundSent with `speech`, and to the last SoundSent.

    It has the words, not sent yet, of all speech that ended before `end_seconds`.
    """

    end_seconds: float
    words: tuple[Word, ...]


def sherpa_weights(folder: Path) -> Path | None:
    """Return the weights of a model for sherpa-onnx, the 8-bit file first, or None."""
    return next((folder / name for name in _SHERPA_WEIGHTS if (folder / name).is_file()), None)


MESSAGES = (ModelLoaded, SpeechFound, WordsHeard, Failure)
