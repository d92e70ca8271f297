"""LangChain's own suite for chat models: against a scripted engine, and against the real engine with the test model.

The test model is too small to use a tool, and its engine is started without a parser of tool calls.
"""

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

from framelens.engine.base import Endpoint
from framelens.engine.local.local_engine import LocalEngine
from framelens.llm.chat import EngineChat
from tests import loopback
from tests.cards import draw_card, to_jpeg
from tests.conftest import ready
from tests.llm.scripted import Server, following, serve

PARAMS = {"base_url": "http://127.0.0.1:9/v1", "api_key": "key", "model": "tiny-vl"}


@pytest.fixture
def vcr() -> None:
    """Stand for a recorder of requests: the only test of the suite that wants it skips itself."""


class OurModel:
    """Properties of the model that each of the suites reads."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return EngineChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return PARAMS

    @property
    def supports_image_inputs(self) -> bool:
        return True


class OverHttp(OurModel):
    """The same where requests are sent: the picture that the suite fetches from the web comes from this machine."""

    @pytest.fixture(autouse=True)
    def _picture_from_here(self, monkeypatch: pytest.MonkeyPatch, picture_url: str) -> None:
        get = httpx.get
        monkeypatch.setattr(httpx, "get", lambda url, **options: get(picture_url, **options))


class TestUnit(OurModel, ChatModelUnitTests):
    pass


class TestTools(OverHttp, ChatModelIntegrationTests):
    """An engine that does what it is asked for, with tools in place of forms."""

    server: Server

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _engine(cls) -> Iterator[None]:
        with serve(following) as TestTools.server:
            yield

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**PARAMS, "base_url": self.server.base_url}

    @property
    def model_override_value(self) -> str:
        return "another"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True


@pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1")
class TestForms(TestTools):
    """The same with a JSON schema. langchain-openai warns of classes of an old pydantic."""

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "json_schema"}


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1")
class TestIntegration(OverHttp, ChatModelIntegrationTests):
    endpoint: Endpoint

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _engine(cls, vl_engine: LocalEngine) -> None:
        TestIntegration.endpoint = ready(vl_engine)

    @property
    def chat_model_params(self) -> dict[str, Any]:
        e = self.endpoint
        return {**PARAMS, "base_url": e.base_url, "api_key": e.api_key, "model": e.model}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0, "max_tokens": 64, "timeout": 120}

    @pytest.mark.slow
    @pytest.mark.xfail(reason="the test model writes a string up to the limit, and a class is made of whole forms only")
    @pytest.mark.parametrize("schema_type", ["pydantic", "typeddict", "json_schema"])
    def test_structured_output(self, model: BaseChatModel, schema_type: Any) -> None:
        super().test_structured_output(model, schema_type)

    @pytest.mark.xfail(reason="the same")
    @pytest.mark.parametrize("schema_type", ["pydantic", "typeddict", "json_schema"])
    async def test_structured_output_async(self, model: BaseChatModel, schema_type: Any) -> None:
        await super().test_structured_output_async(model, schema_type)

    @pytest.mark.xfail(reason="the same")
    def test_structured_output_optional_param(self, model: BaseChatModel) -> None:
        super().test_structured_output_optional_param(model)

    @pytest.mark.xfail(reason="a class of an old pydantic is sent as a tool, for which the engine needs a parser")
    def test_structured_output_pydantic_2_v1(self, model: BaseChatModel) -> None:
        super().test_structured_output_pydantic_2_v1(model)

    @property
    def model_override_value(self) -> str:
        return self.endpoint.model

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "json_schema"}


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
