"""The fixtures of the pages."""

from tests.app.conftest import (  # noqa: F401
    card_video,
    chinese,
    hold,
    installed_components,
    open_services,
    page,
    page_language,
    services,
)
