"""Limits of an engine's response: whatever it sends, and however slowly, it ends, and is a sentence."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from framelens.core.errors import EngineError
from framelens.engine.short_requests import NoAnswer, get_json, get_text
from framelens.http_client import ResponseLimits
from framelens.i18n import LANGUAGES, error_text
from framelens.llm.chat import connect
from framelens.llm.limits import limits_of
from framelens.llm.stream import Reply, ask
from framelens.llm.token_count import count_tokens
from tests.llm import floods, scripted

ASKED = [HumanMessage("What?")]


@pytest.fixture
def engine() -> Iterator[scripted.Server]:
    with scripted.serve(scripted.saying("fine")) as server:
        yield server


def chat(url: str, **options: Any) -> Reply:
    return ask(connect(url, api_key="", model="model", **{"timeout_seconds": 10.0, **options}), ASKED)


def test_limits_follow_from_what_is_asked() -> None:
    short = limits_of("/chat/completions", {"max_tokens": 100}, 10.0)
    long = limits_of("/chat/completions", {"max_tokens": 1000}, 10.0)
    assert short.most_seconds < long.most_seconds
    assert limits_of("/chat/completions", {"max_tokens": 100, "n": 10}, 10.0) == long
    assert limits_of("/embeddings", {"input": ["text"]}, 10.0).most_seconds == 20.0


@pytest.mark.parametrize("flood", [floods.LONG_LINE, floods.ENDLESS_EMPTY])
def test_endless_stream_ends_at_its_limit(
    engine: scripted.Server, flood: scripted.Flood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framelens.llm.client.limits_of", lambda *_: ResponseLimits(most_bytes=2**20))
    engine.flood = flood
    with pytest.raises(EngineError) as caught:
        chat(engine.base_url)
    assert caught.value.key == "engine_answer_long"
    for language in LANGUAGES:
        assert engine.base_url.removesuffix("/v1") in error_text(caught.value, language)
    assert engine.aborted.wait(10)


def test_no_compression_is_taken_or_asked_for(engine: scripted.Server) -> None:
    chat(engine.base_url)
    assert engine.headers[0]["accept-encoding"] == "identity"
    engine.flood = floods.BOMB
    with pytest.raises(EngineError) as caught:
        chat(engine.base_url)
    assert caught.value.key == "engine_answer_compressed"


@pytest.mark.slow
@pytest.mark.parametrize("flood", [floods.ENDLESS_ERROR, floods.BOMB_ERROR])
def test_endless_error_is_still_that_error(engine: scripted.Server, flood: scripted.Flood) -> None:
    engine.flood = flood
    with pytest.raises(EngineError) as caught:
        chat(engine.base_url)
    assert caught.value.key == "engine_refused" and caught.value.values["status"] == 500
    assert ("out of order" in str(caught.value)) == (flood is floods.ENDLESS_ERROR)


DRIPPED = (floods.DRIPPED_LINE, floods.DRIPPED_EVENTS, floods.DRIPPED_JSON, floods.ENDLESS_HEADERS)


@pytest.mark.parametrize(
    ("flood", "limits", "key"),
    [
        (floods.DRIPPED_COMMENTS, ResponseLimits(event_seconds=0.2), "engine_timeout"),  # comments are no answer
        *((flood, ResponseLimits(0.3), "engine_answer_slow") for flood in DRIPPED),
    ],
)
def test_dripped_answer_ends_with_its_time(
    engine: scripted.Server,
    flood: scripted.Flood,
    limits: ResponseLimits,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("framelens.llm.client.limits_of", lambda *_: limits)
    engine.flood = flood
    with pytest.raises(EngineError) as caught:
        chat(engine.base_url)
    assert caught.value.key == key
    assert engine.aborted.wait(10)


@pytest.mark.slow
def test_answer_beyond_max_tokens_is_cut_off(engine: scripted.Server) -> None:
    engine.flood = floods.ENDLESS_TEXT
    answer = chat(engine.base_url, max_tokens=100)
    assert answer.finish_reason == "length"
    assert answer.text.startswith("word word ")
    assert engine.aborted.wait(10)


def test_answer_in_letters_is_not_cut_off() -> None:
    text = "A sentence in English has more letters than tokens. " * 8
    with scripted.serve(scripted.saying(*text)) as engine:
        assert chat(engine.base_url, max_tokens=100).text == text


def test_deep_event_is_a_sentence(engine: scripted.Server) -> None:
    engine.flood = scripted.Flood(lambda _: iter([b"data: " + b"[" * 200_000 + b"\n\n"]))
    with pytest.raises(EngineError) as caught:
        chat(engine.base_url)
    assert caught.value.key == "engine_garbage"


@pytest.mark.parametrize("flood", [floods.ENDLESS_JSON, floods.BOMB])
def test_endless_token_count_is_none(engine: scripted.Server, flood: scripted.Flood) -> None:
    engine.flood = flood
    assert count_tokens(engine.base_url, "", "model", ASKED) is None


@pytest.mark.slow
@pytest.mark.parametrize("flood", [floods.ENDLESS_JSON, floods.DRIPPED_JSON, floods.ENDLESS_HEADERS])
@pytest.mark.parametrize("get", [get_json, get_text])
def test_endless_models_and_metrics_are_no_answer(
    engine: scripted.Server, flood: scripted.Flood, get: Callable[..., object]
) -> None:
    engine.flood = flood
    with pytest.raises(NoAnswer):
        get(engine.base_url, timeout_seconds=0.2)
    assert engine.aborted.wait(10)
