"""Plugin for several videos or machines: batches with a result for each video, and plans of models on clusters."""

from framelens.plugin import hook


@hook
def commands() -> dict[str, str]:
    """Return the commands."""
    return {name: f"{__name__}.commands.{name}:run" for name in ("batch", "cluster")}


@hook
def parts() -> dict[str, str]:
    """Return the functions for pages, commands and services."""
    return {
        "analyse.page": f"{__name__}.panels.batch:draw_page",
        "analyse.several": f"{__name__}.panels.batch:start",
        "models.experts": f"{__name__}.panels.cluster:draw",
        "work.groups": f"{__name__}.panels.work:groups",
        "cli.several": f"{__name__}.commands.several:run",
        "routes": f"{__name__}.routes:routes",
    }
