"""Sentences about values that pydantic refuses, in the language of the context; its own words are English alone."""

import re
from typing import Any

from pydantic_core import PydanticCustomError

from framelens.core.files import readable
from framelens.i18n import language, plugin_catalogue, t

_KINDS = tuple(f"api.wrong.{one}" for one in ("int", "float", "bool", "list", "tuple", "parsing", "type", "other"))
_QUOTED = re.compile(r"'([^']*)'")


def filled(text: str) -> str:
    """Return a text that isn't blank; raise what pydantic raises of others."""
    if not text.strip():
        raise PydanticCustomError("blank", "The text is blank")
    return text


def wrong_text(error: Any) -> str:
    """Return what is wrong with one value; `error` is what pydantic says of it."""
    known = plugin_catalogue(language())
    kind = error["type"]
    key = next(one for one in (f"api.wrong.{kind}", *_KINDS) if _fits(one, kind) and one in known)
    values = {name: _value(name, str(value)) for name, value in (error.get("ctx") or {}).items()}
    return t(key, **values)


def _value(name: str, text: str) -> str:
    """Return what pydantic says of a value; "'a', 'b' or 'c'", which it may be, without the quotes and English word."""
    return readable(", ".join(_QUOTED.findall(text)) if name.startswith("expected") else text)


def _fits(key: str, kind: str) -> bool:
    """Return whether a text is about this kind of pydantic's errors: their names begin or end with what is wrong."""
    rest = key.removeprefix("api.wrong.")
    return rest in (kind, "other") or kind.startswith(f"{rest}_") or kind.endswith(f"_{rest}")
