"""Routes of the plugin: shared reports, and the API for programs."""

from starlette.routing import BaseRoute

from framelens.api.gate import Gate
from framelens.plugins.server.sharing import route
from framelens.plugins.server.v1.mount import ProgramApi


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the routes below `prefix`."""
    return [*route.routes(gate, prefix), *ProgramApi(gate, f"{prefix}/v1").routes()]
