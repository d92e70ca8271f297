"""Films with a recording as their sound, as FrameLens takes them."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import numpy as np

from benchmarks.plugins.speech.voices import RATE, Recording


def write_film(folder: Path, recording: Recording) -> Path:
    """Write a grey film with this sound, without loss, and return its path. ffmpeg must be on the PATH."""
    name = "".join(char if char.isalnum() else "-" for char in recording.name)
    sound, film = folder / f"{name}.wav", folder / f"{name}.mkv"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((32767 * recording.sound).astype(np.int16).tobytes())
    picture = f"color=c=gray:s=64x48:r=1:d={recording.seconds:.3f}"
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "lavfi", "-i", picture, "-i", str(sound)]
    subprocess.run([*command, "-c:v", "mpeg4", "-c:a", "pcm_s16le", str(film)], check=True)
    return film
