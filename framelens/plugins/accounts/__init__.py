"""Plugin for accounts: users with roles and passwords, logins with their limits and sessions, and the audit log."""

from framelens.plugin import hook


@hook
def commands() -> dict[str, str]:
    """Return the subcommands of `framelens admin`."""
    return {f"admin {name}": f"{__name__}.commands.{name}:run" for name in ("users", "audit")}


@hook
def parts() -> dict[str, str]:
    """Return the functions for pages and the gate."""
    return {
        "login": f"{__name__}.panels.login:draw",
        "menu": f"{__name__}.panels.login:draw_account",
        "audit": f"{__name__}.audit:record",
        "authentication": f"{__name__}.logins:Logins",
        "routes": f"{__name__}.routes:routes",
    }
