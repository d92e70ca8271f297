"""What is remembered of engines and surveys: a cache that may be lost, damaged or refused."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from framelens.store.database import open_store
from framelens.store.model_records import KnownTimings, RequestTiming, SurveyTiming, TimingStats

ONE = RequestTiming(requests=4, frames=32, at_once=4, seconds=20.0)
SURVEY = SurveyTiming(60.0, 2.0, 3.5, 8, 4.0)


def note(paces: TimingStats, *runs: RequestTiming, engine: str = "e") -> None:
    paces.note_asked(engine, runs, in_flight=4, max_model_len=8192)


def test_what_was_noted_is_there_for_the_next_program(tmp_path: Path) -> None:
    note(TimingStats(tmp_path / "new"), ONE)
    TimingStats(tmp_path / "new").note_survey(SURVEY)
    assert TimingStats(tmp_path / "new").of("e") == KnownTimings(((ONE,),), (SURVEY,), 4, 8192)


def test_each_engine_has_its_own_and_surveys_belong_to_all(tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    note(paces, ONE)
    paces.note_survey(SURVEY)
    assert paces.of("another") == KnownTimings((), (SURVEY,))


@pytest.mark.slow
def test_the_last_twenty_runs_are_kept(tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    for seconds in range(1, 26):
        note(paces, RequestTiming(1, 1, 1, float(seconds)))
        paces.note_survey(SurveyTiming(float(seconds), 1.0, 1.0, 8, 4.0))
    assert [run[0].seconds for run in paces.of("e").runs] == list(range(6, 26))
    assert len(paces.of("e").surveys) == 20


@pytest.mark.slow
def test_engines_that_were_not_used_for_long_are_abandoned(tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    for number in range(30):
        note(paces, ONE, engine=str(number))
        note(paces, ONE, engine="0")
    kept = {str(number) for number in range(30) if paces.of(str(number)).runs}
    assert len(kept) == 21 and {"0", "29"} <= kept


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "{",
        "[]",
        '{"runs": [[{"requests": 1}], [7], "x", [{}]], "in_flight": "4", "max_model_len": true}',
        '{"surveys": [{"video_seconds": NaN, "megapixels": 1, "seconds": -1}, null]}',
        '{"surveys": [{"video_seconds": 1, "megapixels": 1, "seconds": Infinity, "frames": 1, "facts_seconds": 1}]}',
    ],
)
def test_damaged_timing_is_replaced_by_next_note(damaged: str, tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    note(paces, ONE)
    paces.note_survey(SURVEY)
    with closing(open_store(tmp_path)) as store, store.changing() as connection:
        connection.execute("UPDATE model_records SET document = ?", (damaged,))
    assert paces.of("e") == KnownTimings()
    note(paces, ONE)
    paces.note_survey(SURVEY)
    assert paces.of("e") == KnownTimings(((ONE,),), (SURVEY,), 4, 8192)


def test_a_disk_that_refuses_costs_a_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    paces = TimingStats(tmp_path / "file")
    note(paces, ONE)
    paces.note_survey(SurveyTiming(1.0, 1.0, 1.0, 8, 4.0))
    assert paces.of("e") == KnownTimings()
    assert "can't be used" in caplog.text


def test_notes_from_several_threads_are_all_kept(tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    threads = [threading.Thread(target=note, args=(paces, ONE)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paces.of("e").runs) == 8
