"""What vLLM 0.32.0 answered, word for word, to requests that it refused; and what others answer."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import openai
import pytest

from app.i18n import error_text
from app.llm.refusal import engine_error

ANSWERS = json.loads(Path(__file__).with_name("vllm_answers.json").read_text(encoding="utf-8"))
KEYS = {
    "wrong_key": "engine_key_rejected",
    "unknown_model": "model_not_served",
    "too_long": "context_exceeded",
    "too_many_tokens": "context_exceeded",
    "pictures_to_a_text_model": "pictures_refused",
    "broken_image": "image_rejected",
    "unknown_path": "engine_path_unknown",
    "bad_temperature": "engine_refused",
}


def key_of(status: int, body: object, model: str = "org/model") -> str:
    request = httpx.Request("POST", "http://engine/v1/chat/completions")
    response = httpx.Response(status, json=body, request=request)
    error = openai.APIStatusError("", response=response, body=body)
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error.param = body["error"].get("param")
    ours = engine_error(error, base_url="http://engine/v1", model=model)
    assert ours is not None and error_text(ours, "zh") and error_text(ours, "en")
    return ours.key


@pytest.mark.parametrize("name", KEYS)
def test_each_answer_of_vllm_is_its_own_error(name: str) -> None:
    assert key_of(*ANSWERS[name]) == KEYS[name]


def test_every_answer_that_was_kept_is_tried() -> None:
    assert set(ANSWERS) == set(KEYS)


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ("CUDA out of memory. Tried to allocate 640.00 MiB", "cuda_out_of_memory"),
        ("CUDA error: no kernel image is available for execution on the device", "no_kernel_image"),
        ("Input type (c10::BFloat16) and bias type (float) should be the same", "dtypes_mixed"),
        ("EngineCore encountered an issue. See stack trace (above) for the root cause.", "engine_refused"),
    ],
)
def test_an_engine_that_breaks_down_over_a_request_is_understood_as_in_its_log(message: str, key: str) -> None:
    assert key_of(500, {"error": {"message": message, "type": "InternalServerError", "code": 500}}) == key


def test_a_question_about_memory_that_the_engine_quotes_is_no_lack_of_memory() -> None:
    assert key_of(400, {"error": {"message": "bad request: 'CUDA out of memory'", "code": 400}}) == "engine_refused"


def test_an_error_that_comes_in_a_stream_as_a_bare_sentence_is_read() -> None:
    """So does `transformers serve` put it, and the client library says only that something happened."""
    request = httpx.Request("POST", "http://engine/v1/chat/completions")
    sentence = "Input type (float) and bias type (c10::BFloat16) should be the same"
    error = openai.APIError("An error occurred during streaming", request, body=sentence)
    ours = engine_error(error, base_url="http://engine/v1", model="m")
    assert ours is not None and (ours.key, ours.values["right"]) == ("dtypes_mixed", "BFloat16")
    other = engine_error(openai.APIError("it broke", request, body=None), base_url="http://engine/v1", model="m")
    assert other is not None and "it broke" in error_text(other, "en")
