"""A virtual environment for each peer, apart from ours, and its adapter run there as a program.

The versions of a peer are pinned here. If it cannot be installed, the reason is reported and the others continue.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

_READERS = ("opencv-python-headless==5.0.0.93", "numpy==2.4.6")
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Peer:
    """`package` at its pinned version and what it needs to choose frames; `adapter` is a program beside this file.

    `module` is what the adapter imports of it.
    """

    name: str
    package: str
    module: str
    adapter: str
    needs: tuple[str, ...] = _READERS


PYSCENEDETECT = Peer(
    "PySceneDetect",
    "scenedetect-headless==0.7.2",
    "scenedetect",
    "with_scenedetect.py",
    (*_READERS, "click==8.5.1", "platformdirs==4.14.5", "tqdm==4.70.1"),
)
# The rest of what it depends on (torch, whisper, …) is for speech and models, which its frame picker does not load.
VIDEO_ANALYZER = Peer("video-analyzer", "video-analyzer==0.1.2", "video_analyzer.frame", "with_video_analyzer.py")


class NotInstalled(Exception):
    """The peer could not be installed; the text says why, in a line."""


def command(peer: Peer, work: Path, *arguments: str) -> list[str]:
    """Return the Python that runs its adapter; install the peer under `work` if needed. Raises NotInstalled."""
    return [str(_python(peer, work)), str(_HERE / peer.adapter), *arguments]


def answer(line: list[str]) -> Any:
    """Return the output of an adapter. Raises RuntimeError with its last lines if it fails."""
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(line)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def _python(peer: Peer, work: Path) -> Path:
    packages = (peer.package, *peer.needs)
    digest = sha256(" ".join((sys.version, *packages)).encode()).hexdigest()[:8]
    folder = work / f"{peer.name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        uv = Path(sys.executable).with_name("uv")
        _run([str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run([str(uv), "pip", "install", "--quiet", "--no-deps", "--python", str(python), *packages])
        _run([str(python), "-c", f"import {peer.module}"])
        (folder / "installed").touch()
    return python


def _run(line: list[str]) -> None:
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotInstalled(f"{line[0]}: {error.strerror}") from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"{line[0]} ended with {done.returncode}"]
        raise NotInstalled(last[0])
