"""The fixtures of the browser."""

from tests.browser.conftest import app, browser, visit  # noqa: F401
