"""Plugin that shows how busy the machine, its cards, the engine and the queue are."""

from framelens.registry import Page, Plugin

_HERE = "framelens.plugins.monitor"
PLUGIN = Plugin(
    "monitor",
    pages=(Page("system", ":material/monitoring:", f"{_HERE}.page:draw", "administrator"),),
    messages=f"{_HERE}.messages",
)
