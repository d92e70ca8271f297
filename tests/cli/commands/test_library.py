"""`framelens library` and `framelens export` as a script meets them."""

import errno
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.cli import main, report_output
from framelens.cli.commands import export
from framelens.composition import open_services
from framelens.core.analysis_state import AnalysisState
from framelens.core.errors import ConfigError
from framelens.jobs.snapshot import imported_job, to_row
from framelens.reports.formats import FORMATS
from framelens.reports.json.reader import read
from tests.jobs.stored.test_trash import uploaded
from tests.reports.test_questions import asked
from tests.reports.test_reports import analysis


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two reports as another machine exported them."""
    paths, folder = [], tmp_path_factory.mktemp("reports")
    for number, name in enumerate(("gate.mp4", "停车场.mp4")):
        given = analysis(id=f"job{number}abcdef", created=f"2026-01-0{number + 1}T00:00:00+00:00")
        given = replace(given, video=replace(given.video, name=name))
        paths.append(folder / f"r{number}.json")
        paths[-1].write_bytes(FORMATS["json"].write(given, "en"))
    return paths


@pytest.fixture(scope="module")
def imported_once(reports: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder into which the reports were imported."""
    data = tmp_path_factory.mktemp("imported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMELENS_DATA_DIR", str(data))
        assert run("library", "import", *reports) == 0
    return data


@pytest.fixture
def imported(imported_once: Path, reports: list[Path], tmp_path: Path) -> list[Path]:
    """The reports; a copy of them is in the library."""
    shutil.copytree(imported_once, tmp_path / "framelens-data")
    return reports


def run(*arguments: object) -> int:
    return main.main([str(one) for one in arguments])


