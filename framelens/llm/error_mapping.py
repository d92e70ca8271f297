"""Mapping of client libraries' exceptions to AppErrors; `framelens.llm.refusals` reads the engines' own messages."""

from __future__ import annotations

import logging

from framelens.core.errors import AppError, EngineBrokeOff, EngineError, EngineTimeout
from framelens.core.redaction import redact
from framelens.http_client import reason_of
from framelens.llm.refusals import refused, refused_in_stream

log = logging.getLogger(__name__)
_LIBRARIES = {"httpx", "httpcore"}
# Exceptions of the client library for an answer that is not JSON, not text, of another shape, as a proxy's page, or
# nested too deeply. A plain ValueError is raised by `framelens.llm.events` and quotes the answer.
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


def answer_error(error: Exception, *, base_url: str, model: str = "") -> AppError | None:
    """Map an exception of an answer like `engine_error`, and an unreadable answer to engine_garbage."""
    mapped = engine_error(error, base_url=base_url, model=model)
    if mapped is None and isinstance(error, _UNREADABLE):
        log.warning("an answer of %s could not be read", base_url, exc_info=True)
        reason = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        return EngineError("engine_garbage", base_url=base_url, reason=redact(reason)[:200])
    return mapped


def engine_error(error: Exception, *, base_url: str, model: str = "") -> AppError | None:
    """Map an exception of a client library to an AppError; return None for a bug of this program."""
    if isinstance(error, AppError):
        return error
    libraries = {base.__module__.partition(".")[0] for base in type(error).__mro__}
    if "openai" in libraries:
        return _openai_error(error, base_url=base_url, model=model)
    if isinstance(error, TimeoutError) or (libraries & _LIBRARIES and "Timeout" in type(error).__name__):
        return EngineTimeout("engine_timeout", base_url=base_url)
    if libraries & _LIBRARIES:
        return EngineBrokeOff("engine_unreachable", base_url=base_url, reason=reason_of(error))
    return None


def _openai_error(error: Exception, *, base_url: str, model: str) -> AppError | None:
    import openai  # already imported, since an exception of it exists

    if isinstance(error, openai.APITimeoutError):
        return EngineTimeout("engine_timeout", base_url=base_url)
    if isinstance(error, openai.APIConnectionError):
        return EngineBrokeOff("engine_unreachable", base_url=base_url, reason=reason_of(error))
    if isinstance(error, openai.APIStatusError):
        return refused(error.status_code, error.response.headers, error.response.text, model=model)
    if isinstance(error, openai.APIError):  # an error event
        return refused_in_stream(error.body, model=model)
    return None
