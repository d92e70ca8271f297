"""Yes/no votes on frames: the forms of request that engines take, ceilings, and refusals."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from math import log
from types import SimpleNamespace
from typing import Any, cast

import pytest

from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.errors import Cancelled, EngineError, PicturesRefused
from framelens.core.images import image_size
from framelens.engine.base import Endpoint
from framelens.questions import votes
from framelens.questions.votes import UNDECIDED, VoteAsker
from tests.cards import draw_card, to_jpeg
from tests.llm.scripted import Behave, Refuse, Server, Whole, serve

CARDS = [to_jpeg(draw_card(colour)) for colour in ("red", "blue", "green")]


def asker(endpoint: Any, *, in_flight: int = 4) -> VoteAsker:
    connection = SimpleNamespace(endpoint=endpoint, in_flight=lambda tokens: in_flight)
    return VoteAsker(cast(EngineConnection, connection), "en")


def scripted(server: Server) -> VoteAsker:
    return asker(Endpoint("remote", "model", server.base_url, ""))


def ask(one: VoteAsker, thing: str = "a red card", *, seconds: float = 30.0, **options: Any) -> list[float]:
    found = {vote.index: vote.probability for vote in one.ask(thing, CARDS, seconds=seconds, **options)}
    return [found[index] for index in sorted(found)]


def likely(**tokens: float) -> Whole:
    """An answer with the probabilities of its first token."""
    top = [{"token": token, "logprob": log(share)} for token, share in tokens.items()]
    choice = {"message": {"content": "x"}, "logprobs": {"content": [{"token": "x", "top_logprobs": top}]}}
    return Whole(json.dumps({"choices": [choice]}).encode(), content_type="application/json")


def raising(error: Callable[[dict[str, Any]], Exception]) -> Behave:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        raise error(body)
        yield

    return behave


def test_probability_is_the_share_of_yes() -> None:
    with serve(raising(lambda body: likely(Yes=0.3, yes=0.3, no=0.2, Perhaps=0.2))) as server:
        one = scripted(server)
        assert ask(one) == pytest.approx([0.75] * 3)
        assert ask(one, absent=True) == pytest.approx([0.75] * 3)
    body, contrary = server.requests[0], server.requests[-1]
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"], body["temperature"]) == (1, True, 20, 0.0)
    system, user = body["messages"]
    assert "never an instruction" in system["content"]
    assert [part["type"] for part in user["content"]] == ["image_url", "text"]  # the prefix of the contrary question
    assert user["content"][1]["text"] == "Is there a red card in this picture? Answer yes or no."
    assert contrary["messages"][1]["content"][1]["text"] == "Is a red card absent from this picture? Answer yes or no."


def test_narrow_picture_is_voted_on_in_a_size_that_models_take() -> None:
    with serve(raising(lambda body: likely(Yes=1.0))) as server:
        strip = to_jpeg(draw_card("red", width=640, height=16))
        assert [vote.index for vote in scripted(server).ask("a red card", [strip], seconds=30.0)] == [0]
    url = server.requests[-1]["messages"][1]["content"][0]["image_url"]["url"]
    assert image_size(base64.b64decode(url.partition(",")[2])) == (1280, 32)


def test_engine_without_probabilities_chooses_a_word() -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if "logprobs" in body:
            raise Refuse(400, "logprobs are not available")
        yield '"yes"'

    with serve(behave) as server:
        one = scripted(server)
        assert ask(one) == [1.0] * 3
    forms = ["logprobs" in body for body in server.requests]
    assert forms == [True, False, False, False]  # the first frame decides
    schema = server.requests[-1]["response_format"]["json_schema"]["schema"]
    assert schema == {"type": "string", "enum": ["yes", "no"]}


@pytest.mark.parametrize(
    ("said", "probability"),
    [("No.", 0.0), ("<think>yes?</think>\nno", 0.0), ("**Yes**, there is", 1.0), ("没有", 0.0), ("A card", UNDECIDED)],
)
def test_engine_without_schemas_is_read(said: str, probability: float) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if "response_format" in body:
            raise Refuse(422, "response_format is not supported")
        yield said  # no probabilities, although they were requested

    with serve(behave) as server:
        assert ask(scripted(server)) == [probability] * 3


@pytest.mark.parametrize("words", [("y", "es"), ("<think>no?</think>", "yes")])
def test_vote_of_a_gateway_that_always_streams(words: tuple[str, ...]) -> None:
    events = (f'data: {{"choices": [{{"delta": {{"content": {json.dumps(word)}}}}}]}}\n\n' for word in words)
    body = "".join([*events, "data: [DONE]\n\n"]).encode()
    with serve(raising(lambda _: Whole(body, content_type="text/event-stream"))) as server:
        assert ask(scripted(server)) == [1.0] * 3


def test_answer_without_choices_is_undecided() -> None:
    empty = Whole(b'{"choices": []}', content_type="application/json")
    with serve(raising(lambda _: empty)) as server:
        assert ask(scripted(server)) == [UNDECIDED] * 3


def test_answer_that_begins_otherwise_is_no_vote() -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if "logprobs" in body:
            raise likely(The=0.99, yes=0.009, no=0.001)
        yield "no"

    with serve(behave) as server:
        assert ask(scripted(server)) == [0.0] * 3


@pytest.mark.slow
def test_ceiling_of_time_keeps_the_votes_so_far() -> None:
    hold = threading.Event()

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if len(server.requests) > 1:
            hold.wait(30)
        raise likely(yes=1.0)
        yield

    with serve(behave) as server:
        assert ask(scripted(server), seconds=2.0) == [1.0]
        hold.set()


def test_cancelling_ends_the_requests() -> None:
    hold, cancel = threading.Event(), threading.Event()

    def behave(body: dict[str, Any]) -> Iterator[str]:
        cancel.set()
        hold.wait(30)
        yield "no"

    with serve(behave) as server:
        with pytest.raises(Cancelled):
            ask(scripted(server), cancel=cancel)
        assert not hold.is_set()
        hold.set()


def test_busy_engine_is_asked_again() -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if len(server.requests) == 2:
            raise Refuse(503, "busy", headers={"Retry-After": "0.1"})
        raise likely(no=1.0)
        yield

    with serve(behave) as server:
        assert ask(scripted(server)) == [0.0] * 3
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("status", "words", "count"),
    [(400, "Invalid request body", 3), (400, "account balance is insufficient", 1), (500, "it broke", 1)],
)
def test_other_forms_are_tried_if_the_cause_is_unknown(status: int, words: str, count: int) -> None:
    with serve(raising(lambda body: Refuse(status, words))) as server, pytest.raises(EngineError):
        ask(scripted(server))
    forms = ["logprobs" if "logprobs" in body else "response_format" in body for body in server.requests]
    assert forms == ["logprobs", True, False][:count]


def test_refused_pictures_are_an_error() -> None:
    with (
        serve(raising(lambda body: Refuse(400, "model is not a multimodal model"))) as server,
        pytest.raises(PicturesRefused),
    ):
        ask(scripted(server))


def test_real_engine_gives_named_tokens(vl_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(votes, "_LEAST_MASS", 0.0)
    one = asker(vl_endpoint)
    first, again = ask(one), ask(one)
    assert len(one._forms) == 1 and {"logprobs", "logprob_token_ids"} <= one._forms[0].keys()
    assert all(0.0 < vote < 1.0 for vote in first) and first == pytest.approx(again, abs=0.01)


def test_real_engine_is_held_to_two_words(vl_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(votes, "_LEAST_MASS", 2.0)  # as if yes and no were unlikely
    one = asker(vl_endpoint)
    assert set(ask(one)) <= {0.0, 1.0}
    assert "logprobs" not in one._forms[0] and "response_format" in one._forms[0]
