"""`framelens clip` as a script meets it: what it prints, where the file is, and the exit codes."""

import json
from pathlib import Path

import pytest

from framelens import config
from framelens.cli import main
from framelens.composition import open_library
from framelens.core.domain import Analysis
from framelens.reports.formats import FORMATS
from framelens.video.files import sha256_of
from tests.media import cards, write_video
from tests.reports.content.test_labels import rich


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_video(tmp_path / 'it\'s a "视频".mp4', cards(["red", "green", "blue"], 25))


def run(*words: object) -> int:
    return main.main(["clip", *map(str, words), "--quiet"])


@pytest.mark.slow
def test_clip_is_named_after_its_range(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(video, "--from", "0:01", "--to", "2", "--language", "en") == 0
    clip = video.with_name('it\'s a "视频"_00-01.000_00-02.000.mp4')
    assert clip.is_file() and f"{clip.name}: 00:01.000 to 00:02.000, 25 frames" in capsys.readouterr().out
    before = clip.read_bytes()
    assert run(video, "--from", "1", "--to", "2", "--output", clip) == 2  # it exists
    assert run(video, "--start", "1", "--end", "2") == 0  # as the other commands call it; the default name counts up
    assert clip.read_bytes() == before and clip.with_stem(f"{clip.stem}-2").is_file()
    assert run(video, "--from", "1", "--to", "2", "--overwrite") == 0
    assert len([*video.parent.glob("*.mp4")]) == 3


@pytest.mark.slow
def test_last_slash_makes_a_folder(video: Path) -> None:
    assert run(video, "--from", "1", "--to", "2", "--output", "new.old/") == 0
    assert len([*(video.parent / "new.old").glob("*.mp4")]) == 1


@pytest.mark.slow
def test_json_says_what_was_asked_for_and_what_there_is(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (video.parent / "cut").mkdir()
    assert run(video, "--from", "1.5", "--to", "2", "--mode", "fast", "--output", "cut", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert Path(document.pop("path")).parent == video.parent / "cut"
    assert document == {
        "mode": "fast",
        "start_seconds": 0.0,
        "end_seconds": 2.0,
        "asked_start_seconds": 1.5,
        "asked_end_seconds": 2.0,
        "num_frames": 50,
    }


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--to", "1", "--output", 'it\'s a "视频".mp4', "--overwrite"], 2, "--output"),
        (["--from", "2", "--to", "1"], 2, "空的"),
        (["--to", "1", "--output", "clip.gif"], 2, ".m4v"),
        (["--to", "1", "--output", "-"], 2, "--output"),
    ],
)
def test_wrong_options_end_in_a_sentence(
    video: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert run(video, *words, "--language", "zh") == code
    assert said in capsys.readouterr().err and [path for path in video.parent.iterdir() if path.is_file()] == [video]


def test_missing_video_is_named(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("none.mp4", "--to", "1", "--language", "en") == 3
    assert "none.mp4" in capsys.readouterr().err


# ---- what a report is about


def report_on(video: Path) -> Analysis:
    """Three findings and two chapters in nine seconds."""
    return rich(sha256=sha256_of(video))


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "data"))
    return write_video(tmp_path / "film.mp4", cards(["red", "green", "blue"], 30), rate=10)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".mp4")


