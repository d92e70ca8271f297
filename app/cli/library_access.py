"""What the commands on stored analyses share: the services without an engine, and ids as people shorten them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.config import Settings
from app.core.errors import InputError
from app.services.container import Services, open_services
from app.store.library_index import Wanted

LATEST = "latest"


@contextmanager
def opened(settings: Settings) -> Iterator[Services]:
    """The services, closed afterwards. No job of another program goes on here."""
    services = open_services(settings, adopts=False)
    try:
        yield services
    finally:
        services.close()


def whole_id(services: Services, given: str) -> str:
    """The id that is meant: given whole, by a beginning that only it has, or as "latest", the newest. Raises
    InputError: "job_unknown" or "job_ambiguous".
    """
    library = services.jobs.library
    if given == LATEST:
        found = [entry.id for entry in library.find(Wanted(), order="newest", offset=0, limit=1)]
    elif library.entry(given):
        found = [given]
    else:
        found = library.beginning_with(given) if given else []
    if not found:
        raise InputError("job_unknown", id=given)
    if len(found) > 1:
        raise InputError("job_ambiguous", id=given, first=found[0], second=found[1])
    return found[0]
