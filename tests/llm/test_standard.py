"""LangChain's own suite for chat models, against the real engine with the test model that sees.

What it cannot do is declared below, as the suite asks: nobody gives it tools, so the class knows of none.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from app.engine import Endpoint, LocalEngine
from app.llm.chat import EngineChat
from tests import loopback
from tests.cards import draw_card, to_jpeg
from tests.conftest import ready

PARAMS = {"base_url": "http://127.0.0.1:9/v1", "api_key": "key", "model": "tiny-vl"}


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return EngineChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return PARAMS

    @property
    def supports_image_inputs(self) -> bool:
        return True


@pytest.mark.engine
class TestIntegration(ChatModelIntegrationTests):
    endpoint: Endpoint

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _engine(cls, vl_engine: LocalEngine) -> None:
        TestIntegration.endpoint = ready(vl_engine)

    @pytest.fixture(autouse=True)
    def _picture_from_here(self, monkeypatch: pytest.MonkeyPatch, picture_url: str) -> None:
        """The suite asks for a picture on the web; it gets one over HTTP from this machine."""
        get = httpx.get
        monkeypatch.setattr(httpx, "get", lambda url, **options: get(picture_url, **options))

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return EngineChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        e = self.endpoint
        return {**PARAMS, "base_url": e.base_url, "api_key": e.api_key, "model": e.model}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0, "max_tokens": 64, "timeout": 120}

    @property
    def model_override_value(self) -> str:
        return self.endpoint.model

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def supports_image_inputs(self) -> bool:
        return True


@pytest.fixture(scope="module")
def picture_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("picture")
    (folder / "card.jpg").write_bytes(to_jpeg(draw_card("green")))
    handler = partial(_Quiet, directory=str(folder))
    with loopback.listening(handler) as url:
        yield f"{url}/card.jpg"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Tests print nothing."""
