"""Jobs made from reports of other machines."""

import time

import pytest

from framelens.jobs.snapshot import imported_job
from tests.reports.test_reports import analysis


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-25T10:00:00+08:00", "2026-11-25T02:00:00.000+00:00"),
        ("2026-11-25T10:00:00", "2026-11-25T10:00:00.000+00:00"),  # as in the report's own pages
    ],
)
def test_a_time_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch, created: str, expected: str) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        assert imported_job(analysis(created=created)).created == expected
    time.tzset()
