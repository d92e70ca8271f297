"""Sentences about values that pydantic refuses, in the language of the context; its own words are English alone."""

import re
from collections.abc import Sequence
from types import UnionType
from typing import Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticCustomError

from framelens.plugin import language, t
from framelens.plugin.api import plugin_catalogue
from framelens.plugin.files import readable

_KINDS = tuple(f"api.wrong.{kind}" for kind in ("int", "float", "bool", "list", "tuple", "parsing", "type", "other"))
_QUOTED = re.compile(r"'([^']*)'")


def filled(text: str) -> str:
    """Return a text that isn't blank; raise what pydantic raises of others."""
    if not text.strip():
        raise PydanticCustomError("blank", "The text is blank")
    return text


def wrong_text(error: Any) -> str:
    """Return what is wrong with a value; `error` is pydantic's description."""
    texts = plugin_catalogue(language())
    kind = error["type"]
    key = next(
        candidate for candidate in (f"api.wrong.{kind}", *_KINDS) if _fits(candidate, kind) and candidate in texts
    )
    values = {name: _value(name, value) for name, value in (error.get("ctx") or {}).items()}
    return t(key, **values)


def fields_beside(body: object, location: Sequence[str | int]) -> list[str]:
    """List the fields of the object in a request at whose field pydantic found an error.

    Args:
        body: Annotation of the request's body.
        location: Where the error is in it, as pydantic writes it: with the kind of an object where there are several.
    """
    annotation = body
    for step in location[:-1]:
        annotation = _within(annotation, step)
    return list(annotation.model_fields) if _is_model(annotation) else []


def _within(annotation: Any, step: str | int) -> Any:
    """Return the annotation of the value at a step of a place: in a field, in a list, or of a kind; None if unknown."""
    members = [arg for arg in get_args(annotation) if arg is not type(None)]
    if get_origin(annotation) in (Union, UnionType):
        if len(members) == 1:
            return _within(members[0], step)
        return next((member for member in members if _is_model(member) and _is_of_kind(member, step)), None)
    if get_origin(annotation) is list:
        return members[0]
    field = annotation.model_fields.get(str(step)) if _is_model(annotation) else None
    return field and field.annotation


def _is_of_kind(model: type[BaseModel], name: str | int) -> bool:
    return any(name in get_args(model_field.annotation) for model_field in model.model_fields.values())


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _value(name: str, value: object) -> int | str:
    """Return a value of pydantic's error; allowed values, "'a', 'b' or 'c'", without the quotes and English word."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return value
    text = str(value)
    return readable(", ".join(_QUOTED.findall(text)) if name.startswith("expected") else text)


def _fits(key: str, kind: str) -> bool:
    """Return whether a text is about this kind of pydantic's errors: their names begin or end with what is wrong."""
    rest = key.removeprefix("api.wrong.")
    return rest in (kind, "other") or kind.startswith(f"{rest}_") or kind.endswith(f"_{rest}")
