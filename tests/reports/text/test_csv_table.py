"""The table for spreadsheets: read by csv and by pandas, escape_formula in those that compute."""

import csv
from io import BytesIO, StringIO

import pytest

from framelens.core.domain import Analysis, Finding, Language
from framelens.reports.json import reader
from framelens.reports.text import csv_table
from framelens.reports.text.csv_table import escape_formula
from tests.reports.content.test_labels import NAMES, part, rich
from tests.reports.test_questions import written
from tests.reports.test_reports import NASTY, analysis
from tests.reports.text.test_html import HOSTILE

FORMULAS = (
    "=cmd|' /C calc'!A0",
    "+SUM(A1)",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
    "＋1+1",
    " =1+1",
    "x;=1+1",
)


def rows(made: Analysis, language: Language = "en") -> list[dict[str, str]]:
    data = csv_table.write(made, language)
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\n") == data.count(b"\r\n")
    return list(csv.DictReader(StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def test_each_finding_is_a_row_with_its_part_times_and_fields() -> None:
    first = rows(rich())[0]
    assert list(first) == [
        *("Part", "Start (s)", "End (s)", "Frames", "Time", *NAMES.values(), "What can be seen"),
        *("Verified", "What could not be verified", "Written by"),
    ]
    assert [first[key] for key in ("Part", "Start (s)", "Frames", "Event", "What can be seen", "Verified")] == [
        *("1", "0.5", "1", "moves", "A man walks by.", "yes")
    ]
    assert first["Written by"] == "AI model some/model"
    both = rows(rich())[1]
    assert [both[key] for key in ("Start (s)", "End (s)", "Frames", "Time")] == [
        *("0.5", "1.0", "1; 2", "00:00.500; 00:01.000")
    ]


def test_frames_and_doubts_have_their_rows() -> None:
    # What could not be verified says so and why.
    (doubtful,) = [row for row in rows(rich(), "zh") if row["已核实"] == "否"]
    assert doubtful["看到的内容"] == "He comes back."
    assert doubtful["未能核实之处"].startswith("⚠️ ")
    # Csv frames without findings have rows in order.
    reported = rows(rich())
    assert [row["Frames"] for row in reported if not row["What can be seen"]] == ["3", "4"]
    assert [float(row["Start (s)"]) for row in reported] == sorted(float(row["Start (s)"]) for row in reported)
    # Without a model the frames are the table.
    reported = rows(analysis(chunks=(), engine=None, facts=()))
    assert [(row["Frames"], row["Written by"]) for row in reported] == [("1", ""), ("2", "")]
    # Csv finding without frame has no time.
    made = rich(chunks=(part(1, 1, 2, findings=(Finding("Somewhere.", (), ("no_frame",)),)),))
    (row,) = [row for row in rows(made) if row["What can be seen"] == "Somewhere."]
    assert (row["Part"], row["Start (s)"], row["Frames"], row["Verified"]) == ("1", "", "", "no")


@pytest.mark.parametrize("text", FORMULAS)
def test_what_looks_like_a_formula_is_text(text: str) -> None:
    assert all(not cell.lstrip().startswith(tuple("=+-@＝＋－＠")) for cell in escape_formula(text).split(";"))


@pytest.mark.parametrize("text", ["-3", "+1.5", "3 = 3", "a-b", "well; then", ""])
def test_numbers_and_plain_sentences_stay_as_they_are(text: str) -> None:
    assert escape_formula(text) == text


@pytest.mark.parametrize("text", [*HOSTILE, NASTY, *FORMULAS, 'a "quoted", word'])
def test_text_of_anybody_stays_in_its_cell(text: str) -> None:
    finding = Finding(text, (1,), (), {"who": text})
    reported = rows(rich(chunks=(part(1, 1, 2, findings=(finding,)),), field_names={"who": text}))
    assert len(reported) == 6
    assert reported[0]["What can be seen"] == escape_formula(text)
    assert None not in reported[0] and None not in reported[0].values()


def test_another_reader_finds_the_same_table() -> None:
    """pandas reads CSV with a parser of its own, written in C."""
    import pandas  # it takes half a second, and each worker imports every test file

    table = pandas.read_csv(BytesIO(csv_table.write(rich(), "zh")), dtype=str, keep_default_na=False)
    assert table.to_dict("records") == rows(rich(), "zh")


@pytest.mark.usefixtures("english")
def test_table_is_the_same_from_an_imported_report() -> None:
    assert written("csv", reader.read(written("json"), name="a.json")) == written("csv")


@pytest.mark.usefixtures("english")
def test_table_lists_answers_with_their_questions() -> None:
    rows = list(csv.DictReader(StringIO(written("csv").decode("utf-8-sig"))))
    first, moment, doubtful, second, third = [row for row in rows if row["Question"]]
    assert (moment["Start (s)"], moment["End (s)"], moment["Verified"]) == ("2.0", "3.0", "")
    assert moment["What can be seen"].endswith("· 9 of 10 frames")
    assert doubtful["Verified"] == "no" and "borders" in doubtful["What could not be verified"]
    assert first["Question"] == "Who is at the door?" and first["Frames"] == "1; 2"
    assert (first["Start (s)"], first["End (s)"], first["Verified"]) == ("0.0", "4.0", "yes")
    assert second["Verified"] == "no" and "99" in second["What could not be verified"]
    assert "empty answer" in third["What could not be verified"]
