"""What vLLM 0.32.0 answered, word for word, to requests that it refused; and what others answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langchain_openai.chat_models.base import OpenAIConnectionError, OpenAITimeoutError

from app.core.errors import AppError, EngineBrokeOff, EngineBusy, EngineTimeout
from app.i18n import error_text
from app.llm.error_mapping import engine_error, refusal_in_stream, refused

_REQUEST: Any = httpx.Request("POST", "http://engine/v1/chat/completions")
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
    ours = refused(status, {}, json.dumps(body), model=model)
    assert error_text(ours, "zh") and error_text(ours, "en")
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
def test_engine_breakdown_answer_reads_like_its_log(message: str, key: str) -> None:
    assert key_of(500, {"error": {"message": message, "type": "InternalServerError", "code": 500}}) == key


def test_quoted_question_about_memory_is_not_out_of_memory() -> None:
    assert key_of(400, {"error": {"message": "bad request: 'CUDA out of memory'", "code": 400}}) == "engine_refused"


def test_bare_sentence_error_in_stream_is_read() -> None:
    """So does `transformers serve` put it."""
    sentence = "Input type (float) and bias type (c10::BFloat16) should be the same"
    ours = refusal_in_stream(sentence, model="m")
    assert (ours.key, ours.values["right"]) == ("dtypes_mixed", "BFloat16")
    assert "it broke" in error_text(refusal_in_stream({"message": "it broke", "code": 500}, model="m"), "en")
    assert refusal_in_stream({}, model="m").key == "engine_refused"


def test_an_answer_that_is_no_json_is_shown_unchanged() -> None:
    assert "Bad gateway" in error_text(refused(502, {}, "<h1>Bad\ngateway</h1>"), "en")


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), (None, None)])
def test_how_long_to_wait_for_a_busy_engine_is_what_it_says(header: str | None, seconds: float | None) -> None:
    ours = refused(503, {"Retry-After": header} if header else {}, "overloaded")
    assert isinstance(ours, EngineBusy)
    assert ours.wait_seconds == seconds


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (openai.APITimeoutError(_REQUEST), EngineTimeout),
        (OpenAITimeoutError(_REQUEST), EngineTimeout),
        (openai.APIConnectionError(request=_REQUEST), EngineBrokeOff),
        (OpenAIConnectionError(request=_REQUEST), EngineBrokeOff),
        (httpx.ReadTimeout("slow"), EngineTimeout),
        (httpx.RemoteProtocolError("half"), EngineBrokeOff),
    ],
)
def test_network_errors_differ_from_engine_errors(error: Exception, kind: type[AppError]) -> None:
    assert type(engine_error(error, base_url="http://engine/v1")) is kind


def test_unreachable_engine_is_reported_with_the_first_cause() -> None:
    error = OpenAIConnectionError(request=_REQUEST)
    error.__cause__ = httpx.ConnectError("all attempts failed")
    error.__cause__.__cause__ = ConnectionRefusedError(111, "Connect call failed")
    mapped = engine_error(error, base_url="http://engine/v1")
    assert mapped and mapped.values["reason"] == "[Errno 111] Connect call failed"


def test_a_bug_of_ours_is_no_error_of_the_engine() -> None:
    assert engine_error(ZeroDivisionError(), base_url="http://engine/v1") is None
