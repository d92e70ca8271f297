"""Plugin for servers: the HTTP API, MCP, models behind an OpenAI-compatible address, accounts and backups."""

from framelens.plugin import hook


@hook
def commands() -> dict[str, str]:
    """Return the commands."""
    return {name: f"{__name__}.commands.{name}:run" for name in ("serve", "mcp", "admin")}


@hook
def parts() -> dict[str, str]:
    """Return the functions for the application."""
    return {"resume": f"{__name__}.parts:resume", "routes": f"{__name__}.routes:routes"}
