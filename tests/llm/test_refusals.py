"""What engines, gateways and proxies answer in place of an answer, and what each of it means."""

import json
from pathlib import Path
from typing import Any

import pytest

from framelens.core.errors import (
    EngineBusy,
    EngineError,
    FormatRefused,
    ModelNotFound,
    RequestTooLarge,
    TooManyPictures,
)
from framelens.i18n import error_text
from framelens.llm.refusal_wordings import refuses_roles
from framelens.llm.refusals import (
    SYSTEM_ROLE,
    is_refusal,
    may_be_dying,
    message_in,
    read_json,
    refused,
    refused_in_answer,
    refused_in_stream,
    refused_parameter,
)

ANSWERS = json.loads((Path(__file__).parent / "vllm_answers.json").read_text(encoding="utf-8"))
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
WORDINGS = json.loads((Path(__file__).parent / "refusal_wordings.json").read_text(encoding="utf-8"))
"""By product: status, words, and the key of the error or the limit of pictures."""


def key_of(status: int, body: object, model: str = "org/model") -> str:
    ours = refused(status, {}, body if isinstance(body, str) else json.dumps(body), model=model)
    assert error_text(ours, "zh") and error_text(ours, "en")
    return ours.key


@pytest.mark.parametrize("name", KEYS)
def test_each_answer_of_vllm_is_its_own_error(name: str) -> None:
    assert key_of(*ANSWERS[name]) == KEYS[name]


def test_every_answer_that_was_kept_is_tried() -> None:
    assert set(ANSWERS) == set(KEYS)


@pytest.mark.parametrize("product", WORDINGS)
def test_refusals_are_understood_by_their_meaning(product: str) -> None:
    for status, words, wanted in WORDINGS[product]:
        nested = json.dumps({"error": {"message": words}})
        for body in ({"error": {"message": words}}, {"error": words}, {"detail": words}, {"message": nested}, words):
            ours = refused(status, {}, body if isinstance(body, str) else json.dumps(body), model="m")
            assert (ours.limit if isinstance(ours, TooManyPictures) else ours.key) == wanted, (words, body)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"cause": '{"error": {"message": "WORDS"}}', "message": "模型服务调用失败"}, "requestId": "x"},
        {"code": -32603, "message": "Internal error", "data": {"details": "WORDS"}},
        {"error": {"message": "Bad request", "innererror": {"message": "WORDS"}}},
        {"Message": "WORDS"},
        {"errorMsg": "WORDS"},
        {"ResponseMetadata": {"Error": {"Code": "x", "Message": "WORDS"}}},
        {"Response": {"Error": {"Message": "WORDS"}}},
        {"fault": {"faultstring": "WORDS"}},
        {"exception": "WORDS"},
    ],
)
def test_words_of_the_server_behind_are_found(body: object) -> None:
    text = json.dumps(body, ensure_ascii=False).replace("WORDS", "this model does not support images")
    assert refused(400, {}, text).key == "pictures_refused"


@pytest.mark.parametrize(
    "words",
    [
        "Invalid value for 'temperature': input is too large, must be between 0 and 2",
        "seed must be less than 9223372036854775807, got 99999999999999999999",
        "The number of stop sequences must not exceed 4",
        "repetition_penalty must be in (0, 2], got 3",
        "Internal server error: the image service of the company is down",
        "Unknown error while reading 12 images from the queue",
        "Tool names must be unique across the request",
        "参数 temperature 取值范围不能超过 1",
    ],
)
def test_other_refusals_are_only_quoted(words: str) -> None:
    ours = refused(400, {}, json.dumps({"error": {"message": words}}), model="m")
    assert type(ours) in (EngineError, FormatRefused)
    assert (ours.key, ours.values["reason"]) == ("engine_refused", words)


@pytest.mark.parametrize(
    "words",
    [
        "System role not supported",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "Only user and assistant roles are supported!",
        'messages: roles must alternate between "user" and "assistant", but found multiple "user" roles in a row',
        "This model doesn't support system messages.",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "unknown variant `system`, expected `user` or `assistant`",
        "messages.0.role: Input should be 'user' or 'assistant'",
        "A conversation must start with a user message.",
        "the model does not support successive user messages",
        "role 参数非法",
        "当前模型不支持 system 角色",
        "消息角色必须交替出现",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 422, 500])
