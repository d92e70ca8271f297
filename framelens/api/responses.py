"""Responses that send a file that is already open."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

_DESCRIPTORS = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd")
"""Folder through which an open file can be opened again, with a position of its own; Windows has no such folder."""
_RANGE = re.compile(r"(\d+)-(\d*)|-(\d+)")
_KEPT = ("cache-control", "etag", "last-modified")
"""Headers of a response whose content the client has already (RFC 9110, 15.4.5)."""


def _without_odd_range(scope: Scope) -> Scope:
    """Return a request without a malformed range or a range in another unit than bytes, as RFC 9110, 14.2, allows.

    The request is then for the whole file.
    """
    unit, _, ranges = Headers(scope=scope).get("range", "bytes=").partition("=")
    matches = [_RANGE.fullmatch(item.strip()) for item in ranges.split(",")]
    is_right = unit.strip().lower() == "bytes" and all(
        match and not (match[2] and int(match[1]) > int(match[2])) for match in matches
    )
    return scope if is_right else {**scope, "headers": [header for header in scope["headers"] if header[0] != b"range"]}


class OpenFileResponse(FileResponse):
    """Send an open file, even if another file has its path by now, and close it.

    Args:
        descriptor: The file's descriptor, which is closed in the end.
        path: The file's path.
        is_temporary: Delete the file in the end, also if the client has left.
        options: Options of FileResponse.
    """

    def __init__(self, descriptor: int, path: Path, *, is_temporary: bool = False, **options: Any) -> None:
        self._descriptor = descriptor
        self._temporary = path if is_temporary else None
        source = _DESCRIPTORS / str(descriptor) if _DESCRIPTORS.is_dir() else path
        super().__init__(source, stat_result=os.fstat(descriptor), **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the ranges that the request names; no content if the client has the file already."""
        try:
            tags = re.findall(r'"[^"]*"|\*', Headers(scope=scope).get("if-none-match", ""))
            if self.headers["etag"] in tags or "*" in tags:
                headers = {name: value for name, value in self.headers.items() if name in _KEPT}
                await Response(status_code=304, headers=headers)(scope, receive, send)
            else:
                await super().__call__(_without_odd_range(scope), receive, send)
        finally:
            os.close(self._descriptor)
            if self._temporary:
                self._temporary.unlink(missing_ok=True)
