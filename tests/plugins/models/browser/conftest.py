"""The fixtures of the browser."""

from tests.browser.conftest import browser, visit  # noqa: F401
