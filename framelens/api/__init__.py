"""HTTP routes besides the pages: uploads, videos, frames, exports, and plugins' routes.

Each resource is a module; all use the same gate.

What this room does not do:

- Programs: the plugin `server` has the HTTP API.
- Encrypted connections: a proxy in front does that.
"""

from itertools import chain

from starlette.routing import BaseRoute

from framelens import registry
from framelens.api import exports, media, uploads
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
        *uploads.routes(gate, prefix),
        *media.routes(gate, prefix),
        *exports.routes(gate, prefix),
        *chain.from_iterable(registry.results("routes", gate, prefix)),
    ]
