"""Keys and frames go to the address that was set and nowhere else, and no answer brings a key back to be shown."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from framelens.analysis.requests.engine_connection import cache_tokens
from framelens.core.engines.model_hub import ModelHub
from framelens.core.errors import AppError, EngineError
from framelens.core.redaction import redact, remember_secret
from framelens.engine.downloads.hub import hub_config
from framelens.engine.remote_engine import RemoteEngine
from framelens.engine.short_requests import NoAnswer, get_json
from framelens.i18n import error_text
from framelens.llm.chat import connect
from framelens.llm.stream import ask
from framelens.llm.token_count import count_tokens
from framelens.store.fs_utils import log_to
from tests import loopback
from tests.llm.scripted import Refuse, saying, serve
from tests.thorough import first_of

KEY = "geheim-0815-and-more"
ROOT = Path(__file__).resolve().parents[2]


class Collector:
    """Remembers what it is sent."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str | None, bytes]] = []
        self.base_url = ""


class _Collecting(loopback.Handler):
    state: Collector

    def do_GET(self) -> None:
        self.state.came.append((self.path, self.headers.get("Authorization"), b""))
        self.send_json(200, {"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        self.state.came.append((self.path, self.headers.get("Authorization"), self.rfile.read1(1 << 20)))
        self.send_json(200, {})


class _Pointing(loopback.Handler):
    """Sends everybody on to another address."""

    target: str
    status = 307

    def do_GET(self) -> None:
        self.send_whole(self.status, b"", {"Location": f"{self.target}{self.path}"})

    def do_POST(self) -> None:
        self.body()
        self.do_GET()


@contextmanager
def pointing(status: int = 307) -> Iterator[tuple[str, Collector]]:
    """The URL of a server that redirects to another server, and the other server."""
    with (
        loopback.scripted(_Collecting, Collector()) as stranger,  # type: ignore[type-var]
        loopback.listening(
            type("To", (_Pointing,), {"target": stranger.base_url.removesuffix("/v1"), "status": status})
        ) as url,
    ):
        yield url, stranger


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_key_is_not_sent_on_to_another_port(status: int) -> None:
    with pointing(status) as (url, stranger):
        with pytest.raises(NoAnswer) as caught:
            get_json(f"{url}/v1/models", api_key=KEY)
        assert caught.value.redirect.startswith(stranger.base_url.removesuffix("/v1"))
    assert stranger.came == []


def test_redirect_error_names_its_target() -> None:
    with pointing() as (url, stranger):
        with pytest.raises(EngineError) as caught:
            RemoteEngine(url, KEY).ensure_ready(lambda _: None, threading.Event())
        assert caught.value.key == "engine_redirects"
        assert f"{stranger.base_url}/models" in error_text(caught.value, "en")
    assert stranger.came == []


def test_frames_are_not_sent_on_to_another_port() -> None:
    with pointing() as (url, stranger):
        with pytest.raises(EngineError) as caught:
            ask(connect(f"{url}/v1", api_key=KEY, model="m"), [HumanMessage("What is there?")])
        assert caught.value.key == "engine_redirects"
    assert stranger.came == []


def test_what_is_asked_beside_is_not_sent_on_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_1234567890abc")
    with pointing() as (url, stranger):
        assert cache_tokens(f"{url}/v1", KEY) is None
        assert count_tokens(f"{url}/v1", KEY, "m", [HumanMessage("x")]) is None
        assert hub_config("org/model", hub=ModelHub("huggingface", url)) is None
    assert stranger.came == []


def test_a_redirect_within_one_address_is_followed() -> None:
    class Moved(loopback.Handler):
        def do_GET(self) -> None:
            if self.path == "/old":
                self.send_whole(307, b"", {"Location": "/new"})
            else:
                self.send_json(200, {"key": self.headers.get("Authorization")})

    with loopback.listening(Moved) as url:
        assert get_json(f"{url}/old", api_key=KEY) == {"key": f"Bearer {KEY}"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_frames_are_sent_on_within_one_address(status: int) -> None:
    came: list[tuple[str, object]] = []

    class Moved(loopback.Handler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not self.path.endswith("/"):
                self.send_whole(status, b"", {"Location": f"{self.path}/"})
            else:
                came.append((self.headers.get("Authorization"), json.loads(body)["messages"]))
                choice = {"index": 0, "message": {"role": "assistant", "content": "a cat"}, "finish_reason": "stop"}
                self.send_json(200, {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice]})

    with loopback.listening(Moved) as url:
        assert ask(connect(f"{url}/v1", api_key=KEY, model="m"), [HumanMessage("What is there?")]).text == "a cat"
    assert came == [(f"Bearer {KEY}", [{"role": "user", "content": "What is there?"}])]


def _echoing(body: dict[str, Any]) -> Iterator[str]:
    raise Refuse(401, f"Nobody here knows {KEY}, nor Bearer {KEY}")
    yield ""


def test_key_repeated_by_engine_is_redacted() -> None:
    with serve(_echoing) as server, pytest.raises(AppError) as caught:
        ask(connect(server.base_url, api_key=KEY, model="m"), [HumanMessage("x")])
    assert caught.value.key == "engine_key_rejected"
    assert KEY not in repr(caught.value.values) and KEY not in error_text(caught.value, "zh")
    assert "Nobody here knows ***" in error_text(caught.value, "en")


def test_a_key_is_not_written_into_the_log(tmp_path: Path) -> None:
    remember_secret(KEY)
    logger = logging.getLogger("framelens")
    level, handlers = logger.level, list(logger.handlers)
    path = log_to(tmp_path)
    try:
        try:
            raise ValueError(f"a library quotes {KEY}")
        except ValueError:
            logger.warning("refused: %s", KEY, exc_info=True)
    finally:
        for handler in set(logger.handlers) - set(handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(level)
    text = path.read_text(encoding="utf-8")
    assert "refused: ***" in text and "Traceback" in text and KEY not in text


def test_an_ordinary_word_as_a_key_hides_only_itself() -> None:
    remember_secret("correcthorse")
    remember_secret("short")
    assert redact("key correcthorse, correcthorses, short") == "key ***, correcthorses, short"


_ASKING = """
import sys
from langchain_core.messages import HumanMessage
from langchain_core.tracers.langchain import wait_for_all_tracers
from framelens.llm.chat import connect
from framelens.llm.stream import ask
chat = connect(sys.argv[1], api_key="k", model="m")
print(ask(chat, [HumanMessage("a private question")]).text)
wait_for_all_tracers()
"""


@pytest.mark.slow
@pytest.mark.parametrize("variable", first_of(["LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"]))
def test_langsmith_gets_nothing_whatever_the_environment_says(variable: str) -> None:
    with serve(saying("red")) as server, loopback.scripted(_Collecting, Collector()) as tracer:  # type: ignore[type-var]
        url = tracer.base_url.removesuffix("/v1")
        places = {"LANGSMITH_ENDPOINT": url, "LANGCHAIN_ENDPOINT": url, "LANGSMITH_API_KEY": "lsv2_pt_0123456789"}
        done = subprocess.run(
            [sys.executable, "-c", _ASKING, server.base_url],
            env={**os.environ, **places, variable: "true", "NO_PROXY": "*"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout == "red\n"
    assert tracer.came == []
