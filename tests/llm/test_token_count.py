"""Counts of tokens, and what servers say in place of a count."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from framelens.core.errors import AppError
from framelens.llm.token_count import TokenCount, count_tokens
from tests import loopback

LONG = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."


class _Counter(loopback.Handler):
    answer: tuple[int, bytes]

    def do_POST(self) -> None:
        self.body()
        self.send_whole(self.answer[0], self.answer[1], {"Content-Type": "application/json"})


def counted(status: int, body: bytes) -> TokenCount | None:
    with loopback.listening(type("Scripted", (_Counter,), {"answer": (status, body)})) as url:
        return count_tokens(f"{url}/v1", "", "m", [HumanMessage("What?")])


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (200, b'{"count": 7, "max_model_len": 99}', TokenCount(7, 99)),
        (200, b"<html>Sign in</html>", None),
        (200, b"[1]", None),
        (200, b'{"error": "Unexpected endpoint or method. (POST /tokenize)"}', None),
        (400, b'{"detail": "mm_processor_kwargs: Extra inputs are not permitted"}', None),
        (401, b'{"error": "no key"}', None),
        (404, b'{"detail": "Not Found"}', None),
        (405, b"", None),
        (500, b"it broke", None),
        (503, b"busy", None),
    ],
)
def test_server_without_a_count_gives_none(status: int, body: bytes, wanted: Any) -> None:
    assert counted(status, body) == wanted


@pytest.mark.parametrize("status", [200, 400, 413, 422, 500])
@pytest.mark.parametrize(
    ("words", "key"),
    [
        (LONG, "context_exceeded"),
        ("At most 4 image(s) may be provided in one prompt.", "too_many_pictures"),
        ("m is not a multimodal model", "pictures_refused"),
    ],
)
def test_refusal_of_what_is_counted_is_raised(status: int, words: str, key: str) -> None:
    with pytest.raises(AppError, match=key):
        counted(status, b'{"error": {"message": "%s"}}' % words.encode())
