"""Short requests: a limit for the whole request, redirects included, and a single exception for all errors."""

import time
from collections.abc import Callable

import pytest

from framelens.engine.short_requests import NoAnswer, get_json
from framelens.http_client import MOST_BYTES
from tests import loopback


def failure(url: str, **options: float) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        get_json(url, **options)  # type: ignore[arg-type]
    return caught.value


def answering(answer: Callable[[loopback.Handler], None]) -> type[loopback.Handler]:
    return type("Answering", (loopback.Handler,), {"do_GET": answer})


def test_redirects_count_in_the_time_of_the_request() -> None:
    def move(handler: loopback.Handler) -> None:
        time.sleep(0.15)
        handler.send_whole(307, b"", {"Location": handler.path + "x"})

    with loopback.listening(answering(move)) as url:
        assert "took longer than 0.4 s" in str(failure(f"{url}/a", timeout_seconds=0.2))


def test_endless_answers_and_redirects_end() -> None:
    # Endless redirects end.
    with loopback.listening(answering(lambda handler: handler.send_whole(307, b"", {"Location": "/a"}))) as url:
        assert "redirects" in str(failure(f"{url}/a"))
    # Answer longer than the cap is none.
    with loopback.listening(answering(lambda handler: handler.send_json(200, "x" * MOST_BYTES))) as url:
        assert "engine_answer_long" in str(failure(url))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9/v1", "Connection refused"),
        ("http://nothing.invalid/v1", "not known"),
        ("nonsense", "base_url_invalid"),
    ],
)
def test_connection_that_fails_says_why(url: str, reason: str) -> None:
    answer = failure(url)
    assert answer.status is None and reason in str(answer)


def test_unusable_proxy_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framelens.http_client._clients", {})
    monkeypatch.setenv("ALL_PROXY", "socks://me:secret@127.0.0.1:9")
    assert "ALL_PROXY" in str(answer := failure("http://engine.example/v1")) and "secret" not in str(answer)
