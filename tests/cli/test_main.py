"""The command line as a script meets it: what is on which stream, and the exit codes."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import psutil
import pytest

from framelens.cli import main
from framelens.engine.base import Endpoint
from framelens.i18n import catalogue, t
from tests.analysis.requests.test_orchestrator import asked
from tests.cards import write_card_video
from tests.commands import Done, run_command
from tests.llm.scripted import Server, serve
from tests.thorough import first_of

CARDS = ["red", "blue", "green", "yellow"]
pytestmark = pytest.mark.usefixtures("no_text_reading")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("cli") / 'it\'s a "视频".mp4', CARDS)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "framelens.cli.main", *map(str, arguments)]


def run(*arguments: object, cwd: Path, **environ: str) -> Done:
    own = {"HF_ENDPOINT": "http://127.0.0.1:9", "FRAMELENS_DATA_DIR": str(cwd / "data")}
    return run_command(*arguments, environ={**own, **environ}, cwd=cwd)


def run_program(*arguments: object, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, which loads plugins anew and prints what libraries print."""
    own = {"LANG": "C.UTF-8", "HF_ENDPOINT": "http://127.0.0.1:9", "FRAMELENS_DATA_DIR": str(cwd / "data")}
    environment = {**os.environ, **own, **environ}
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment, capture_output=True, encoding="utf-8", timeout=300, check=False
    )


