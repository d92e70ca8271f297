"""Installation of FrameLens: the command that adds one of its extras to this Python."""

import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

_FOLDER = Path(__file__).resolve().parents[2]


def install_command(extra: str) -> list[str]:
    """Return the command that adds an extra to this installation: of a folder with its code, or of a package."""
    wanted = ["-e", f"{_FOLDER}[{extra}]"] if (_FOLDER / "pyproject.toml").is_file() else [f"framelens[{extra}]"]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv and find_spec("pip") is None:
        return [uv, "pip", "install", "--python", sys.executable, *wanted]
    return [sys.executable, "-m", "pip", "install", *wanted]


def install_line(extra: str) -> str:
    """Return the command as a line for a shell."""
    return " ".join(f'"{part}"' if "[" in part else shlex.quote(part) for part in install_command(extra))
