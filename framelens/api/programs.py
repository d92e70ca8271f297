"""What routes of the API for programs share: the services, and the role that each asks for.

The plugin `server` serves them below /api/v1, with keys, limits and errors as problems. Other plugins add theirs with
`Plugin.api`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency

from framelens.core.roles import Role, require
from framelens.services.container import Services


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


@dataclass(frozen=True)
class _Requirement:
    """The check that the user of a request has a role, before anything is fetched or stored."""

    role: Role

    async def __call__(self) -> None:
        require(self.role)


VIEWER, ANALYST = Depends(_Requirement("viewer")), Depends(_Requirement("analyst"))
"""Dependencies of which each route names one."""
BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
"""Content of an answer that is a file."""


def role_of(dependencies: Sequence[Dependency]) -> Role | None:
    """Return the role that a route with these dependencies asks for, None if it names no role."""
    return next((one.dependency.role for one in dependencies if isinstance(one.dependency, _Requirement)), None)
