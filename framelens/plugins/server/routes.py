"""Routes of the plugin: the API for programs."""

from starlette.routing import BaseRoute

from framelens.plugin.api import Gate
from framelens.plugins.server.v1.mount import ProgramApi


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the routes below `prefix`."""
    return ProgramApi(gate, f"{prefix}/v1").routes()
