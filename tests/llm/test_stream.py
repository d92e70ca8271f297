import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage

from framelens.core.domain import Usage
from framelens.core.errors import (
    AppError,
    Cancelled,
    ContextExceeded,
    EngineBusy,
    EngineError,
    EngineTimeout,
    FormatRefused,
    ImageRejected,
    ModelNotFound,
    PicturesRefused,
    TooManyPictures,
)
from framelens.http_client import PooledClient
from framelens.i18n import error_text
from framelens.llm.chat import EngineChat, connect
from framelens.llm.events import EventDecoder
from framelens.llm.refusals import read_json
from framelens.llm.stream import Reply, ask, stream_pieces
from tests import loopback
from tests.llm.scripted import Behave, HangUp, Refuse, Server, Whole, saying, serve

QUESTION = [HumanMessage("What is there?")]


def chat_of(server: Server, **options: Any) -> EngineChat:
    return connect(server.base_url, api_key="key", model="model", **options)


def all_of(chat: EngineChat) -> tuple[list[str], Reply]:
    """Return the pieces of the answer as they are shown, and the whole answer; "" before a restart."""
    seen: list[str] = []
    pieces = stream_pieces(chat, QUESTION)
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            return seen, end.value
        seen += ["", piece.text] if piece.restart else [piece.text]


