import json
import socket
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from framelens.core.errors import AppError, Cancelled, ConfigError, EngineError
from framelens.engine import remote_engine
from framelens.engine.remote_engine import RemoteEngine, normal_base_url
from framelens.engine.short_requests import NoAnswer
from framelens.i18n import LANGUAGES, error_text
from tests import loopback


class Handler(loopback.Handler):
    answer: ClassVar[tuple[int, bytes]]
    gate: ClassVar[threading.Event]
    keys: ClassVar[list[str | None]]
    location: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.gate.wait(30)
        self.keys.append(self.headers.get("Authorization"))
        status, body = self.answer if self.path == "/v1/models" else (404, b"{}")
        if self.path == "/login":
            status, body = 200, b"<html><body>Sign in</body></html>"
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[str]:
    Handler.gate, Handler.keys = threading.Event(), []
    Handler.gate.set()
    with loopback.listening(Handler) as url:
        yield url
        Handler.gate.set()


def serving(*models: str) -> None:
    Handler.answer = 200, json.dumps({"data": [{"id": model, "max_model_len": 4096} for model in models]}).encode()


def failure(engine: RemoteEngine) -> AppError:
    with pytest.raises(EngineError) as caught:
        engine.ensure_ready(lambda phase: None, threading.Event())
    assert error_text(caught.value, "zh") and error_text(caught.value, "en")
    assert engine.status().state == "failed" and engine.status().error is caught.value
    return caught.value


def test_the_one_model_that_is_served_is_found(server: str) -> None:
    serving("org/model")
    engine = RemoteEngine(server, "secret")
    assert engine.status().state == "stopped"
    phases: list[str] = []
    endpoint = engine.ensure_ready(lambda phase: phases.append(phase.phase), threading.Event())
    assert (endpoint.kind, endpoint.model, endpoint.base_url) == ("remote", "org/model", f"{server}/v1")
    assert "secret" not in repr(endpoint) and Handler.keys == ["Bearer secret"]
    assert phases == ["connecting", "ready"]
    status = engine.status()
    assert status.state == "ready" and status.info is not None and status.info.max_model_len == 4096


def test_one_of_several_models_is_chosen(server: str) -> None:
    # The model that was asked for is taken among several.
    serving("a", "b")
    assert RemoteEngine(server, model="b").ensure_ready(lambda phase: None, threading.Event()).model == "b"
    # Several served models need a choice.
    serving("a", "b")
    assert failure(RemoteEngine(server)).key == "remote_model_unchosen"
    assert failure(RemoteEngine(server, preferred="c")).key == "remote_model_unchosen"
    # The preferred model is taken among several.
    serving("a", "b")
    assert RemoteEngine(server, preferred="b").ensure_ready(lambda phase: None, threading.Event()).model == "b"
    # A server without a model.
    serving()
    assert failure(RemoteEngine(server)).key == "remote_serves_nothing"


@pytest.mark.parametrize(
    ("given", "served"),
    [
        ("qwen2.5vl", "qwen2.5vl:latest"),
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("Org/Model", "org/model"),
    ],
)
def test_names_of_lists_are_recognized_in_short_form(given: str, served: str, server: str) -> None:
    serving("other", served)
    assert RemoteEngine(server, model=given).ensure_ready(lambda phase: None, threading.Event()).model == served


def test_unserved_model_error_lists_served_and_nearest(server: str) -> None:
    serving("Qwen2.5-VL-7B", "llama")
    error = failure(RemoteEngine(server, model="Qwen/Qwen2.5-VL-7B-Instruct"))
    assert error.key == "remote_model_unknown"
    assert (error.values["served"], error.values["nearest"]) == ("Qwen2.5-VL-7B, llama", "Qwen2.5-VL-7B")


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ((401, b"{}"), "remote_key_rejected"),
        ((403, b'{"error": {"message": "no such key"}}'), "remote_key_rejected"),
        ((403, b"<html><title>Just a moment...</title></html>"), "remote_web_page"),
        ((429, b'{"error": "slow down"}'), "engine_busy"),
        ((500, b"oops"), "engine_refused"),
        ((502, b"<html><h1>502 Bad Gateway</h1></html>"), "engine_gateway"),
        ((503, b'{"error": {"message": "Loading model"}}'), "engine_busy"),
        ((504, b""), "engine_gateway_timeout"),
        ((404, b"{}"), "remote_not_openai"),
        ((404, b"<html><h1>404 Not Found</h1><hr>nginx</html>"), "remote_web_page"),
        ((405, b""), "remote_not_openai"),
        ((200, b"<!doctype html><html><head><title>Sign in</title></head></html>"), "remote_web_page"),
        ((200, b'{"error": "Unexpected endpoint or method. (GET /v1/models)"}'), "remote_not_openai"),
        ((200, b'["a"]'), "remote_not_openai"),
        ((200, b""), "remote_not_openai"),
        ((200, b'{"data": [1]}'), "remote_not_openai"),
    ],
)
def test_an_answer_that_is_not_a_list_of_models(server: str, answer: tuple[int, bytes], key: str) -> None:
    Handler.answer = answer
    error = failure(RemoteEngine(server))
    assert (error.key, error.values["status"]) == (key, answer[0])


