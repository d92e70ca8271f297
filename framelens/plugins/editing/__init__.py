"""Plugin for editing: clips, edit lists, markers and chapters."""

from typing import TYPE_CHECKING

from framelens.plugin import hook

if TYPE_CHECKING:
    from framelens.plugin.reports import ReportFormat


@hook
def commands() -> dict[str, str]:
    """Return the command."""
    return {"clip": f"{__name__}.commands.clip:run"}


@hook
def parts() -> dict[str, str]:
    """Return the functions for pages and the server."""
    return {
        "library.actions": f"{__name__}.panels.clips:draw_library_entry",
        "range.action": f"{__name__}.panels.clips:action",
        "report.actions": f"{__name__}.panels.clips:draw_entry",
        "api": f"{__name__}.api:router",
        "mcp.tools": f"{__name__}.tools:mcp_tools",
        "routes": f"{__name__}.routes:routes",
    }


@hook
def report_formats() -> "dict[str, ReportFormat]":
    """Return the formats."""
    from framelens.plugins.editing.formats import FORMATS

    return FORMATS
