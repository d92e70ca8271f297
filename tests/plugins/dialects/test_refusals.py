"""Refusals in the words of products, and those that the core knows, which no rule of the plugin changes."""

import json
import time
from pathlib import Path

import pytest

from framelens.core.errors import AppError, TooManyPictures
from framelens.llm.refusal_wordings import refuses_roles
from framelens.llm.refusals import refused, refused_in_answer, refused_parameter

WORDINGS = {
    f"{product}, {folder.name}": rows
    for folder in (Path(__file__).parent, Path(__file__).parents[2] / "llm")
    for product, rows in json.loads((folder / "refusal_wordings.json").read_text(encoding="utf-8")).items()
}
"""By product: status, words, and the key of the error or the limit of pictures."""


def meaning_of(error: AppError) -> object:
    return error.limit if isinstance(error, TooManyPictures) else error.key


@pytest.mark.parametrize("product", WORDINGS)
def test_refusals_are_understood_by_their_meaning(product: str) -> None:
    for status, words, meaning in WORDINGS[product]:
        nested = json.dumps({"error": {"message": words}})
        for body in ({"error": {"message": words}}, {"error": words}, {"detail": words}, {"message": nested}, words):
            error = refused(status, {}, body if isinstance(body, str) else json.dumps(body), model="m")
            assert meaning_of(error) == meaning, (words, body)


def test_no_refusal_is_about_roles() -> None:
    assert [words for rows in WORDINGS.values() for _, words, _ in rows if refuses_roles(words)] == []


@pytest.mark.parametrize(
    "words",
    [
        "The model does not support the Completions API",
        "Default modality-specific LoRA(s) were provided for a model",
    ],
)
def test_other_refusals_are_only_quoted(words: str) -> None:
    assert refused(400, {}, words).key == "engine_refused"


@pytest.mark.parametrize(
    ("words", "parameter"),
    [
        ("invalid temperature: only 1 is allowed for this model", "temperature"),
        ("Penalty is not enabled for models/gemini-2.5-flash", "frequency_penalty"),
        ("this model is not supported MaxTokens, please use MaxCompletionTokens", "max_tokens"),
        ("该模型的 temperature 仅支持默认值 1", "temperature"),
    ],
)
def test_refused_parameter_is_no_refused_model(words: str, parameter: str) -> None:
    refusal = refused_parameter(400, words, ("max_tokens", "temperature", "frequency_penalty"))
    assert refusal is not None and refusal[0] == parameter


@pytest.mark.parametrize("word", ["media 1 ", "max_tokens ", "tokens image 1 per media key usage ", "文件大小"])
def test_message_of_key_words_alone_is_read_in_time(word: str) -> None:
    started = time.process_time()
    refused(400, {}, word * 20_000)
    assert time.process_time() - started < 3


def test_saturation_that_is_labelled_a_quota_is_retried() -> None:
    words = {
        "message": "当前分组上游负载已饱和，请稍后再试",
        "type": "insufficient_quota",
        "code": "insufficient_quota",
    }
    assert refused(429, {}, json.dumps({"error": words})).key == "engine_busy"


def test_words_in_place_of_an_answer_are_a_refusal() -> None:
    words = "internal error happened, status code ResponseType.INPUT_LENGTH_ERROR"
    refusal = refused_in_answer(words, has_failed=True)
    assert refusal is not None and refusal.key == "context_exceeded"
