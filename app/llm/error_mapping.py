"""Mapping of engine error responses to AppErrors.

Only PicturesRefused leads to the text prompt. A dead engine, a timeout or a full context never does.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from app import core

# Messages of engines whose model or server accepts no images. Each one was observed from the engine named.
_REFUSALS = re.compile(
    "|".join(
        (
            r"is not a multimodal model",  # vLLM
            r"at most 0 (?:image|video)",  # vLLM with limit_mm_per_prompt 0
            r"image input is not supported",  # llama.cpp
            r"does not support (?:image|vision|multimodal)",  # LM Studio, Ollama
            r"missing data required for image",  # Ollama
            r"image_url is only supported by",  # OpenAI
            r"unknown variant `?image_url",  # DeepSeek and other servers written in Rust
            r"invalid content type.*image",  # OpenAI
            r"content(?:\W.*)?(?:should|must) be a (?:valid )?string",  # servers whose content is a string only
            r"no endpoints found that support image",  # OpenRouter
        )
    ),
    re.IGNORECASE | re.DOTALL,
)
_TOO_MANY = re.compile(r"at most (\d+) (?:image|video)", re.IGNORECASE)
_CONTEXT = re.compile(
    r"maximum context length|max(?:imum)?[_ ]model[_ ]len|context (?:size|length|window)|exceed\w* .*context|too long",
    re.IGNORECASE,
)
# A server without schemas for answers reports that, or an unknown field.
_FORMAT = re.compile(
    r"response_format|json_schema|structured[ _]output|guided|grammar"
    r"|(?:unsupported|unexpected|unknown|extra) (?:fields?|keys?|inputs?|parameters?)",
    re.IGNORECASE,
)
_NO_SUCH_PATH = re.compile(r"\W*(?:404 page )?not found\W*", re.IGNORECASE)  # web frameworks' own words for it
_BAD_IMAGE = re.compile(r"failed to load image|cannot identify image|invalid image|could not process image", re.I)
_LIBRARIES = {"httpx", "httpcore"}
_REDIRECTS = (301, 302, 303, 307, 308)
_UNSAID = "an error event that says no more"
_LONGEST, _MOST_READ = 500, 20_000
"""Characters of a message that are shown, and that are searched for secrets. Chosen by hand; not tuned."""


class TooManyPictures(core.EngineError):
    """The engine accepts at most `limit` (>= 1) images in a request: send smaller chunks."""

    def __init__(self, limit: int) -> None:
        super().__init__("too_many_pictures", limit=limit)
        self.limit = limit


def refused(status: int, headers: Mapping[str, str], text: str, *, model: str = "") -> core.AppError:
    """Map an HTTP answer whose status is not 200 to an error; API keys in its text are redacted.

    Args:
        status: HTTP status.
        headers: For redirects and Retry-After.
        text: Body.
        model: Name of the model that got the request; with it, known failure patterns are recognized.
    """
    if status in _REDIRECTS and (target := headers.get("Location")):
        return core.EngineError("engine_redirects", status=status, target=core.redact(target)[:_LONGEST])
    try:
        body = json.loads(text)
    except ValueError:
        body = " ".join(text.split())
    error = body.get("error", body) if isinstance(body, dict) else body  # engines nest it differently
    param = error.get("param") if isinstance(error, dict) else None
    mapped = refusal_of(status, _message(error) or f"HTTP {status}", param, model=model)
    if isinstance(mapped, core.EngineBusy):
        mapped.wait_seconds = retry_after(headers.get("Retry-After"))
    return mapped


def refusal_in_stream(error: object, *, model: str = "") -> core.AppError:
    """Map an error event of a stream to an error; in transformers the event is a plain string."""
    return refusal_of(500, _message(error) or _UNSAID, model=model)


def refusal_of(status: int, message: str, param: str | None = None, *, model: str = "") -> core.AppError:
    """Map the status and message of an HTTP answer to an error; `param` and `model` refine it."""
    too_many = _TOO_MANY.search(message)
    if too_many and int(too_many[1]) > 0:
        return TooManyPictures(int(too_many[1]))
    if _REFUSALS.search(message):
        return core.PicturesRefused("pictures_refused", reason=message)
    if _BAD_IMAGE.search(message):
        return core.ImageRejected("image_rejected", reason=message)
    if status in (400, 413, 422) and (param == "input_tokens" or _CONTEXT.search(message)):
        return core.ContextExceeded("context_exceeded", reason=message)
    if status in (400, 404, 422, 501) and _FORMAT.search(message):
        return core.FormatRefused("engine_refused", status=status, reason=message)
    if status in (429, 503):
        return core.EngineBusy("engine_busy", status=status, reason=message)
    if status in (401, 403):
        return core.EngineError("engine_key_rejected", status=status, reason=message)
    if status == 404 and _NO_SUCH_PATH.fullmatch(message):
        return core.EngineError("engine_path_unknown", status=status, reason=message)
    if status == 404:
        return core.ModelNotFound("model_not_served", reason=message)
    known = core.match_failure(message, model) if status >= 500 and model else None
    return known or core.EngineError("engine_refused", status=status, reason=message)


def engine_error(error: Exception, *, base_url: str, model: str = "") -> core.AppError | None:
    """Map an exception of a client library to an AppError; None means that it is a bug of this program."""
    if isinstance(error, core.AppError):
        return error
    libraries = {base.__module__.partition(".")[0] for base in type(error).__mro__}
    if "openai" in libraries:
        return _openai_error(error, base_url=base_url, model=model)
    if isinstance(error, TimeoutError) or (libraries & _LIBRARIES and "Timeout" in type(error).__name__):
        return core.EngineTimeout("engine_timeout", base_url=base_url)
    if libraries & _LIBRARIES:
        return core.EngineBrokeOff("engine_unreachable", base_url=base_url, reason=_reason(error))
    return None


def _openai_error(error: Exception, *, base_url: str, model: str) -> core.AppError | None:
    import openai  # its exception exists, so it is imported

    if isinstance(error, openai.APITimeoutError):
        return core.EngineTimeout("engine_timeout", base_url=base_url)
    if isinstance(error, openai.APIConnectionError):
        return core.EngineBrokeOff("engine_unreachable", base_url=base_url, reason=_reason(error))
    if isinstance(error, openai.APIStatusError):
        return refused(error.status_code, error.response.headers, error.response.text, model=model)
    if isinstance(error, openai.APIError):  # an error event
        return refusal_in_stream(error.body, model=model)
    return None


def _reason(error: BaseException) -> str:
    """Return the message of the first cause; those of the libraries above it say only that there was an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return core.redact(str(error)) or type(error).__name__


def retry_after(header: str | None) -> float | None:
    """Parse a Retry-After header, a number or a date (RFC 9110, 10.2.3), into seconds; None if absent or invalid."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _message(error: object) -> str:
    message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    return core.redact(str(message or "")[:_MOST_READ])[:_LONGEST]


def fallback_notice(reason: core.Notice) -> core.Notice:
    """Build the notice for page, log and report that images are not used: ⚠️ Messages 格式不支持，使用文本模式."""
    return core.Notice("text_mode", {"reason": reason})
