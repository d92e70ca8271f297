"""The real engines on the tiny checkpoints. Each start takes half a minute here, so there are few of them.

tests/test_proof.py tests that a killed engine is found dead; tests/cli/test_endurance.py, that nothing is left of an
engine whose owner is killed.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from framelens.core.errors import EngineError
from framelens.engine.base import Endpoint
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.transformers import read_phase as read_transformers_phase
from framelens.engine.local.vllm import read_phase, vllm_launcher
from tests.engine.test_local_engine import ready
from tests.loopback import Handler, listening

pytestmark = pytest.mark.engine


def phases_of(engine: LocalEngine, read: Callable[[str], object]) -> list[str]:
    lines = [part for line in engine.log_tail(5000).splitlines() for part in line.split("\r")]
    found = [getattr(phase, "phase", "") for line in lines if (phase := read(line)) is not None]
    return list(dict.fromkeys(found))


def post(endpoint: Endpoint, path: str, body: object, key: str | None = None) -> int:
    request = urllib.request.Request(
        f"{endpoint.base_url}/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.api_key if key is None else key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_vllm_reports_phases_and_context_and_needs_key(vl_engine: LocalEngine, vl_endpoint: Endpoint) -> None:
    phases = phases_of(vl_engine, read_phase)
    assert phases == ["importing", "configuring", "spawning", "building", "loading", "preparing", "answering"]
    info = vl_engine.status().info
    assert info is not None and info.max_model_len == 4096 and info.version.startswith("0.")
    question = {"model": vl_endpoint.model, "messages": [{"role": "user", "content": "?"}], "max_tokens": 1}
    assert post(vl_endpoint, "chat/completions", question) == 200
    assert post(vl_endpoint, "chat/completions", question, key="guess") == 401


def statuses_without_key(endpoint: Endpoint, paths: tuple[str, ...]) -> dict[str, int]:
    root = endpoint.base_url.removesuffix("/v1")
    found = {}
    for path in paths:
        for method in ("GET", "POST", "OPTIONS"):
            found[f"{method} {path}"] = httpx.request(method, root + path, json={}).status_code
    return found


def test_every_path_of_vllm_is_behind_its_key(vl_endpoint: Endpoint) -> None:
    paths = ("/invocations", "/tokenize", "/detokenize", "/metrics", "/load", "/version", "/docs", "/openapi.json", "/",
             "/ping", "/pooling", "/v1/models", "//v1/models", "/health/", "/v1/../metrics", "/nothing")  # fmt: skip
    assert set(statuses_without_key(vl_endpoint, paths).values()) == {401}
    root = vl_endpoint.base_url.removesuffix("/v1")
    assert httpx.get(f"{root}/health").status_code == 200
    known = {"Authorization": f"Bearer {vl_endpoint.api_key}"}
    assert httpx.get(f"{root}/metrics", headers=known).status_code == 200


def test_vllm_fetches_nothing_with_its_key(vl_endpoint: Endpoint) -> None:
    asked: list[str] = []

    class Page(Handler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    root = vl_endpoint.base_url.removesuffix("/v1")
    with listening(Page) as url:
        for kind in ("image_url", "video_url"):
            part = {"type": kind, kind: {"url": f"{url}/picture"}}
            body = {"model": vl_endpoint.model, "messages": [{"role": "user", "content": [part]}], "max_tokens": 1}
            for path in ("/v1/chat/completions", "/invocations"):
                known = {"Authorization": f"Bearer {vl_endpoint.api_key}"}
                assert httpx.post(root + path, json=body, headers=known, timeout=60).status_code >= 400
    assert asked == []


def test_vllm_listens_on_loopback_alone(vl_endpoint: Endpoint) -> None:
    addresses = {
        connection.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_transformers_serve_starts_the_same_way(
    transformers_engine: LocalEngine, transformers_endpoint: Endpoint
) -> None:
    phases = phases_of(transformers_engine, read_transformers_phase)
    assert phases == ["importing", "loading", "answering"]
    info = transformers_engine.status().info
    assert info is not None and info.max_model_len is not None and info.version.startswith("5.")
    question = {"model": transformers_endpoint.model, "messages": [{"role": "user", "content": "?"}], "max_tokens": 1}
    assert post(transformers_endpoint, "chat/completions", question) == 200
    assert post(transformers_endpoint, "chat/completions", question, key="guess") == 401
    assert set(statuses_without_key(transformers_endpoint, ("/v1/models", "/load_model", "/docs")).values()) == {401}
    assert "Traceback" not in transformers_engine.log_tail(1000)


def test_a_start_that_vllm_refuses_says_vllm_s_own_reason(tiny_vl: Path, tmp_path: Path) -> None:
    engine = LocalEngine(vllm_launcher(str(tiny_vl), {"max_model_len": 10**6}), log_dir=tmp_path)
    with pytest.raises(EngineError) as caught:
        ready(engine)
    assert caught.value.key == "context_exceeds_model" and caught.value.values["length"] == "1000000"
    engine.stop()
