"""`framelens doctor` as somebody in trouble meets it."""

import json
import os
import re
from pathlib import Path

import pytest

from framelens import config
from framelens.cli.commands import doctor as doctor_command
from framelens.engine.check_findings import CheckFinding
from framelens.engine.diagnostics.checks import doctor_finding
from framelens.engine.local.launch_checks import LaunchChecks
from framelens.jobs.readiness import ModelCandidate
from tests.cli.test_main import run_program
from tests.commands import Done, run_command
from tests.loopback import Handler, listening
from tests.test_docs import ROOT


class Models(Handler):
    """Serves a model, and nothing else."""

    def do_GET(self) -> None:
        self.send_json(200, {"data": [{"id": "org/far-model", "max_model_len": 4096}]})


@pytest.fixture(autouse=True)
def few_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("FRAMELENS_", "VLLM_", "HF_"))]:
        monkeypatch.delenv(name)


def doctor(*arguments: str, cwd: Path, **environ: str) -> Done:
    return run_command("doctor", *arguments, environ=variables(cwd, environ), cwd=cwd)


def variables(folder: Path, more: dict[str, str]) -> dict[str, str]:
    return {"FRAMELENS_DATA_DIR": str(folder / "data"), **_named_dotenv(folder), **more}


def _named_dotenv(folder: Path) -> dict[str, str]:
    path = folder / ".env"
    return {config.ENV_FILE: str(path)} if path.exists() else {}


@pytest.mark.slow
def test_findings_come_first_and_then_what_a_report_needs(tmp_path: Path, tiny_vl: Path) -> None:
    done = doctor(cwd=tmp_path, VLLM_MODEL_PATH=str(tiny_vl))
    assert done.returncode == 0 and not done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith(("⚠️", "✅"))
    for word in ("tiny-vl", "Python", "/dev/shm", "vllm", "opencv", "VLLM_MODEL_PATH", "FRAMELENS_DATA_DIR"):
        assert word in done.stdout
    assert not (tmp_path / "data").exists(), "looking leaves nothing behind"


@pytest.mark.slow
@pytest.mark.parametrize(("language", "said"), [("en", "no plugin is called that"), ("zh", "不是任何插件的名称")])
def test_misspelt_plugins_are_named(language: str, said: str, tmp_path: Path) -> None:
    named = variables(tmp_path, {"FRAMELENS_PLUGINS": "editing,modles"})
    done = run_program("doctor", "--language", language, cwd=tmp_path, **named)
    (line,) = [line for line in done.stdout.splitlines() if said in line]
    assert line.startswith("⚠️") and "modles" in line


@pytest.mark.parametrize("name", ["FRAMELENS_LANGUGE", "FRAMELENS_PORT"])
def test_variables_that_nothing_reads_are_named(name: str, tmp_path: Path) -> None:
    settings = config.load({"FRAMELENS_DATA_DIR": str(tmp_path)}, dotenv=tmp_path / "no.env")
    used = dict.fromkeys(("VLLM_CONFIG", "FRAMELENS_HUB", "FRAMELENS_SPEECH", "_FRAMELENS_COMPLETE"), "")
    (finding,) = doctor_command._unknown_variables({**used, name: "x"}, settings)
    assert finding.values["name"] == name
    assert finding.values.get("nearest") == ("FRAMELENS_LANGUAGE" if "LANG" in name else None)


def test_model_too_large_for_the_memory_names_one_that_fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    short = CheckFinding("preflight_memory_short", {"model": "big"}, "hinders", table="notice")
    monkeypatch.setattr(doctor_command, "launch_checks", lambda settings: LaunchChecks(lambda _: (short,)))
    monkeypatch.setattr(doctor_command, "model_offers", lambda settings: (ModelCandidate("small", 1),))
    said = (doctor_finding("model_absent", "hinders", model="big"), doctor_finding("settings", "tells"))
    found = doctor_command._add_preflight(said, config.load({}, dotenv=tmp_path / "no.env"))
    assert [one.key for one in found] == ["preflight_memory_short", "doctor_model_fits"]
    assert found[1].values == {"model": "small"}


@pytest.mark.slow
def test_in_chinese_it_is_chinese(tmp_path: Path) -> None:
    done = doctor("--language", "zh", cwd=tmp_path)
    assert "这台机器" in done.stdout and "This machine" not in done.stdout
    machine = done.stdout.partition("\n这台机器\n")[2].partition("软件包")[0]
    labels = [line.strip().partition("：")[0] for line in machine.splitlines() if line.strip()]
    assert set(labels) - {"FrameLens", "Python", "CPU", "GPU", "/dev/shm", "ffmpeg"} <= {
        *("系统", "内存", "NVIDIA 驱动", "数据文件夹", "模型缓存"),
    }
    assert not re.search(r" (free|used|of) ", machine)


