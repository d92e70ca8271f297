"""Typed access to a config.json, with errors that name the missing or wrong key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framelens.core.errors import ModelNotFound

_MAX_SIZE = 10**7
"""Upper limit of any size. No model comes near the limit; a larger value is a mistake and would take ages to count."""


class Fields:
    """One object of a config.json; `path` is the prefix of its keys in errors, "" for the outermost object."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self.values = values
        self.path = path

    def number(self, *names: str, default: int | None = None) -> int:
        """Return the first of `names` that is set, as a whole number.

        Raises:
            ModelNotFound: The value isn't a whole number, or is missing without a default.
        """
        for name in names:
            given = self.values.get(name)
            if given is None:
                continue
            if isinstance(given, list | tuple) and len(set(given)) == 1:  # [14, 14] for square patches
                given = given[0]
            if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= _MAX_SIZE:
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
        """Return a truth value, or `default` if it isn't set."""
        given = self.values.get(name)
        return default if given is None else bool(given)

    def word(self, name: str) -> str:
        """Return a text, or "" if it isn't set."""
        return str(self.values.get(name) or "")

    def inner(self, *names: str) -> Fields | None:
        """Return the first of `names` that is a non-empty object, or None."""
        for name in names:
            given = self.values.get(name)
            if isinstance(given, Mapping) and given:
                return Fields(given, f"{self.path}{name}.")
        return None

    def with_defaults(self, defaults: Mapping[str, Any]) -> Fields:
        """Return the same object with `defaults` for the keys that it doesn't set."""
        return Fields(
            {**defaults, **{key: value for key, value in self.values.items() if value is not None}}, self.path
        )

    def _name(self, name: str) -> str:
        return f"{self.path}{name}"
