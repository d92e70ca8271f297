"""Plugin about models: which models fit, what they need, and checks before a start."""

from typing import TYPE_CHECKING

from framelens.plugin import Page, hook

if TYPE_CHECKING:
    from framelens.plugin import Settings
    from framelens.plugin.engines import LaunchChecks


@hook
def commands() -> dict[str, str]:
    """Return the command."""
    return {"models": f"{__name__}.commands.models:run"}


@hook
def pages() -> tuple[Page, ...]:
    """Return the page."""
    return (Page("models", ":material/neurology:", f"{__name__}.page:draw", "administrator"),)


@hook
def launch_checks(settings: "Settings") -> "LaunchChecks":
    """Return the checks of a local engine with these settings."""
    from framelens.plugins.models.launch import launch_checks

    return launch_checks(settings)
