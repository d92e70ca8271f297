"""A Whisper in miniature as faster-whisper reads it, and sounds that its detector of speech takes for a voice."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.speech.miniatures import write_embedding, write_segmentation
from tests.spoken import RATE, Sound, quiet, write_spoken

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "make_speech_model.py"
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""Formants in hertz (Peterson and Barney 1952)."""


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "whisper"
    subprocess.run(
        [sys.executable, str(SCRIPT), "--ctranslate2", "--out", str(folder)], check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="session")
def spoken_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """62 s of voice at 1 s, 74 s and 147 s: each is a window of its own."""
    sound = np.concatenate([part for _ in range(3) for part in (quiet(1), *([voice(15.5)] * 4), quiet(10))])
    return write_spoken(tmp_path_factory.mktemp("films") / "film.mkv", seconds=219, sound=sound)


def voice(seconds: float) -> Sound:
    """Return syllables of a buzzing voice: pulses through the formants of vowels."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = np.cumsum(120 + 15 * np.sin(2 * np.pi * 0.7 * time) + 8 * np.sin(2 * np.pi * 3.1 * time)) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0)
    step = round(0.22 * RATE)
    said = [_syllable(pulses[at : at + step], number) for number, at in enumerate(range(0, len(pulses), step))]
    sound = np.concatenate(said)
    return (9000 * sound / np.abs(sound).max()).astype(np.int16)


def _syllable(pulses: np.ndarray, number: int) -> np.ndarray:
    time = np.arange(round(0.05 * RATE)) / RATE
    rings = [
        np.exp(-np.pi * width * time) * np.sin(2 * np.pi * hertz * time) / order
        for order, (hertz, width) in enumerate(zip(_VOWELS[3 * number % 5], (80, 100, 140), strict=True), 1)
    ]
    sound = np.convolve(pulses, sum(rings))[: len(pulses)]
    fade = np.arange(len(sound)) / (0.04 * RATE)
    return sound * np.minimum(1, np.minimum(fade, fade[::-1]))


def bright(sound: Sound) -> Sound:
    """Return a voice in another timbre: its high tones are louder."""
    louder = np.diff(sound.astype(np.float32), prepend=0)
    return (9000 * louder / np.abs(louder).max()).astype(np.int16)


@pytest.fixture(scope="session")
def speaker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "speakers"
    folder.mkdir()
    write_segmentation(folder / "segmentation.onnx")
    write_embedding(folder / "embedding.onnx")
    return folder


@pytest.fixture(scope="session")
def dialogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A low voice at 1 s and 49 s, a bright voice at 23 s: 20 s each, so that each says three words or more."""
    low, high = voice(20), bright(voice(20))
    sound = np.concatenate([quiet(1), low, quiet(2), high, quiet(6), low, quiet(1)])
    return write_spoken(tmp_path_factory.mktemp("films") / "dialogue.mkv", seconds=70, sound=sound)
