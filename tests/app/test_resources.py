"""Who reads the page that is drawn."""

from types import SimpleNamespace

import pytest

from app import resources
from framelens.composition import Services
from framelens.store.authentication import COOKIE


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


class Run:
    """What Streamlit makes for each run of a page."""


def test_reader_is_looked_up_once_in_a_run(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    run = SimpleNamespace(parallel_coordinator=Run())
    monkeypatch.setattr(resources, "get_script_run_ctx", lambda **_: run)
    looked: list[None] = []
    monkeypatch.setattr(services.authentication, "session", lambda *_, **__: looked.append(None))

    def looks(count: int, *, uses: bool = False) -> int:
        looked.clear()
        for _ in range(count):
            assert resources.login_session(uses=uses) is None
        return len(looked)

    assert (looks(3), looks(3)) == (1, 0)
    assert looks(1, uses=True) == 1
    run.parallel_coordinator = Run()
    assert looks(3) == 1
