"""The fixtures of the browser."""

from tests.browser.conftest import browser, profile, scripted_app, visit  # noqa: F401
from tests.browser.test_several_in_browser import videos  # noqa: F401
