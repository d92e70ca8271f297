"""The fixtures of the browser."""

from tests.browser.conftest import browser, clip, profile, visit  # noqa: F401
