"""A transcription in a process of its own: `python -m benchmarks.plugins.speech.run WHO MODEL FILE`, words as JSON.

WHO is "framelens"; "library", which is faster-whisper's own call with its defaults; or "library-vad", with its filter.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path


def main(who: str, model: str, file: str) -> None:
    """Print [[start, text], …]."""
    words = (
        _by_framelens(model, Path(file)) if who == "framelens" else _by_library(model, file, vad=who.endswith("vad"))
    )
    print(json.dumps(list(words)))


def _by_library(model: str, file: str, *, vad: bool) -> Iterator[tuple[float, str]]:
    from faster_whisper import WhisperModel

    whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=2)
    segments, _ = whisper.transcribe(file, word_timestamps=True, vad_filter=vad)
    for segment in segments:
        yield from ((float(word.start), word.word) for word in segment.words or ())


def _by_framelens(model: str, file: Path) -> Iterator[tuple[float, str]]:
    from framelens import config
    from framelens.core.domain import Cue
    from framelens.jobs.engine_session import build_transcription
    from framelens.plugins.speech import recogniser
    from framelens.video.extractor import probe

    recogniser.cues_of = lambda words: (Cue(one.start_seconds, one.end_seconds, one.text) for one in words)
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load({"FRAMELENS_DATA_DIR": folder, "FRAMELENS_SPEECH": model})
        made = build_transcription(settings)
        found, _ = made.hear(probe(file), (0.0, None), sha256=lambda: "00", cancel=threading.Event())
    yield from ((cue.start_seconds, cue.text) for cue in found.cues if found)


if __name__ == "__main__":
    main(*sys.argv[1:])
