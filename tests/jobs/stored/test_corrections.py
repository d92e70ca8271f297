"""Corrections of stored reports: checked, kept and found, by two people, through kills and restarts."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from framelens import config
from framelens.composition import Services, open_library
from framelens.core.errors import InputError
from framelens.core.roles import User, as_user
from framelens.jobs.stored.corrections import Draft
from framelens.store.library_index import LibraryQuery
from tests.reports.test_reports import analysis

pytestmark = pytest.mark.usefixtures("english")
ANNA, BO = (User("", name, "administrator") for name in ("Anna", "Bo"))


def opened(folder: Path) -> Services:
    return open_library(config.load({"FRAMELENS_DATA_DIR": str(folder)}, Path("/dev/null")))


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with opened(tmp_path / "data") as services:
        services.jobs.import_report(analysis(id="report-1"))
        yield services


def test_a_correction_is_checked_again_and_found(services: Services) -> None:
    correct = services.reports.correct
    made = correct("report-1", [Draft("replace", "f2", "A van arrives at 9:59")], author="Anna").analysis
    assert (made.findings[1].frames, made.findings[1].issues) == ((2,), ("own_time",))
    made = correct("report-1", [Draft("replace", "f2", "A van arrives at 00:04", (2,))]).analysis
    assert made.findings[1].issues == ()
    drafts = [Draft("add", text="a dog", time_seconds=1.5), Draft("add", text="a cat", time_seconds=4.0)]
    dog, cat = correct("report-1", drafts).analysis.added
    assert (dog.frames, dog.issues, cat.frames) == ((), (), (2,))
    assert correct("report-1", [Draft("add", text="a bird")]).analysis.added[-1].issues == ("no_frame",)
    count = services.jobs.library.count
    assert [count(LibraryQuery(words)) for words in ("van", "later", "dog")] == [1, 0, 1]


@pytest.mark.parametrize(
    ("draft", "key"),
    [
        (Draft("replace", "f9", "x"), "correction_target_unknown"),
        (Draft("replace", "f1", " \n"), "correction_empty"),
        (Draft("replace", "f1", "x" * 4001), "correction_long"),
        (Draft("replace", "p1", "x"), "correction_replace_unfit"),
        (Draft("strike", "title"), "correction_strike_unfit"),
        (Draft("restore", "note"), "correction_restore_unfit"),
        (Draft("add", text="x", frames=(9,)), "correction_frame_unknown"),
        (Draft("add", text="x", time_seconds=9.1), "correction_time_outside"),
        (Draft("undo"), "correction_nothing_to_undo"),
        (Draft("redo"), "correction_nothing_to_redo"),
    ],
)
def test_what_cannot_be_applied_is_named_and_changes_nothing(services: Services, draft: Draft, key: str) -> None:
    with pytest.raises(InputError) as refused:
        services.reports.correct(
            "report-1", [draft] if draft.kind in ("undo", "redo") else [Draft("strike", "s1"), draft]
        )
    assert refused.value.key == key and str(refused.value)
    assert services.jobs.snapshot("report-1").corrections == ()


def test_the_second_of_two_people_is_told_and_both_texts_are_kept(services: Services) -> None:
    for user, text in ((ANNA, "Anna's"), (BO, "Bo's")):
        with as_user(user):
            outcome = services.reports.correct(
                "report-1", [Draft("replace", "f1", text), Draft("replace", "note", text)][: 1 + (user == ANNA)],
                revision=0,
            )  # fmt: skip
    assert [(rival.author, rival.text) for rival in outcome.rivals] == [("Anna", "Anna's")]
    assert outcome.analysis.findings[0].text == "Anna's"
    log = services.jobs.snapshot("report-1").corrections
    assert [(entry.author, entry.text, entry.is_proposal) for entry in log] == [
        ("Anna", "Anna's", False),
        ("Anna", "Anna's", False),
        ("Bo", "Bo's", True),
    ]
    with as_user(BO):  # another item, though the log has grown
        outcome = services.reports.correct("report-1", [Draft("strike", "s2")], revision=0)
    assert outcome.rivals == () and len(outcome.analysis.overview) == 1
    with as_user(BO):
        assert len(services.reports.correct("report-1", [Draft("undo")]).analysis.overview) == 2


def test_a_viewer_reads_and_a_restart_keeps_everything(tmp_path: Path, services: Services) -> None:
    with as_user(User("", "Vi", "viewer")), pytest.raises(InputError, match="role_analyst"):
        services.reports.correct("report-1", [Draft("undo")])
    services.reports.correct("report-1", [Draft("replace", "title", "Two cars")], author="Anna")
    entry = services.jobs.library.entry("report-1")
    assert entry and entry.title == "Two cars"
    assert services.reports.correct("report-1", [Draft("restore", "title"), Draft("undo")]).analysis.title == "Two cars"
    with opened(tmp_path / "data") as again:  # another process would see the same
        made = again.reports.get("report-1")
        assert made and made.title == "Two cars" and made.corrections and made.corrections.authors == ("Anna",)
        again.reports.correct("report-1", [Draft("replace", "title", "Three cars")])
    assert services.jobs.snapshot("report-1").analysis and services.reports.get("report-1").title == "Three cars"  # type: ignore[union-attr]


_WRITER = """
import sys
from pathlib import Path
from framelens import config
from framelens.composition import open_library
from framelens.jobs.stored.corrections import Draft
with open_library(config.load({"FRAMELENS_DATA_DIR": sys.argv[1]}, Path("/dev/null"))) as services:
    print("ready", flush=True)
    for line in sys.stdin:
        services.reports.correct("report-1", [Draft("add", text=line.strip(), frames=(1,))])
        print(line.strip(), flush=True)
"""


@pytest.mark.slow
def test_no_correction_is_lost_in_fifty_kills(tmp_path: Path, services: Services) -> None:
    def writer() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _WRITER, str(tmp_path / "data")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout and process.stdout.readline() == "ready\n"
        return process

    confirmed: list[str] = []
    for kill in range(50):
        process = writer()
        assert process.stdin and process.stdout
        sent = [f"k{kill}n{number}" for number in range(3)]
        process.stdin.write("\n".join(sent) + "\n")
        process.stdin.flush()
        confirmed.append(process.stdout.readline().strip())  # the others are killed wherever they are
        os.kill(process.pid, signal.SIGKILL)
        confirmed += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        process.wait()
        process.stdin.close()
        process.stdout.close()
    log = services.jobs.snapshot("report-1").corrections
    texts = [entry.text for entry in log]
    assert set(confirmed) <= set(texts) and len(texts) == len(set(texts))
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))


def test_a_folder_without_the_table_gets_it(tmp_path: Path, services: Services) -> None:
    with services.store.changing() as connection:
        connection.execute("DROP TABLE corrections")
        connection.execute("ALTER TABLE conversations DROP COLUMN everywhere")
        connection.execute("PRAGMA user_version = 1")
    with opened(tmp_path / "data") as again:
        assert again.reports.correct("report-1", [Draft("strike", "f1")]).analysis.findings
