"""An engine behind `framelens serve`, asked with the client that everybody uses: OpenAI's own."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn

from framelens.analysis.prompts import templates
from framelens.analysis.task import Task
from framelens.config import load
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import EngineError
from framelens.core.events import Finished
from framelens.engine.base import Engine
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.remote_engine import RemoteEngine
from framelens.http_client import ResponseLimits
from framelens.jobs.engine_session import EngineSession
from framelens.llm.messages import data_url
from framelens.plugins.server.commands.serve import choose_engine
from framelens.plugins.server.openai_server import ServeOptions, serve_app
from tests.app.fake_services import keyframes
from tests.cards import write_card_video
from tests.conftest import in_words, ready
from tests.engine.conftest import make_engine
from tests.engine.fakes import MakeEngine
from tests.llm import floods, scripted
from tests.llm.scripted import say
from tests.test_proof import CARDS
from tests.updates import events_of

__all__ = ["make_engine"]
KEY = "sk-of-this-test"


class Lent:
    """An engine that others use, too: it does not end with the server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def stop(self) -> None:
        """Its owner ends it."""


@contextmanager
def served(engine: Engine, *names: str, **options: Any) -> Iterator[str]:
    """The address that programs are given."""
    app = serve_app(ServeOptions(engine, names, KEY, **options))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


def client(address: str, key: str = KEY) -> openai.OpenAI:
    opened.append(openai.OpenAI(base_url=address, api_key=key, max_retries=0))
    return opened[-1]


opened: list[openai.OpenAI] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


def until_ready(address: str) -> None:
    while httpx.get(address.removesuffix("/v1") + "/health").status_code != 200:
        time.sleep(0.05)


PICTURE = data_url(keyframes()[0], 64)


@pytest.fixture(scope="module")
def vl(vl_engine: LocalEngine) -> Iterator[str]:
    ready(vl_engine)
    with served(Lent(vl_engine), "my-model", "tiny") as address:
        until_ready(address)
        yield address


@pytest.mark.engine
class TestVllm:
    def test_the_names_that_were_given_are_listed(self, vl: str) -> None:
        assert [model.id for model in client(vl).models.list()] == ["my-model", "tiny"]

    def test_serve_answers_whole_and_streamed_under_model_name(self, vl: str) -> None:
        chat = client(vl).chat.completions
        whole = chat.create(model="tiny", messages=say("what?", PICTURE), max_tokens=8, temperature=0)
        assert whole.model == "tiny"
        pieces = list(
            chat.create(model="tiny", messages=say("what?", PICTURE), max_tokens=8, temperature=0, stream=True)
        )
        assert {piece.model for piece in pieces} == {"tiny"}
        said = "".join(choice.delta.content or "" for piece in pieces for choice in piece.choices)
        assert said == whole.choices[0].message.content

    def test_a_wrong_key_and_a_wrong_name_are_reported_as_that(self, vl: str) -> None:
        with pytest.raises(openai.AuthenticationError) as caught:
            client(vl, "wrong").models.list()
        assert caught.value.code == "invalid_api_key"
        with pytest.raises(openai.NotFoundError) as missing:
            client(vl).chat.completions.create(model="gpt-9", messages=say("hello"))
        assert "gpt-9" in missing.value.message
        assert "my-model" in missing.value.message

    def test_what_the_engine_refuses_comes_in_the_same_form(self, vl: str) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client(vl).chat.completions.create(model="tiny", messages=say("word " * 20_000))
        assert "token" in caught.value.message
        with pytest.raises(openai.BadRequestError):
            client(vl).chat.completions.create(model="tiny", messages=say("hi"), temperature=-9)

    def test_framelens_itself_works_over_it_and_sees(self, vl: str, tmp_path: Path) -> None:
        settings = replace(load({}), base_url=vl, api_key=KEY, data_dir=tmp_path)
        request = AnalysisRequest(write_card_video(tmp_path / "cards.mp4", CARDS), frames=8)
        session = EngineSession(settings, templates.Templates(None), RemoteEngine(vl, KEY, "my-model"))
        run = in_words(session).run
        *_, last = events_of(run(Task(request, "served")))
        assert isinstance(last, Finished)
        assert last.analysis.mode == "messages"
        assert [finding.text for finding in last.analysis.chunks[0].findings] == CARDS

    def test_a_server_for_text_refuses_pictures_and_takes_words(self, vl_engine: LocalEngine) -> None:
        with served(Lent(vl_engine), "tiny", takes_pictures=False) as address:
            until_ready(address)
            chat = client(address).chat.completions
            with pytest.raises(openai.BadRequestError) as caught:
                chat.create(model="tiny", messages=say("what?", PICTURE))
            assert caught.value.code == "pictures_not_taken"
            assert chat.create(model="tiny", messages=say("hi"), max_tokens=2).choices


