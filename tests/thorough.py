"""Parameters of which every run of the tests takes the first, and `make proofs` the others."""

from collections.abc import Iterable
from typing import Any

import pytest


def first_of(values: Iterable[Any], always: int = 1) -> list[Any]:
    """Mark all but the first values as thorough; a tuple is the values of several parameters."""
    given = list(values)
    others = (one if isinstance(one, tuple) else (one,) for one in given[always:])
    return [*given[:always], *(pytest.param(*one, marks=pytest.mark.thorough) for one in others)]
