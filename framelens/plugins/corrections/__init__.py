"""Plugin for corrections: reports that people correct before they are handed on."""

from framelens.plugin import hook


@hook
def commands() -> dict[str, str]:
    """Return the command."""
    return {"library correct": f"{__name__}.commands.correct:run"}


@hook
def parts() -> dict[str, str]:
    """Return the functions for pages and programs."""
    return {
        "api": f"{__name__}.api:router",
        "mcp.tools": f"{__name__}.tools:mcp_tools",
        "report.actions": f"{__name__}.panels.corrections:draw_entry",
        "report.offers": f"{__name__}.transfer:offers",
        "report.document": f"{__name__}.panels.corrections:draw",
    }
