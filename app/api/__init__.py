"""HTTP routes beside the pages: uploads, videos by byte ranges, frames and the library.

Each resource is a module; all of them use the same gate.
"""

from starlette.routing import BaseRoute

from app.api import media, uploads
from app.api.gate import AllowedHosts, Gate, PageProtection, content_policy

__all__ = ["AllowedHosts", "Gate", "PageProtection", "content_policy", "routes"]


def routes(gate: Gate, base_path: str = "") -> list[BaseRoute]:
    """List all routes below `base_path` + "/api". `base_path` is the server's, "" or "/name"."""
    prefix = f"{base_path}/api"
    return [*uploads.routes(gate, prefix), *media.routes(gate, prefix)]