@pytest.mark.thorough
@pytest.mark.engine
def test_transformers_engine_is_served_under_model_name(transformers_engine: LocalEngine) -> None:
    ready(transformers_engine)
    with served(Lent(transformers_engine), "text") as address:
        until_ready(address)
        chat = client(address).chat.completions
        assert chat.create(model="text", messages=say("hi"), max_tokens=4).model == "text"
        assert {piece.model for piece in chat.create(model="text", messages=say("hi"), max_tokens=4, stream=True)} == {
            "text"
        }


@pytest.mark.slow
def test_requests_during_start_get_retry_after(make_engine: MakeEngine, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    with served(make_engine({"hold": str(hold)}), "m") as address:
        assert httpx.get(address.removesuffix("/v1") + "/health").json() == {"status": "starting"}
        with pytest.raises(openai.InternalServerError) as caught:
            client(address).chat.completions.create(model="m", messages=say("hi"))
        assert (caught.value.status_code, caught.value.code) == (503, "engine_starting")
        assert int(caught.value.response.headers["Retry-After"]) > 0
        hold.touch()
        until_ready(address)


@pytest.mark.slow
def test_an_engine_that_cannot_start_says_why(make_engine: MakeEngine) -> None:
    with served(make_engine({"lines": ["ValueError: no such thing"], "exit": 1}), "m", language="zh") as address:
        health = address.removesuffix("/v1") + "/health"
        while httpx.get(health).json()["status"] != "failed":
            time.sleep(0.05)
        with pytest.raises(openai.InternalServerError) as caught:
            client(address).chat.completions.create(model="m", messages=say("hi"))
        assert caught.value.code == "engine_failed"
        assert "no such thing" in caught.value.message


@pytest.mark.slow
def test_an_engine_that_dies_is_reported_and_started_again(make_engine: MakeEngine, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    engine = make_engine({"starts": str(starts)})
    with served(engine, "m") as address:
        until_ready(address)
        inside = engine.status().info
        assert inside
        with pytest.raises(httpx.HTTPError):
            httpx.get(inside.base_url.removesuffix("/v1") + "/die")
        with pytest.raises(openai.InternalServerError) as caught:
            client(address).chat.completions.create(model="m", messages=say("hi"))
        assert caught.value.code in ("engine_died", "engine_failed")
        until_ready(address)
        assert len(starts.read_text().split()) == 2
    assert engine.status().state == "stopped"


@pytest.mark.slow
@pytest.mark.parametrize("sentence", ["the moon is full of cheese", 'no "cheese" on the moon'])
def test_stream_failure_keeps_the_openai_error_form(sentence: str) -> None:
    """As transformers writes it, quotes and all."""

    def failing(_: dict[str, Any]) -> Iterator[str | bytes]:
        yield "half"
        yield f'data: {{"error": "{sentence}"}}\n\n'.encode()

    with scripted.serve(failing) as far, served(RemoteEngine(far.base_url, "key", "model"), "m") as address:
        until_ready(address)
        pieces = client(address).chat.completions.create(model="m", messages=say("hi"), stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(pieces)
        assert (caught.value.message, caught.value.type) == (sentence, "server_error")


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("flood", "status"), [(floods.ENDLESS_JSON, 502), (floods.BOMB, 502), (floods.BOMB_ERROR, 500)]
)
def test_endless_answer_of_the_engine_is_an_error(flood: scripted.Flood, status: int, stream: bool) -> None:
    with (
        scripted.serve(scripted.saying("fine")) as far,
        served(RemoteEngine(far.base_url, "key", "model"), "m") as address,
    ):
        until_ready(address)
        far.flood = flood
        with pytest.raises(openai.APIStatusError) as caught:
            client(address).chat.completions.create(model="m", messages=say("hi"), max_tokens=16, stream=stream)
        assert (caught.value.status_code, caught.value.code) == (status, "engine_failed" if status == 502 else None)


@pytest.mark.slow
def test_endless_stream_of_the_engine_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framelens.llm.engine_requests.limits_of", lambda *_: ResponseLimits(most_bytes=2**20))
    with (
        scripted.serve(scripted.saying("fine")) as far,
        served(RemoteEngine(far.base_url, "key", "model"), "m") as address,
    ):
        until_ready(address)
        far.flood = floods.ENDLESS_TEXT
        pieces = client(address).chat.completions.create(model="m", messages=say("hi"), max_tokens=16, stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(pieces)
        assert caught.value.code == "engine_failed"
        assert far.aborted.wait(10)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["", "key"])
def test_engine_gets_its_own_key_or_no_header(key: str) -> None:
    with (
        scripted.serve(scripted.saying("fine")) as far,
        served(RemoteEngine(far.base_url, key, "model"), "m") as address,
    ):
        until_ready(address)
        pieces = client(address).chat.completions.create(model="m", messages=say("hi"), stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == "fine"
        assert far.headers[-1].get("authorization") == (f"Bearer {key}" if key else None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a.png"}},
        {"type": "image_url", "image_url": "HTTPS://evil.example/a.png"},
        {"type": "video_url", "video_url": {"url": " file:///etc/passwd"}},
        {"type": "audio_url", "audio_url": {"url": "ftp://evil.example/a.wav"}},
        {"type": "input_image", "image_url": "http://allowed.example@evil.example/a.png"},
        {"type": "image", "image": "http://169.254.169.254/latest"},
        {"type": "image_url", "image_url": {"url": "/home/ann/secret.png"}},
        {"type": "image_url", "image_url": "secret.png"},
        {"type": "image_url", "image_url": {"url": "\x01http://127.0.0.1:9/a.png"}},
        {"type": "image_url", "image_url": {"url": "h\tttp://127.0.0.1:9/a.png"}},
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9\\@allowed.example/a.png"}},
        {"type": "image_url", "image_url": {"url": "ftp://allowed.example/a.png"}},
        {"type": "image_url", "image_url": {"url": ["http://127.0.0.1:9/a.png"]}},
        {"type": "input_audio", "input_audio": {"data": "http://127.0.0.1:9/a.wav"}},
        {"type": "input_audio", "input_audio": {"data": "/home/ann/secret.wav", "format": ""}},
        {"type": "input_audio", "input_audio": "http://127.0.0.1:9/a.wav"},
    ],
)
def test_a_picture_at_an_address_is_not_fetched(make_engine: MakeEngine, part: dict[str, Any]) -> None:
    with served(make_engine({}), "m", media_domains=("allowed.example",)) as address:
        body = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
        answer = httpx.post(f"{address}/chat/completions", json=body, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 400 and "fetches nothing" in answer.json()["error"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("url", ["data:image/png;base64,AAAA", "https://allowed.example/a.png"])
def test_pictures_as_data_and_from_allowed_hosts_pass(make_engine: MakeEngine, url: str) -> None:
    with served(make_engine({}), "m", media_domains=("allowed.example",)) as address:
        content = [
            {"type": "text", "text": "url: http://evil.example"},
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        ]
        body = {"model": "m", "messages": [{"role": "user", "content": content}]}
        answer = httpx.post(f"{address}/chat/completions", json=body, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code in (501, 503)  # it is forwarded to an engine that starts, or knows no POST


@pytest.mark.slow
def test_what_is_no_request_is_refused_in_the_same_form(make_engine: MakeEngine) -> None:
    with served(make_engine({}), "m") as address:
        until_ready(address)
        headers = {"Authorization": f"Bearer {KEY}"}
        url = f"{address}/chat/completions"
        refused = httpx.post(url, content=b"{half", headers=headers).json()["error"]
        assert (refused["type"], "Expecting" in refused["message"]) == ("invalid_request_error", False)
        assert httpx.post(url, json=[], headers=headers).status_code == 400
        assert httpx.post(url, json={"messages": []}, headers=headers).json()["error"]["param"] == "model"
        assert httpx.get(f"{address}/nothing", headers=headers).json()["error"]["type"] == "not_found_error"
        odd = httpx.post(url, json={"model": "m", "messages": []}, headers=headers)  # this engine knows no POST
        assert odd.status_code == 501
        assert set(odd.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("wanted", "installed", "prefers", "engine"),
    [
        ("auto", "gpu", None, "vllm"),
        ("cuda", "gpu", "vllm", "vllm"),
        ("cpu", "cpu", None, "vllm"),
        ("cpu", "gpu", None, "transformers"),
        ("auto", None, None, "transformers"),
        ("auto", "gpu", "transformers", "transformers"),
        ("cuda", "gpu", "transformers", "transformers"),
        ("auto", "cpu", "transformers", "transformers"),
    ],
)
def test_the_engine_that_fits_is_taken(wanted: Any, installed: Any, prefers: Any, engine: str) -> None:
    assert choose_engine(wanted, installed=installed, prefers=prefers) == engine


def test_unusable_gpus_are_reported_before_start() -> None:
    with pytest.raises(EngineError):
        choose_engine("cuda", installed="cpu", prefers=None)


@pytest.mark.slow
@pytest.mark.parametrize(("language", "words"), [("en", "started without --tools"), ("zh", "启动时没有加 --tools")])
def test_tools_without_the_option_are_refused_by_its_name(
    make_engine: MakeEngine, tmp_path: Path, language: str, words: str
) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    with served(make_engine({"hold": str(tmp_path / "never")}), "m", takes_tools=False, language=language) as address:
        ask = client(address).chat.completions.create
        with pytest.raises(openai.BadRequestError, match=words):
            ask(model="m", messages=say("hi"), tools=tools)  # type: ignore[call-overload]
        for choice in ("none", "required"):
            with pytest.raises(openai.InternalServerError):  # 503: it is starting
                ask(model="m", messages=say("hi"), tools=tools, tool_choice=choice)  # type: ignore[call-overload]
