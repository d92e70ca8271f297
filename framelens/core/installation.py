"""Installation of FrameLens: the command that adds one of its extras to this Python."""

import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

_FOLDER = Path(__file__).resolve().parents[2]


def install_command(extra: str) -> list[str]:
    """Return the command that adds an extra to this installation: of a folder with its code, or of a package."""
    wanted = ["-e", f"{_FOLDER}[{extra}]"] if (_FOLDER / "pyproject.toml").is_file() else [f"framelens[{extra}]"]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv and not _has_pip():
        return [uv, "pip", "install", "--python", sys.executable, *wanted]
    return [sys.executable, "-m", "pip", "install", *wanted]


def _has_pip() -> bool:
    """Look for pip's folder: to look for the module would switch off setuptools' distutils in this process."""
    return Path(sysconfig.get_path("purelib"), "pip").is_dir()


def install_line(extra: str) -> str:
    """Return the command as a line for a shell."""
    return " ".join(f'"{part}"' if "[" in part else shlex.quote(part) for part in install_command(extra))
