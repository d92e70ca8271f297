"""Names that are not UTF-8 or too long, and Ctrl-C before a command runs: sentences and results, no traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from framelens.core.errors import InputError
from framelens.core.files import readable, restored, shown_path, storable
from framelens.store.videos.video_repository import VideoRepository
from tests.cards import write_card_video
from tests.cli.test_main import run, run_program

LATIN = os.fsdecode(b"caf\xe9.mp4")
linux_alone = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="file names are Unicode here")
pytestmark = pytest.mark.usefixtures("no_text_reading")


def test_non_utf8_names_are_escaped_and_restored() -> None:
    assert readable(LATIN) == r"caf\xe9.mp4"
    assert readable("会议 é.mp4") == "会议 é.mp4"
    assert readable("\ud800") == r"\ud800"
    assert readable("evil\u202e4pm.exe") == r"evil\u202e4pm.exe"
    for path in (Path("/a") / LATIN, Path("/会议/é.mp4"), Path("/plain.mp4"), Path("/\u202e.mp4")):
        str(storable(path)).encode()
        assert restored(storable(path)) == path


def test_a_long_path_is_shown_without_its_middle() -> None:
    shown = shown_path("/" + "x" * 5000 + ".mp4")
    assert len(shown) < 600
    assert shown.startswith("/xxx") and "…" in shown and shown.endswith("x.mp4")


@pytest.mark.slow
@linux_alone
def test_copy_under_another_name_has_its_report(tmp_path: Path) -> None:
    video = write_card_video(tmp_path / "one.mp4", ["red", "blue"])
    shutil.copy(video, tmp_path / "two.mp4")
    reports = [
        json.loads(run("analyse", name, "--no-model", "--json", cwd=tmp_path).stdout) for name in ("one.mp4", "two.mp4")
    ]
    assert [report["source"]["name"] for report in reports] == ["one.mp4", "two.mp4"]
    assert reports[0]["id"] == reports[1]["id"]


@linux_alone
@pytest.mark.parametrize("command", [["export"], ["ask", "--export"], ["library", "show"]])
def test_id_that_is_not_utf8_is_unknown(command: list[str], tmp_path: Path) -> None:
    done = run(*command, LATIN, cwd=tmp_path)
    assert done.returncode == 6 and r"caf\xe9.mp4" in done.stderr


@pytest.mark.slow
@linux_alone
def test_non_utf8_name_gets_keyframes_report_and_entry(tmp_path: Path) -> None:
    video = tmp_path / LATIN
    shutil.move(write_card_video(tmp_path / "plain.mp4", ["red", "blue"]), video)
    chosen = run("keyframes", video, "--json", cwd=tmp_path)
    assert chosen.returncode == 0, chosen.stderr
    assert json.loads(chosen.stdout)["source"]["name"] == r"caf\xe9.mp4"
    done = run("analyse", video, "--no-model", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"]["name"] == r"caf\xe9.mp4"
    skipped = run("analyse", tmp_path, "--no-model", "--skip-done", cwd=tmp_path)
    assert skipped.returncode == 0, skipped.stderr
    assert r"caf\xe9.mp4" in skipped.stdout
    deleted = run("library", "delete", "latest", "--yes", "--language", "en", cwd=tmp_path)
    assert r"caf\xe9.mp4" in deleted.stderr
    assert video.exists()


@linux_alone
def test_the_shelf_takes_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / LATIN).write_bytes(b"x")
    shelf = VideoRepository(tmp_path / "data", (tmp_path,), tmp_path / "sample.mp4")
    video_id = shelf.from_path(LATIN)
    assert shelf.path(video_id) == tmp_path / LATIN
    assert shelf.name(video_id) == r"caf\xe9.mp4"


def test_path_of_5000_letters_is_refused_with_a_sentence(tmp_path: Path) -> None:
    shelf = VideoRepository(tmp_path / "data", (tmp_path,), tmp_path / "sample.mp4")
    for text in ("x" * 5000, f"{tmp_path}/{'x' * 5000}"):
        with pytest.raises(InputError, match=r"path_(missing|unreadable)") as raised:
            shelf.from_path(text)
        assert len(str(raised.value.values["path"])) < 600


@pytest.mark.slow
@pytest.mark.parametrize("command", ["keyframes", "analyse"])
def test_a_path_of_5000_letters_is_refused_with_a_sentence(command: str, tmp_path: Path) -> None:
    done = run(command, "x" * 5000, cwd=tmp_path, FRAMELENS_LANGUAGE="en")
    assert done.returncode == 3
    assert "There is no file" in done.stderr
    assert len(done.stderr) < 1500


@pytest.mark.slow
def test_ctrl_c_while_modules_are_imported_is_a_sentence(tmp_path: Path) -> None:
    code = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            sys.meta_path.remove(self)
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from framelens.__main__ import main
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "keyframes", "x"],
        env={**os.environ, "FRAMELENS_LANGUAGE": "en"}, capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert done.stderr == "Stopped. No unfinished file was left behind.\n"


@pytest.mark.slow
def test_an_interrupt_that_python_only_prints_comes_again(tmp_path: Path) -> None:
    program = """
import sys, time
import framelens.__main__, framelens.cli.main
class Extension:
    def __del__(self):
        raise KeyboardInterrupt
def run():
    Extension()
    time.sleep(60)
framelens.cli.main.main = run
sys.exit(framelens.__main__.main())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (130, 1), done.stderr


@pytest.mark.slow
def test_what_a_stopped_command_printed_is_kept(tmp_path: Path) -> None:
    program = """
import framelens.__main__, framelens.cli.main
def run():
    print("a line", end="")  # a pipe gets it when the program ends
    raise KeyboardInterrupt
framelens.cli.main.main = run
raise SystemExit(framelens.__main__.main())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "a line"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii:strict", "ascii:surrogateescape"])
def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "v.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nÅ 好\n", encoding="utf-8")
    write_card_video(tmp_path / "v.mp4", ["red", "blue"])
    done = run_program("transcript", "v.mp4", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert r"\xc5" in done.stdout