def test_words_of_a_server_that_is_no_engine_are_quoted(server: str) -> None:
    Handler.answer = 404, b'{"detail": "No route here"}'
    wanted = f"{server}/v1 answers, but not like an OpenAI-compatible engine (HTTP 404): “No route here”."
    assert error_text(failure(RemoteEngine(server)), "en").startswith(wanted)


def test_https_address_of_a_plain_server_names_tls(server: str) -> None:
    serving("m")
    error = failure(RemoteEngine(server.replace("http:", "https:")))
    assert error.key == "remote_tls" and "http://" in error_text(error, "en")


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (NoAnswer("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate (_ssl.c:1)"), "remote_certificate"),
        (NoAnswer("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1)"), "remote_tls"),
        (NoAnswer("[Errno -2] Name or service not known"), "remote_unreachable"),
        (NoAnswer("HTTP 302 redirects", 302, redirect="https://login.example/"), "engine_redirects"),
    ],
)
def test_failed_connection_says_what_to_change(answer: NoAnswer, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise answer

    monkeypatch.setattr(remote_engine, "get_json", refuse)
    assert failure(RemoteEngine("https://engine.example/v1")).key == key


def test_redirect_to_a_login_page_is_named(server: str) -> None:
    Handler.answer = 302, b""
    Handler.location = "/login"
    error = failure(RemoteEngine(server))
    assert (error.key, error.values["status"], error.values["reason"]) == ("remote_web_page", 200, "Sign in")


@pytest.mark.parametrize("status", [404, 405, 501])
def test_server_without_model_list_is_trusted(status: int, server: str) -> None:
    Handler.answer = status, b"{}"
    assert RemoteEngine(server, model="m").ensure_ready(lambda phase: None, threading.Event()).model == "m"


def test_silence_at_an_address_is_named(server: str) -> None:
    # No one at the address.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = failure(RemoteEngine(f"http://127.0.0.1:{closed.getsockname()[1]}"))
    assert error.key == "remote_unreachable" and "refused" in str(error.values["reason"])
    # A server that does not answer in time.
    Handler.gate.clear()
    assert failure(RemoteEngine(server, timeout_seconds=0.2)).key == "remote_unreachable"


def test_unusable_proxy_is_named_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "foo:bar:baz")
    error = failure(RemoteEngine("https://engine.invalid/v1"))
    assert error.key == "proxy_unusable" and "HTTPS_PROXY" in error_text(error, "zh")


def test_password_in_the_address_is_not_shown() -> None:
    for address in ("http://me:hunter2@127.0.0.1:1", "http://me:hunter2@127.0.0.1:99999"):
        with pytest.raises(AppError) as caught:
            RemoteEngine(address).ensure_ready(lambda phase: None, threading.Event())
        for language in LANGUAGES:
            assert "127.0.0.1:" in (shown := error_text(caught.value, language)) and "hunter2" not in shown


def test_cancel_does_not_wait_for_the_answer(server: str) -> None:
    Handler.gate.clear()
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        RemoteEngine(server).ensure_ready(lambda phase: None, cancel)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        (" http://localhost:8000/v1/ ", "http://localhost:8000/v1"),
        ("https://host/api/v3", "https://host/api/v3"),
        ("http://host/v1/chat/completions", "http://host/v1"),
        ("http://host/v1/models", "http://host/v1"),
        ("https://host/openai", "https://host/openai/v1"),
        ("HTTP://Host:8000", "http://host:8000/v1"),
        ("http://Me:Secret@Host", "http://Me:Secret@host/v1"),
        ("http://host/llm/", "http://host/llm/v1"),
        ("https://host/v1beta/openai/", "https://host/v1beta/openai"),
        ("https://host/v1/account/gateway/compat", "https://host/v1/account/gateway/compat"),
        ("https://host/v1/projects/p/endpoints/openapi", "https://host/v1/projects/p/endpoints/openapi"),
        ("http://host/api/v1/services/vllm:8000/proxy", "http://host/api/v1/services/vllm:8000/proxy/v1"),
    ],
)
def test_an_address_is_brought_into_the_form_that_clients_want(given: str, wanted: str) -> None:
    assert normal_base_url(given) == wanted


@pytest.mark.parametrize(
    "given",
    ["", "localhost:8000", "ftp://host/v1", "http://", "http://host:99999/v1", "http://h?a=1", "http:// h:8000"],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RemoteEngine(given)
    assert caught.value.key == "base_url_invalid" and repr(given) in error_text(caught.value, "en")