def test_refused_roles_are_known(status: int, words: str) -> None:
    body = json.dumps({"error": {"message": words}}, ensure_ascii=False)
    assert refused_parameter(status, body, {"messages", SYSTEM_ROLE}) == (SYSTEM_ROLE, "")
    assert refused_parameter(status, body, {"messages"}) is None


def test_no_other_refusal_is_about_roles() -> None:
    assert [words for rows in WORDINGS.values() for _, words, _ in rows if refuses_roles(words)] == []
    assert refused_parameter(500, "", {SYSTEM_ROLE}) == (SYSTEM_ROLE, "")
    assert refused_parameter(500, "out of memory", {SYSTEM_ROLE}) is None


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (400, "Json mode is not supported for this model.", FormatRefused),
        (400, "This model does not support JSON schema output", FormatRefused),
        (400, "structured_outputs: JSON schema is too complex", FormatRefused),
        (400, "当前模型不支持结构化输出", FormatRefused),
        (500, "JSON 模式不受支持", FormatRefused),
        (400, "top_logprobs: Input should be less than or equal to 5", FormatRefused),
        (400, "Invalid request body", FormatRefused),
        (422, "Unprocessable", FormatRefused),
        (501, "", FormatRefused),
        (404, "Invalid request body", EngineError),
        (500, "it broke", EngineError),
        (400, "temperature must be between 0 and 1", EngineError),
        (400, "Incorrect API key provided", EngineError),
        (400, "Input data may contain inappropriate content.", EngineError),
        (400, "account balance is insufficient", EngineError),
        (400, "The model `m` does not exist.", ModelNotFound),
    ],
)
def test_refusal_without_a_known_cause_may_be_about_the_schema(status: int, words: str, kind: type) -> None:
    for body in (words, json.dumps({"error": {"message": words, "code": status}})):
        assert type(refused(status, {}, body)) is kind


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
         ("max_tokens", "max_completion_tokens")),
        ("this model is not supported MaxTokens, please use MaxCompletionTokens",
         ("max_tokens", "max_completion_tokens")),
        ("不支持参数 max_tokens，请使用 max_completion_tokens", ("max_tokens", "max_completion_tokens")),
        ("Unrecognized request argument supplied: max_tokens", ("max_tokens", "")),
        ("body.max_tokens: Extra inputs are not permitted", ("max_tokens", "")),
        ("Unsupported value: 'temperature' does not support 0 with this model.", ("temperature", "")),
        ("temperature: Only the default (1) value is supported.", ("temperature", "")),
        ("temperature=0.0 is not supported", ("temperature", "")),
        ("`temperature` may only be set to 1 when thinking is enabled", ("temperature", "")),
        ("frequency_penalty is not currently supported with this model", ("frequency_penalty", "")),
        ("invalid temperature: only 1 is allowed for this model", ("temperature", "")),
        ("`temperature` is deprecated for this model.", ("temperature", "")),
        ("this model has beta-limitations, temperature, top_p and n are fixed at 1", ("temperature", "")),
        ("`temperature` must be strictly positive", ("temperature", "")),
        ("该模型的 temperature 仅支持默认值 1", ("temperature", "")),
        ("`frequency_penalty` is not supported by this model", ("frequency_penalty", "")),
        ("Penalty is not enabled for models/gemini-2.5-flash", ("frequency_penalty", "")),
        ("got an unexpected keyword argument 'stream_options'", ("stream_options", "")),
        ("temperature must be between 0 and 2", None),
        ("max_tokens is too large: 9000. This model supports at most 4096 completion tokens", None),
        ("max_tokens must be at least 1, got -352.", None),
        ("input length and `max_tokens` exceed context limit; not supported", None),
        ("The seed is not supported", None),
        ("Image inputs are not supported", None),
        ("it broke", None),
    ],
)  # fmt: skip
def test_refused_parameter_is_read_from_the_words(words: str, found: tuple[str, str] | None) -> None:
    sent = ("model", "messages", "max_tokens", "temperature", "frequency_penalty", "stream_options", "seed")
    for body in (words, json.dumps({"error": {"message": words, "code": "unsupported"}})):
        assert refused_parameter(400, body, sent) == found
        assert refused_parameter(500, body, sent) is None
        assert refused_parameter(400, body, ("model", "messages")) is None


