"""Plugin about models: which models fit, what they need, and checks before a start."""

from framelens.registry import Page, Plugin

_HERE = "framelens.plugins.models"
PLUGIN = Plugin(
    "models",
    commands={"models": f"{_HERE}.commands.models:run"},
    pages=(Page("models", ":material/neurology:", f"{_HERE}.page:draw", "administrator"),),
    launch_checks=f"{_HERE}.launch:launch_checks",
    messages=f"{_HERE}.messages",
)
