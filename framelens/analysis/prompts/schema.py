"""Form of an answer: a JSON Schema for structured outputs, and its description for the prompt.

The schema uses only what vLLM's xgrammar supports, and bounds every list and number. It depends on the template, the
language and the scope, not on the frames: all chunks of a video share the same schema, which the engine compiles once.
The description has two parts, since the part that all requests share comes before the frames.
framelens.analysis.parsing.answer_parser parses the answers.
"""

import json
from typing import Any, Literal

from framelens.analysis.prompts.templates import Field, Template
from framelens.core.domain import MOST_FRAMES
from framelens.i18n import t

Scope = Literal["part", "whole", "join"]

Schema = dict[str, Any]

KEYS: dict[Scope, tuple[str, ...]] = {
    "part": ("subjects", "findings", "overview"),
    "whole": ("findings", "title", "overview", "chapters"),
    "join": ("title", "overview", "chapters"),
}
"""Keys of an answer, in order.

A part lists its subjects first: its findings then use these names, and other parts need not wait for the whole answer.
"""

# The most entries of each list.
_FINDINGS, _STATEMENTS, _SUBJECTS, _CHAPTERS, _CITED = 64, 12, 12, 40, 32
_LARGEST_NUMBER = 1_000_000
# Texts have no maxLength: with a maxLength of 600, xgrammar takes 12 s instead of 0.04 s to compile a single text for
# 150,000 tokens, and 13 times as long for each token. framelens.analysis.parsing.repetition_detector and the token
# limit end an endless text.
_TEXT: Schema = {"type": "string"}


def schema_of(template: Template, scope: Scope) -> Schema:
    """Return the JSON Schema of an answer; the values of choices are their names in the language of the context."""
    statements = _list(_object({"frames": _FRAMES, "text": _TEXT}), _STATEMENTS)
    fields = {field.key: _field(field) for field in template.fields}
    parts: dict[str, Schema] = {
        "findings": _list(_object({"frames": {**_FRAMES, "minItems": 1}, **fields, "text": _TEXT}), _FINDINGS),
        "title": _TEXT,
        "overview": statements,
        "subjects": _list(_object({"name": _TEXT, "look": _TEXT}), _SUBJECTS),
        "chapters": _list(_object({"first_frame": _FRAME, "title": _TEXT, "text": _TEXT}), _CHAPTERS),
    }
    return _object({key: parts[key] for key in KEYS[scope]})


def shared_form(scope: Scope) -> str:
    """Describe the part of the form that all templates and questions share: the meaning of each key, a line each."""
    keys = [t(f"prompt.form.{'join_overview' if (key, scope) == ('overview', 'join') else key}")
            for key in KEYS[scope]]  # fmt: skip
    return "\n".join([t("prompt.form.head"), *(f"- {line}" for line in keys)])


def own_form(template: Template, scope: Scope, *, frames: tuple[int, int] = (1, 2)) -> str:
    """Describe the rest of the form: the additions of the template, and a last line with an example.

    Args:
        template: Template of the analysis.
        scope: Kind of the request.
        frames: Two numbers of frames that were sent, for the example.
    """
    keys = KEYS[scope]
    lines = [_field_text(field) for field in template.fields] if "findings" in keys else []
    extra = [t("prompt.form.more"), *(f"- {line}" for line in lines)] if lines else []
    example = {key: _example(key, template, frames) for key in keys}
    shown = json.dumps(example, ensure_ascii=False, separators=(",", ":"))  # the form that local engines enforce
    return "\n".join([*extra, t("prompt.form.tail"), shown])


def _example(key: str, template: Template, frames: tuple[int, int]) -> object:
    first, second = frames
    statement = {"frames": sorted({first, second}), "text": "…"}
    fields = {field.key: 1 if field.kind == "number" else "…" for field in template.fields}
    examples: dict[str, object] = {
        "findings": [{"frames": [first], **fields, "text": "…"}],
        "title": "…",
        "overview": [statement],
        "subjects": [{"name": "…", "look": "…"}],
        "chapters": [{"first_frame": first, "title": "…", "text": "…"}],
    }
    return examples[key]


def _field_text(field: Field) -> str:
    about = field.about.text or field.name.text
    if field.kind == "number":
        return t("prompt.form.number", key=field.key, about=about)
    if field.kind == "text":
        return t("prompt.form.text", key=field.key, about=about)
    names = t("prompt.form.or").join(json.dumps(choice.name.text, ensure_ascii=False) for choice in field.choices)
    return t("prompt.form.choice", key=field.key, about=about, choices=names)


def _field(field: Field) -> Schema:
    if field.kind == "choice":
        return {"enum": [choice.name.text for choice in field.choices]}
    if field.kind == "number":
        number = {"type": "number", "minimum": -_LARGEST_NUMBER, "maximum": _LARGEST_NUMBER}
        return {"anyOf": [number, {"type": "null"}]}
    return _TEXT


def _list(items: Schema, most: int) -> Schema:
    return {"type": "array", "items": items, "maxItems": most}


def _object(properties: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_FRAME: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_FRAMES}
_FRAMES: Schema = _list(_FRAME, _CITED)
