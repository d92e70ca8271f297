"""Places that outputs may have: never an input, never an existing file without --overwrite, endings that are true."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framelens.cli.grammar import Options
from framelens.cli.main import main
from framelens.cli.report_output import Output, check_ending, check_output_file, check_output_folder, parse_outputs
from framelens.core.errors import AppError, ConfigError
from framelens.core.files import name_limit
from framelens.reports.files import atomic_write
from framelens.reports.formats import FORMATS
from tests.cards import write_card_video
from tests.cli.test_main import run
from tests.reports.test_reports import analysis

pytestmark = pytest.mark.usefixtures("no_text_reading")


def options(*outputs: str, **more: object) -> Options:
    usual = {"output": outputs, "format": None, "json": False, "overwrite": False, "appendix": False, "subtitles": None}
    return Options(**{**usual, **more})


def parse_output(given: Options, videos: list[Path], *, is_one: bool) -> Output:
    (output,) = parse_outputs(given, videos, is_one=is_one)
    return output


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"video")
    return path


def spelled(video: Path, spelling: str) -> Path:
    folder = video.parent
    if spelling == "link":
        (folder / "link.mp4").symlink_to(video.name)
        return folder / "link.mp4"
    if spelling == "hard link":
        os.link(video, folder / "hard.mp4")
        return folder / "hard.mp4"
    if spelling == "linked folder":
        (folder / "again").symlink_to(folder)
        return folder / "again" / video.name
    (folder / "sub").mkdir()
    return folder / "sub" / ".." / video.name


@pytest.mark.parametrize("spelling", ["link", "hard link", "linked folder", "detour"])
def test_output_that_is_an_input_is_refused(video: Path, spelling: str) -> None:
    for target in (video, spelled(video, spelling)):
        with pytest.raises(ConfigError) as caught:
            check_output_file("--zip", target, inputs=[video], overwrites=True)
        assert caught.value.key == "output_is_input"
    with pytest.raises(ConfigError) as caught:
        parse_output(options(str(target), overwrite=True), [video], is_one=True)
    assert caught.value.key == "output_is_input"


def test_subtitles_beside_the_video_are_inputs(video: Path) -> None:
    beside = video.with_suffix(".srt")
    beside.write_text("1\n")
    with pytest.raises(ConfigError) as caught:
        parse_output(options(str(beside), overwrite=True), [video], is_one=True)
    assert caught.value.key == "output_is_input"


def test_existing_file_is_kept_unless_overwritten(video: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("mine")
    with pytest.raises(ConfigError) as caught:
        parse_output(options(str(notes)), [video], is_one=True)
    assert caught.value.key == "output_exists"
    assert parse_output(options(str(notes), overwrite=True), [video], is_one=True).path_for(video) == notes


def test_file_that_appears_meanwhile_is_kept(video: Path, tmp_path: Path) -> None:
    output = parse_output(options(str(tmp_path / "new.md")), [video], is_one=True)
    (tmp_path / "new.md").write_text("somebody else's")
    assert output.path_for(video) == tmp_path / "new-2.md"


@pytest.mark.parametrize(
    ("name", "asked", "known"),
    [
        ("out.xyz", None, None),
        ("out.pdf", "html", None),
        ("out.md", "json", None),
        ("out.pdf", None, "pdf"),
        ("out.PDF", "pdf", "pdf"),
        ("out.srt", "transcript_srt", "transcript_srt"),
        ("out.transcript.srt", None, "transcript_srt"),
        ("out", "html", "html"),
        ("out", None, "markdown"),
    ],
)
def test_ending_must_be_that_of_the_format(
    video: Path, tmp_path: Path, name: str, asked: str | None, known: str | None
) -> None:
    given = options(str(tmp_path / name), format=asked)
    if known:
        assert parse_output(given, [video], is_one=True).format == known
        return
    with pytest.raises(ConfigError) as caught:
        parse_output(given, [video], is_one=True)
    assert caught.value.key == "output_ending" and name in str(caught.value.values["given"])


@pytest.mark.parametrize(
    ("output", "written"), [("out.xyz", ""), ("res.old/", "res.old"), ("reports.2026", "reports.2026"), ("out", "out")]
)
def test_ending_of_an_export_is_that_of_a_report(
    output: str, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("report.json").write_bytes(FORMATS["json"].write(analysis(), "en"))
    assert main(["export", "report.json", "--output", output, "--language", "en"]) == (0 if written else 2)
    assert [path.parent.name for path in tmp_path.glob("*/*.md")] == ([written] if written else [])
    assert ("another ending" in capsys.readouterr().err) == (not written)


def test_no_report_replaces_the_subtitles_in_use(video: Path, tmp_path: Path) -> None:
    words = tmp_path / "talk.report.srt"
    words.write_text("1\n")
    with pytest.raises(ConfigError) as caught:
        parse_output(options(str(words), overwrite=True, subtitles=words), [video], is_one=True)
    assert caught.value.key == "output_is_input"
    named_by_video = options(f"{tmp_path}/", format="srt", overwrite=True, subtitles=words)
    assert parse_output(named_by_video, [video], is_one=True).path_for(video) != words


def test_devices_and_pipes_are_not_replaced(video: Path, tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    pipe = tmp_path / "pipe.md"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError) as caught:
        parse_output(options(str(pipe), overwrite=True), [video], is_one=True)
    assert caught.value.key == "output_is_special"
    with pytest.raises(OSError, match=str(pipe)), atomic_write(pipe):
        pass
    assert pipe.is_fifo()


@pytest.mark.parametrize("command", ["analyse", "keyframes", "export"])
def test_dash_is_refused_by_every_command(
    command: str, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(video.parent)
    words = ["latest"] if command == "export" else [str(video)]
    assert main([command, *words, "--output", "-", "--language", "en"]) == 2
    assert "standard output" in capsys.readouterr().err
    assert not Path("-").exists() and video.read_bytes() == b"video"


@pytest.mark.parametrize(
    "words",
    [
        ("transcript", "-"),
        ("ask", "-", "What?"),
        ("keyframes", "-"),
        pytest.param(("clip", "-"), marks=pytest.mark.every_plugin),
    ],
)
def test_dash_is_no_video(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--language", "en"]) == 3
    assert "standard input" in capsys.readouterr().err


@pytest.mark.slow
def test_file_behind_standard_output_is_not_replaced(video: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.md"
    words = [sys.executable, "-m", "framelens", "analyse", video, "--no-model", "--overwrite", "--language", "en"]
    for name in ("/dev/stdout", log):
        with log.open("wb") as stdout:
            ended = subprocess.run([*words, "--output", name], stdout=stdout, stderr=subprocess.PIPE, check=False)
        assert (ended.returncode, log.read_bytes()) == (2, b"")
        assert b"a device, a pipe" in ended.stderr


@pytest.mark.parametrize("command", ["analyse", "keyframes", "export"])
def test_names_too_long_for_the_disk_are_named(
    command: str, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(video.parent)
    words = ["latest"] if command == "export" else [str(video)]
    assert main([command, *words, "--output", "画" * 90, "--language", "en"]) == 2
    assert "too long a name" in capsys.readouterr().err


def test_unknown_home_folder_is_a_plain_name(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(video.parent)
    assert parse_output(options("~nobody-here/x.md"), [video], is_one=True).folder.name == "~nobody-here"


def test_several_reports_need_a_folder(video: Path, tmp_path: Path) -> None:
    for named in ("all.pdf", "talk.mp4"):
        with pytest.raises(ConfigError) as caught:
            check_output_folder(tmp_path / named)
        assert caught.value.key == "output_not_folder"
    check_output_folder(tmp_path / "reports")
    with pytest.raises(ConfigError):
        check_output_file("--sheet", tmp_path, inputs=[video], overwrites=True)


def test_picture_files_end_as_their_content_does(tmp_path: Path) -> None:
    check_ending("--sheet", tmp_path / "a.JPG", [".jpg", ".jpeg"])
    with pytest.raises(AppError):
        check_ending("--sheet", tmp_path / "a.png", [".jpg", ".jpeg"])


@pytest.mark.parametrize("letter", ["a", "画", "é"])
@pytest.mark.parametrize("size", [140, 246, 248, 251])
def test_report_of_a_long_name_fits_the_file_system(tmp_path: Path, letter: str, size: int) -> None:
    stem = letter * (size // len(letter.encode()))
    made = parse_output(options(), [], is_one=True).path_for(tmp_path / f"{stem}.mp4").name
    assert made.endswith(".report.md") and stem.startswith(made.removesuffix(".report.md"))
    assert 200 < len(made.encode()) <= name_limit(tmp_path) or size == 140


@pytest.mark.slow
def test_commands_leave_the_video_and_files_as_they_are(tmp_path: Path) -> None:
    video = write_card_video(tmp_path / ("n" * 251 + ".mp4"), ["red", "blue"])
    before = video.read_bytes()
    (tmp_path / "mine.zip").write_text("mine")
    for words in (
        ("analyse", video, "--no-model", "--output", video),
        ("keyframes", video, "--zip", video),
        ("keyframes", video, "--sheet", video, "--overwrite"),
        ("keyframes", video, "--zip", tmp_path / "mine.zip"),
    ):
        refused = run(*words, "--language", "en", cwd=tmp_path)
        assert refused.returncode == 2, refused.stderr
        assert "Traceback" not in refused.stderr
    assert video.read_bytes() == before and (tmp_path / "mine.zip").read_text() == "mine"
    for place in (1, 2):  # the default name counts up
        done = run("analyse", video, "--no-model", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert len([path for path in tmp_path.iterdir() if path.name.endswith(".md")]) == place


def test_outputs_are_one_for_each_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, video: Path) -> None:
    # One report is written to each output.
    monkeypatch.chdir(tmp_path)
    Path("report.json").write_bytes(FORMATS["json"].write(analysis(), "en"))
    assert main(["export", "report.json", "-o", "a.md", "-o", "b.html"]) == 0
    assert Path("a.md").read_text(encoding="utf-8").startswith("# ") and Path("b.html").stat().st_size
    # Several outputs of several videos are refused.
    with pytest.raises(ConfigError) as caught:
        parse_outputs(options("a/", "b/"), [video, video], is_one=False)
    assert caught.value.key == "outputs_of_several"
    # Reports of one run never share a name.
    output = parse_output(options(f"{tmp_path}/", overwrite=True), [], is_one=False)
    videos = ["a/talk.mp4", "b/talk.mp4", "b/TALK.mp4", "caf\u00e9.mp4", "cafe\u0301.mp4"]
    names = [output.path_for(tmp_path / video).name for video in videos]
    assert len({name.casefold() for name in names}) == 5


@pytest.mark.slow
def test_an_analysis_is_written_to_each_output(tmp_path: Path) -> None:
    video = write_card_video(tmp_path / "talk.mp4", ["red", "blue"])
    done = run("analyse", video, "--no-model", "-o", "a.md", "-o", "b.pdf", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.md").exists() and (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF")
