"""The chat model as a user of LangChain has it; LangChain's own suite is in test_standard.py."""

import json
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import tiktoken
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from framelens.core.errors import EngineError
from framelens.engine.base import Endpoint
from framelens.llm.chat import EngineChat
from framelens.llm.stream import ask
from tests import loopback
from tests.llm.scripted import Behave, Refuse, Server, Whole, following, saying, serve


def chat_of(server: Server, **fields: Any) -> EngineChat:
    return EngineChat(**{"base_url": server.base_url, "api_key": "key", "model": "model", **fields})


@pytest.fixture
def cached() -> Iterator[None]:
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize("other", [{"model": "another"}, {"temperature": 0.5}, {"max_tokens": 7}, {"stop": ["x"]}])
def test_cached_answer_belongs_to_model_and_settings(other: dict[str, Any]) -> None:
    with serve(saying("red")) as server:
        for fields in ({}, {}, other):
            assert chat_of(server, **fields).invoke("What?").content == "red"
    assert len(server.requests) == 2


@pytest.mark.usefixtures("cached")
def test_cached_answer_belongs_to_server() -> None:
    with serve(saying("red")) as first, serve(saying("blue")) as second:
        answers = [chat_of(server).invoke("What?").content for server in (first, second, first)]
    assert answers == ["red", "blue", "red"]
    assert len(first.requests) == 1


def test_tool_call_in_pieces_arrives_whole() -> None:
    @tool
    def get_weather(place: str, days: int) -> str:
        """Get the weather."""
        return place

    with serve(following) as server:
        answer = chat_of(server).bind_tools([get_weather]).invoke("How is the weather?")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [
        ("get_weather", {"place": "你好こんにちは", "days": 3})
    ]
    assert server.requests[0]["tools"][0]["function"]["name"] == "get_weather"


def refusing(words: dict[str, str]) -> Behave:
    """Return the behaviour of an engine that refuses parameters: each with its words."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        for name, said in words.items():
            if name in body:
                raise Refuse(400, said, name)
        yield "red"

    return behave


GPT5 = {
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
    "instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is "
    "supported.",
}


def test_refused_parameters_are_replaced_and_remembered() -> None:
    with serve(refusing(GPT5)) as server:
        chat = chat_of(server, max_tokens=7, temperature=0.0)
        assert [chat.invoke("What?").content, ask(chat, [HumanMessage("What?")]).text] == ["red", "red"]
        assert chat_of(server, model="other", max_tokens=7).invoke("What?").content == "red"
    first, second, third, fourth, *others = server.requests
    assert first["max_tokens"] == second["max_completion_tokens"] == third["max_completion_tokens"] == 7
    assert second["temperature"] == 0.0 and "temperature" not in third
    assert fourth == third
    assert "max_tokens" in others[0]  # another model of the same address


def alternating(body: dict[str, Any]) -> Iterator[str]:
    """Refuse turns other than those of a user and an assistant, as Gemma's template does."""
    if [one["role"] for one in body["messages"]] != ["user", "assistant", "user"][-len(body["messages"]) :]:
        raise Refuse(400, "Conversation roles must alternate user/assistant/user/assistant/...")
    yield "red"


def test_instructions_move_into_the_user_s_turn_once_refused() -> None:
    shown = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}, {"type": "text", "text": "What?"}]
    talk = [SystemMessage("Be brief."), HumanMessage("One?"), AIMessage("1"), HumanMessage("Two?"), HumanMessage("2?")]
    with serve(alternating) as server:
        chat = chat_of(server)
        assert ask(chat, [SystemMessage("Be brief."), HumanMessage(shown)]).text == "red"  # type: ignore[arg-type]
        assert ask(chat, talk).text == "red"
    _, first, second = (request["messages"] for request in server.requests)
    assert first == [{"role": "user", "content": [{"type": "text", "text": "Be brief.\n\n"}, *shown]}]
    assert [turn["content"] for turn in second] == ["Be brief.\n\nOne?", "1", "Two?\n\n2?"]


def test_roles_refused_again_are_an_error() -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        raise Refuse(500, "System role not supported")
        yield ""

    with serve(behave) as server, pytest.raises(EngineError):
        ask(chat_of(server), [SystemMessage("Be brief."), HumanMessage("What?")])
    assert len(server.requests) == 2


