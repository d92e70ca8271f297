"""`python -m benchmarks.plugins.speech.forecast WHEELS`: the time left after a minute, as said and in truth.

Beside it is the forecast by the seconds of sound, without looking for speech first, in the same run. Time is processor
time, as other programs change the clock's; the last column is by the wall clock.

The recordings have a quarter of an hour: a person's reading in a loop without pauses, with
noise and music, with silence, and in one half alone. WHEELS is the folder of benchmarks.plugins.speech.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.plugins.speech.__main__ import reading, whisper_base
from benchmarks.plugins.speech.film import write_film
from benchmarks.plugins.speech.voices import RATE, Recording, Sound, level_of, music, noise, silence
from framelens import config
from framelens.analysis.planning.forecast import ListeningForecast
from framelens.core.domain import SpeechSpans
from framelens.jobs.engine_session import build_transcription
from framelens.video.extractor import probe

_SECONDS = 900.0
"""Length of a recording."""
_AFTER = (30.0, 60.0)
"""Seconds of work after which a forecast is compared."""


def main(arguments: Sequence[str]) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugins.speech.forecast", description=__doc__)
    parser.add_argument("wheels", type=Path, help="folder with the wheels")
    parser.add_argument("--work", type=Path, default=Path("build/bench-speech"))
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    model = whisper_base(given.wheels, given.work)
    print("| recording | looked ahead (s) | work (s) | after | truth | forecast | off | by sound | off | wall clock |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for recording in _recordings(reading(given.wheels, given.work)):
        ahead, said = _measured(model, write_film(given.work, recording))
        whole, whole_wall = said[-1].work, said[-1].wall
        for one in _looked(said):
            truth, truth_wall = whole - one.work, whole_wall - one.wall
            figures = (f"{ahead:.1f}", f"{whole:.0f}", f"{one.work:.0f} s", f"{truth:.0f}")
            off = [text for left in one.left[:2] for text in (f"{left:.0f}", _percent(left, truth))]
            print(
                "| " + " | ".join((recording.name, *figures, *off, _percent(one.left[2], truth_wall))) + " |",
                flush=True,
            )
    return 0


def _percent(left: float, truth: float) -> str:
    return f"{100 * (left - truth) / truth:+.0f} %"


@dataclass(frozen=True)
class _Said:
    """Forecasts after so many seconds of work: the seconds left by the speech, by the sound, and on the wall."""

    work: float
    wall: float
    left: tuple[float, ...]


def _looked(said: Sequence[_Said]) -> Iterator[_Said]:
    """Yield the first forecasts after each time of work in _AFTER, as long as there was work left."""
    for least in _AFTER:
        yield from [one for one in said if one.work >= least and one.work < 0.95 * said[-1].work][:1]


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


def _measured(model: Path, film: Path) -> tuple[float, list[_Said]]:
    """Return the work until the speech was found, and the forecasts after that; the last is made at the end."""
    end = probe(film).duration_seconds_from_header or 0.0
    forecasts, began, said = list[ListeningForecast](), list[tuple[float, float]](), list[_Said]()

    def begin(start: float, pace: float | None, speech: SpeechSpans | None) -> None:
        forecasts[:] = (ListeningForecast(end, pace, known) for known in (speech, None, speech))
        began.append((_work(), time.monotonic()))
        said.clear()
        note(start, ())

    def note(reached: float, _: object) -> None:
        clocks = _work(), time.monotonic()
        for one, now in zip(forecasts, (clocks[0], *clocks), strict=True):
            one.reach(reached, now)
        left = tuple(one.seconds_left() or 0.0 for one in forecasts)
        said.append(_Said(clocks[0] - began[-1][0], clocks[1] - began[-1][1], left))

    with tempfile.TemporaryDirectory() as folder:
        settings = config.load({"FRAMELENS_DATA_DIR": folder, "FRAMELENS_SPEECH": str(model)})
        made, cancel = build_transcription(settings), threading.Event()
        made.hear(probe(film), (0.0, None), sha256=lambda: "00", cancel=cancel, on_start=begin, on_progress=note)
    return began[-1][0] - began[0][0], said


def _work() -> float:
    """Return the processor seconds that all processes of this run have used, ended processes included."""
    times = [one.cpu_times() for one in (psutil.Process(), *psutil.Process().children())]
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(one.user + one.system for one in times) + ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