def test_settings_are_shown_as_they_are_set(tmp_path: Path) -> None:
    given = {
        "FRAMELENS_INSECURE": "on",
        "FRAMELENS_SPEECH": '{"model": "http://127.0.0.1:9/v1 whisper-1", "language": "en"}',
        "FRAMELENS_ACCOUNTS": '{"idle_hours": 12, "session_hours": 24, "new_users": "viewer"}',
        "FRAMELENS_NETWORK": '{"trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]}',
        "FRAMELENS_LIMITS": '{"download_gb": 3, "user_upload_gb": 1000, "user_jobs": 500}',
        "AWS_SECRET_ACCESS_KEY": "sesame1234",
        "VLLM_CONFIG": '{"max_model_len": 4096}',
    }
    settings = config.load({**given, "FRAMELENS_DATA_DIR": str(tmp_path)}, dotenv=tmp_path / "none")
    shown = dict(doctor_command._effective_settings(settings))
    assert {name: shown[name] for name in (*given,)[:5]} == dict([*given.items()][:5])
    assert json.loads(shown["VLLM_CONFIG"])["max_model_len"] == 4096
    assert "sesame1234" not in repr(shown) and not re.search(r"\w\(\w+=|\(\)|None|True|False", repr(shown))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert [name for name in shown if f"{name}=" not in example] == []


@pytest.mark.slow
def test_json_holds_findings_facts_settings_and_variables(tmp_path: Path) -> None:
    reported = json.loads(doctor("--json", cwd=tmp_path).stdout)
    assert set(reported) == {"findings", "facts", "settings", "variables", "chosen"}
    assert {"level", "key", "text"} == set(reported["findings"][0])
    assert reported["facts"]["memory_bytes"] > 0


@pytest.mark.slow
def test_a_choice_on_the_page_is_no_variable(tmp_path: Path) -> None:
    settings = config.load({"FRAMELENS_DATA_DIR": str(tmp_path), "VLLM_MODEL_PATH": "org/chosen"})
    config.keep_choice(settings)
    reported = json.loads(doctor("--json", cwd=tmp_path, FRAMELENS_DATA_DIR=str(tmp_path)).stdout)
    assert reported["chosen"]["VLLM_MODEL_PATH"] == "org/chosen"
    assert not reported["variables"].keys() & {"VLLM_MODEL_PATH", "VLLM_CONFIG", "FRAMELENS_ENGINE"}
    lines = doctor("--language", "zh", cwd=tmp_path, FRAMELENS_DATA_DIR=str(tmp_path)).stdout.splitlines()
    assert f"在“模型”页选定的（{tmp_path / 'model.json'}）" in lines


@pytest.mark.slow
def test_no_secret_leaves_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('HF_TOKEN=hf_sesame1234\nVLLM_CONFIG={"max_model_len": 512}\n', encoding="utf-8")
    logs = tmp_path / "data" / "engine"
    logs.mkdir(parents=True)
    (logs / "engine-20260101-000000-000000.log").write_text(
        "$ vllm --api-key sesame1234\nTraceback (most recent call last):\n  File x\n"
        "ValueError: token=sesame1234 is old\n",
        encoding="utf-8",
    )
    secrets = {
        "FRAMELENS_API_KEY": "sesame1234",
        "FRAMELENS_SPEECH_API_KEY": "sesame1234",
        "FRAMELENS_SPEECH": "http://me:sesame1234@127.0.0.1:9/v1 whisper-1",
        "HTTPS_PROXY": "http://me:sesame1234@127.0.0.1:9",
        "HF_ENDPOINT": "https://hub.example/?token=sesame1234",
    }
    for form in ((), ("--json",)):
        done = doctor(*form, cwd=tmp_path, **secrets)
        assert "sesame1234" not in done.stdout + done.stderr
        assert "FRAMELENS_API_KEY" in done.stdout and "is old" in done.stdout


@pytest.mark.slow
def test_it_works_where_everything_is_wrong(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        'VLLM_CONFIG={"max_model_len": oops}\nFRAMELENS_ANSWER_TOKENS=many\n', encoding="utf-8"
    )
    (tmp_path / "data").write_text("a file where the folder should be", encoding="utf-8")
    done = doctor(
        cwd=tmp_path, VLLM_MODEL_PATH=str(tmp_path / "no" / "model"), FRAMELENS_DATA_DIR=str(tmp_path / "data")
    )
    assert done.returncode == 4 and not done.stderr
    wrong = [line for line in done.stdout.splitlines() if line.startswith("❌")]
    assert len(wrong) == 3, wrong
    for word in ("VLLM_CONFIG", str(tmp_path / "no" / "model"), str(tmp_path / "data")):
        assert any(word in line for line in wrong)
    assert "FRAMELENS_ANSWER_TOKENS: many" in done.stdout, "as it was given"


@pytest.mark.slow
def test_a_settings_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00VLLM")
    done = doctor(cwd=tmp_path)
    assert done.returncode == 4 and ".env" in done.stdout.splitlines()[0]


@pytest.mark.slow
def test_an_engine_elsewhere_that_answers_needs_no_model_here(tmp_path: Path) -> None:
    with listening(Models) as url:
        done = doctor(cwd=tmp_path, FRAMELENS_BASE_URL=f"{url}/v1")
    assert done.returncode == 0, done.stdout
    assert f"✅ The engine at {url}/v1" in done.stdout and "❌" not in done.stdout


@pytest.mark.slow
def test_doctor_reports_silent_remote_engine(tmp_path: Path) -> None:
    done = doctor(cwd=tmp_path, FRAMELENS_BASE_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 4 and "http://127.0.0.1:9/v1" in done.stdout.splitlines()[0]