def test_list_never_replaces_the_report_that_is_read(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = film.with_name("report.json")
    report.write_bytes(before := FORMATS["json"].write(report_on(film), "en"))
    words = ["--finding", "1", "--report", report, "--list", report, "--overwrite", "--language", "en"]
    assert run(film, *words) == 2
    assert report.read_bytes() == before and "--list" in capsys.readouterr().err


@pytest.mark.slow
def test_finding_of_the_stored_report_is_cut(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_library(config.load()) as services:
        services.reports.add(report_on(film))
    assert run(film, "--finding", "1", "--language", "en") == 0
    clip = film.with_name("A man walks by._00-00.000_00-02.500.mp4")
    assert clip.is_file() and "1/1" in capsys.readouterr().out
    assert run(film, "--finding", "3", "--margin", "0", "--output", "back.mkv", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["kind"], row["number"], row["start_seconds"], row["end_seconds"]) == ("finding", 3, 6.5, 8.0)
    assert row["path"] == str(film.with_name("back.mkv")) and row["num_frames"] == 15


@pytest.mark.slow
def test_all_findings_and_a_chapter_go_into_a_folder(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film.with_name("report.json").write_bytes(FORMATS["json"].write(report_on(film), "en"))
    words = ["--all-findings", "--chapter", "2", "--report", "report.json", "--output", "cut/", "--language", "en"]
    assert run(film, *words) == 0
    assert names(film.parent / "cut") == [
        "A man walks by._00-00.000_00-02.500.mp4",
        "He comes back._00-04.500_00-09.000.mp4",
        "He is back_00-04.000_00-09.000.mp4",
        "Nothing more._00-00.000_00-03.000.mp4",
    ]
    assert capsys.readouterr().out.count(" frames") == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--finding", "9", "--report", "report.json"], 6, "no finding 9 with a time; the last one is 3"),
        (["--all-intervals", "--report", "report.json"], 6, "no interval that could be cut out"),
        (["--finding", "1", "--report", "other.json"], 6, "about another file"),
        (["--finding", "1", "--report", "none.json"], 6, "none.json"),
        (["--finding", "1"], 6, "no report on film.mp4"),
        (["--finding", "1", "--from", "2"], 2, "--from and --to"),
        (["--report", "report.json"], 2, "--all-findings"),
        (["--from", "1", "--margin", "0"], 2, "--margin"),
        (["--all-chapters", "--report", "report.json", "--margin", "1"], 2, "--margin"),
        (["--all-findings", "--report", "report.json", "--output", "one.mp4"], 2, "one.mp4"),
    ],
)
def test_what_cannot_be_cut_of_a_report_is_said(
    film: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    film.with_name("report.json").write_bytes(FORMATS["json"].write(report_on(film), "en"))
    film.with_name("other.json").write_bytes(FORMATS["json"].write(rich(), "en"))
    assert run(film, *words, "--language", "en") == code
    assert said in capsys.readouterr().err and names(film.parent) == ["film.mp4"]


# ---- reels


@pytest.mark.slow
def test_reel_is_cut_from_an_edited_list(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film.with_name("report.json").write_bytes(FORMATS["json"].write(report_on(film), "en"))
    words = ["--all-findings", "--report", "report.json", "--list", "list.txt", "--language", "en"]
    assert run(film, *words) == 0
    listed = film.with_name("list.txt")
    assert "3 pieces" in capsys.readouterr().out
    kept = [line for line in listed.read_text().splitlines() if "Nothing more" not in line]
    listed.write_text("\n".join(kept).replace("00:02.500", "0:01"))
    assert run(film, *words) == 2  # it exists
    assert run(film, "--reel", "list.txt", "--chapters", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["seconds"] == 5.5 and document["num_frames"] == 55 and len(document["pieces"]) == 2
    assert Path(document["path"]) == film.with_name("film.reel.mp4")
    assert run(film, "--reel", "list.txt") == 0 and film.with_name("film.reel-2.mp4").is_file()


@pytest.mark.slow
def test_reel_of_a_report_has_its_subtitles(film: Path) -> None:
    film.with_name("report.json").write_bytes(FORMATS["json"].write(report_on(film), "en"))
    words = ["--finding", "1,3", "--report", "report.json", "--reel", "--burn-subtitles", "--output", "r.mkv"]
    assert run(film, *words) == 0 and film.with_name("r.mkv").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--reel"], 2, "--reel needs to know"),
        (["--list", "a.txt"], 2, "--list needs to know"),
        (["--reel", "a.txt", "--mode", "fast"], 2, "--mode fast"),
        (["--all-findings", "--reel", "--list", "a.txt"], 2, "--list can't"),
        (["--reel", "a.txt", "--from", "0"], 2, "a.txt says what the reel is made of, so --from can't"),
        (["--reel", "a.txt", "--to", "1"], 2, "--to can't"),
        (["--reel", "a.txt", "--all-findings"], 2, "--all-findings can't"),
        (["--reel", "a.txt", "--finding", "1"], 2, "--finding can't"),
        (["--reel", "a.txt", "--report", "r.json"], 2, "--report can't"),
        (["--all-findings", "--list", "a.txt", "--output", "b.mp4"], 2, "--output has no effect"),
        (["--all-findings", "--list", "a.txt", "--mode", "fast"], 2, "--mode fast has no effect"),
        (["--all-findings", "--list", "a.txt", "--burn-subtitles"], 2, "--burn-subtitles has no effect"),
        (["--to", "1", "--chapters"], 2, "--reel"),
        (["--to", "1", "--mode", "fast", "--burn-subtitles"], 2, "exact"),
        (["--to", "1", "--subtitles", "a.srt"], 2, "--burn-subtitles"),
        (["--to", "1", "--burn-subtitles"], 6, "film.mp4"),
        (["--reel", "none.txt"], 6, "none.txt"),
    ],
)
def test_wrong_options_of_reels_end_in_a_sentence(
    film: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert run(film, *words, "--language", "en") == code
    assert said in capsys.readouterr().err and names(film.parent) == ["film.mp4"]


@pytest.mark.slow
def test_reel_of_several_videos_names_each(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_video(film.with_name("other.mp4"), cards(["white"], 20), rate=20)
    listed = film.with_name("list.txt")
    listed.write_text(f"file {film.name}\n1 2 first\nfile {other.name}\n0 0:00.5 second\n")
    words = ["--reel", "list.txt", "--json", "--language", "en"]
    assert run(film, *words, "--burn-subtitles", "--subtitles", "a.srt") == 2
    assert "several" in capsys.readouterr().err
    assert run(film, *words, "--output", "other.mp4", "--overwrite") == 2  # a video of the list
    assert "--output" in capsys.readouterr().err
    assert run(film, *words) == 0
    document = json.loads(capsys.readouterr().out)
    assert [Path(one["video"]) for one in document["pieces"]] == [film, other]
    assert (document["seconds"], document["num_frames"]) == (1.5, 20)
    other.unlink()
    assert run(film, *words, "--overwrite") == 3 and "other.mp4" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("--mode", "fast"), ("--output", "x.mp4")])
def test_clip_without_a_range_is_refused(
    video: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(video, *words, "--language", "en") == 2
    assert "--from 0" in capsys.readouterr().err
    assert [*video.parent.glob("*.mp4")] == [video]
