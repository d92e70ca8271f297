"""Extras of FrameLens: which extra brings a package, and the command that adds it to this Python.

The distribution alone finds keyframes and writes HTML, Markdown and JSON; everything else is an extra. What is missing
is named when it is wanted.
"""

import shlex
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from framelens.core.errors import ConfigError

_FOLDER = Path(__file__).resolve().parents[2]
_PACKAGES = {
    "app": (
        *("anyio", "argon2", "fastapi", "fastapi_standalone_docs", "huggingface_hub", "itsdangerous"),
        *("langchain_community", "onnxruntime", "pynvml", "pypdf", "rapidocr", "starlette", "streamlit", "typst"),
        *("uharfbuzz", "uvicorn"),
    ),
    "editing": ("docx", "imageio_ffmpeg"),
    "fleet": ("ray",),
    "links": ("yt_dlp",),
    "mcp": ("mcp",),
    "speech": ("faster_whisper", "sherpa_onnx"),
}
"""Modules that each extra brings."""


def require(*modules: str) -> None:
    """Raise ConfigError "extra_missing" for the first module that is not installed."""
    for module in modules:
        if find_spec(module) is None:
            raise extra_error(module)


def extra_error(module: str) -> ConfigError:
    """Build the error about a module that is not installed, with the extra that brings it."""
    extra = extra_of(module) or "app"
    return ConfigError("extra_missing", package=module.partition(".")[0], extra=extra, command=install_line(extra))


def extra_of(module: str) -> str:
    """Return the extra that brings a module, "" for a module of none."""
    top = module.partition(".")[0]
    return next((extra for extra, modules in _PACKAGES.items() if top in modules), "")


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
