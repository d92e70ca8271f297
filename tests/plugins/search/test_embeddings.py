"""Embeddings of any server: requests, answers that are none, and limits."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from framelens import AppError, Cancelled, ConfigError, EngineError
from framelens.plugins.search.embeddings import EmbeddingModel
from tests.llm import floods
from tests.llm import scripted as engines
from tests.loopback import Handler, listening, scripted

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,"}}
TEXT = {"type": "text", "text": "a red card"}


def vectors_of(texts: Sequence[str]) -> list[list[float]]:
    return [[float("car" in text), float("man" in text), 0.1] for text in texts]


@dataclass
class Server:
    base_url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    answer: Any = None
    status: int = 200


class Embeddings(Handler):
    def do_POST(self) -> None:
        body = json.loads(self.body())
        state = self.state
        state.asked.append({**body, "path": self.path, "key": self.headers["Authorization"]})
        if state.status == 200 and max(map(len, body["input"])) > 300:
            self.send_json(400, {"error": {"message": "This model's maximum context length is 512 tokens"}})
            return
        data = [{"index": place, "embedding": vector} for place, vector in enumerate(vectors_of(body["input"]))]
        self.send_json(state.status, state.answer or {"data": data[::-1]})


def test_any_embedding_server_works_and_long_texts_are_cut() -> None:
    with scripted(Embeddings, Server()) as server:
        model = EmbeddingModel(server.base_url, "e5", "secret")
        assert model(["a car", "a man " * 500]) == vectors_of(["a car", "a man"])
        assert [len(vector) for vector in model(["a car"] * 100)] == [3] * 100
        assert server.asked[0]["path"] == "/v1/embeddings"
        assert (server.asked[0]["model"], server.asked[0]["key"]) == ("e5", "Bearer secret")


@pytest.mark.parametrize(
    ("answer", "status", "key"),
    [
        ({"data": []}, 200, "embeddings_odd"),
        ({"choices": []}, 200, "embeddings_odd"),
        ({"data": [{"index": 0, "embedding": "QUJD"}]}, 200, "embeddings_odd"),
        ({"error": {"message": "no such model"}}, 404, "model_not_served"),
        ({"error": {"message": "wrong key"}}, 401, "engine_key_rejected"),
    ],
)
def test_an_answer_without_vectors_is_a_sentence(answer: Any, status: int, key: str) -> None:
    with scripted(Embeddings, Server(answer=answer, status=status)) as server:
        with pytest.raises(EngineError) as caught:
            EmbeddingModel(server.base_url)(["a car"])
        assert caught.value.key == key


@pytest.mark.parametrize("url", ["nonsense", "http://[bad", "http://host:abc"])
def test_unusable_address_is_named(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        EmbeddingModel(url)(["text"])
    assert caught.value.key == "base_url_invalid"


@pytest.mark.parametrize(
    ("flood", "key"),
    [
        (floods.ENDLESS_JSON, "engine_answer_long"),
        (floods.BOMB, "engine_answer_compressed"),
        pytest.param(floods.ENDLESS_ERROR, "engine_refused", marks=pytest.mark.thorough),
    ],
)
def test_answers_have_limits(flood: engines.Flood, key: str) -> None:
    with engines.serve(engines.saying("")) as server:
        server.flood = flood
        with pytest.raises(EngineError) as caught:
            EmbeddingModel(server.base_url)(["text"])
    assert caught.value.key == key


def test_texts_are_not_sent_on_to_another_port() -> None:
    class Elsewhere(Handler):
        def do_POST(self) -> None:
            self.body()
            self.send_whole(307, b"", {"Location": f"{stranger.base_url}/embeddings"})

    with (
        scripted(Embeddings, Server()) as stranger,
        listening(Elsewhere) as url,
        pytest.raises(EngineError) as caught,
    ):
        EmbeddingModel(f"{url}/v1", "m", "secret")(["text"])
    assert caught.value.key == "engine_redirects" and stranger.asked == []


class Pictures(Handler):
    """A model that gives each part a vector, or refuses pictures."""

    def do_POST(self) -> None:
        body = json.loads(self.body())
        self.state.asked.append(body)
        (part,) = body["messages"][0]["content"]
        if part["type"] == "image_url" and self.state.status != 200:
            self.send_json(self.state.status, {"error": {"message": "this model takes no pictures"}})
        else:
            self.send_json(200, {"data": [{"index": 0, "embedding": [float(part["type"] == "text"), 1.0]}]})


def test_parts_have_vectors_where_the_model_takes_them() -> None:
    # Each part of a message gets a vector.
    with scripted(Pictures, Server()) as server:
        vectors = EmbeddingModel(server.base_url, "clip").of_parts([TEXT, *[PICTURE] * 20], seconds=30)
    assert vectors == [[1.0, 1.0], *[[0.0, 1.0]] * 20]
    assert {body["model"] for body in server.asked} == {"clip"}
    # Model of texts alone refuses one picture.
    with scripted(Pictures, Server(status=400)) as server, pytest.raises(AppError):
        EmbeddingModel(server.base_url).of_parts([TEXT, *[PICTURE] * 20], seconds=30)
    assert len(server.asked) == 2


def test_cancelled_embedding_ends() -> None:
    cancel = threading.Event()
    cancel.set()
    with scripted(Pictures, Server()) as server, pytest.raises(Cancelled):
        EmbeddingModel(server.base_url).of_parts([TEXT] * 40, seconds=30, cancel=cancel)
