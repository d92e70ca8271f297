"""Short texts for values."""

import pytest

from framelens.reports.content.page_text import length_clock


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.04, "00:00.0"), (0.72, "00:00.7"), (1.0, "00:01"), (59.9, "00:59"), (3601.5, "1:00:01")]
)
def test_lengths_below_a_second_have_tenths(seconds: float, shown: str) -> None:
    assert length_clock(seconds) == shown
