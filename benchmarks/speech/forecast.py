"""`python -m benchmarks.speech.forecast WHEELS`: the time left after a minute, as said and in truth.

The recordings have a quarter of an hour: a person's reading in a loop without pauses, with
noise and music, with silence, and in one half alone. WHEELS is that of benchmarks.speech.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.speech.__main__ import reading, whisper_base
from benchmarks.speech.film import write_film
from benchmarks.speech.voices import RATE, Recording, Sound, level_of, music, noise, silence
from framelens import config
from framelens.analysis.planning.forecast import ListeningForecast
from framelens.services.engine_session import build_transcription
from framelens.video.extractor import probe

_SECONDS = 900.0
"""Length of a recording."""
_AFTER = (30.0, 60.0)
"""Seconds of work after which a forecast is compared."""


def main(arguments: Sequence[str]) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speech.forecast", description=__doc__)
    parser.add_argument("wheels", type=Path, help="folder with the wheels")
    parser.add_argument("--work", type=Path, default=Path("build/bench-speech"))
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    model = whisper_base(given.wheels, given.work)
    print("| recording | work (s) | forecast before | after | forecast | truth | off |")
    print("|---|---|---|---|---|---|---|")
    for recording in _recordings(reading(given.wheels, given.work)):
        whole, said = _measured(model, write_film(given.work, recording))
        for at, left in _looked(said):
            truth = whole - at
            off = f"{100 * (left - truth) / truth:+.0f} %"
            figures = (f"{whole:.0f}", f"{said[0][1]:.0f}", f"{at:.0f} s", f"{left:.0f}", f"{truth:.0f}", off)
            print("| " + " | ".join((recording.name, *figures)) + " |", flush=True)
    return 0


def _looked(said: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield what was said first after each of some times of work, as long as there was work left."""
    for least in _AFTER:
        yield from [(at, left) for at, left in said[:-1] if at >= least][:1]


def _recordings(read: Recording) -> Iterator[Recording]:
    whole, level, half = read.sound, level_of(read), _SECONDS / 2
    beside = np.concatenate([noise(half, level / 3.16), music(half, level / 3.16)])
    yield _named("reading without pause", _looped(whole, _SECONDS))
    yield _named("with noise, then with music", _looped(whole, _SECONDS) + beside)
    yield _named("with as much silence between", _looped(np.concatenate([whole, silence(read.seconds)]), _SECONDS))
    yield _named("in the first half alone", np.concatenate([_looped(whole, half), noise(half, 0.001)]))
    yield _named("in the second half alone", np.concatenate([noise(half, 0.001), _looped(whole, half)]))


def _named(name: str, sound: Sound) -> Recording:
    return Recording(name, "en", np.clip(sound, -1, 1).astype(np.float32), ())


def _looped(sound: Sound, seconds: float) -> Sound:
    length = round(seconds * RATE)
    return np.tile(sound, -(-length // len(sound)))[:length]


def _measured(model: Path, film: Path) -> tuple[float, list[tuple[float, float]]]:
    """Return the seconds of all work, and the seconds left that were said after so many seconds of it."""
    end = probe(film).duration_seconds_from_header or 0.0
    forecast, began, said = ListeningForecast(end, None), 0.0, list[tuple[float, float]]()

    def begin(start: float, pace: float | None) -> None:
        nonlocal forecast, began
        forecast, began = ListeningForecast(end, pace), time.monotonic()
        note(start, ())

    def note(reached: float, _: object) -> None:
        forecast.reach(reached, time.monotonic())
        said.append((time.monotonic() - began, forecast.seconds_left() or 0.0))

    with tempfile.TemporaryDirectory() as folder:
        settings = config.load({"FRAMELENS_DATA_DIR": folder, "FRAMELENS_SPEECH_MODEL_PATH": str(model)})
        made = build_transcription(settings)
        cancel = threading.Event()
        made.hear(probe(film), (0.0, None), sha256=lambda: "00", cancel=cancel, on_start=begin, on_progress=note)
    return time.monotonic() - began, said


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
