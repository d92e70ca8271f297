"""Code shared by commands on stored analyses: services without an engine, and abbreviated ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.config import Settings
from app.core.errors import InputError
from app.services.container import Services, open_services
from app.store.library_index import LibraryQuery

LATEST = "latest"


@contextmanager
def open_library(settings: Settings) -> Iterator[Services]:
    """Open the services and close them afterwards; jobs of other programs aren't resumed."""
    services = open_services(settings, adopts=False)
    try:
        yield services
    finally:
        services.close()


def resolve_id(services: Services, given: str) -> str:
    """Return the full id of an analysis.

    Args:
        services: The open services.
        given: The id, a unique beginning of it, or "latest" for the newest analysis.

    Raises:
        InputError: "job_unknown" or "job_ambiguous".
    """
    library = services.jobs.library
    if given == LATEST:
        found = [entry.id for entry in library.find(LibraryQuery(), order="newest", offset=0, limit=1)]
    elif library.entry(given):
        found = [given]
    else:
        found = library.ids_starting_with(given) if given else []
    if not found:
        raise InputError("job_unknown", id=given)
    if len(found) > 1:
        raise InputError("job_ambiguous", id=given, first=found[0], second=found[1])
    return found[0]
