"""Whole numbers out of a config.json, or an error that names what is missing or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import ModelNotFound

_LARGEST = 10**7
"""No size of a model comes near it; one beyond is a mistake, and would be counted for ever."""


class Fields:
    """One object of a config.json. `path` is how it is reached, "" for the outermost, and stands in the errors."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self.values = values
        self.path = path

    def number(self, *names: str, default: int | None = None) -> int:
        """The first of `names` that is there, as a whole number. Raises ModelNotFound."""
        for name in names:
            given = self.values.get(name)
            if given is None:
                continue
            if isinstance(given, list | tuple) and len(set(given)) == 1:  # [14, 14] for square patches
                given = given[0]
            if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= _LARGEST:
                raise ModelNotFound("model_shape_wrong", key=self._name(name), value=repr(given))
            return given
        if default is None:
            raise ModelNotFound("model_shape_incomplete", keys=self._name(names[0]))
        return default

    def require(self, *names: str) -> None:
        """Raise ModelNotFound with all of `names` that are missing."""
        if missing := [self._name(name) for name in names if self.values.get(name) is None]:
            raise ModelNotFound("model_shape_incomplete", keys=", ".join(missing))

    def flag(self, name: str, *, default: bool = False) -> bool:
        given = self.values.get(name)
        return default if given is None else bool(given)

    def word(self, name: str) -> str:
        return str(self.values.get(name) or "")

    def inner(self, *names: str) -> Fields | None:
        """The first of `names` that is an object."""
        for name in names:
            given = self.values.get(name)
            if isinstance(given, Mapping) and given:
                return Fields(given, f"{self.path}{name}.")
        return None

    def with_defaults(self, defaults: Mapping[str, Any]) -> Fields:
        return Fields(
            {**defaults, **{key: value for key, value in self.values.items() if value is not None}}, self.path
        )

    def _name(self, name: str) -> str:
        return f"{self.path}{name}"
