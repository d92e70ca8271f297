"""`framelens keyframes` as a script meets it: what is on which stream, the files, and the exit codes."""

import csv
import io
import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from tests.commands import Done, run_command
from tests.media import COLOURS, cards, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keyframes")
    return write_video(folder / 'it\'s a "视频".mp4', cards(COLOURS, 25), rotation=90)


def run(*arguments: object, cwd: Path, **environ: str) -> Done:
    return run_command("keyframes", *arguments, environ=environ, cwd=cwd)


@pytest.mark.slow
def test_json_is_one_object_and_nothing_else_on_standard_output(video: Path, tmp_path: Path) -> None:
    done = run(video, "--frames", 8, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["format_version"] == 1
    assert len(document["source"]["sha256"]) == 64
    assert (document["source"]["name"], document["source"]["readable_seconds"]) == (video.name, pytest.approx(8.0))
    assert (document["source"]["width"], document["source"]["height"]) == (96, 160)
    assert [int(frame["time_seconds"]) for frame in document["keyframes"]] == list(range(8))
    assert set(document["keyframes"][0]) == {
        "number", "time_seconds", "frame_index", "reason", "reason_text", "shot", "width", "height",
    }  # fmt: skip
    assert [shot["number"] for shot in document["shots"]] == list(range(1, 9))
    assert [boundary["time_seconds"] for boundary in document["boundaries"]] == list(range(1, 8))
    assert {boundary["type"] for boundary in document["boundaries"]} <= {"cut", "fade"}
    assert set(document) == {
        "format_version", "source", "keyframes", "shots", "boundaries", "measures", "stretches", "notices", "reused",
    }  # fmt: skip
    assert document["notices"] == []
    assert document["reused"] is False
    assert list(tmp_path.glob("*.*")) == []


@pytest.mark.slow
def test_a_second_call_reuses_the_survey_and_says_so(video: Path, tmp_path: Path) -> None:
    first, second = (json.loads(run(video, "--json", cwd=tmp_path).stdout) for _ in range(2))
    assert (first.pop("reused"), second.pop("reused")) == (False, True)
    assert first == second


@pytest.mark.slow
def test_the_files_are_full_upright_and_listed_with_their_times(video: Path, tmp_path: Path) -> None:
    done = run(video, "--at", "0.5,0:03.24", "--zip", "new/frames.zip", "--output", "folder", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    keyframes = json.loads(done.stdout)["keyframes"]
    with ZipFile(tmp_path / "new" / "frames.zip") as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("times.csv").decode())))
        assert [(float(row["time_seconds"]), int(row["frame_index"])) for row in rows] == [
            (frame["time_seconds"], frame["frame_index"]) for frame in keyframes
        ]
        for row, colour in zip(rows, ("red", "yellow"), strict=True):
            data = archive.read(row["file"])
            assert (tmp_path / "folder" / row["file"]).read_bytes() == data
            picture = Image.open(io.BytesIO(data)).convert("RGB")
            assert picture.size == (96, 160)
            shown = picture.getpixel((48, 80))
            assert isinstance(shown, tuple)
            assert all(abs(a - b) < 12 for a, b in zip(shown, COLOURS[colour], strict=True))
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == sorted(
        [*(row["file"] for row in rows), "times.csv"]
    )
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["frames.zip"]


@pytest.mark.slow
def test_the_contact_sheet_is_one_jpeg(video: Path, tmp_path: Path) -> None:
    done = run(video, "--frames", 5, "--sheet", "new/sheet.jpg", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["keyframes"]) == 5
    with Image.open(tmp_path / "new" / "sheet.jpg") as sheet:
        assert (sheet.format, sheet.mode) == ("JPEG", "RGB")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.jpg"]
    assert "sheet.jpg" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("language", "said"), [("en", "a new shot begins"), ("zh", "新镜头开始")])
def test_people_get_a_table_in_their_language(language: str, said: str, video: Path, tmp_path: Path) -> None:
    done = run(video, "--strategy", "scenes", "--start", 2, "--end", "0:04", "--language", language, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == ["00:02.000", "00:03.000"]
    assert said in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--strategy", "every"],
        ["--strategy", "times"],
        ["--strategy", "uniform", "--every", "2"],
        ["--strategy", "scenes", "--at", "2"],
        ["--start", "5", "--end", "5"],
        ["--every", "0"],
        ["--at", "1,,x"],
        ["--frames", "0"],
        ["--strategy", "best"],
    ],
)
def test_wishes_that_do_not_go_together_are_exit_code_2(arguments: list[str], video: Path, tmp_path: Path) -> None:
    done = run(video, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() and "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--start", "90"], ["--at", "90,91"]])
def test_empty_range_is_exit_code_3_with_duration(arguments: list[str], video: Path, tmp_path: Path) -> None:
    done = run(video, *arguments, "--json", "--language", "en", cwd=tmp_path)
    assert done.returncode == 3
    assert "8.000" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--zip", "--output", "--sheet"])
def test_files_that_can_not_be_written_are_exit_code_5(option: str, video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    name = {"--zip": "frames.zip", "--output": "frames", "--sheet": "frames.jpg"}[option]
    done = run(video, option, tmp_path / "file" / name, "--json", cwd=tmp_path)
    assert done.returncode == 5
    assert "frames" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_several_videos_are_printed_one_by_one(video: Path, tmp_path: Path) -> None:
    done = run(video, "gone.mp4", video.parent, "--frames", 2, "--output", "out", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == str(video) and "gone.mp4" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [video.stem]
    for words in ((video, video.parent), (video.parent,)):
        again = run(*words, "--frames", 2, "--json", cwd=tmp_path)
        (document,) = map(json.loads, again.stdout.splitlines())
        assert (document["path"], len(document["keyframes"])) == (str(video), 2)
    refused = run(video.parent, "--frames", 2, "--output", "out", cwd=tmp_path)
    assert refused.returncode == 2 and "--overwrite" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-",), 3, "standard input"),
        (("a.mp4", "b.mp4", "--zip", "all.zip"), 2, "--output DIR"),
        (("a.mp4", "--output", "-"), 2, "standard output"),
    ],
)
def test_what_is_no_file_is_refused_by_name(words: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    done = run(*words, "--language", "en", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
