"""Guard in front of every path of a local engine: a client without the key only learns whether the engine is up.

vLLM asks for its key below `/v1` alone, and `transformers serve` has no key. Their other paths answer any program of
this machine, and a page in a browser whose name was made to resolve to it. The guard runs in the engine's own process:
vLLM imports it by name (`--middleware`), and `transformers_dtype_patch.py` puts it before that server.
"""

import json
import os
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

KEY_VARIABLE = "FRAMELENS_ENGINE_KEY"
_OPEN = "/health"
_REFUSAL = json.dumps({"error": {"message": "the engine's key is missing or wrong", "code": 401}}).encode()
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Guard:
    """ASGI middleware that passes on requests with the key of this process's environment."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app
        self._expected = f"Bearer {os.environ[KEY_VARIABLE]}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 401."""
        if scope["type"] == "lifespan" or scope["path"] == _OPEN or self._has_key(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSAL})

    def _has_key(self, scope: Scope) -> bool:
        credentials = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(credentials) == 1 and secrets.compare_digest(credentials[0], self._expected)