def slowly(*pieces: str) -> Behave:
    """So that each comes by itself."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        for piece in pieces:
            yield piece
            time.sleep(0.2)

    return behave


@pytest.mark.slow
def test_the_whole_answer_is_the_sum_of_the_streamed_pieces() -> None:
    with serve(slowly("1: red", "; ", "2: blue")) as server:
        seen, reply = all_of(chat_of(server))
        assert seen == ["1: red", "; ", "2: blue"]
        assert reply.text == "1: red; 2: blue"
        assert reply.finish_reason == "stop"
        assert reply.usage == Usage(30, 3)
        assert server.requests[0]["stream_options"] == {"include_usage": True}


def test_simultaneous_pieces_are_merged_without_loss() -> None:
    words = [f"{number} " for number in range(200)]
    with serve(saying(*words)) as server:
        seen, _ = all_of(chat_of(server))
    assert "".join(seen) == "".join(words)
    assert len(seen) < len(words)


def test_pieces_before_a_silence_are_shown(going: threading.Event) -> None:
    words = ["1: red", "; ", "2: blue"]

    def pausing(body: dict[str, Any]) -> Iterator[str]:
        yield from words
        going.wait(60)
        yield "."

    going.clear()
    with serve(pausing) as server, closing(stream_pieces(chat_of(server), QUESTION)) as pieces:
        seen = ""
        while seen != "".join(words):
            seen += next(pieces).text
        going.set()
        assert next(pieces).text == "."


def test_engines_that_count_nothing_have_no_usage() -> None:
    # An engine that counts nothing has no usage.
    with serve(saying("x"), counts=False) as server:
        assert ask(chat_of(server), QUESTION).usage is None
    # Answer of an engine that does not stream.
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "red"}, "finish_reason": "stop"}]}
    whole = Whole(json.dumps(answer).encode(), content_type="application/json")
    with serve(raising(whole)) as server:
        assert ask(chat_of(server), QUESTION).text == "red"


def test_cancel_of_silent_model_closes_connection() -> None:
    waiting = threading.Event()

    def slow(body: dict[str, Any]) -> Iterator[str]:
        yield "begun"
        for _ in range(600):
            waiting.set()
            time.sleep(0.05)
            yield ""

    with serve(slow) as server:
        cancel = threading.Event()
        pieces = stream_pieces(chat_of(server), QUESTION, cancel=cancel)
        assert next(pieces).text == "begun"
        assert waiting.wait(10)
        cancel.set()
        with pytest.raises(Cancelled):
            list(pieces)
        assert server.aborted.wait(5), "the engine goes on working for nobody"


def test_cancel_before_the_first_token_closes_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        cancel, came, closed = threading.Event(), threading.Event(), threading.Event()

        def swallow() -> None:
            connection, _ = listening.accept()
            with connection:
                while connection.recv(1 << 16):
                    came.set()
                closed.set()

        threading.Thread(target=swallow, daemon=True).start()
        threading.Thread(target=lambda: came.wait(30) and cancel.set(), daemon=True).start()
        chat = connect(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", api_key="", model="m")
        with pytest.raises(Cancelled):
            ask(chat, QUESTION, cancel=cancel)
        assert closed.wait(5), "the engine goes on working for nobody"


def test_two_questions_at_once_do_not_disturb_each_other() -> None:
    def echo(body: dict[str, Any]) -> Iterator[str]:
        yield body["messages"][0]["content"]

    with serve(echo) as server:
        answers: dict[str, str] = {}

        def put(text: str) -> None:
            answers[text] = ask(chat_of(server), [HumanMessage(text)]).text

        threads = [threading.Thread(target=put, args=(f"question {n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == {text: text for text in answers}
        assert len(answers) == 8


@pytest.mark.parametrize(
    ("status", "message", "param", "kind", "key"),
    [
        (400, "tiny is not a multimodal model", None, PicturesRefused, "pictures_refused"),
        (400, "At most 0 image(s) may be provided in one prompt.", "image", PicturesRefused, "pictures_refused"),
        (400, "At most 4 image(s) may be provided in one prompt.", "image", TooManyPictures, "too_many_pictures"),
        (
            400,
            "This model's maximum context length is 512 tokens.",
            "input_tokens",
            ContextExceeded,
            "context_exceeded",
        ),
        (
            400,
            "Input length (1696) exceeds model's maximum context length (512).",
            None,
            ContextExceeded,
            "context_exceeded",
        ),
        (400, "Failed to load image: cannot identify image file", None, ImageRejected, "image_rejected"),
        (404, "The model `x` does not exist.", None, ModelNotFound, "model_not_served"),
        (401, "Unauthorized", None, EngineError, "engine_key_rejected"),
        (
            500,
            "image input is not supported - hint: you may need to provide the mmproj",
            None,
            PicturesRefused,
            "pictures_refused",
        ),
        (422, "unknown variant `image_url`, expected `text`", None, PicturesRefused, "pictures_refused"),
        (500, "it broke", None, EngineError, "engine_refused"),
        (503, "overloaded", None, EngineBusy, "engine_busy"),
        (400, "response_format json_schema is not supported", None, FormatRefused, "engine_refused"),
    ],
)
def test_each_refusal_is_its_own_error(
    status: int, message: str, param: str | None, kind: type[AppError], key: str
) -> None:
    def refuse(body: dict[str, Any]) -> Iterator[str]:
        raise Refuse(status, message, param)
        yield ""

    with serve(refuse) as server, pytest.raises(kind) as caught:
        ask(chat_of(server), QUESTION)
    assert caught.value.key == key


def test_broken_stream_is_an_error_not_a_short_answer() -> None:
    def die(body: dict[str, Any]) -> Iterator[str]:
        yield "1: red"
        raise HangUp

    with serve(die) as server, pytest.raises(EngineError) as caught:
        ask(chat_of(server), QUESTION)
    assert caught.value.key == "engine_broke_off"


def test_an_engine_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EngineError) as caught:
        ask(connect(f"http://127.0.0.1:{port}/v1", api_key="", model="m"), QUESTION)
    assert caught.value.key == "engine_unreachable"


def test_only_user_limit_ends_wait_for_slow_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[dict[str, float | None]] = []
    send = PooledClient.send

    async def noted(client: PooledClient, request: httpx.Request, **how: Any) -> httpx.Response:
        if str(request.url).startswith(server.base_url):  # others may end what an earlier test began
            limits.append(request.extensions["timeout"])
        return await send(client, request, **how)

    with serve(saying("x")) as server:
        monkeypatch.setattr(PooledClient, "send", noted)
        chat = chat_of(server, timeout_seconds=900.0)
        ask(chat, QUESTION)
    assert limits == [{"connect": 10.0, "read": 900.0, "write": 900.0, "pool": None}]
    assert chat.stream_chunk_timeout is None  # the library's own is 120 s


class Keeping(loopback.Handler):
    """Answers over connections that it keeps open, as engines do, and counts them."""

    protocol_version = "HTTP/1.1"
    callers: set[object]
    hangs_up: bool

    def do_POST(self) -> None:
        self.body()
        self.callers.add(self.client_address)
        events = [{"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}, "[DONE]"]
        text = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)
        self.send_whole(200, text.encode(), {"Content-Type": "text/event-stream"})
        self.close_connection = self.hangs_up


@pytest.mark.parametrize(("hangs_up", "connections"), [(False, 1), (True, 3)])
def test_a_connection_is_used_again_where_the_engine_keeps_it(hangs_up: bool, connections: int) -> None:
    callers: set[object] = set()
    with loopback.listening(type("Scripted", (Keeping,), {"callers": callers, "hangs_up": hangs_up})) as url:
        chat = connect(f"{url}/v1", api_key="key", model="model")
        for _ in range(3):
            assert ask(chat, QUESTION).text == "x"
            if hangs_up:
                time.sleep(0.1)
    assert len(callers) == connections


def test_a_loop_of_somebody_else_s_is_left_without_connections() -> None:
    async def asked(server: Server) -> str:
        return str((await chat_of(server).ainvoke(QUESTION)).content)

    with serve(saying("x")) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [asyncio.run(asked(server)) for _ in range(2)] == ["x", "x"]


@pytest.mark.slow
def test_a_program_that_has_asked_ends_without_complaint() -> None:
    with serve(saying("x")) as server:
        code = (
            "from framelens.llm.chat import connect; from framelens.llm.stream import ask\n"
            f"print(ask(connect('{server.base_url}', api_key='key', model='model'), [('user', 'What?')]).text)"
        )
        ended = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, check=True)
    assert (ended.stdout, "nclosed" in ended.stderr) == ("x\n", False), ended.stderr


def test_an_engine_that_stays_silent_is_a_timeout() -> None:
    release = threading.Event()

    def silent(body: dict[str, Any]) -> Iterator[str]:
        yield "x"
        release.wait(30)

    with serve(silent) as server:
        with pytest.raises(EngineTimeout):
            ask(chat_of(server, timeout_seconds=0.3), QUESTION)
        release.set()


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('event: error\ndata: {"error": {"message": "Input exceeds context length"}, "message": "x"}\n\n',
         "context_exceeded"),
        ('event: error\ndata: {"message": "Input exceeds context length"}\n\n', "context_exceeded"),
        ('event: error\ndata: Input exceeds context length', "context_exceeded"),
        ('data: {"object": "error", "message": "Input exceeds context length", "code": 400}\n\ndata: [DONE]\n\n',
         "context_exceeded"),
        ('data: {"detail": "At most 2 images"}\n\n', "too_many_pictures"),
        ('data: {"error": "the "quoted" sentence broke"}\n\n', "engine_refused"),
        ('data: {"error": {"code": 429, "message": "wait"}}\n\n', "engine_busy"),
        ('{"error": {"message": "Input exceeds context length"}}', "context_exceeded"),
        ('[{"error": {"code": 429, "message": "Resource has been exhausted"}}]', "engine_busy"),
        ("413 Request Entity Too Large", "request_too_large"),
        ("<html><body>Sign in</body></html>", "engine_garbage"),
        ("", "engine_broke_off"),
        (": keep-alive\n\n: keep-alive\n\n", "engine_broke_off"),
        ('{"error": {"message": "Provider error", "metadata": {"raw": "{\\"error\\": {\\"message\\": '
         '\\"Input exceeds context length\\"}}"}}}', "context_exceeded"),
    ],
)  # fmt: skip
def test_refusals_in_answers_with_status_200(body: str, key: str) -> None:
    kind = "text/event-stream" if body.startswith(("data", "event")) else "application/json"
    with serve(raising(Whole(body.encode(), content_type=kind))) as server, pytest.raises(AppError) as caught:
        ask(chat_of(server), QUESTION)
    assert caught.value.key == key
    assert "HTTP 500" not in error_text(caught.value, "en")


def test_page_in_place_of_an_answer_is_quoted() -> None:
    page = Whole(b"<html><body>Sign in</body></html>", content_type="text/html")
    with serve(raising(page)) as server, pytest.raises(AppError) as caught:
        ask(chat_of(server), QUESTION)
    assert caught.value.values["reason"] == "Sign in"


@pytest.mark.parametrize("body", ['{"choices": []}', '{"choices": null, "usage": {}}', "data: [DONE]\n\n"])
def test_complete_answer_without_words_is_empty(body: str) -> None:
    kind = "text/event-stream" if body.startswith("data") else "application/json"
    with serve(raising(Whole(body.encode(), content_type=kind))) as server:
        assert ask(chat_of(server), QUESTION) == Reply("", "stop", None)


def raising(error: Exception) -> Behave:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        raise error
        yield ""

    return behave


def event(**choice: Any) -> str:
    return "data: " + json.dumps({"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}) + "\n\n"


def streaming(*events: str) -> Behave:
    return raising(Whole("".join(events).encode(), content_type="text/event-stream"))


def test_answer_that_ends_with_done_is_complete() -> None:
    said = event(delta={"content": "red"}, finish_reason=None)
    with serve(streaming(said, "data: [DONE]\n\n")) as server:
        assert ask(chat_of(server), QUESTION).text == "red"
    with serve(streaming(said)) as server, pytest.raises(EngineError) as caught:
        ask(chat_of(server), QUESTION)
    assert caught.value.key == "engine_broke_off"


@pytest.mark.parametrize(
    ("reason", "known"),
    [
        ("eos", "stop"),
        ("stop_sequence", "stop"),
        ("function_call", "stop"),
        ("", "stop"),
        ("MAX_TOKENS", "length"),
        ("token_limit", "length"),
        ("context_length_exceeded", "length"),
    ],
)
def test_odd_reasons_for_the_end_are_known(reason: str, known: str) -> None:
    said = event(delta={"content": "red"}, finish_reason=reason)
    with serve(streaming(said, "data: [DONE]\n\n")) as server:
        assert ask(chat_of(server), QUESTION) == Reply("red", known, None)


@pytest.mark.slow
def test_reasoning_without_an_opening_tag_restarts_the_text() -> None:
    with serve(slowly("a cat?", " no.\n</thi", "nk>\n\nA square.", "<|im_end|>")) as server:
        seen, reply = all_of(chat_of(server))
    assert seen == ["a cat?", " no.", "", "A square."] or "".join(seen).endswith("A square.")
    assert reply.text == "A square."


def raw(data: object) -> str:
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


RED, STOP, DONE = event(delta={"content": "red"}), event(delta={}, finish_reason="stop"), "data: [DONE]\n\n"
COMMENTS = (
    ": keepalive",
    ": OPENROUTER PROCESSING",
    "ping - 12:00:01",
    "",
    "event: ping",
    "retry: 3000",
    "[]",
    "7",
    "true",
)
"""Lines that gateways put into a stream as data."""
CALLED = {"index": 0, "id": "1", "type": "function", "function": {"name": "json_tool_call", "arguments": "red"}}


@pytest.mark.parametrize(
    ("sent", "reasoning"),
    [
        ("\ufeff" + RED + STOP + DONE, ""),
        ((RED + STOP + DONE).replace("\n", "\r\n"), ""),
        ((RED + STOP + DONE).replace("data: ", "data:"), ""),
        (": keep alive\n\n" + RED + ": ping\n\n" + raw("null") + raw("ping") + raw({}) + STOP + DONE, ""),
        (RED + "data: [done] \n\n", ""),
        (RED + "data: DONE\n\n", ""),
        *((raw(comment) + RED + raw(comment) + STOP + DONE, "") for comment in COMMENTS),
        (RED + "data: : keepalive\n" + STOP + DONE, ""),
        (RED + 'event: ping\ndata: {"message": "still working"}\n\n' + STOP + DONE, ""),
        (RED + 'data: "[DONE]"\n\n', ""),
        (RED + STOP, ""),
        (RED + STOP.rstrip(), ""),
        (RED + STOP + raw({"choices": []}) + raw({"choices": None}) + raw({"id": "x"}) + DONE, ""),
        (RED + event(delta=None, finish_reason="stop"), ""),
        (RED + event(finish_reason="eos"), ""),
        (event(delta={"content": "red"}, finish_reason="null") + STOP, ""),
        (raw({"choices": [{"index": "0", "delta": {"content": "red"}}]}) + STOP, ""),
        (RED + STOP + raw({"code": 0, "message": "Success", "choices": [], "usage": {}}) + DONE, ""),
        (event(delta={"content": None}) + RED + event(delta={"content": None}, finish_reason="stop"), ""),
        (event(message={"content": "red"}, finish_reason="stop") + DONE, ""),
        (event(delta={"refusal": "red"}) + STOP, ""),
        (event(delta={"content": None, "tool_calls": [CALLED]}) + event(delta={}, finish_reason="tool_calls"), ""),
        (RED + event(delta={"tool_calls": [CALLED]}) + event(delta={}, finish_reason="tool_calls"), ""),
        (RED + raw({"choices": [{"index": 1, "delta": {"content": "blue"}}]}) + STOP + DONE, ""),
        (raw({"id": None, "created": 1.5, "model": None, "choices": [{"delta": {"content": "red"}}]}) + DONE, ""),
        (event(delta={"reasoning_content": "hm", "content": ""}) + RED + STOP, "hm"),
        (event(delta={"reasoning": "hm"}) + RED + STOP, "hm"),
    ],
)
def test_forms_of_streams_give_the_same_answer(sent: str, reasoning: str) -> None:
    with serve(streaming(sent)) as server:
        pieces = stream_pieces(chat_of(server), QUESTION)
        thoughts = ""
        while True:
            try:
                thoughts += next(pieces).reasoning
            except StopIteration as end:
                assert (end.value, thoughts) == (Reply("red", "stop", None), reasoning)
                break


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("A red", "A red square", "A red square moves.", "A red square moves."), "A red square moves."),
        (("A", "A red", "A red square", "A red square moves."), "A red square moves."),
        (("---", "----", "-----", "\n"), "------------\n"),
        (("A red ", "A red ", "A red "), "A red A red A red "),
        (("{", '{"a": ', "{}}}"), '{{"a": {}}}'),
    ],
)
def test_pieces_that_repeat_the_text_before_are_joined_once(pieces: tuple[str, ...], text: str) -> None:
    with serve(streaming(*(event(delta={"content": one}) for one in pieces), DONE)) as server:
        seen, reply = all_of(chat_of(server))
    assert reply.text == text and "".join(seen).endswith(text)


@pytest.mark.parametrize(("sent", "text"), [(b"A\tred", "A\tred"), (b"caf\xe9", "caf\ufffd")])
def test_raw_tabs_and_cut_characters_end_no_answer(sent: bytes, text: str) -> None:
    body = event(delta={"content": "SENT"}).encode().replace(b"SENT", sent)
    with serve(raising(Whole(body + (STOP + DONE).encode(), content_type="text/event-stream"))) as server:
        assert ask(chat_of(server), QUESTION).text == text


@pytest.mark.parametrize(
    "sent",
    [
        raw({"type": "message_start", "message": {}}) + raw({"type": "content_block_delta", "delta": {"text": "red"}}),
        raw({"type": "response.output_text.delta", "delta": "red"}) + raw({"type": "response.completed"}),
        raw({"candidates": [{"content": {"parts": [{"text": "red"}]}, "finishReason": "STOP"}]}),
        raw({"output": {"choices": [{"message": {"content": "red"}}]}, "usage": {"input_tokens": 1}}),
    ],
)
def test_stream_of_another_api_is_no_broken_answer(sent: str) -> None:
    with serve(streaming(sent)) as server, pytest.raises(EngineError) as raised:
        all_of(chat_of(server))
    assert raised.value.key == "engine_garbage"
    with serve(streaming(raw({"type": "ping"}))) as server, pytest.raises(EngineError) as raised:
        all_of(chat_of(server))
    assert raised.value.key == "engine_broke_off"


@pytest.mark.parametrize("ending", ["", DONE])
def test_stream_of_comments_alone_is_quoted(ending: str) -> None:
    with serve(streaming(raw(": keepalive") * 3 + ending)) as server, pytest.raises(EngineError) as raised:
        all_of(chat_of(server))
    assert (raised.value.key, raised.value.values["reason"]) == ("engine_garbage", ": keepalive")


def test_damaged_pieces_are_told_from_comments_and_cuts() -> None:
    # Damaged piece of an answer is no comment.
    with serve(streaming(RED, 'data: {"choices": [{"delta": {"cont\n\n', STOP)) as server, pytest.raises(EngineError):
        all_of(chat_of(server))
    # Words of a failure are not an answer that broke off.
    said = "Generation failed: Model.__call__() missing 1 required positional argument: 'pixel_values'"
    failed = event(delta={"content": said}, finish_reason="error")
    with serve(streaming(failed)) as server, pytest.raises(EngineError) as raised:
        all_of(chat_of(server))
    assert (raised.value.key, raised.value.values["reason"]) == ("engine_refused", said)


@pytest.mark.parametrize(
    "reason",
    [
        *("abort", "canceled", "error", "insufficient_system_resource", "network_error", "null", "timeout"),
        *("server_error", "engine_overloaded", "exception", "rate_limit"),
    ],
)
def test_interrupted_answer_is_not_complete(reason: str) -> None:
    ending = event(delta={}, finish_reason=reason)
    with serve(streaming(RED, ending)) as server, pytest.raises(EngineError) as caught:
        ask(chat_of(server), QUESTION)
    assert caught.value.key == "engine_broke_off"


@pytest.mark.parametrize(
    "reason", ["content_filter", "content-filter", "SAFETY", "sensitive", "RECITATION", "blocklist"]
)
def test_answer_that_a_filter_withholds_names_the_filter(reason: str) -> None:
    with serve(streaming(event(delta={}, finish_reason=reason), DONE)) as server, pytest.raises(EngineError) as caught:
        ask(chat_of(server), QUESTION)
    assert (caught.value.key, caught.value.values["reason"]) == ("engine_filtered", reason)


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (RED + raw({"error": {"message": "Provider left"}, "choices": [{"delta": {}, "finish_reason": "error"}]}),
         "engine_refused"),
        (RED + raw({"result": {"text": "Context length exceeded"}}), "context_exceeded"),
        (raw({"choices": None, "base_resp": {"status_code": 1039, "status_msg": "token limit"}}), "context_exceeded"),
    ],
)  # fmt: skip
def test_refusal_in_the_middle_of_an_answer_is_quoted(sent: str, key: str) -> None:
    with serve(streaming(sent)) as server, pytest.raises(EngineError) as caught:
        ask(chat_of(server), QUESTION)
    assert caught.value.key == key
    assert "{" not in str(caught.value.values["reason"]) or '"result"' in sent


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_answer_that_is_sent_as_reasoning_is_the_answer(name: str) -> None:
    answer = '{"findings": [{"frames": [1], "text": "A square."}]}'
    halves = event(delta={name: answer[:9], "content": None}) + event(delta={name: answer[9:]})
    with serve(streaming(halves + STOP + DONE)) as server:
        seen, reply = all_of(chat_of(server))
    assert ("".join(seen), reply.text) == (answer, answer)
    thoughts = [
        f"It is a square. So:\n```json\n{answer}\n```",
        f"Maybe {{}} or {answer[:-1]}, so {answer} Done.",
        answer,
    ]
    for said in thoughts:
        with serve(streaming(event(delta={name: said, "content": ""}) + STOP + DONE)) as server:
            assert all_of(chat_of(server))[1] == Reply(answer, "stop", None)
    with serve(streaming(event(delta={name: f"So: {answer[:-1]}"}) + STOP + DONE)) as server:
        assert all_of(chat_of(server))[1].text == answer[:-1]
    with serve(streaming(event(delta={name: "A square moves [1]."}) + STOP + DONE)) as server:
        assert all_of(chat_of(server))[1] == Reply("", "stop", None, is_reasoned=True)


def test_whole_answer_in_pieces_keeps_its_characters() -> None:
    body = '{"choices": [{"message": {"content": "红\u2028色"}}]}'.encode()
    at = body.index("红".encode()) + 1

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:at]
        yield body[at:]

    async def content() -> list[str]:
        events = [read_json(one.data) async for one in EventDecoder().aiter_bytes(pieces())]
        return [event["choices"][0]["delta"]["content"] for event in events if isinstance(event, dict)]

    assert asyncio.run(content()) == ["红\u2028色"]


def test_half_a_character_is_replaced() -> None:
    with serve(streaming(event(delta={"content": "a \ud83d cat, \U0001f600"}), STOP)) as server:
        assert ask(chat_of(server), QUESTION).text == "a \ufffd cat, \U0001f600"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 2}, {"prompt_tokens": 7}])
def test_missing_counts_are_not_zero(usage: object) -> None:
    with serve(streaming(RED, STOP, raw({"choices": [], "usage": usage}), DONE)) as server:
        assert ask(chat_of(server), QUESTION).usage is None


@pytest.mark.parametrize("message", [{"content": "red"}, {"content": None, "refusal": "red"}])
def test_whole_answer_without_a_reason_is_complete(message: dict[str, Any]) -> None:
    whole = Whole(json.dumps({"choices": [{"message": message}]}).encode(), content_type="application/json")
    with serve(raising(whole)) as server:
        assert ask(chat_of(server), QUESTION) == Reply("red", "stop", None)