@pytest.mark.parametrize("form", ["event", "body"])
def test_parameters_refused_with_status_200_are_left_out(form: str) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str | bytes]:
        said = json.dumps({"error": {"message": GPT5["temperature"], "code": 400}})
        if "temperature" not in body:
            yield "red"
        elif form == "body":
            raise Whole(said.encode(), content_type="application/json")
        else:
            yield f"data: {said}\n\n".encode()

    with serve(behave) as server:
        assert chat_of(server, temperature=0.0).invoke("What?").content == "red"
    assert len(server.requests) == 2 and "temperature" not in server.requests[1]


def test_parameters_refused_in_turn_are_left_out() -> None:
    words = {**GPT5, "max_completion_tokens": "Unknown parameter: 'max_completion_tokens'"}
    with serve(refusing(words)) as server:
        assert chat_of(server, max_tokens=7, temperature=0.0).invoke("What?").content == "red"
    assert not server.requests[-1].keys() & words.keys()
    assert len(server.requests) == 4


def test_value_out_of_range_stays_an_error() -> None:
    said = "temperature must be between 0 and 2"
    with serve(refusing({"temperature": said})) as server, pytest.raises(EngineError, match=said):
        ask(chat_of(server, temperature=3.0), [HumanMessage("What?")])
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_kept_apart_from_content(name: str) -> None:
    def think(body: dict[str, Any]) -> Iterator[str | dict[str, Any]]:
        yield {name: "It has "}
        yield {name: "a colour."}
        yield "red"

    with serve(think) as server:
        chat = chat_of(server)
        answer = chat.invoke("What?")
        assert ask(chat, [HumanMessage("What?")]).text == "red"
    assert (answer.content, answer.additional_kwargs["reasoning_content"]) == ("red", "It has a colour.")


def test_schema_is_sent_unchanged_and_in_the_body() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    with serve(saying("{}")) as server:
        chat_of(server).invoke("What?", response_format=form, extra_body={"ignore_eos": True})
    assert server.requests[0]["response_format"] == form
    assert server.requests[0]["ignore_eos"] is True


def test_invoke_reports_each_token() -> None:
    class Listener(BaseCallbackHandler):
        def __init__(self) -> None:
            self.tokens: list[str] = []

        def on_llm_new_token(self, token: str, **_: Any) -> None:
            self.tokens.append(token)

    listener = Listener()
    with serve(saying("one ", "two")) as server:
        chat_of(server).invoke("Count.", config={"callbacks": [listener]})
    assert "".join(listener.tokens) == "one two"
    assert [token for token in listener.tokens if token] == ["one ", "two"]


def test_log_probabilities_and_usage_arrive() -> None:
    def scored(body: dict[str, Any]) -> Iterator[bytes]:
        choice = {"index": 0, "delta": {"content": "red"}, "logprobs": {"content": [{"token": "red", "logprob": -0.5}]}}
        yield f"data: {json.dumps({'choices': [choice]})}\n\n".encode()

    with serve(scored) as server:
        answer = chat_of(server, logprobs=True).invoke("What?")
    assert answer.response_metadata["logprobs"]["content"][0]["logprob"] == -0.5
    assert answer.usage_metadata and answer.usage_metadata["output_tokens"] == 3
    assert server.requests[0]["logprobs"] is True


Heard = tuple[str, list[tuple[str, dict[str, Any], dict[str, str]]]]
"""Address of a server, and the paths, bodies and headers that it got."""


class _Heard(loopback.Handler):
    """Counts tokens as vLLM does, and remembers what it was sent."""

    came: list[tuple[str, dict[str, Any], dict[str, str]]]

    def do_POST(self) -> None:
        body = json.loads(self.body())
        self.came.append((self.path, body, {name.lower(): value for name, value in self.headers.items()}))
        if self.path == "/tokenize":
            tokens = list(range(len(body.get("prompt", "")) or 5 * len(body["messages"]) + len(body.get("tools", ()))))
            self.send_json(200, {"count": len(tokens), "max_model_len": 99, "tokens": tokens})
        else:
            self.send_whole(200, b"data: [DONE]\n\n", {"Content-Type": "text/event-stream", "Set-Cookie": "a=b"})


@pytest.fixture
def heard() -> Iterator[Heard]:
    came: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    with loopback.listening(type("Scripted", (_Heard,), {"came": came})) as url:
        yield f"{url}/v1", came