def test_keys_names_and_json_in_refusals_are_handled() -> None:
    # Names of errors are read beside the words.
    assert key_of(400, {"message": "No", "__type": "ThrottlingException"}) == "engine_busy"
    # Nested or endless json is read as text.
    assert read_json("[" * 100_000) is None
    assert refused(500, {}, "[" * 100_000).key == "engine_refused"
    assert len(message_in("x" * 100_000)) == 500
    # Keys in a refusal are hidden.
    ours = refused(401, {}, json.dumps({"error": {"message": "Incorrect API key provided: sk-12345678901234567890"}}))
    assert ours.key == "engine_key_rejected"
    assert "sk-1234" not in str(ours.values["reason"])


@pytest.mark.parametrize("status", [200, 400, 413, 422, 429, 500, 503])
def test_full_context_is_understood_with_any_status(status: int) -> None:
    words = "The input (8000 tokens) is longer than the model's context length (2000 tokens)."
    ours = refused(status, {"Retry-After": "9"}, json.dumps({"error": {"message": words, "code": 400}}))
    assert isinstance(ours, RequestTooLarge)
    assert (ours.key, ours.share) == ("context_exceeded", 0.25)


@pytest.mark.parametrize(
    ("words", "share"),
    [
        ("[address=0.0.0.0:41123, pid=22191] maximum context length is 1000 tokens, but you sent 2000 tokens", 0.5),
        ("input is too long: 4000 tokens > 1000 (request id: 2025042302)", 0.25),
        ("input is too long: 40,000 tokens > 10,000", 0.25),
        ("input is too long: 4000000 tokens > 1000", 0.125),
        ("the input of qwen2.5-72b is too long", None),
        ("<400> InternalError: Range of input length should be [1, 1000]", None),
        ("input is too long for 1000 tokens", None),
    ],
)
def test_share_is_read_from_the_numbers_that_count(words: str, share: float | None) -> None:
    ours = refused(400, {}, words)
    assert isinstance(ours, RequestTooLarge) and ours.share == share


NGINX = """<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n
<center><h1>413 Request Entity Too Large</h1></center>\r\n<hr><center>nginx/1.24.0 (Ubuntu)</center></body></html>"""


@pytest.mark.parametrize(
    ("status", "body", "key", "reason"),
    [
        (413, NGINX, "request_too_large", "413 Request Entity Too Large nginx/1.24.0 (Ubuntu)"),
        (413, "", "request_too_large", "HTTP 413"),
        (502, "<html><head><title>Bad\ngateway</title></head><body></body></html>", "engine_gateway", "Bad gateway"),
        (504, "", "engine_gateway_timeout", "HTTP 504"),
        (404, "", "engine_path_unknown", "HTTP 404"),
        (404, {"error": "Unexpected endpoint or method. (POST /chat)"}, "engine_path_unknown",
         "Unexpected endpoint or method. (POST /chat)"),
        (405, {"detail": "Method Not Allowed"}, "engine_path_unknown", "Method Not Allowed"),
        (500, "it\x1b[31m broke\u202e\nhere", "engine_refused", "it [31m broke here"),
        (400, {"error": {"metadata": {"raw": '{"error": {"message": "prompt is too long"}}'}, "message": "Upstream"}},
         "context_exceeded", "Upstream: prompt is too long"),
        (422, {"detail": [{"loc": ["body", "top_p"], "msg": "Input should be less than or equal to 1", "input": 2}]},
         "engine_refused", "body.top_p: Input should be less than or equal to 1"),
        (200, {"error": {"code": "context_length_exceeded"}}, "context_exceeded",
         '{"error": {"code": "context_length_exceeded"}}'),
    ],
)  # fmt: skip
def test_words_are_quoted_without_markup(status: int, body: Any, key: str, reason: str) -> None:
    ours = refused(status, {}, body if isinstance(body, str) else json.dumps(body))
    assert (ours.key, ours.values["reason"]) == (key, reason)
    assert ours.values.get("status", status) == status


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ("CUDA out of memory. Tried to allocate 640.00 MiB", "cuda_out_of_memory"),
        ("CUDA error: no kernel image is available for execution on the device", "no_kernel_image"),
        ("Input type (c10::BFloat16) and bias type (float) should be the same", "dtypes_mixed"),
        ("EngineCore encountered an issue. See stack trace (above) for the root cause.", "engine_model_ended"),
    ],
)
def test_engine_breakdown_answer_reads_like_its_log(message: str, key: str) -> None:
    assert key_of(500, {"error": {"message": message, "type": "InternalServerError", "code": 500}}) == key


