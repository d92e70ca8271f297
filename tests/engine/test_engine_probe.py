"""The installed engines tell what they know, once; what they don't tell is unknown, and nothing waits for it twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from framelens.core.engines import engine_record
from framelens.core.engines.vllm_arguments import check, installed_arguments
from framelens.engine import engine_probe, supported_architectures
from framelens.engine.engine_probe import ensure_record


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """An empty cache, and an engine that reports an architecture, or ends at once if the file "broken" is there."""
    made: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        made.append(command)
        if (tmp_path / "broken").exists():
            raise subprocess.CalledProcessError(1, command, stderr=b"first\nno library\n")
        Path(command[-1]).write_text(json.dumps({"architectures": ["OneForCausalLM"]}))
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(engine_record, "_PACKAGES", ("msgspec",))
    monkeypatch.setattr(engine_probe, "_failed", set())
    monkeypatch.setattr(subprocess, "run", run)
    return made


def test_engines_are_asked_once_for_each_version(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_record.engine_record() == {}
    assert supported_architectures.architectures() == {"OneForCausalLM"}
    ensure_record()
    assert len(calls) == 1
    monkeypatch.setattr(engine_record, "_PACKAGES", ("msgspec", "psutil"))
    assert supported_architectures.architectures() == {"OneForCausalLM"}
    assert len(calls) == 2


def test_only_what_is_not_known_yet_is_pending(calls: list[list[str]], tmp_path: Path) -> None:
    assert engine_probe.is_pending()
    ensure_record()
    assert not engine_probe.is_pending() and len(calls) == 1


def test_engines_that_fail_are_asked_once_and_refuse_nothing(calls: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    assert supported_architectures.architectures() == supported_architectures.quantisations() == frozenset()
    check({"any": "argument"})
    assert len(calls) == 1
    assert supported_architectures.silence("vllm") == "CalledProcessError: no library"


def test_faulty_engines_are_asked_again_after_an_install(
    calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").touch()
    ensure_record()
    ensure_record()
    assert len(calls) == 1
    monkeypatch.setattr(engine_probe, "packages_changed", lambda: time.time() + 1)
    (tmp_path / "broken").unlink()
    assert supported_architectures.architectures() == {"OneForCausalLM"}
    assert supported_architectures.silence("vllm") == "" and len(calls) == 2


def test_faulty_engines_are_asked_again_after_a_day(calls: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    ensure_record()
    path = engine_record.record_path()
    assert path is not None
    os.utime(path, (time.time() - 90_000,) * 2)
    (tmp_path / "broken").unlink()
    assert supported_architectures.architectures() == {"OneForCausalLM"}


def test_an_engine_that_never_answers_is_waited_for_once(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **_: Any) -> None:
        calls.append(command)
        raise subprocess.TimeoutExpired(command, 180)

    monkeypatch.setattr(subprocess, "run", run)
    ensure_record()
    monkeypatch.setattr(engine_probe, "_failed", set())  # as in another process
    ensure_record()
    assert supported_architectures.silence("transformers") == "TimeoutExpired: 180 s" and len(calls) == 1


def test_script_says_why_an_installed_engine_is_silent(tmp_path: Path) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "__init__.py").write_text("raise ImportError('libcudart.so.12: no such file')")
    code = f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = [{str(tmp_path / 'made')!r}]"
    run = f"{code}; runpy.run_path({str(engine_probe._CHILD)!r}, run_name='__main__')"
    subprocess.run([sys.executable, "-I", "-S", "-c", run], timeout=60, check=True)
    faults = json.loads((tmp_path / "made").read_text())["faults"]
    assert faults["architectures"] == "ImportError: libcudart.so.12: no such file"
    assert "transformers_classes" not in faults, "transformers isn't installed there"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends it")
def test_the_question_ends_with_the_program_that_asks(tmp_path: Path) -> None:
    (tmp_path / "vllm").mkdir()
    engine = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    (tmp_path / "vllm" / "__init__.py").write_text(engine)
    code = f"import subprocess, sys; subprocess.run([sys.executable, {str(engine_probe._CHILD)!r}, 'made'])"
    asking = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(tmp_path)})
    while not (tmp_path / "pid").exists() or not (pid := (tmp_path / "pid").read_text()):
        time.sleep(0.02)
    asked = psutil.Process(int(pid))
    asking.kill()
    asking.wait()
    asked.wait(10)


def test_a_record_that_is_no_json_is_made_again(calls: list[list[str]]) -> None:
    path = engine_record.record_path()
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert installed_arguments() == {}
    assert supported_architectures.architectures() == {"OneForCausalLM"}


def test_without_engines_nobody_is_asked(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_record, "_PACKAGES", ())
    ensure_record()
    assert engine_record.record_path() is None and calls == []


def test_script_without_engines_writes_an_empty_record(tmp_path: Path) -> None:
    made = tmp_path / "record.json"
    command = [sys.executable, "-I", "-S", str(engine_probe._CHILD), str(made)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(made.read_text()) == {}
    assert "architectures: ModuleNotFoundError" in done.stderr
