"""Responses that send a file that is already open."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

_DESCRIPTORS = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd")
"""Where an open file can be opened again, for a position of its own; Windows has no such folder."""


class OpenFileResponse(FileResponse):
    """Send an open file, whatever its path names by now, and close it.

    Args:
        descriptor: The file's descriptor, which is closed in the end.
        path: Its path.
        is_temporary: Delete it in the end, also if the client has left.
        options: As of FileResponse.
    """

    def __init__(self, descriptor: int, path: Path, *, is_temporary: bool = False, **options: Any) -> None:
        self._descriptor = descriptor
        self._temporary = path if is_temporary else None
        place = _DESCRIPTORS / str(descriptor) if _DESCRIPTORS.is_dir() else path
        super().__init__(place, stat_result=os.fstat(descriptor), **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the ranges that the request names."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._descriptor)
            if self._temporary:
                self._temporary.unlink(missing_ok=True)
