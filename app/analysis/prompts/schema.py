"""The form of an answer: as a JSON Schema for engines that hold a model to it, and in words for the prompt. What all
requests share of the words is told apart from the rest, since it stands before the frames.

The schema keeps to what vLLM's xgrammar takes, and bounds every list and number. It depends on template, language,
scope and on whether there is a question to answer, not on the frames: all chunks of a video share one, which the
engine compiles once. Answers are read by app.analysis.parsing.answer_parser.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from app.analysis.prompts.template_parser import Field, Template
from app.core.domain import MOST_FRAMES, Language
from app.i18n import t

Scope = Literal["part", "whole", "join"]

Schema = dict[str, Any]

KEYS: dict[Scope, tuple[str, ...]] = {
    "part": ("subjects", "findings", "overview"),
    "whole": ("findings", "title", "overview", "chapters"),
    "join": ("title", "overview", "chapters"),
}
"""What an answer holds, in its order; "reply" follows in "whole" and "join" where a question was asked.

A part names first who is seen: its findings then use these names, and other parts need not wait for all of its answer.
"""

# The most entries of each list.
_FINDINGS, _STATEMENTS, _SUBJECTS, _CHAPTERS, _CITED = 64, 12, 12, 40, 32
_LARGEST_NUMBER = 1_000_000
# Texts have no maxLength: with one of 600, xgrammar takes 12 s instead of 0.04 s to compile a single text for 150,000
# tokens, and 13 times as long for each token. app.analysis.parsing.repetition_detector and the limit of tokens end a
# text that goes on.
_TEXT: Schema = {"type": "string"}


def keys_of(scope: Scope, *, with_reply: bool) -> tuple[str, ...]:
    """The keys of an answer, in their order."""
    return (*KEYS[scope], "reply") if with_reply and scope != "part" else KEYS[scope]


def schema_of(template: Template, language: Language, scope: Scope, *, with_reply: bool) -> Schema:
    """The JSON Schema of one answer. The values of choices are their names in `language`."""
    statements = _list(_object({"frames": _FRAMES, "text": _TEXT}), _STATEMENTS)
    fields = {field.key: _field(field, language) for field in template.fields}
    parts: dict[str, Schema] = {
        "findings": _list(_object({"frames": {**_FRAMES, "minItems": 1}, **fields, "text": _TEXT}), _FINDINGS),
        "title": _TEXT,
        "overview": statements,
        "subjects": _list(_object({"name": _TEXT, "look": _TEXT}), _SUBJECTS),
        "chapters": _list(_object({"first_frame": _FRAME, "title": _TEXT, "text": _TEXT}), _CHAPTERS),
        "reply": statements,
    }
    return _object({key: parts[key] for key in keys_of(scope, with_reply=with_reply)})


def shared_words(language: Language, scope: Scope) -> str:
    """The form as the prompt tells it, as far as it is the same for every template and question: what each key means,
    a line each.
    """
    told = [t(f"prompt.form.{'join_overview' if (key, scope) == ('overview', 'join') else key}", language)
            for key in KEYS[scope]]  # fmt: skip
    return "\n".join([t("prompt.form.head", language), *(f"- {line}" for line in told)])


def own_words(
    template: Template, language: Language, scope: Scope, *, with_reply: bool, frames: tuple[int, int] = (1, 2)
) -> str:
    """The rest of the form: what the template and a question add to it, and last one line that shows the whole.

    `frames` are numbers of frames that were sent, for the example.
    """
    keys = keys_of(scope, with_reply=with_reply)
    told = [_field_in_words(field, language) for field in template.fields] if "findings" in keys else []
    told += [t("prompt.form.reply", language)] if "reply" in keys else []
    more = [t("prompt.form.more", language), *(f"- {line}" for line in told)] if told else []
    example = {key: _example(key, template, frames) for key in keys}
    shown = json.dumps(example, ensure_ascii=False, separators=(",", ":"))  # as the engines that we start hold it to
    return "\n".join([*more, t("prompt.form.tail", language), shown])


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
        "reply": [statement],
    }
    return examples[key]


def _field_in_words(field: Field, language: Language) -> str:
    about = field.about.of(language) or field.name.of(language)
    if field.kind == "number":
        return t("prompt.form.number", language, key=field.key, about=about)
    if field.kind == "text":
        return t("prompt.form.text", language, key=field.key, about=about)
    names = t("prompt.form.or", language).join(
        json.dumps(choice.name.of(language), ensure_ascii=False) for choice in field.choices
    )
    return t("prompt.form.choice", language, key=field.key, about=about, choices=names)


def _field(field: Field, language: Language) -> Schema:
    if field.kind == "choice":
        return {"enum": [choice.name.of(language) for choice in field.choices]}
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
