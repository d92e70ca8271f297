"""Attacks through a proxy find nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.torture.attacks import routes
from benchmarks.torture.line import Scale
from tests.reverse_proxy import CADDY, NGINX


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.usefixtures("no_text_reading")
@pytest.mark.skipif(NGINX is None, reason="no nginx (apt-get install nginx-light)")
def test_attacks_through_a_proxy_find_nothing(tmp_path: Path) -> None:
    lines = list(routes.run(Scale(0.02, tmp_path)))
    assert len(lines) == 39 + (7 if CADDY else 1)
    assert [str(line) for line in lines if line.failed] == []
