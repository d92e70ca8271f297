import json
from collections.abc import Iterator
from typing import Any

import pytest

from framelens.analysis.prompts.schema import KEYS, Scope, own_form, schema_of, shared_form
from framelens.analysis.prompts.templates import built_in
from framelens.core.domain import Language
from framelens.i18n import LANGUAGES, in_language

TEMPLATES = built_in()
SCOPES = ("part", "whole", "join")
# What xgrammar takes without taking it for something else, as vLLM uses it.
KEYWORDS = {
    "type", "properties", "required", "additionalProperties", "items", "maxItems", "minItems", "enum", "anyOf",
    "minimum", "maximum",
}  # fmt: skip
GOOD = {
    "part": '{"subjects": [], "findings": [{"frames": [9, 10], "text": "red"}],'
    ' "overview": [{"frames": [], "text": "\\"no\\""}]}',
    "whole": '{"findings": [], "title": "卡片", "overview": [],'
    ' "chapters": [{"first_frame": 1, "title": "", "text": ""}]}',
    "join": '{"title": "t", "overview": [], "chapters": [{"first_frame": 256, "title": "", "text": "t"}]}',
}
BAD = [
    GOOD["part"].replace("[9, 10]", "[]"),
    GOOD["part"].replace("9", "257"),
    GOOD["part"].replace("9", "0"),
    GOOD["part"].replace("9", '"9"'),
    GOOD["part"].replace("[9, 10]", str(list(range(1, 40)))),
    GOOD["part"].replace('"text": "red"', '"text": "red", "time": "0:03"'),
    GOOD["part"].replace('"overview"', '"summary"'),
    GOOD["part"][:-1],
]


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """All schemas within a schema, and itself; the names of properties are not schemas."""
    yield schema
    for key, value in schema.items():
        inner = list(value.values()) if key == "properties" else value
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, dict):
                yield from objects(one)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("key", TEMPLATES)
def test_every_schema_is_closed_complete_and_bounded(key: str, scope: Scope, language: Language) -> None:
    with in_language(language):
        schema = schema_of(TEMPLATES[key], scope)
    assert tuple(schema["properties"]) == KEYS[scope]
    for one in objects(schema):
        assert set(one) <= KEYWORDS
        if one.get("type") == "object":
            assert one["additionalProperties"] is False
            assert one["required"] == list(one["properties"])
        if one.get("type") == "array":
            assert one["maxItems"]
        if one.get("type") in ("integer", "number"):
            assert {"minimum", "maximum"} <= set(one)


def test_fields_follow_frames_with_localised_choices() -> None:
    choices: tuple[tuple[Language, str], ...] = (("en", "high"), ("zh", "高"))
    for language, risk in choices:
        with in_language(language):
            schema = schema_of(TEMPLATES["safety"], "part")
        finding = schema["properties"]["findings"]["items"]["properties"]
        assert list(finding) == ["frames", "risk", "kind", "where", "measure", "text"]
        assert risk in finding["risk"]["enum"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("key", TEMPLATES)
def test_form_in_words_shows_exactly_the_schema_keys(key: str, scope: Scope, language: Language) -> None:
    template = TEMPLATES[key]
    with in_language(language):
        own = own_form(template, scope, frames=(17, 18))
        *reported, last = (shared_form(scope) + "\n" + own).splitlines()
        names = [choice.name.text for field in template.fields for choice in field.choices]
    example = json.loads(last)
    assert last == json.dumps(example, ensure_ascii=False, separators=(",", ":"))
    assert tuple(example) == KEYS[scope]
    if scope != "join":
        assert list(example["findings"][0]) == ["frames", *(field.key for field in template.fields), "text"]
        assert [name for name in names if f'"{name}"' not in own] == []
    assert {number for one in example["overview"] for number in one["frames"]} == {17, 18}
    assert [key for key in example if sum(line.startswith(f"- {key}") for line in reported) != 1] == []


@pytest.mark.slow
@pytest.mark.parametrize("with_space", [True, False])
def test_engine_grammar_accepts_valid_answers_only(with_space: bool) -> None:
    xgrammar = pytest.importorskip("xgrammar")  # comes with vLLM, so on Linux alone
    vocabulary = [bytes([byte]) for byte in range(256)] + [b"</s>"]
    tokens = xgrammar.TokenizerInfo(vocabulary, xgrammar.VocabType.RAW, stop_token_ids=[256])
    compiler = xgrammar.GrammarCompiler(tokens, max_threads=1)

    def accepts(scope: Scope, answer: str, key: str = "describe") -> bool:
        with in_language("zh"):
            schema = schema_of(TEMPLATES[key], scope)
        matcher = xgrammar.GrammarMatcher(compiler.compile_json_schema(json.dumps(schema), any_whitespace=with_space))
        return bool(matcher.accept_string(answer.encode()) and matcher.accept_token(256))

    assert [scope for scope, answer in GOOD.items() if not accepts(scope, answer)] == []  # type: ignore[arg-type]
    assert [answer for answer in BAD if accepts("part", answer)] == []
    step = '{"subjects": [], "findings": [{"frames": [1], "step": %s, "tools": "", "text": "x"}], "overview": []}'
    assert [value for value in ("1", "2.5", "null") if not accepts("part", step % value, "steps")] == []
    assert [
        value for value in ("1e9", '"1"', "3." + "3" * 20, "9999999") if accepts("part", step % value, "steps")
    ] == []
    event = '{"frames": [1], "kind": "%s", "who": "", "where": "", "text": ""}'
    kind = f'{{"subjects": [], "findings": [{event}], "overview": []}}'
    assert accepts("part", kind % "出现", "log")
    assert not accepts("part", kind % "也许", "log")