def test_tokens_are_counted_by_the_engine(monkeypatch: pytest.MonkeyPatch, heard: Heard) -> None:
    @tool
    def get_weather(place: str) -> str:
        """Get the weather."""
        return place

    def refuse(*_: Any) -> None:
        raise AssertionError("tiktoken downloads its encodings")

    monkeypatch.setattr(tiktoken, "get_encoding", refuse)
    monkeypatch.setattr(tiktoken, "encoding_for_model", refuse)
    address, came = heard
    chat = EngineChat(base_url=address, model="model", api_key="key")
    assert chat.get_num_tokens("four") == 4
    assert chat.get_num_tokens_from_messages([HumanMessage("What?")]) == 5
    assert chat.get_num_tokens_from_messages([HumanMessage("What?")], tools=[get_weather]) == 6
    assert [path for path, _, _ in came] == ["/tokenize"] * 3


def test_an_engine_that_counts_no_tokens_is_named() -> None:
    with serve(saying("x")) as server, pytest.raises(NotImplementedError, match="has no /tokenize"):
        chat_of(server).get_num_tokens("four")


@pytest.mark.parametrize("key", ["", "own-key-0815"])
def test_nothing_meant_for_openai_is_sent(key: str, monkeypatch: pytest.MonkeyPatch, heard: Heard) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "ORGANIZATION", "PROJECT_ID", "PROXY"):
        monkeypatch.setenv(f"OPENAI_{name}", "http://secret.invalid")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: http://secret.invalid\nAuthorization: Bearer secret.invalid")
    address, came = heard
    chat = EngineChat(base_url=address, model="model", api_key=key, default_headers={"X-Own": "mine"})
    assert chat.invoke("What?").text == ""  # the answer of the server is empty
    _, body, headers = came[0]
    assert headers.get("authorization") == (f"Bearer {key}" if key else None)
    assert headers["x-own"] == "mine"
    assert "secret.invalid" not in f"{headers}{body}"
    assert not {"x-stainless-os", "x-stainless-arch", "x-stainless-runtime-version"} & headers.keys()


class Thing(BaseModel):
    """What is seen."""

    name: str
    count: int


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_answer_becomes_an_object_without_a_warning(method: Any) -> None:
    wanted = Thing(name="你好こんにちは", count=3)
    with serve(following) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        chat = chat_of(server)
        assert chat.with_structured_output(Thing, method=method).invoke("What?") == wanted
        assert list(chat.with_structured_output(Thing, method=method).stream("What?"))[-1] == wanted
        both = chat.with_structured_output(Thing, method=method, include_raw=True).invoke("What?")
        assert isinstance(both, dict) and both["parsed"] == wanted
    form = server.requests[0].get("response_format", {})
    assert method != "json_schema" or form["json_schema"]["schema"]["required"] == ["name", "count"]


@pytest.mark.parametrize(
    ("said", "is_read"),
    [
        ('<think>{"name": "draft"}</think>{"name": "red", "count": 1}', True),
        ('{"name": "red"}', False),
        ('{"name": "red", "cou', False),
        ("I can't.", False),
    ],
)
def test_answer_in_another_form_is_a_parsing_error(said: str, is_read: bool) -> None:
    with serve(saying(said)) as server:
        form = chat_of(server).with_structured_output(Thing, method="json_schema", include_raw=True)
        found = form.invoke("What?")
    assert isinstance(found, dict) and (found["parsing_error"] is None) is is_read
    assert found["raw"].text == said


def test_real_engine_fills_a_form_and_counts_tokens(vl_endpoint: Endpoint) -> None:
    class Seen(BaseModel):
        """What is seen."""

        colour: Literal["red", "green"]
        moves: bool

    chat = EngineChat(base_url=vl_endpoint.base_url, api_key=vl_endpoint.api_key, model=vl_endpoint.model)
    assert isinstance(chat.with_structured_output(Seen, method="json_schema").invoke("What?"), Seen)
    assert chat.get_num_tokens_from_messages([HumanMessage("What?")]) > chat.get_num_tokens("What?") > 0


def test_no_cookie_is_kept(heard: Heard) -> None:
    address, came = heard
    for _ in range(2):
        ask(EngineChat(base_url=address, model="model"), [HumanMessage("What?")])
    assert len(came) == 2 and "cookie" not in came[1][2]


def test_model_without_address_is_refused() -> None:
    with pytest.raises(ValueError, match="base_url"):
        EngineChat(model="model")


def test_proxies_of_the_environment_may_be_socks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framelens.http_client._clients", {})
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert EngineChat(base_url="http://engine.example/v1", model="model").model_name == "model"