def reported(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_what_is_imported_is_listed_found_named_and_tagged(
    reports: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("library", "import", *reports, "--json") == 0
    assert [one["id"] for one in reported(capsys)] == ["job0abcdef", "job1abcdef"]
    assert run("library", "--json") == 0
    listed = reported(capsys)
    assert listed["total"] == 2
    assert [one["name"] for one in listed["analyses"]] == ["停车场.mp4", "gate.mp4"]
    assert run("library", "search", "停车", "--json") == 0
    assert [one["id"] for one in reported(capsys)["analyses"]] == ["job1abcdef"]
    assert run("library", "rename", "job0", "front door", "--json") == 0
    assert reported(capsys)[0]["name"] == "front door"
    assert run("library", "tag", "latest", "gate", "2026", "--json") == 0
    assert reported(capsys)[0]["tags"] == ["2026", "gate"]
    assert run("library", "tag", "latest", "2026", "--remove", "--json") == 0
    assert reported(capsys)[0]["tags"] == ["gate"]
    assert run("library", "--tag", "gate", "list", "--json") == 0
    assert reported(capsys)["total"] == 1
    assert run("library", "list", "--since", "2026-01-01T12:00+00:00", "--json") == 0
    assert reported(capsys)["total"] == 1


@pytest.mark.slow
def test_the_table_shows_where_words_were_found(imported: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("library", "search", "later", "--language", "en") == 0
    out = capsys.readouterr().out
    assert "00:04 · Finding later at 9:59" in out
    assert run("library", "search", "lorry", "--language", "zh") == 0
    assert "没有符合条件的分析" in capsys.readouterr().out


@pytest.mark.slow
def test_page_start_reindexes_store_of_earlier_version(imported: list[Path]) -> None:
    services = open_services(adopts=False)
    with services.store.changing() as connection:
        connection.execute("UPDATE entries SET form = 1")
    services.close()
    services = open_services(adopts=True)
    while services.jobs.library.stale():  # the time limit of the test ends this where nothing is done
        time.sleep(0.01)
    services.close()


def test_unknown_formats_and_empty_libraries_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    # An empty library says what to do.
    assert run("library", "--language", "en") == 0
    assert "Analyse a video first" in capsys.readouterr().out
    # An unknown format is wrong usage.
    assert run("export", "latest", "--format", "docs") == 2
    assert "markdown" in capsys.readouterr().err


def test_deleting_asks_or_is_reported_not_to(imported: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("library", "delete", "latest", "--for-good") == ConfigError.exit_code
    assert "--yes" in capsys.readouterr().err
    assert run("library", "delete", "job0", "latest", "--for-good", "--yes") == 0
    capsys.readouterr()
    run("library", "--json")
    assert reported(capsys)["total"] == 0
    run("library", "trash", "--json")
    assert reported(capsys)["total"] == 0


def test_deleted_goes_to_the_trash_and_back(imported: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("library", "delete", "job0", "latest", "--language", "en") == 0
    said = capsys.readouterr().err
    command = next(line for line in said.splitlines() if line.startswith("Undo within 30 days: framelens library"))
    assert "Moved to the trash" in said
    run("library", "--json")
    assert reported(capsys)["total"] == 0
    run("library", "trash", "--json")
    trash = reported(capsys)
    assert (trash["total"], trash["analyses"][0]["days_left"]) == (2, 30)
    assert run("library", "trash", "--language", "en") == 0
    assert "Days left" in capsys.readouterr().out
    assert run(*command.partition("framelens ")[2].split()) == 0
    capsys.readouterr()
    run("library", "--json")
    assert reported(capsys)["total"] == 2
    assert run("library", "restore", "latest", "--language", "en") == 6
    assert "Nothing in the trash has the id latest" in capsys.readouterr().err


@pytest.mark.slow
def test_trash_is_emptied_after_asking(imported: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("library", "delete", "job0", "latest") == 0
    assert run("library", "trash", "--empty") == ConfigError.exit_code
    capsys.readouterr()
    assert run("library", "delete", "job0", "--for-good", "--yes", "--language", "en") == 0
    assert "Deleted: " in capsys.readouterr().err
    run("library", "trash", "--json")
    assert reported(capsys)["total"] == 1
    assert run("library", "trash", "--empty", "--yes") == 0
    capsys.readouterr()
    assert run("library", "trash", "--language", "en") == 0
    assert "The trash is empty" in capsys.readouterr().out
    assert run("library", "delete", "job0", "--for-good", "--yes") == 6


def test_command_deletes_what_is_due(imported: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("library", "delete", "latest") == 0
    later = time.time() + 31 * 86_400
    monkeypatch.setattr("time.time", lambda: later)
    assert run("library") == 0
    assert run("library", "restore", "latest") == 6


def test_command_finishes_deletions_that_were_interrupted(imported: list[Path]) -> None:
    services = open_services(config.load(), adopts=False)
    path = uploaded(services.videos)
    services.videos.let_go_with(path, "gone00000001")  # a process was killed here
    services.close()
    assert run("library") == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("library", "show", "job"), 6, "job0abcdef"),
        (("library", "show", "nobody"), 6, "nobody"),
        (("library", "import", "/no/such.json"), 6, "/no/such.json"),
        (("export",), 2, "ids"),
        (("export", "latest", "--json-file", "x.json"), 2, "ids"),
        (("export", "latest", "x.json"), 2, "ids"),
        (("export", "x.json"), 6, "x.json cannot be read"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_an_exit_code(
    imported: list[Path], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    capsys.readouterr()
    assert run(*arguments) == code
    assert said in capsys.readouterr().err


def test_show_prints_the_report(imported: list[Path], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    capsysbinary.readouterr()
    assert run("library", "show", "latest") == 0
    assert b"later at 9:59" in capsysbinary.readouterr().out
    assert run("library", "show", "latest", "--json") == 0
    assert json.loads(capsysbinary.readouterr().out)["format"] == "framelens-report"


def test_export_writes_formats_and_keeps_what_is_there(
    imported: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        assert run("export", "job0", "latest", "--format", "markdown,json", "--output", out) == 0
    names = sorted(path.name for path in out.iterdir() if path.is_file())
    stems = ("gate", "gate-2", "停车场", "停车场-2")
    assert names == sorted(f"{stem}{suffix}" for stem in stems for suffix in (".md", ".json"))


@pytest.mark.slow
def test_a_single_report_is_exported_as_the_file_that_is_named(
    reports: list[Path], imported: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in (("latest",), ("--json-file", reports[0])):
        page, text = tmp_path / f"{len(source)}.html", tmp_path / f"{len(source)}.MD"
        assert run("export", *source, "--output", page) == 0
        assert run("export", *source, "--output", text, "--format", "markdown", "--json") == 0
        assert page.read_bytes().startswith(b"<!DOCTYPE html>") and text.read_bytes().startswith(b"#")
        assert json.loads(capsys.readouterr().out.splitlines()[-1]) == [str(text)]
        assert run("export", *source, "--output", page) == 2
        assert "exists already" in capsys.readouterr().err
        assert run("export", *source, "--output", page, "--overwrite") == 0
    both = tmp_path / "both.html"
    for words, reason in (
        (("job0", "latest", "--output", both), "several files are written"),
        (("latest", "--output", both, "--format", "html,json"), "several files are written"),
        (("latest", "--output", both, "--format", "pdf"), "both.html"),
        (("--json-file", reports[0], "--output", reports[0], "--overwrite"), "which this command reads"),
    ):
        assert run("export", *words) == 2
        assert reason in capsys.readouterr().err
    assert not both.exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_file_without_an_ending_is_named_as_what_it_is(
    reports: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes").write_text("mine")
    source = ("--json-file", reports[0])
    for target, said in ((Path("/dev/full"), "is a device"), (tmp_path / "notes", "exists already")):
        assert run("export", *source, "--output", target) == 2
        assert f"{target} {said}" in capsys.readouterr().err
    assert run("export", *source, "--output", tmp_path / "notes", "--format", "markdown,json") == 2
    assert "several files are written" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.md", "out"])
def test_full_disk_is_named_with_its_file(
    name: str,
    reports: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export, "written", full)
    monkeypatch.setattr(report_output, "written", full)
    assert run("export", "--json-file", reports[0], "--output", tmp_path / name) == 5
    assert f"{tmp_path / name} could not be written: the disk is full." in capsys.readouterr().err


@pytest.mark.slow
def test_json_report_exports_every_format(
    reports: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", "--json-file", reports[0], "--format", "all", "--output", tmp_path / "out", "--json") == 0
    given = read(reports[0].read_bytes(), name="r.json")
    fitting = {f"gate{form.suffix}" for form in FORMATS.values() if form.fits(given)}
    said = capsys.readouterr()
    assert {Path(one).name for one in json.loads(said.out)} == fitting
    assert all(name in said.err for name, form in FORMATS.items() if not form.fits(given))
    assert run("export", "--json-file", reports[0], "--format", "transcript_srt", "--output", tmp_path / "out") == 6
    assert "transcript_srt" in capsys.readouterr().err
    assert not (tmp_path / "framelens-data").exists()


@pytest.mark.slow
def test_the_report_here_is_the_report_there(reports: list[Path], tmp_path: Path) -> None:
    run("library", "import", reports[0])
    run("export", "latest", "--format", "json,markdown", "--output", tmp_path / "here")
    run("export", "--json-file", reports[0], "--format", "json,markdown", "--output", tmp_path / "there")
    for name in ("gate.json", "gate.md"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


@pytest.mark.slow
def test_reports_are_exported_by_the_names_of_their_files(
    reports: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [path.read_bytes() for path in reports]
    out = reports[0].parent
    assert run("export", *reports, "--format", "markdown,json", "--output", out, "--json", "--overwrite") == 0
    made = {Path(one).name for one in reported(capsys)}
    assert {"gate.md", "停车场.md"} <= made
    assert [path.read_bytes() for path in reports] == before
    assert run("export", "/no/such/report.JSON", "--language", "en") == 6
    assert "/no/such/report.JSON cannot be read" in capsys.readouterr().err


@pytest.mark.slow
def test_questions_and_answers_travel_unless_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.json").write_bytes(FORMATS["json"].write(replace(asked(), id="job123456"), "en"))
    assert run("library", "import", tmp_path / "r.json") == 0
    for source in (("latest",), ("--json-file", tmp_path / "r.json")):
        for option, is_there in (((), True), (("--no-conversations",), False)):
            capsys.readouterr()
            out = tmp_path / f"{len(source)}{is_there}"
            assert run("export", *source, "--format", "html,json", *option, "--output", out, "--json") == 0
            assert all((b"Who is at the door?" in Path(path).read_bytes()) == is_there for path in reported(capsys))
    assert run("library", "show", "latest") == 0
    assert "Who is at the door?" in capsys.readouterr().out
    assert run("ask", "--search", "door", "--json") == 0
    assert [one["id"] for one in reported(capsys)] == ["talk01"]


def test_a_job_without_a_report_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    services = open_services(adopts=False)
    job = replace(imported_job(analysis(id="job123456")), state="failed", progress=AnalysisState())
    services.store.save(to_row(job, ""))
    services.close()
    assert run("export", "latest") == 6
    assert "job123456" in capsys.readouterr().err


def test_export_writes_the_others_and_names_what_has_no_report(
    imported: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    services = open_services(adopts=False)
    job = replace(imported_job(analysis(id="job123456")), state="cancelled", progress=AnalysisState())
    services.store.save(to_row(job, ""))
    services.close()
    capsys.readouterr()
    assert run("export", "job123456", "job0abcdef", "--output", tmp_path / "out") == 6
    shown = capsys.readouterr()
    assert "gate.md" in shown.out
    assert "job123456" in shown.err
    assert (tmp_path / "out" / "gate.md").exists()