@pytest.mark.slow
def test_json_is_the_report_and_nothing_else_on_standard_output(video: Path, tmp_path: Path) -> None:
    done = run_program("analyse", video, "--no-model", "--json", "--frames", 4, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [int(frame["time_seconds"]) for frame in report["keyframes"]] == [0, 1, 2, 3]
    assert len(report["source"]["sha256"]) == 64
    assert report["mode"] == "none"
    assert report["notices"][0]["key"] == "no_model"
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the shell of POSIX")
@pytest.mark.parametrize("closed", first_of(["<&- >&- 2>&-", ">&-", "<&-", "2>&-"], always=2))
def test_closed_standard_streams_are_no_fault(closed: str, tmp_path: Path) -> None:
    shell = ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-m", "framelens", "doctor"]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 4) and "Traceback" not in done.stderr, done.stderr  # 4: no model would start here


@pytest.mark.own_start
@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("words", [["doctor"], ["analyse", "--help"]])
def test_a_full_disk_behind_the_output_is_named(words: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            command(*words, "--language", "zh"),
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 5
    assert "磁盘空间已用完" in done.stderr and "No space" not in done.stderr


@pytest.mark.own_start
@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_behind_the_messages_ends_nothing(video: Path, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        words = command("analyse", video, "--no-model", "--output", "report.md")
        done = subprocess.run(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=full, check=False)
    assert done.returncode == 0
    assert (tmp_path / "report.md").exists()


@pytest.mark.slow
def test_a_report_goes_to_a_file_and_an_earlier_one_is_kept(video: Path, tmp_path: Path) -> None:
    for _ in range(2):
        done = run("analyse", video, "--no-model", "--language", "zh", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in tmp_path.glob("*.md"))
    assert names == [f"{video.stem}.report-2.md", f"{video.stem}.report.md"]
    head = (tmp_path / names[0]).read_text().splitlines()[:8]
    assert t("notice.no_model", "zh") in head
    assert str(tmp_path / f"{video.stem}.report-2.md") in done.stdout


@pytest.mark.slow
def test_the_format_follows_the_ending_of_the_output(video: Path, tmp_path: Path) -> None:
    done = run("analyse", video, "--no-model", "--output", tmp_path / "new" / "r.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "new" / "r.json").read_text())["keyframes"]


@pytest.mark.slow
def test_default_model_without_network_still_reports(video: Path, tmp_path: Path) -> None:
    done = run("analyse", video, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["mode"] == "none"
    assert len(report["keyframes"]) == 4
    assert "--yes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("model", first_of(["nobody/has-this-model", "/no/such/folder"]))
def test_missing_named_model_is_exit_code_4_with_report(model: str, video: Path, tmp_path: Path) -> None:
    done = run("analyse", video, "--model", model, "--output", "r.json", "--language", "zh", cwd=tmp_path)
    assert done.returncode == 4
    assert model in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "r.json").read_text())["mode"] == "none"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "said"),
    first_of(
        [
            (lambda path: path.write_text("This is not a video.\n" * 50), "video"),
            (lambda path: None, "clip"),
            (lambda path: path.write_bytes(b""), "empty"),
            (lambda path: path.mkdir(), "folder"),
        ],
        always=2,
    ),
)
def test_a_file_that_is_no_video_is_exit_code_3_with_a_sentence(make: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    make(path)
    done = run("analyse", path, "--no-model", "--language", "en", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert said in done.stderr.lower()
    assert "clip.mp4" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    listed = run("library", "list", "--json", cwd=tmp_path)
    assert json.loads(listed.stdout)["analyses"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "environ",
    [{"VLLM_CONFIG": "{broken"}, {"FRAMELENS_LANGUAGE": "fr"}, {"FRAMELENS_BASE_URL": "ftp://x"}],
)
def test_a_wrong_setting_is_exit_code_2_and_names_it(environ: dict[str, str], video: Path, tmp_path: Path) -> None:
    done = run("analyse", video, cwd=tmp_path, **environ)
    assert done.returncode == 2, done.stderr
    assert next(iter(environ.values())) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_question_template_without_a_question_is_exit_code_2(video: Path, tmp_path: Path) -> None:
    done = run("analyse", video, "--template", "question", "--no-model", cwd=tmp_path)
    assert done.returncode == 2


@pytest.mark.slow
def test_a_report_that_can_not_be_written_is_exit_code_5(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("analyse", video, "--no-model", "--output", tmp_path / "file" / "r.md", cwd=tmp_path)
    assert done.returncode == 5
    assert "r.md" in done.stderr


@pytest.mark.slow
def test_the_old_spelling_works_too(tmp_path: Path) -> None:
    both = [run(name, "--help", cwd=tmp_path) for name in ("analyse", "analyze")]
    assert [done.returncode for done in both] == [0, 0]
    assert both[0].stdout == both[1].stdout


def endlessly(body: dict[str, Any]) -> Iterator[str]:
    """Prove sight at once; an answer about the video takes longer than any test waits."""
    while True:
        yield "x"
        if body.get("max_tokens") == 1:
            return
        time.sleep(0.05)


def until_asked(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Wait until the program has asked about the video."""
    while not asked(server):
        assert process.poll() is None
        time.sleep(0.05)


@pytest.mark.own_start
@pytest.mark.slow
@pytest.mark.parametrize("number", first_of([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))
def test_a_signal_ends_it_with_130_and_no_process(number: int, video: Path, tmp_path: Path) -> None:
    with serve(endlessly) as server:
        environment = {
            **os.environ, "FRAMELENS_BASE_URL": server.base_url, "FRAMELENS_DATA_DIR": str(tmp_path / "data")
        }  # fmt: skip
        process = subprocess.Popen(
            command("analyse", video, "--quiet"),
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        until_asked(server, process)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert errors
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


@pytest.mark.engine
@pytest.mark.usefixtures("commands_in_words")
def test_a_running_engine_is_used_by_its_url(vl_endpoint: Endpoint, video: Path, tmp_path: Path) -> None:
    done = run_program(
        "analyse", video, "--json", "--base-url", vl_endpoint.base_url, cwd=tmp_path,
        FRAMELENS_API_KEY=vl_endpoint.api_key,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [frame["findings"] for frame in report["keyframes"]] == [[card] for card in CARDS]


@pytest.mark.engine
@pytest.mark.usefixtures("commands_in_words")
def test_a_folder_is_started_asked_and_stopped(tiny_vl: Path, video: Path, tmp_path: Path) -> None:
    done = run_program(
        "analyse", video, "--json", "--model", tiny_vl, cwd=tmp_path,
        VLLM_CONFIG='{"enforce_eager": true, "max_model_len": 2048}', VLLM_CPU_KVCACHE_SPACE="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [frame["findings"] for frame in json.loads(done.stdout)["keyframes"]] == [[card] for card in CARDS]
    mine = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
    assert mine == []


@pytest.mark.own_start
@pytest.mark.slow
def test_a_reader_who_has_enough_is_no_fault(tmp_path: Path) -> None:
    environment = {**os.environ, "LANG": "C.UTF-8", "FRAMELENS_DATA_DIR": str(tmp_path)}
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            command("analyse", "--help"),
            env=environment,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert ended.stderr == b""


@pytest.fixture(autouse=True)
def system_language(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.setenv("COLUMNS", "80")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main.main(words)
    out = capsys.readouterr()
    return out.out + out.err


def columns(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


@pytest.mark.parametrize("command", [(), ("analyse",), ("keyframes",), ("library", "search"), ("ask",)])
def test_chinese_help_holds_no_english(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, *command, "--help")
    assert text.startswith(f"用法：{' '.join(('framelens', *command))} [-h]")
    for english in ("usage", "arguments", "options", "print", "exit"):
        assert english not in re.sub(r"\S*--?\S+|[A-Z_]{2,}|\[[^]]*\]", "", text)
    assert not re.search(r"^\S*[\u4e00-\u9fff]:$", text, re.MULTILINE), "an ASCII colon behind Chinese"
    assert max(columns(line) for line in text.splitlines() if "[" not in line) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analyse"], "缺少必需的参数"),
        (["keyframes", "x", "--strategy", "nope"], "不是可选的值"),
        (["keyframes", "x", "--frames", "0"], "不是有效的帧数"),
        (["keyframes", "x", "--frames", "many"], "不是有效的帧数"),
        (["keyframes", "x", "--every", "0"], "不是有效的间隔"),
        (["keyframes", "x", "--at", "1,b"], "不是时间"),
        (["keyframes", "x", "--start", "soon"], "不是时间"),
        (["export", "x", "--format", "nope"], "不是支持的格式"),
        (["library", "--since", "soon"], "不是日期"),
        (["keyframes", "x", "--nope"], "无法识别的参数"),
        (["keyframes", "x", "--frames"], "需要 1 个值"),
    ],
)
def test_wrong_usage_is_said_in_chinese(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, *words)
    line, hint = text.splitlines()
    assert said in line and "错误：" in line
    assert hint.startswith(f"用法见 framelens {words[0]}") and hint.endswith(" --help。")


def test_the_language_of_options_and_settings_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The language option counts for help.
    assert printed(capsys, "analyse", "--language", "en", "--help").startswith("usage: ")
    assert printed(capsys, "analyse", "--help", "--language=en").startswith("usage: ")
    # A named file of settings that is missing is an error.
    monkeypatch.setenv("FRAMELENS_ENV_FILE", "")
    assert main.main(["analyse", "none.mp4", "--no-model", "--language", "en", "--env-file", "no.env"]) == 2
    assert "no.env" in capsys.readouterr().err


def test_interrupt_before_the_command_runs_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main.framelens, "make_context", interrupted)
    assert main.main(["keyframes", "x"]) == 130
    assert capsys.readouterr().err == catalogue("zh")["error.stopped"] + "\n"


def test_failure_before_the_log_is_open_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(logging.getLogger("framelens"), "handlers", [])
    monkeypatch.setattr("framelens.cli.commands.doctor.list_plugins", lambda is_json: fail(is_json))
    assert main.main(["doctor", "--plugins"]) == 1
    for handler in logging.getLogger("framelens").handlers:
        handler.close()
    log = tmp_path / "framelens-data" / "framelens.log"
    assert str(log) in capsys.readouterr().err
    assert "RuntimeError: a bug" in log.read_text(encoding="utf-8")


def test_errors_are_in_the_language_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.env").write_text("FRAMELENS_LANGUAGE=en\n", encoding="utf-8")
    monkeypatch.setenv("FRAMELENS_ENV_FILE", str(tmp_path / "my.env"))
    assert main.main(["analyse", "none.mp4", "--no-model"]) == 3
    assert capsys.readouterr().err.startswith("There is no file")
    assert main.main(["analyse", "none.mp4", "--no-model", "--language", "zh"]) == 3
    assert not capsys.readouterr().err.startswith("There is no file")


@pytest.mark.parametrize("words", [["--env-file", ".env", "analyse"], ["analyse", "--env-file=.env"]])
def test_settings_of_the_current_folder_count_when_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder := tmp_path / "videos").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FRAMELENS_ENV_FILE", "")
    (folder / ".env").write_text("FRAMELENS_ANSWER_TOKENS=many\n", encoding="utf-8")
    assert main.main(["analyse", "none.mp4", "--no-model", "--language", "en"]) == 3
    unread = capsys.readouterr().err.splitlines()
    assert len(unread) == 2 and unread[0].startswith(f"{folder / '.env'} isn't read")
    assert main.main([*words, "none.mp4", "--no-model", "--language", "en"]) == 2
    assert "FRAMELENS_ANSWER_TOKENS" in capsys.readouterr().err
