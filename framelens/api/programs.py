"""Dependencies of routes of the API for programs: the services, and the role that each route requires.

The plugin `server` serves the routes below /api/v1, with keys, limits and errors as problems. Other plugins add routes
with `Plugin.api`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency

from framelens.composition import Services
from framelens.core.roles import Role, require_role


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


@dataclass(frozen=True)
class _Requirement:
    """The check that the user of a request has a role, before anything is fetched or stored."""

    role: Role

    async def __call__(self) -> None:
        require_role(self.role)


VIEWER, ANALYST = Depends(_Requirement("viewer")), Depends(_Requirement("analyst"))
"""Dependencies for roles; each route names one of the two."""
BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
"""Content of a response that is a file."""


def role_of(dependencies: Sequence[Dependency]) -> Role | None:
    """Return the role that a route with these dependencies requires, or None if they name no role."""
    return next(
        (dependency.dependency.role for dependency in dependencies if isinstance(dependency.dependency, _Requirement)),
        None,
    )
