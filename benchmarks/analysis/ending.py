"""Answer form with given texts and entries, which even dummy weights fill to its end.

Without it such weights write until the tokens run out, so every answer is incomplete and requested again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any
from unittest import mock

from framelens.analysis.prompts.schema import Schema
from framelens.analysis.requests import request_executor

_TEXTS = ("gate", "two people at a red car", "rain", "a grey coat")
"""Used in turn, since answers of equal length would keep requests that are sent together in step, unlike real answers.
They are short, since few processors write more than a few tokens a second with such a model.
"""
_FRAMES = 2


@contextmanager
def answers_that_end() -> Iterator[None]:
    """Make the app request this form inside the context."""
    usual, texts = request_executor.schema_of, cycle(_TEXTS)

    def schema_of(*given: Any, **how: Any) -> Schema:
        return given_texts(usual(*given, **how), next(texts))

    with mock.patch.object(request_executor, "schema_of", schema_of):
        yield


def given_texts(schema: Schema, text: str) -> Schema:
    """Return the form with this text, the first choice, frames among the first few, and an entry in each list."""
    match schema:
        case {"enum": [first, *_]}:
            return {"enum": [first]}
        case {"anyOf": [*_, last]}:
            return dict(last)
        case {"type": "object", "properties": properties}:
            return {**schema, "properties": {name: given_texts(value, text) for name, value in properties.items()}}
        case {"type": "array", "items": items}:
            return {**schema, "items": given_texts(items, text), "minItems": 1, "maxItems": 1}
        case {"type": "integer"}:
            return {"enum": list(range(1, _FRAMES + 1))}
        case _:
            return {"enum": [text]}
