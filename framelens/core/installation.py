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
        *("anyio", "argon2", "docx", "fastapi", "fastapi_standalone_docs", "huggingface_hub"),
        *("langchain_community", "onnxruntime", "pynvml", "pypdf", "rapidocr", "starlette", "streamlit", "tokenizers"),
        *("typst", "uharfbuzz", "uvicorn"),
    ),
    "editing": ("imageio_ffmpeg",),
    "fleet": ("ray",),
    "links": ("yt_dlp",),
    "mcp": ("mcp",),
    "speech": ("faster_whisper", "sherpa_onnx"),
}
"""Modules that each extra brings."""
_TEMPORARY = ("archive-v0", "environments-v2")
"""Folders of uv's cache with environments of `uvx`."""


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


def required_packages(extra: str) -> list[str]:
    """Return what installs an extra: of the folder with FrameLens's code, or of its package, which is installed."""
    return ["-e", f"{_FOLDER}[{extra}]"] if _is_folder() else [f"framelens[{extra}]"]


def constraints(name: str) -> Path:
    """Return the constraints file of this name, which the wheel has, too."""
    return (_FOLDER if _is_folder() else Path(__file__).resolve().parents[1]) / "constraints" / f"{name}.txt"


def install_line(extra: str) -> str:
    """Return the command that adds an extra to this installation, as a line for a shell."""
    if is_temporary():
        return f'uv tool install "framelens[{",".join(sorted({"app", extra} - {"cpu", "gpu"}))}]"'
    if extra in ("cpu", "gpu"):
        return shlex.join([sys.executable, "-m", "framelens", "download", "--engine"])
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    is_uv = uv and not _has_pip()
    program = [uv, "pip", "install", "--python", sys.executable] if is_uv else [sys.executable, "-m", "pip", "install"]
    return " ".join(f'"{part}"' if "[" in part else shlex.quote(part) for part in [*program, *required_packages(extra)])


def is_temporary() -> bool:
    """Return whether this Python's environment is one that `uvx` throws away."""
    return any(part in _TEMPORARY for part in Path(sysconfig.get_path("purelib")).parts)


def _is_folder() -> bool:
    return (_FOLDER / "pyproject.toml").is_file()


def _has_pip() -> bool:
    """Look for pip's folder: to look for the module would switch off setuptools' distutils in this process."""
    return Path(sysconfig.get_path("purelib"), "pip").is_dir()
