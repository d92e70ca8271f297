"""Parts of files in HTTP answers: the range of bytes, and the version of the file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from framelens.store.videos.outbound import ResponseHead

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True)
class ContentRange:
    """The range of an answer: its first byte, and the size of the whole file, None if the server doesn't give it."""

    first: int
    total: int | None

    @classmethod
    def of(cls, answer: ResponseHead) -> ContentRange | None:
        """Return the range of an answer, None if the answer has the whole file or a malformed range."""
        found = _RANGE.fullmatch(answer.headers.get("content-range", "").strip()) if answer.status == 206 else None
        return cls(int(found[1]), int(found[3]) if found[3] != "*" else None) if found else None


def version_of(answer: ResponseHead, total: int | None = None) -> str:
    """Return the name of an answer's content: its ETag, or the time of its last change with its size; "" if unknown.

    A weak ETag names equivalent content, not the same bytes, and is not used.

    Args:
        answer: The answer.
        total: Size of the whole file, if the answer has a part.
    """
    if (tag := answer.headers.get("etag", "").strip()).startswith('"'):
        return f"etag:{tag}"
    changed, size = answer.headers.get("last-modified", "").strip(), total or answer.headers.get("content-length", "")
    return f"date:{changed} {size}" if changed and size else ""


def version_validator(version: str) -> str:
    """Return the value of `If-Range` or `If-None-Match` for a version."""
    kind, _, value = version.partition(":")
    return value if kind == "etag" else value.rpartition(" ")[0]
