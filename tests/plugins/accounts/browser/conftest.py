"""The fixtures of the browser."""

from tests.browser.conftest import browser, profile, visit  # noqa: F401
