"""Engines that run on this machine: found by their own protocols, and whatever else answers there is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from framelens.engine import running_engines as found
from framelens.engine.running_engines import RunningModel, running_engines
from tests import loopback

Pages = Mapping[str, object]
OLLAMA: Pages = {
    "/api/tags": {"models": [{"name": "llama3.2:3b"}, {"name": "qwen2.5vl:7b"}, {"name": "nomic-embed-text:latest"}]},
    "/api/show llama3.2:3b": {"capabilities": ["completion", "tools"]},
    "/api/show qwen2.5vl:7b": {"capabilities": ["completion", "vision"]},
    "/api/show nomic-embed-text:latest": {"capabilities": ["embedding"]},
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
VLLM: Pages = {"/v1/models": {"object": "list", "data": [{"id": "Qwen/Qwen3-VL-4B", "owned_by": "vllm"}]}}
OTHERS: Pages = {"/": "a page", "/v1/models": {"data": "nothing"}, "/props": [], "/api/tags": {"models": None}}
ASKING = {product: ask for product, _, ask in found.PLACES}


def handler(pages: Pages) -> type[loopback.Handler]:
    class Answering(loopback.Handler):
        def do_GET(self) -> None:
            self.answer(self.path)

        def do_POST(self) -> None:
            self.answer(f"{self.path} {json.loads(self.body())['model']}")

        def answer(self, page: str) -> None:
            self.send_json(200 if page in pages else 404, pages.get(page, {"error": "not found"}))

    return Answering


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Pages], str]]:
    """Let a product answer with these pages at a free port; the other products don't run."""
    with ExitStack() as stack:

        def run(product: str, pages: Pages) -> str:
            url = stack.enter_context(loopback.listening(handler(pages)))
            places = (*found.PLACES, (product, urlsplit(url).port, ASKING[product]))
            monkeypatch.setattr(found, "PLACES", places)
            return f"{url}/v1"

        yield run


@pytest.mark.parametrize(
    ("product", "pages", "models"),
    [
        ("Ollama", OLLAMA, [RunningModel("qwen2.5vl:7b", True), RunningModel("llama3.2:3b", False)]),
        ("LM Studio", LM_STUDIO, [RunningModel("gemma-3-4b-it", True)]),
        ("llama-server", LLAMA_SERVER, [RunningModel("/m/qwen.gguf", True)]),
        ("vLLM", VLLM, [RunningModel("Qwen/Qwen3-VL-4B", None)]),
    ],
)
def test_engine_names_its_models(
    serve: Callable[[str, Pages], str], product: str, pages: Pages, models: list[RunningModel]
) -> None:
    base_url = serve(product, pages)
    (engine,) = running_engines()
    assert (engine.product, engine.base_url, list(engine.models)) == (product, base_url, models)


@pytest.mark.parametrize("product", ["Ollama", "LM Studio", "llama-server", "vLLM"])
def test_another_program_at_the_port_is_left_out(serve: Callable[[str, Pages], str], product: str) -> None:
    serve(product, OTHERS)
    assert running_engines() == ()


def test_two_engines_are_both_found(serve: Callable[[str, Pages], str]) -> None:
    serve("Ollama", OLLAMA)
    serve("vLLM", VLLM)
    assert [engine.product for engine in running_engines()] == ["Ollama", "vLLM"]


def test_older_ollama_does_not_say_what_sees(serve: Callable[[str, Pages], str]) -> None:
    serve("Ollama", {"/api/tags": {"models": [{"name": "llava:7b"}]}, "/api/show llava:7b": {"details": {}}})
    assert running_engines()[0].models == (RunningModel("llava:7b", None),)
