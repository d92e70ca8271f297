"""Places in the pages in which plugins draw (`framelens.registry.SLOTS`)."""

from collections.abc import Iterator
from typing import Any

from app.components.controls import show_error
from framelens import registry
from framelens.core.errors import AppError


def draw(place: str, *given: object) -> bool:
    """Let plugins draw in a place until one says that it has drawn all of it, and return whether one has.

    What a plugin can't draw is said there, and the rest of the page is drawn.
    """
    return any(bool(drawn) for drawn in results(place, *given))


def results(place: str, *given: object, each: type | None = None) -> Iterator[Any]:
    """Yield what the functions of plugins for a place return, several of `each`; the error of one is shown."""
    for function in registry.in_slot(place, each=each):
        try:
            yield function(*given)
        except AppError as error:
            show_error(error)
