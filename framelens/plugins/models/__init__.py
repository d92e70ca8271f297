"""Plugin about models: which models fit, what they need, and checks before a start."""

from framelens.plugin import Page, hook


@hook
def commands() -> dict[str, str]:
    """Return the command."""
    return {"models": f"{__name__}.commands.models:run"}


@hook
def pages() -> dict[str, Page]:
    """Return the page."""
    return {"models": Page(":material/neurology:", f"{__name__}.page:draw", "administrator")}


@hook
def parts() -> dict[str, str]:
    """Return the function that checks local engines."""
    return {"launch.checks": f"{__name__}.launch:find"}
