"""Walking an iterator ahead of its reader."""

import threading
from collections.abc import Iterator

import pytest

from framelens.video.readers.ahead import ahead


def test_everything_comes_in_order() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))


def test_what_ends_it_comes_after_what_was_before() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise MemoryError("full")

    walked = ahead(items())
    assert next(walked) == 1
    with pytest.raises(MemoryError, match="full"):
        next(walked)


def test_closing_it_ends_its_thread() -> None:
    before = set(threading.enumerate())
    walked = ahead(iter(range(10**9)))
    assert next(walked) == 0
    (own,) = {one for one in threading.enumerate() if one.name == "decoding"} - before
    walked.close()  # type: ignore[attr-defined]
    assert not own.is_alive()
