"""Command `framelens admin`: people, keys, the record of what they did, backups; each is imported when used."""

from framelens.plugin.command_line import Group

_HERE = "framelens.plugins.server.commands"
_NAMES = ("users", "keys", "audit", "backup", "restore")
run = Group("admin", help="cli.admin_command", commands={name: f"{_HERE}.{name}:run" for name in _NAMES})
