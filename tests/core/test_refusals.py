"""What engines, gateways and proxies answer in place of an answer, and what each of it means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import EngineBusy, RequestTooLarge, TooManyPictures
from app.core.refusals import is_refusal, may_be_dying, read_json, refused, refused_in_stream, said_in
from app.i18n import error_text

ANSWERS = json.loads((Path(__file__).parents[1] / "llm" / "vllm_answers.json").read_text(encoding="utf-8"))
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
# By product: (status, words, key of the error).
WORDINGS = {
    "vllm": [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4488 in the "
              "messages, 512 in the completion). Please reduce the length.", "context_exceeded"),
        (400, "The decoder prompt (length 21535) is longer than the maximum model length of 16384. Make sure that "
              "`max_model_len` is no smaller than the number of text tokens plus multimodal tokens. For image inputs, "
              "the number of image tokens depends on the number of images.", "context_exceeded"),
        (400, "Input length (16006) exceeds model's maximum context length (8192).", "context_exceeded"),
        (400, "You passed 5000 input tokens and requested 512 output tokens. However, the model's context length is "
              "only 4096 tokens. Please reduce the length of the input prompt.", "context_exceeded"),
        (400, "'max_tokens' or 'max_completion_tokens' is too large: 512. This model's maximum context length is 4096 "
              "tokens and your request has 4000 input tokens (512 > 4096 - 4000).", "context_exceeded"),
        (400, "max_tokens must be at least 1, got -352.", "context_exceeded"),
        (400, "At most 4 image(s) may be provided in one prompt.", 4),
        (400, "At most 0 image(s) may be provided in one prompt.", "pictures_refused"),
        (400, "You set image=1 (or defaulted to 1) in `--limit-mm-per-prompt`, but passed 2 image items.", 1),
        (400, "The decoder prompt contains a(n) image item with length 6042, which exceeds the pre-allocated encoder "
              "cache size 4800.", "picture_too_large"),
    ],
    "sglang": [
        (400, "The input (61709 tokens) is longer than the model's context length (40960 tokens).", "context_exceeded"),
        (400, "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total "
              "of 40000 tokens.", "context_exceeded"),
        (400, "Input length (16006 tokens) exceeds the maximum allowed length (8192 tokens).", "context_exceeded"),
    ],
    "lm studio": [
        (200, "Input does not fit in context length. The input has 5000 tokens, but the context length only supports "
              "2500 tokens.", "context_exceeded"),
        (200, "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with "
              "context length of only 2500 tokens, which is not enough.", "context_exceeded"),
        (404, "No models loaded. Please load a model in the developer page.", "model_not_served"),
    ],
    "ollama": [
        (500, "input exceeds context length", "context_exceeded"),
        (400, "the input length exceeds the context length", "context_exceeded"),
        (404, 'model "x" not found, try pulling it first', "model_not_served"),
        (400, "vision model only supports a single image per message", 1),
    ],
    "llama.cpp": [
        (400, "the request exceeds the available context size. try increasing it", "context_exceeded"),
        (500, "Requested tokens (2285) exceed context window of 2048", "context_exceeded"),
        (500, "image input is not supported - hint: you may need to provide the mmproj", "pictures_refused"),
    ],
    "dashscope": [
        (400, "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
         "context_exceeded"),
        (400, "Range of max_tokens should be [1, 8192]", "engine_refused"),
        (400, "Exceeded limit on max bytes to request body : 6291456", "request_too_large"),
        (400, "Exceeded limit on max bytes per data-uri item : 10485760", "picture_too_large"),
        (400, "The image format is illegal and cannot be opened", "image_rejected"),
        (400, "Input data may contain inappropriate content.", "engine_filtered"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser', "engine_no_tools"),
        (500, "tools param requires --jinja flag", "engine_no_tools"),
        (400, "registry.ollama.ai/library/gemma3:4b does not support tools", "engine_no_tools"),
        (400, "Access denied, please make sure your account is in good standing.", "engine_no_credit"),
    ],
    "groq": [
        (400, "Please reduce the length of the messages or completion.", "context_exceeded"),
        (400, "Too many images provided. This model supports up to 5 images", 5),
        (413, "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce "
              "your message size and try again.", "context_exceeded"),
        (429, "Rate limit reached for model `m` on tokens per minute (TPM): Limit 6000, Used 5900, Requested 700.",
         "engine_busy"),
    ],
    "gateways": [
        (429, "当前分组上游负载已饱和，请稍后再试 (request id: 20250423020142736330894dLoIRrS6)", "engine_busy"),
        (500, "当前分组上游负载已饱和，请稍后再试", "engine_busy"),
        (503, "当前分组 default 下对于模型 qwen 无可用渠道", "model_not_served"),
        (403, "用户额度不足", "engine_no_credit"),
        (401, "无效的令牌", "engine_key_rejected"),
        (400, "Server received a request which exceeds maximum allowed content length. RequestSize(bytes): 81000, "
              "Limit(bytes): 80000.", "request_too_large"),
        (400, "http: request body too large", "request_too_large"),
        (500, "Failed to buffer the request body: length limit exceeded", "request_too_large"),
        (500, "Maximum request body size 1048576 exceeded, actual body size 1500000", "request_too_large"),
        (404, "No endpoints found that support image input", "pictures_refused"),
        (429, "You exceeded your current quota, please check your plan and billing details.", "engine_no_credit"),
        (529, "Overloaded", "engine_busy"),
    ],
    "others": [
        (422, "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000", "context_exceeded"),
        (400, "Model not found in the model list, uid: qwen", "model_not_served"),
        (400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
         "engine_filtered"),
        (400, "Too many images in request. Max is 10.", 10),
        (400, "Too many images in request: 11 images provided, but the model supports a maximum of 10 images.", 10),
        (400, "图片数量超过限制，最多支持 10 张图片", 10),
        (400, "image exceeds 5 MB maximum: 5327908 bytes > 5242880 bytes", "picture_too_large"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", "context_exceeded"),
        (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
         "context_exceeded"),
        (400, "Input token ids length 5000 must be shorter than maxInputTokenLen 4096", "context_exceeded"),
        (400, "输入长度超过模型最大上下文", "context_exceeded"),
        (400, 'model "m" not supported for vision', "pictures_refused"),
        (422, "messages[0]: unknown variant `image_url`, expected `text` at line 1", "pictures_refused"),
        (400, "The model is not a VLM (Vision Language Model)", "pictures_refused"),
        (400, "该模型不支持图片输入", "pictures_refused"),
        (400, "response_format.type must be json_schema or text", "engine_refused"),
        (400, "bad request: 'CUDA out of memory'", "engine_refused"),
    ],
}  # fmt: skip


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
        for body in ({"error": {"message": words}}, {"error": words}, {"detail": words}, {"message": words}, words):
            ours = refused(status, {}, body if isinstance(body, str) else json.dumps(body), model="m")
            found = ours.limit if isinstance(ours, TooManyPictures) else ours.key
            assert found == wanted, (words, body)


@pytest.mark.parametrize("status", [200, 400, 413, 422, 429, 500, 503])
def test_full_context_is_understood_with_any_status(status: int) -> None:
    words = "The input (8000 tokens) is longer than the model's context length (2000 tokens)."
    ours = refused(status, {"Retry-After": "9"}, json.dumps({"error": {"message": words, "code": 400}}))
    assert isinstance(ours, RequestTooLarge)
    assert (ours.key, ours.share) == ("context_exceeded", 0.25)


NGINX = """<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n
<center><h1>413 Request Entity Too Large</h1></center>\r\n<hr><center>nginx/1.24.0 (Ubuntu)</center></body></html>"""


@pytest.mark.parametrize(
    ("status", "body", "key", "reason"),
    [
        (413, NGINX, "request_too_large", "413 Request Entity Too Large nginx/1.24.0 (Ubuntu)"),
        (413, "", "request_too_large", "HTTP 413"),
        (502, "<html><head><title>Bad\ngateway</title></head><body></body></html>", "engine_refused", "Bad gateway"),
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
        ("EngineCore encountered an issue. See stack trace (above) for the root cause.", "engine_refused"),
    ],
)
def test_engine_breakdown_answer_reads_like_its_log(message: str, key: str) -> None:
    assert key_of(500, {"error": {"message": message, "type": "InternalServerError", "code": 500}}) == key


def test_error_in_stream_has_the_status_that_was_sent() -> None:
    sentence = "Input type (float) and bias type (c10::BFloat16) should be the same"
    ours = refused_in_stream(sentence, model="m")
    assert (ours.key, ours.values["right"]) == ("dtypes_mixed", "BFloat16")
    broken = refused_in_stream({"message": "it broke", "code": 500}, model="m")
    assert error_text(broken, "en").startswith("The engine refused the request (HTTP 200): “it broke”.")
    assert may_be_dying(broken)
    assert isinstance(refused_in_stream({"message": "wait", "code": 429}), EngineBusy)


def test_nested_or_endless_json_is_read_as_text() -> None:
    assert read_json("[" * 100_000) is None
    assert refused(500, {}, "[" * 100_000).key == "engine_refused"
    assert len(said_in("x" * 100_000)) == 500


def test_keys_in_a_refusal_are_hidden() -> None:
    ours = refused(401, {}, json.dumps({"error": {"message": "Incorrect API key provided: sk-12345678901234567890"}}))
    assert ours.key == "engine_key_rejected"
    assert "sk-1234" not in str(ours.values["reason"])


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({"Retry-After": "7"}, "overloaded", 7.0),
        ({"Retry-After": "soon"}, "overloaded", None),
        ({}, "overloaded", None),
        ({}, "Please try again in 6.2s.", 6.2),
        ({}, "Please try again in 1m2s.", 62.0),
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
    assert is_refusal({"object": "error", "message": "no"})
    assert is_refusal({"detail": "no"})
