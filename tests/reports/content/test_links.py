"""Stored times as people read them."""

from __future__ import annotations

import time
from zoneinfo import ZoneInfo

import pytest

from app.reports.content.labels import local_minute

UTC_TIME = "2026-11-21T22:03:04.000+00:00"


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("UTC", "2026-11-21 22:03"), ("Asia/Shanghai", "2026-11-22 06:03"), ("America/New_York", "2026-11-21 17:03")],
)
def test_time_is_that_of_the_readers_zone(zone: str, shown: str) -> None:
    assert local_minute(UTC_TIME, ZoneInfo(zone)) == shown


def test_command_line_uses_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert local_minute(UTC_TIME) == "2026-11-22 07:03"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("created", ["yesterday", "", "0001-01-01T00:00:00+14:00"])
def test_what_cannot_be_converted_is_shown_as_it_is(created: str) -> None:
    assert local_minute(created, ZoneInfo("America/New_York")) == created
