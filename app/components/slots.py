"""Places in the pages in which plugins draw (`framelens.registry.PAGE_PLACES`)."""

from collections.abc import Iterator
from typing import Any

from app.components.controls import show_error
from framelens import registry
from framelens.core.errors import AppError


def draw(place: str, *given: object) -> bool:
    """Let plugins draw in a place until a plugin returns true for having drawn all of it; return whether any has.

    A plugin's error is shown there, and the rest of the page is drawn.
    """
    return any(bool(drawn) for drawn in results(place, *given))


def results(place: str, *given: object) -> Iterator[Any]:
    """Yield what the functions of plugins for a place return; a function's error is shown."""
    for function in registry.parts(place):
        try:
            yield function(*given)
        except AppError as error:
            show_error(error)
