"""Plugin for editing programs and offices: edit lists, markers, chapters, Word and tables."""

from framelens.registry import Plugin

_HERE = "framelens.plugins.editing"
PLUGIN = Plugin("editing", formats=f"{_HERE}.formats:FORMATS", messages=f"{_HERE}.messages")
