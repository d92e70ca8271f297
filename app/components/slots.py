"""Places in the pages in which plugins draw (`framelens.registry.SLOTS`)."""

from app.components.controls import show_error
from framelens import registry
from framelens.core.errors import AppError


def draw(place: str, *given: object) -> None:
    """Let plugins draw in a place; what one can't is said there, and the rest of the page is drawn."""
    for function in registry.in_slot(place):
        try:
            function(*given)
        except AppError as error:
            show_error(error)
