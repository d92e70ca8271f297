"""What is remembered of engines and surveys: a cache that may be lost, damaged or refused."""

import threading
from contextlib import closing
from pathlib import Path

import pytest

from framelens.store.database import open_store
from framelens.store.model_records import KnownTimings, TimingStats

READ = KnownTimings(readings=(0.5,))
KNOWN = KnownTimings(frames=(0.6,), texts=(2.0,), readings=(0.5,), in_flight=4, max_model_len=8192)


def note(paces: TimingStats, engine: str = "e") -> None:
    paces.note(engine, frames=0.6, texts=2.0)
    paces.note_layout(engine, in_flight=4, max_model_len=8192)


def test_what_was_noted_is_there_for_the_next_program(tmp_path: Path) -> None:
    note(TimingStats(tmp_path / "new"))
    TimingStats(tmp_path / "new").note_reading(0.5)
    assert TimingStats(tmp_path / "new").get("e") == KNOWN


def test_each_engine_has_its_own_and_readings_belong_to_all(tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    note(paces)
    paces.note_reading(0.5)
    assert paces.get("another") == READ


@pytest.mark.slow
def test_the_last_twenty_runs_are_kept(tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    for seconds in range(1, 26):
        paces.note("e", frames=float(seconds))
        paces.note_reading(float(seconds))
    assert paces.get("e").frames == paces.get("e").readings == tuple(map(float, range(6, 26)))


@pytest.mark.slow
def test_engines_that_were_not_used_for_long_are_abandoned(tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    for number in range(30):
        note(paces, str(number))
        note(paces, "0")
    kept = {str(number) for number in range(30) if paces.get(str(number)).frames}
    assert len(kept) == 21 and {"0", "29"} <= kept


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "{",
        "[]",
        '{"frames": [[7], "x"], "in_flight": "4", "max_model_len": true}',
        '{"readings": [NaN, -1, null]}',
        '{"readings": [Infinity]}',
    ],
)
def test_damaged_timing_is_replaced_by_next_note(damaged: str, tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    note(paces)
    paces.note_reading(0.5)
    with closing(open_store(tmp_path)) as store, store.changing() as connection:
        connection.execute("UPDATE model_records SET document = ?", (damaged,))
    assert paces.get("e") == KnownTimings()
    note(paces)
    paces.note_reading(0.5)
    assert paces.get("e") == KNOWN


def test_a_disk_that_refuses_costs_a_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    paces = TimingStats(tmp_path / "file")
    note(paces)
    paces.note_reading(0.5)
    assert paces.get("e") == KnownTimings()
    assert "can't be used" in caplog.text


def test_notes_from_several_threads_are_all_kept(tmp_path: Path) -> None:
    paces = TimingStats(tmp_path)
    threads = [threading.Thread(target=note, args=(paces,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paces.get("e").frames) == 8
