"""Mapping of client libraries' exceptions to AppErrors; `app.core.refusals` reads what an engine itself says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app import core

if TYPE_CHECKING:
    import httpx

_LIBRARIES = {"httpx", "httpcore"}


def read_answer(response: httpx.Response, *, model: str = "") -> Mapping[str, Any]:
    """Return the JSON object of an answer that isn't streamed.

    Raises:
        AppError: It is a refusal, whatever its status (see `app.core.refusals`).
        EngineError: It is not a JSON object, such as the page of a proxy.
    """
    answer = core.read_json(response.text)
    if not response.is_success or core.is_refusal(answer):
        raise core.refused(response.status_code, response.headers, response.text, model=model)
    if not isinstance(answer, dict):
        raise core.EngineError("engine_garbage", base_url=_address(response), reason=core.said_in(response.text)[:200])
    return answer


def _address(response: httpx.Response) -> str:
    url = response.request.url
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


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
        return core.refused(error.status_code, error.response.headers, error.response.text, model=model)
    if isinstance(error, openai.APIError):  # an error event
        return core.refused_in_stream(error.body, model=model)
    return None


def _reason(error: BaseException) -> str:
    """Return the message of the first cause; those of the libraries above it say only that there was an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return core.redact(str(error)) or type(error).__name__


def fallback_notice(reason: core.Notice) -> core.Notice:
    """Build the notice for page, log and report that images are not used: ⚠️ Messages 格式不支持，使用文本模式."""
    return core.Notice("text_mode", {"reason": reason})
