"""Places in the pages in which plugins draw (`framelens.hookspecs.Hooks.parts`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from app.components.controls import show_error
from framelens import registry
from framelens.core.errors import AppError

if TYPE_CHECKING:
    from framelens.plugin_page import PageTools

_tools: list[PageTools] = []


def pass_tools(tools: PageTools) -> None:
    """Pass these tools to all functions of plugins; they use components, so they are set from above."""
    _tools[:] = [tools]


def parts(slot: str) -> Iterator[Callable[..., Any]]:
    """Yield the functions of plugins for a slot, with the tools of the page."""
    return (partial(function, *_tools) for function in registry.functions(slot))


def draw(slot: str, *arguments: object) -> bool:
    """Let plugins draw in a slot until a plugin returns true for having drawn all of it; return whether any has.

    A plugin's error is shown there, and the rest of the page is drawn.
    """
    return any(bool(drawn) for drawn in results(slot, *arguments))


def results(slot: str, *arguments: object) -> Iterator[Any]:
    """Yield what the functions of plugins for a slot return; a function's error is shown."""
    for function in parts(slot):
        try:
            yield function(*arguments)
        except AppError as error:
            show_error(error)
