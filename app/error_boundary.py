"""Error boundary of every page: errors that no panel caught are shown as a sentence; unexpected errors are logged."""

import logging

from app import resources
from app.components import controls
from framelens.core.errors import AppError

_log = logging.getLogger(__name__)


def show_error(error: Exception) -> bool:
    """Show the error where the page broke off.

    Anything but an AppError is logged with its traceback and shown as an internal error.

    Returns:
        True, so that Streamlit shows nothing else for this error.
    """
    if not isinstance(error, AppError):
        _log.error("a page failed", exc_info=error)
    services = resources.installed().services
    app_error = AppError.of(error, services.log_path if services else "")
    controls.show_error(app_error)
    return True
