"""Engines on this machine are asked by their own protocols; another program at their port isn't taken for one."""

import json
from collections.abc import Mapping
from functools import partial

import pytest

from framelens.engine.running_engines import _ask
from framelens.engine.short_requests import NoAnswer
from framelens.plugins.dialects.servers import ask_llama_server, ask_lm_studio, ask_ollama
from tests import loopback

Pages = Mapping[str, object]
OLLAMA: Pages = {
    "/api/tags": {"models": [{"name": "llama3.2:3b"}, {"name": "qwen2.5vl:7b"}, {"name": "nomic-embed-text:latest"}]},
    "/api/show llama3.2:3b": {"capabilities": ["completion", "tools"]},
    "/api/show qwen2.5vl:7b": {"capabilities": ["completion", "vision"]},
    "/api/show nomic-embed-text:latest": {"capabilities": ["embedding"]},
}
OLDER_OLLAMA: Pages = {
    "/api/tags": {"models": [{"name": "llava:7b"}]},
    "/api/show llava:7b": {"details": {}},
}
LM_STUDIO: Pages = {
    "/api/v0/models": {
        "object": "list",
        "data": [
            {"id": "text-embedding-nomic", "object": "model", "type": "embeddings", "state": "not-loaded"},
            {"id": "gemma-3-4b-it", "object": "model", "type": "vlm", "state": "loaded"},
        ],
    }
}
LLAMA_SERVER: Pages = {
    "/props": {"modalities": {"vision": True, "audio": False}, "model_path": "/m/qwen.gguf"},
    "/v1/models": {"object": "list", "data": [{"id": "/m/qwen.gguf", "owned_by": "llamacpp"}]},
}
OTHERS: Pages = {"/": "a page", "/v1/models": {"data": "nothing"}, "/props": [], "/api/tags": {"models": None}}


def answering(pages: Pages) -> type[loopback.Handler]:
    class Answering(loopback.Handler):
        def do_GET(self) -> None:
            self.answer(self.path)

        def do_POST(self) -> None:
            self.answer(f"{self.path} {json.loads(self.body())['model']}")

        def answer(self, page: str) -> None:
            self.send_json(200 if page in pages else 404, pages.get(page, {"error": "not found"}))

    return Answering


@pytest.mark.parametrize(
    ("ask", "pages", "models"),
    [
        (ask_ollama, OLLAMA, [("llama3.2:3b", False), ("qwen2.5vl:7b", True)]),
        (ask_ollama, OLDER_OLLAMA, [("llava:7b", None)]),
        (ask_lm_studio, LM_STUDIO, [("gemma-3-4b-it", True)]),
        (ask_llama_server, LLAMA_SERVER, [("/m/qwen.gguf", True)]),
    ],
)
def test_engine_names_its_models(ask: object, pages: Pages, models: list[tuple[str, bool | None]]) -> None:
    with loopback.listening(answering(pages)) as url:
        assert list(ask(partial(_ask, url))) == models  # type: ignore[operator]


@pytest.mark.parametrize("ask", [ask_ollama, ask_lm_studio, ask_llama_server])
def test_another_program_at_the_port_is_none(ask: object) -> None:
    with (
        loopback.listening(answering(OTHERS)) as url,
        pytest.raises((NoAnswer, KeyError, TypeError, AttributeError)),
    ):
        list(ask(partial(_ask, url)))  # type: ignore[operator]
