"""Plugin for editing: clips, edit lists, markers and chapters, and Word and tables for offices."""

from framelens.registry import Plugin

_HERE = "framelens.plugins.editing"
PLUGIN = Plugin(
    "editing",
    commands={"clip": f"{_HERE}.commands.clip:run"},
    formats=f"{_HERE}.formats:FORMATS",
    slots={
        "library.actions": (f"{_HERE}.panels.clips:draw_library_entry",),
        "mcp.tools": (f"{_HERE}.tools:mcp_tools",),
        "range.action": (f"{_HERE}.panels.clips:action",),
        "report.actions": (f"{_HERE}.panels.clips:draw_entry",),
    },
    routes=f"{_HERE}.routes:routes",
    api=f"{_HERE}.api:router",
    messages=f"{_HERE}.messages",
)
