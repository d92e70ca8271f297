"""Engines that run on this machine: asked for their models, and whatever else answers there is left out."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from framelens.engine import running_engines as module
from framelens.engine.running_engines import VLLM, RunningModel, running_engines
from framelens.llm.dialects import LocalServer
from tests import loopback

MODELS = {"object": "list", "data": [{"id": "Qwen/Qwen3-VL-4B", "owned_by": "vllm"}]}


def answering(body: object) -> type[loopback.Handler]:
    class Answering(loopback.Handler):
        def do_GET(self) -> None:
            self.send_json(200, body)

    return Answering


def looked_for(monkeypatch: pytest.MonkeyPatch, *servers: LocalServer) -> None:
    monkeypatch.setattr(module, "local_servers", lambda: servers)


def test_vllm_names_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback.listening(answering(MODELS)) as url:
        port = urlsplit(url).port or 0
        other = LocalServer("Other", port, lambda root: [("text", None), ("blind", False), ("seeing", True)])
        looked_for(monkeypatch, other, replace(VLLM, port=port))
        first, second = running_engines()
    assert [model.name for model in first.models] == ["seeing", "text", "blind"]
    assert (second.product, second.base_url) == ("vLLM", f"{url}/v1")
    assert second.models == (RunningModel("Qwen/Qwen3-VL-4B", None),)


@pytest.mark.parametrize("body", [{"data": "nothing"}, {"data": [{"id": "x"}]}, []])
def test_another_program_at_the_port_is_left_out(monkeypatch: pytest.MonkeyPatch, body: object) -> None:
    with loopback.listening(answering(body)) as url:
        looked_for(monkeypatch, replace(VLLM, port=urlsplit(url).port or 0))
        assert running_engines() == ()
