"""The HTTP routes beside the pages: uploads, videos by byte ranges, frames. One file a resource, one gate for all."""

from __future__ import annotations

from starlette.routing import BaseRoute

from app.api import jobs, uploads, videos
from app.api.gate import Gate

__all__ = ["Gate", "routes"]


def routes(gate: Gate, base_path: str = "") -> list[BaseRoute]:
    """All routes, below `base_path` + "/api". `base_path` is "" or "/name", as the server is set."""
    prefix = f"{base_path}/api"
    return [*uploads.routes(gate, prefix), *videos.routes(gate, prefix), *jobs.routes(gate, prefix)]
