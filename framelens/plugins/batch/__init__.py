"""Plugin for several videos or machines: batches with a result for each video, and plans of models on clusters."""

from framelens.registry import Plugin

_HERE = "framelens.plugins.batch"
PLUGIN = Plugin(
    "batch",
    commands={name: f"{_HERE}.commands.{name}:run" for name in ("batch", "cluster")},
    slots={
        "analyse.page": (f"{_HERE}.panels.batch:draw_page",),
        "analyse.several": (f"{_HERE}.panels.batch:start",),
        "cli.several": (f"{_HERE}.commands.several:run",),
        "models.experts": (f"{_HERE}.panels.cluster:draw",),
        "work.groups": (f"{_HERE}.panels.work:groups",),
    },
    routes=f"{_HERE}.routes:routes",
    messages=f"{_HERE}.messages",
)
