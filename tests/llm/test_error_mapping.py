"""Exceptions of client libraries as errors of the application."""

from typing import Any

import httpx
import openai
import pytest
from langchain_openai.chat_models.base import OpenAIConnectionError, OpenAITimeoutError

from framelens.core.errors import AppError, EngineBrokeOff, EngineTimeout
from framelens.llm.error_mapping import engine_error

_REQUEST: Any = httpx.Request("POST", "http://engine/v1/chat/completions")


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


def test_faults_of_ours_and_first_causes_are_told_apart() -> None:
    # Unreachable engine is reported with the first cause.
    error = OpenAIConnectionError(request=_REQUEST)
    error.__cause__ = httpx.ConnectError("all attempts failed")
    error.__cause__.__cause__ = ConnectionRefusedError(111, "Connect call failed")
    mapped = engine_error(error, base_url="http://engine/v1")
    assert mapped and mapped.values["reason"] == "[Errno 111] Connection refused"
    # A bug of ours is no error of the engine.
    assert engine_error(ZeroDivisionError(), base_url="http://engine/v1") is None
