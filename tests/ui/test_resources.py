"""Who reads the page that is drawn."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.services import COOKIE
from app.ui import resources


def test_cookie_outlives_the_browser_that_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = SimpleNamespace(headers={"Host": "localhost"}, cookies={COOKIE: "ann"})
    monkeypatch.setattr(resources, "st", SimpleNamespace(context=browser, session_state={}))
    assert resources.cookie() == "ann"
    browser.headers, browser.cookies = {}, {}  # as Streamlit has them after the page was closed
    assert resources.cookie() == "ann"
    browser.headers = {"Host": "localhost"}  # the page was opened again after a logout
    assert resources.cookie() == ""
    browser.headers = {}
    assert resources.cookie() == ""
