"""A page or an address that the server switches to stays, whatever the page before asks for meanwhile."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.conftest import Visit, running

pytestmark = pytest.mark.browser


class SlowLine:
    """A connection whose messages from the server are held back for a while."""

    def __init__(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        self._is_held = False
        self._waiting: list[str | bytes] = []
        socket.connect_to_server().on_message(self._receive)

    def _receive(self, message: str | bytes) -> None:
        self._waiting.append(message)
        if not self._is_held:
            self.release()

    def hold(self) -> None:
        self._is_held = True

    def release(self) -> None:
        self._is_held = False
        while self._waiting:
            self._socket.send(self._waiting.pop(0))


@pytest.mark.thorough
def test_a_switch_of_pages_survives_polling(visit: Visit, tmp_path: Path) -> None:
    page, lines = visit.page, list[SlowLine]()
    page.route_web_socket("**/_stcore/stream", lambda socket: lines.append(SlowLine(socket)))
    with running("tests/browser/pages_app.py", tmp_path) as app:
        page.goto(app.url)
        polled = page.get_by_text("polled at")
        before = polled.inner_text()
        expect(polled).not_to_have_text(before)
        lines[-1].hold()
        page.get_by_role("button", name="Switch").click()
        page.wait_for_timeout(2000)  # the browser goes on polling for the first page
        lines[-1].release()
        expect(page.get_by_role("heading", name="Second")).to_be_visible()
        before = polled.inner_text()
        expect(polled).not_to_have_text(before)
        expect(page.get_by_role("heading", name="Second")).to_be_visible(timeout=1000)


@pytest.mark.thorough
def test_a_new_address_survives_polling(visit: Visit, tmp_path: Path) -> None:
    page, lines = visit.page, list[SlowLine]()
    page.route_web_socket("**/_stcore/stream", lambda socket: lines.append(SlowLine(socket)))
    with running("tests/browser/pages_app.py", tmp_path) as app:
        page.goto(app.url)
        expect(page.get_by_text("Job none")).to_be_visible()
        lines[-1].hold()
        page.get_by_role("button", name="Open").click()
        page.wait_for_timeout(2000)  # the browser goes on polling with the address before
        lines[-1].release()
        expect(page.get_by_text("Job 1")).to_be_visible()
        polled = page.get_by_text("polled at")
        before = polled.inner_text()
        expect(polled).not_to_have_text(before)
        expect(page.get_by_text("The address before came back.")).to_have_count(0)


@pytest.mark.thorough
def test_a_new_address_survives_a_second_click(visit: Visit, tmp_path: Path) -> None:
    page, lines = visit.page, list[SlowLine]()
    page.route_web_socket("**/_stcore/stream", lambda socket: lines.append(SlowLine(socket)))
    with running("tests/browser/pages_app.py", tmp_path) as app:
        page.goto(app.url)
        expect(page.get_by_text("Job none")).to_be_visible()
        lines[-1].hold()
        page.get_by_role("button", name="Open").click()
        page.wait_for_timeout(300)
        page.get_by_role("button", name="Again").click()  # has the address before
        page.wait_for_timeout(1500)
        lines[-1].release()
        expect(page.get_by_text("Job 1")).to_be_visible()
        expect(page).to_have_url(re.compile("job=1"))
        page.get_by_role("button", name="Again").click()
        page.wait_for_timeout(1500)
        expect(page.get_by_text("Job 1")).to_be_visible()
        page.go_back()  # a wish to return is not such a request
        expect(page.get_by_text("Job none")).to_be_visible()
        page.go_forward()
        expect(page.get_by_text("Job 1")).to_be_visible()


def test_a_click_waits_for_the_callback_before(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    with running("tests/browser/pages_app.py", tmp_path) as app:
        page.goto(app.url)
        page.get_by_role("button", name="Count").click()
        page.wait_for_timeout(100)
        page.get_by_role("button", name="Again").click()
        expect(page.get_by_text("Count 1")).to_be_visible()


def test_a_double_click_opens_once(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    with running("tests/browser/pages_app.py", tmp_path) as app:
        page.goto(app.url)
        page.get_by_role("button", name="Open").dblclick()
        expect(page.get_by_text("Job 1")).to_be_visible()
        polled = page.get_by_text("polled at")
        before = polled.inner_text()
        expect(polled).not_to_have_text(before)
        expect(page.get_by_text("Job 1, opened 1 times")).to_be_visible()
