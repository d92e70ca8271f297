"""Consumption of generators that yield progress and return a value."""

from collections.abc import Callable, Generator
from typing import TypeVar

P = TypeVar("P")
T = TypeVar("T")


def value_of(progress: Generator[P, None, T], show: Callable[[P], object] = lambda _: None) -> T:
    """Return the value of a generator, and pass what it yields to `show`. It ends in any case."""
    try:
        while True:
            show(next(progress))
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        progress.close()
