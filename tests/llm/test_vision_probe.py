from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.engine import Endpoint
from app.llm.chat import EngineChat, connect
from app.llm.vision_check import prove_sight
from tests.llm.scripted import Refuse, Server, has_pictures, saying, serve


def chat_at(server: Server) -> EngineChat:
    return connect(server.base_url, api_key="key", model="model")


def test_an_engine_whose_prompt_grows_with_pictures_sees() -> None:
    with serve(saying("x")) as server:
        sight = prove_sight(chat_at(server))
    assert sight.sees is True
    assert sight.tokens_per_card == 18
    assert all(request["max_tokens"] == 1 for request in server.requests)


def test_an_engine_that_drops_pictures_silently_does_not_see() -> None:
    with serve(saying("x"), sees=False) as server:
        sight = prove_sight(chat_at(server))
    assert sight.sees is False
    assert sight.reason
    assert sight.reason.key == "pictures_dropped"


def test_an_engine_that_rejects_pictures_does_not_see() -> None:
    def refuse(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body):
            raise Refuse(400, "model is not a multimodal model")
        yield "x"

    with serve(refuse) as server:
        sight = prove_sight(chat_at(server))
    assert sight.sees is False
    assert sight.reason
    assert sight.reason.key == "pictures_rejected"


def test_an_engine_that_takes_one_picture_at_a_time_sees() -> None:
    def one(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body):
            raise Refuse(400, "At most 1 image(s) may be provided in one prompt.", "image")
        yield "x"

    with serve(one) as server:
        assert prove_sight(chat_at(server)).sees is True


def test_without_token_counts_nothing_is_proven() -> None:
    with serve(saying("x"), counts=False) as server:
        assert prove_sight(chat_at(server)).sees is None


@pytest.mark.engine
def test_the_real_engines_are_reported_apart(vl_endpoint: Endpoint, text_endpoint: Endpoint) -> None:
    seeing, blind = (connect(e.base_url, api_key=e.api_key, model=e.model) for e in (vl_endpoint, text_endpoint))
    assert prove_sight(seeing).sees is True
    reported = prove_sight(blind)
    assert reported.sees is False
    assert reported.reason
    assert "is not a multimodal model" in str(reported.reason.values["reason"])


@pytest.mark.engine
def test_transformers_serve_is_caught_dropping_pictures(transformers_endpoint: Endpoint) -> None:
    e = transformers_endpoint
    sight = prove_sight(connect(e.base_url, api_key=e.api_key, model=e.model))
    assert sight.sees is False
    assert sight.reason
    assert sight.reason.key == "pictures_dropped"
