"""Access to the API: language, key, limits and the size of a request, checked before a route reads anything.

Problems are answered as `application/problem+json` (RFC 9457).
"""

import asyncio
import json
import logging
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framelens import AppError, InputError
from framelens.plugin import LOCAL_USER, as_user, in_language
from framelens.plugin.api import SAFE_HEADERS, accepted_language
from framelens.plugin.storage import Store
from framelens.plugin.users import User, Users
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiKeyRow, ApiStore
from framelens.plugins.server.rate_limit import RateLimiter
from framelens.plugins.server.v1 import uploads
from framelens.plugins.server.v1.schemas import problem_of

_log = logging.getLogger(__name__)
_MOST_BYTES = 1 << 20
"""Of a JSON body: a question has at most 20,000 characters, of up to 12 bytes as JSON."""
_BODY_SECONDS = 30.0
"""How long a JSON body may take."""
PUBLIC = ("/docs", "/openapi.json")
"""Paths without a key: the document and the page that shows it."""


class Access:
    """ASGI middleware of the whole API. The key of a request is in `scope["state"]["key"]`."""

    def __init__(self, app: ASGIApp, *, store: Store, log_path: Path) -> None:
        self._app = app
        self._records = ApiStore(store)
        self._users = Users(store)
        self._log_path = log_path
        self._limiter = RateLimiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check an HTTP request and pass it on."""
        headers = Headers(scope=scope)
        has_started = is_complete = False
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        is_public = scope["method"] in ("GET", "HEAD") and (path in PUBLIC or path.startswith("/docs/"))

        async def send_protected(message: Message) -> None:
            nonlocal has_started, is_complete
            if message["type"] == "http.response.start":
                has_started = True
                answered = MutableHeaders(scope=message)
                answered.setdefault("Cache-Control", "no-store")
                for name, value in {} if is_public else SAFE_HEADERS.items():
                    answered.setdefault(name, value)
            is_complete = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        with in_language(accepted_language(headers.get("accept-language"))):
            try:
                user = LOCAL_USER
                if not is_public:
                    key, user = await run_in_threadpool(self._admit, headers)
                    scope = {**scope, "state": {**scope.get("state", {}), "key": key}}
                    receive = await _bound_body(scope, headers, receive)
                with as_user(user):
                    await self._app(scope, receive, send_protected)
            except AppError as error:
                await problem_response(error)(scope, receive, send_protected)
            except Exception as error:
                _log.exception("%s %s failed", scope["method"], scope["path"])
                if is_complete:
                    return
                if has_started:  # in mid-answer: the connection breaks
                    raise
                failure = AppError.of(error, self._log_path)
                await problem_response(failure)(scope, receive, send_protected)

    def _admit(self, headers: Headers) -> tuple[ApiKeyRow, User]:
        key = api_keys.check(self._records, headers.get("authorization", ""))
        if self._users.exist() and not self._users.get(key.account_id):
            raise InputError("api_key_without_user")
        self._limiter.check(key)
        return key, self._users.owner(key.account_id)


def problem_response(error: AppError, **members: object) -> Response:
    """Return an error in the language of the context, with further `members`."""
    problem = problem_of(error)
    headers = {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="FrameLens"'
    if problem.status in (429, 503):
        headers["Retry-After"] = str(error.values.get("seconds", 5))
    body = json.dumps({**problem.model_dump(), **members}, ensure_ascii=False).encode()
    return Response(body, problem.status, media_type="application/problem+json", headers=headers)


async def _bound_body(scope: Scope, headers: Headers, receive: Receive) -> Receive:
    """Read the body, unless its route does so piece by piece, and return a `receive` that yields it.

    Raises:
        InputError: "api_body_too_large" or "api_body_slow".
    """
    if uploads.is_streamed(headers) and scope["method"] == "PATCH":
        return receive
    length = headers.get("content-length", "0")
    too_large = InputError("api_body_too_large", most=_MOST_BYTES >> 20)
    if length.isdecimal() and (len(length) > 18 or int(length) > _MOST_BYTES):
        raise too_large
    body = bytearray()
    messages: list[Message] = []
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":  # the client has left
                    messages.append(message)
                    break
                body += message.get("body", b"")
                if len(body) > _MOST_BYTES:
                    raise too_large
                if not message.get("more_body"):
                    messages.append({"type": "http.request", "body": bytes(body), "more_body": False})
                    break
    except TimeoutError:
        raise InputError("api_body_slow", seconds=round(_BODY_SECONDS)) from None

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
