"""Command `framelens admin`: people, keys, the record of what they did, backups; each is imported when used."""

from framelens.plugin.command_line import LazyGroup

_HERE = "framelens.plugins.server.commands"
run = LazyGroup(
    "admin",
    help="cli.admin_command",
    no_args_is_help=True,
    places={name: f"{_HERE}.{name}:run" for name in ("users", "keys", "audit", "backup", "restore")},
)
