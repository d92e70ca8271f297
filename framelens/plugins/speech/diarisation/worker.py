"""Diarisation worker: a sandboxed process in which sherpa-onnx separates the speakers of a recording.

It is started by framelens.plugins.speech.diariser and works as framelens.plugins.speech.recognition.worker does. All
sound is held until the end, since voices are compared with each other.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framelens import InputError
from framelens.plugin.processes import further_requests, move_on, serve
from framelens.plugin.speech import SpeakerTurn
from framelens.plugins.speech.diarisation.messages import (
    DiarisationProgress,
    DiarisationRequest,
    SoundTaken,
    TurnsFound,
)
from framelens.plugins.speech.recognition.messages import SoundSent
from framelens.plugins.speech.recognition.packing import RATE, Samples
from framelens.plugins.speech.recognition.worker import NICENESS

_MOST_WINDOWS = 7200
"""Windows of ten seconds that are compared, two hours at sherpa-onnx's own distance of one second; the clustering needs
memory and time by the square of their number."""
_WINDOW_SECONDS, _LEAST_SHIFT = 10.0, 0.1
_ALIKE = 0.5
"""Distance below which voices are one person's if their number isn't given; sherpa-onnx's own default."""
Message = SoundTaken | DiarisationProgress | TurnsFound


def files_of(request: DiarisationRequest) -> list[Path]:
    """Return what a request needs to read."""
    return [request.path, request.embedding]


def begin(request: DiarisationRequest) -> Iterator[Message]:
    """Start a request; see framelens.video.worker.serve."""
    return messages_of(request)


def messages_of(request: DiarisationRequest) -> Iterator[Message]:
    """Yield the messages of a request. Raises AppErrors."""
    parts: list[SoundSent] = []
    for part in further_requests(SoundSent):
        if not part.samples:
            break
        parts.append(part)
        yield SoundTaken()
    if not parts:
        yield TurnsFound(())
        return
    start, samples = joined(parts)
    parts.clear()
    diarisation = _load(request, len(samples) / RATE)
    progress: queue.SimpleQueue[DiarisationProgress | TurnsFound | Exception] = queue.SimpleQueue()

    def work() -> None:
        def note(done: int, total: int) -> int:
            move_on()
            progress.put(DiarisationProgress(done / max(1, total)))
            return 0

        try:
            segments = diarisation.process(samples, callback=note).sort_by_start_time()
            progress.put(TurnsFound(tuple(_turn(segment, start) for segment in segments)))
        except Exception as error:  # noqa: BLE001 - raised again by the thread that sends
            progress.put(error)

    threading.Thread(target=work, daemon=True).start()
    while not isinstance(message := progress.get(), Exception):
        yield message
        if isinstance(message, TurnsFound):
            return
    raise message


def joined(parts: Iterable[SoundSent]) -> tuple[float, Samples]:
    """Return the second where the sound begins, and its samples with silence where no sound was sent."""
    parts = list(parts)
    start = parts[0].start_seconds
    samples = np.zeros(round((parts[-1].end_seconds - start) * RATE) + RATE, np.float32)
    for part in parts:
        own: NDArray[np.int16] = np.frombuffer(part.samples, "<i2")
        offset = round((part.start_seconds - start) * RATE)
        own = own[: len(samples) - offset]
        samples[offset : offset + len(own)] = own / np.float32(32768)
    return start, samples


def _turn(segment: Any, start_seconds: float) -> SpeakerTurn:
    start, end = (round(start_seconds + edge, 3) for edge in (segment.start, segment.end))
    return SpeakerTurn(start, max(start, end), segment.speaker + 1)


def _load(request: DiarisationRequest, seconds: float) -> Any:
    """Return sherpa-onnx's diarisation. Raises InputError."""
    import sherpa_onnx

    shift = min(1.0, max(_LEAST_SHIFT, seconds / _WINDOW_SECONDS / _MOST_WINDOWS))
    pyannote = sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(str(request.path), window_shift_ratio=shift)
    config = sherpa_onnx.OfflineSpeakerDiarizationConfig(
        segmentation=sherpa_onnx.OfflineSpeakerSegmentationModelConfig(pyannote, num_threads=request.threads),
        embedding=sherpa_onnx.SpeakerEmbeddingExtractorConfig(str(request.embedding), num_threads=request.threads),
        clustering=sherpa_onnx.FastClusteringConfig(num_clusters=request.num_speakers or -1, threshold=_ALIKE),
    )
    try:
        return sherpa_onnx.OfflineSpeakerDiarization(config)
    except (RuntimeError, ValueError) as error:
        raise InputError("speech_model_unusable", reason=str(error)) from error


def main() -> None:
    """Answer the requests of the process that started this one."""
    serve(DiarisationRequest, files_of, begin, niceness=NICENESS)


if __name__ == "__main__":
    main()
