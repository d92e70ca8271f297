"""HTTP routes besides the pages: logins, uploads, videos, frames, exports, and plugins' routes.

Each resource is a module; all use the same gate.
"""

from starlette.routing import BaseRoute

from framelens import registry
from framelens.api import exports, media, sessions, uploads
from framelens.api.gate import AllowedHosts, Gate, PageProtection, content_policy, is_loopback
from framelens.api.message_limits import limit_messages
from framelens.api.proxies import TrustedProxies, replace_check_of_uvicorn
from framelens.api.sessions import PageMessages, SessionProtection

__all__ = [
    "AllowedHosts",
    "Gate",
    "PageMessages",
    "PageProtection",
    "SessionProtection",
    "TrustedProxies",
    "content_policy",
    "is_loopback",
    "limit_messages",
    "replace_check_of_uvicorn",
    "routes",
]


def routes(gate: Gate, base_path: str = "") -> list[BaseRoute]:
    """List all routes below `base_path` + "/api". `base_path` is the server's, "" or "/name"."""
    prefix = f"{base_path}/api"
    return [
        *sessions.routes(gate, prefix),
        *uploads.routes(gate, prefix),
        *media.routes(gate, prefix),
        *exports.routes(gate, prefix),
        *(route for plugin in registry.used() for route in _routes_of(plugin, gate, prefix)),
    ]


def _routes_of(plugin: registry.Plugin, gate: Gate, prefix: str) -> list[BaseRoute]:
    """Return the routes of a plugin; empty if it can't make them."""
    if not plugin.routes:
        return []
    try:
        made = list(registry.load(plugin.routes)(gate, prefix))
        if wrong := [one for one in made if not isinstance(one, BaseRoute)]:
            raise TypeError(f"{wrong[0]!r} is no route of Starlette")
    except registry.FAULTS as error:  # the application starts without them
        registry.leave_out(plugin, plugin.routes, error)
        return []
    return made
