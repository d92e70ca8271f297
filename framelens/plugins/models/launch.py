"""Checks of a local engine right before it starts: the preflight, and the trust in the code that a model brings.

What needs the catalogue is imported when a check runs.
"""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from framelens.config import Settings
from framelens.core.domain import Notice
from framelens.engine.base import Prepare
from framelens.services.launch_checks import LaunchChecks

log = logging.getLogger(__name__)


def launch_checks(settings: Settings) -> LaunchChecks:
    """Return the checks of a local engine with these settings."""
    return LaunchChecks(
        find=partial(_find, settings), inspect=partial(inspect, settings), prepare=partial(_prepare, settings)
    )


def _find(settings: Settings) -> tuple[Notice, ...]:
    from framelens.plugins.models.preflight.run import preflight

    return tuple(finding.notice for finding in preflight(settings) if finding.severity in ("stops", "hinders"))


def _prepare(settings: Settings, model: str) -> Prepare:
    from framelens.plugins.models.trust.code_trust import CodeCheck

    return CodeCheck(settings.data_dir, model).prepare


def inspect(settings: Settings, folder: Path) -> tuple[Notice, ...]:
    """Check the settings right before an engine starts.

    An unexpected error of the check itself is logged and doesn't prevent the start.

    Args:
        settings: The settings.
        folder: The folder of the model.

    Returns:
        Notices about problems that don't prevent the start.

    Raises:
        AppError: The first problem that prevents the start.
    """
    from framelens.plugins.models.preflight.run import preflight

    try:
        found = preflight(replace(settings, model_path=str(folder)))
    except Exception:
        log.exception("preflight failed")
        return ()
    stopping = [finding for finding in found if finding.severity == "stops"]
    if stopping:
        raise stopping[0].error
    return tuple(finding.notice for finding in found if finding.severity == "hinders")
