"""Plugin for editing: clips, edit lists, markers and chapters, and Word and tables for offices."""

from framelens.registry import Plugin

_HERE = "framelens.plugins.editing"
PLUGIN = Plugin(
    "editing",
    commands={"clip": f"{_HERE}.commands.clip"},
    formats=f"{_HERE}.formats:FORMATS",
    messages=f"{_HERE}.messages",
)
