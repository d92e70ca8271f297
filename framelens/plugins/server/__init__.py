"""Plugin for servers: the HTTP API, MCP, models behind an OpenAI-compatible address, accounts and backups."""

from framelens.registry import Plugin

_HERE = "framelens.plugins.server"
_COMMANDS = ("serve", "mcp", "admin")
PLUGIN = Plugin(
    "server",
    commands={name: f"{_HERE}.commands.{name}:run" for name in _COMMANDS},
    routes=f"{_HERE}.routes:routes",
    resume=f"{_HERE}.parts:resume",
    messages=f"{_HERE}.messages",
)
