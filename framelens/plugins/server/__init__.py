"""Plugin for servers: the HTTP API, MCP, models behind an OpenAI-compatible address, and keys."""

from framelens.plugin import hook


@hook
def commands() -> dict[str, str]:
    """Return the commands."""
    names = ("serve", "mcp", "admin keys")
    return {name: f"{__name__}.commands.{name.rpartition(' ')[2]}:run" for name in names}


@hook
def parts() -> dict[str, str]:
    """Return the functions for the application."""
    return {"resume": f"{__name__}.parts:resume", "routes": f"{__name__}.routes:routes"}