def test_error_in_stream_has_the_status_that_was_sent() -> None:
    sentence = "Input type (float) and bias type (c10::BFloat16) should be the same"
    ours = refused_in_stream(sentence, model="m")
    assert (ours.key, ours.values["right"]) == ("dtypes_mixed", "BFloat16")
    broken = refused_in_stream({"message": "it broke", "code": 500}, model="m")
    assert error_text(broken, "en").startswith("The engine refused the request (HTTP 200): “it broke (500)”.")
    assert may_be_dying(broken)
    assert isinstance(refused_in_stream({"message": "wait", "code": 429}), EngineBusy)


@pytest.mark.parametrize(
    ("error", "key", "said"),
    [
        ({"code": 502, "message": "Provider returned error"}, "engine_gateway", "Provider returned error (502)"),
        ({"code": 503, "message": "No GPU is free"}, "engine_busy", "No GPU is free (503)"),
        ({"code": 400, "message": "prompt is too long"}, "context_exceeded", "prompt is too long (400)"),
        ({"code": 500, "message": "Error 500: it broke"}, "engine_refused", "Error 500: it broke"),
        ("it broke", "engine_refused", "it broke"),
    ],
)
def test_error_of_a_choice_is_quoted_with_its_code(error: object, key: str, said: str) -> None:
    ours = refused_in_stream({"choices": [{"delta": {"content": ""}, "finish_reason": "error", "error": error}]})
    assert (ours.key, ours.values["reason"]) == (key, said)


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({"Retry-After": "7"}, "overloaded", 7.0),
        ({"Retry-After": "soon"}, "overloaded", None),
        ({}, "overloaded", None),
        ({}, "Please try again in 6.2s.", 6.2),
        ({}, "Please try again in 1m2s.", 62.0),
        ({}, "Please try again in 120ms.", 0.12),
        ({}, "Please try again in 1h2m3s.", 3723.0),
        ({}, "Please retry after 26 seconds.", 26.0),
        ({}, "You exceeded your current quota. Please retry in 34.5s.", 34.5),
        ({"Retry-After": "2", "Retry-After-Ms": "1500"}, "overloaded", 1.5),
    ],
)
def test_busy_engine_says_how_long_to_wait(headers: dict[str, str], text: str, seconds: float | None) -> None:
    ours = refused(503, headers, text)
    assert isinstance(ours, EngineBusy)
    assert ours.wait_seconds == seconds


def test_answers_are_no_refusals() -> None:
    assert not is_refusal({"choices": [{"delta": {"content": "error"}}]})
    assert not is_refusal({"data": [], "object": "list"})
    assert not is_refusal([])
    assert not is_refusal({"choices": [], "usage": {"prompt_tokens": 1}, "message": "", "error": None})
    assert not is_refusal({"choices": None, "base_resp": {"status_code": 0, "status_msg": ""}})
    assert is_refusal({"choices": None, "base_resp": {"status_code": 1039, "status_msg": "token limit"}})
    assert is_refusal({"choices": [{"delta": {}, "finish_reason": "error"}], "error": {"message": "Provider left"}})
    assert is_refusal({"choices": [{"delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "no"}}]})
    assert not is_refusal({"choices": [{"delta": {"content": "red"}, "error": None}, "red"]})
    assert is_refusal({"success": False, "errors": [{"code": 7009, "message": "busy"}], "result": None})
    assert not is_refusal({"success": True, "errors": [], "messages": [], "result": {"response": "red"}})
    assert is_refusal({"error_code": 336003, "error_msg": "the max input characters is 20000"})
    assert is_refusal({"object": "error", "message": "no"})
    assert is_refusal({"detail": "no"})


@pytest.mark.parametrize(
    "answer",
    [
        "Error: the request exceeds the available context size (2500 tokens), prompt has 5000 tokens",
        "**API Error**: Request Entity Too Large",
        "Error code: 400 - {'error': {'message': \"This model's maximum context length is 4096 tokens.\"}}",
        "[ERROR] input length exceeds the context length",
        "错误：输入长度超过最大上下文限制",
    ],
)
def test_error_sent_as_an_answer_is_a_refusal(answer: str) -> None:
    refusal = refused_in_answer(answer)
    assert refusal is not None and refusal.key in ("context_exceeded", "request_too_large")


@pytest.mark.parametrize(
    "answer",
    [
        "Error: too many requests",  # may be read in a picture
        "Frame 1: an error says that the context length is exceeded.",
        '{"title": "Error: context length exceeded"}',
        "Error: the context is too long.\n" + "Frame 2: more. " * 50,
        "",
    ],
)
def test_answers_about_errors_are_answers(answer: str) -> None:
    assert refused_in_answer(answer) is None
