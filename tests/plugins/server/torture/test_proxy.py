"""Uploads and events through a proxy that is killed: a hundredth of what `make torture` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.torture import proxy
from benchmarks.torture.line import Scale
from tests.reverse_proxy import NGINX


@pytest.mark.thorough
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(NGINX is None, reason="no nginx (apt-get install nginx-light)")
@pytest.mark.usefixtures("no_text_reading")
def test_uploads_and_events_survive_a_killed_proxy(tmp_path: Path) -> None:
    lines = list(proxy.run(Scale(0.01, tmp_path)))
    assert len(lines) == 4
    assert [str(line) for line in lines if line.failed] == []
