"""The fixtures of the browser."""

from tests.browser.conftest import app, browser, profile, visit  # noqa: F401
