"""Install a wheel into empty environments and make a report there, from a folder that holds a video and nothing else.

    python scripts/check_wheel.py dist/framelens-0.1.0-py3-none-any.whl [PYTHON …]

Each PYTHON (a path, or a version that uv finds; this one if none is named) gets the wheel alone and with the extra app,
by pip and by `uv tool`. With the extra, the page is opened, too.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent / "framelens" / "samples" / "sample.mp4"
EXTRAS = ("", "app")
PAGE_SECONDS = 60


def main(arguments: list[str]) -> int:
    if not arguments or not Path(arguments[0]).is_file():
        print(__doc__, file=sys.stderr)
        return 2
    wheel = Path(arguments[0]).resolve()
    for python in arguments[1:] or [sys.executable]:
        for extra in EXTRAS:
            for installer in (install_by_pip, install_by_uv):
                check(wheel, extra, python, installer)
    return 0


def check(wheel: Path, extra: str, python: str, installer: Installer) -> None:
    """Install into an empty folder, make a report and, with the extra app, open the page; print one line."""
    name = f"framelens[{extra}]" if extra else "framelens"
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        commands = installer(f"{name} @ {wheel.as_uri()}", python, Path(folder))
        installed = time.monotonic()
        environment = {"PATH": os.defpath, "HOME": str(home(folder)), "LANG": "C.UTF-8"}
        report(commands / "framelens", wheel, extra, environment)
        reported = time.monotonic()
        if extra:
            open_page(commands / "framelens", environment)
        times = f"installed in {installed - began:.0f} s, report in {reported - installed:.0f} s"
        print(f"{name}, {python}, {installer.__name__.removeprefix('install_by_')}: {times}", flush=True)


def home(folder: str) -> Path:
    """Return an empty folder with a video, which is home and working directory of what is tried."""
    path = Path(folder) / "elsewhere"
    path.mkdir()
    shutil.copy(SAMPLE, path / "video.mp4")
    return path


def install_by_pip(requirement: str, python: str, folder: Path) -> Path:
    """Install with pip into a new virtual environment; return the folder of its commands."""
    place = folder / "venv"
    run([uv(), "venv", "--quiet", "--seed", "--python", python, str(place)])
    commands = place / ("Scripts" if os.name == "nt" else "bin")
    run([str(commands / "python"), "-m", "pip", "install", "--quiet", requirement])
    return commands


def install_by_uv(requirement: str, python: str, folder: Path) -> Path:
    """Install as a tool of uv; return the folder of its commands."""
    places = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    run([uv(), "tool", "install", "--quiet", "--python", python, requirement], {**os.environ, **places})
    return folder / "bin"


Installer = Callable[[str, str, Path], Path]


def report(command: Path, wheel: Path, extra: str, environment: dict[str, str]) -> None:
    """Analyse the video without a model, and check what was written."""
    folder = Path(environment["HOME"])
    printed = run([str(command), "--version"], environment, folder)
    if wheel.name.split("-")[1] not in printed.split():
        raise SystemExit(f"{command} --version printed {printed.strip()!r}, but the wheel is {wheel.name}.")
    wanted = ["report.html", "report.json", *(["report.pdf"] if extra else [])]
    outputs = [word for name in wanted for word in ("--output", name)]
    run([str(command), "analyse", "video.mp4", "--no-model", *outputs], environment, folder)
    missing = [name for name in wanted if not (folder / name).stat().st_size]
    if missing or not json.loads((folder / "report.json").read_text(encoding="utf-8"))["keyframes"]:
        raise SystemExit(f"The report of {command} is empty: {', '.join(missing) or 'no keyframes'}.")


def open_page(command: Path, environment: dict[str, str]) -> None:
    """Serve the page from the same folder until it has answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--server.headless", "true"]
    with subprocess.Popen([str(command), "app", *options], cwd=environment["HOME"], env=environment) as process:
        try:
            deadline = time.monotonic() + PAGE_SECONDS
            while not answers(f"http://127.0.0.1:{port}/"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command} app gave no page within {PAGE_SECONDS} s.")
                time.sleep(0.2)
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def run(command: Sequence[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> str:
    """Run a command and return what it prints; end with its errors if it fails."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def uv() -> str:
    """Return uv, of this environment or of the PATH."""
    beside = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise SystemExit("uv is not installed here: install it with the line of constraints/uv.txt.")
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
