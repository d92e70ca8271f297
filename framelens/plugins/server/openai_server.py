"""OpenAI-compatible server of `framelens serve`, a proxy in server of an engine with its own key.

Requests and answers are forwarded unchanged except for the model's name. Refusals and failures of the engine are
returned in the API's error format: `{"error": {message, type, param, code}}`.
"""

import asyncio
import json
import logging
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from framelens import (
    AppError,
    Cancelled,
    ConfigError,
    EngineError,
    ImageRejected,
    InputError,
    Language,
    StorageError,
    error_text,
)
from framelens.plugin import Settings, t
from framelens.plugin.analyses import MOST_FRAMES, RequestCapacity
from framelens.plugin.api import status_of
from framelens.plugin.chat import Forwarder, PicturesRefused, connect, message_in, prove_sight, read_json, refused
from framelens.plugin.engines import Endpoint, Engine, RequestTooLarge
from framelens.plugin.files import redact
from framelens.plugins.server.message_videos import MessageVideos, SentVideo, video_parts, without_videos

log = logging.getLogger(__name__)
_CHAT = "/v1/chat/completions"
_ASKED = (_CHAT, "/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize")
_MOST_BYTES = 512 << 20
"""Limit for a request's body."""
_ANSWER_TOKENS = 1024
"""Tokens reserved for an answer of which the request doesn't say the length."""
_GONE_SECONDS = 0.3
"""Interval at which a client that has left is noticed while frames are chosen."""
_RETRY_SECONDS = 5
"""Sent as Retry-After with status 503."""
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 413: "request_too_large"}
_MEDIA = {"url", "image_url", "video_url", "audio_url", "image", "video", "audio", "input_audio"}
"""Names of the fields of a message that hold data, or an address or path of it."""
_DATA = re.compile(r"data:", re.IGNORECASE)
_PLAIN_ADDRESS = re.compile(r"https?://([a-z0-9.-]+)(:[0-9]+)?(/[!-\[\]-~]*)?", re.IGNORECASE)
"""An address in which every reader finds the same host: without a backslash, a name before "@", or odd characters."""
_PICTURES = {"image_url", "input_image", "image", "video_url", "input_video", "video"}


@dataclass(frozen=True)
class ServeOptions:
    """Options of the server.

    Attributes:
        engine: The engine, which the server starts and stops.
        names: The model names that requests may use, in the order of `/v1/models`.
        api_key: The key that requests must have.
        takes_pictures: Whether requests may contain pictures.
        takes_tools: Whether the engine reads the calls of tools that the model writes by its own choice.
        language: The language of error messages.
        timeout_seconds: The timeout of requests to the engine.
        on_failure: Called with the error if the engine's first start fails.
        media_domains: Names of hosts from which the engine may fetch pictures that a request names by an address.
        settings: Where videos may come from; without them, videos go to the engine as they are.
        most_pictures: Most pictures that the engine accepts for a request; None if unknown.
    """

    engine: Engine
    names: tuple[str, ...]
    api_key: str = field(repr=False)
    takes_pictures: bool = True
    takes_tools: bool = True
    language: Language = "en"
    timeout_seconds: float = 600.0
    on_failure: Callable[[AppError], None] = lambda _: None
    media_domains: tuple[str, ...] = ()
    settings: Settings | None = None
    most_pictures: int | None = None


class _Refused(Exception):
    """An error response of the server itself."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    def response(self) -> JSONResponse:
        """Return the response in the API's error format."""
        headers = {"Retry-After": str(_RETRY_SECONDS)} if self.status == 503 else {}
        return JSONResponse(_error(self.status, self.message, self.code, self.param), self.status, headers=headers)


def serve_app(options: ServeOptions) -> Starlette:
    """Return the ASGI application, which starts the engine on startup and stops it on shutdown."""
    server = _Server(options)
    return Starlette(
        routes=[
            Route("/health", server.health),
            Route("/v1/models", server.guarded(server.models)),
            Route("/metrics", server.guarded(server.metrics)),
            *(Route(path, server.guarded(server.ask), methods=["POST"]) for path in _ASKED),
            Route("/{path:path}", server.guarded(server.unknown), methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        ],
        lifespan=server.life,
    )


class _Server:
    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._engine = options.engine
        self._forwarder: Forwarder
        self._closing = threading.Event()
        self._endpoint: Endpoint | None = None
        self._starting: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def life(self, _: Starlette) -> AsyncIterator[None]:
        """Start the engine, and stop it when the application ends."""
        self._forwarder = Forwarder(self._options.timeout_seconds)
        self._start()
        try:
            yield
        finally:
            self._closing.set()
            await self._forwarder.close()
            await asyncio.to_thread(self._engine.stop)

    # ---- routes

    async def health(self, _: Request) -> Response:
        """Return 200 if the engine is ready and else 503; for monitoring, without a key."""
        state = self._engine.status().state
        return JSONResponse({"status": state}, 200 if state == "ready" else 503)

    async def models(self, _: Request) -> Response:
        """List the model under all its names."""
        info = self._engine.status().info
        common = {"object": "model", "created": _STARTED, "owned_by": "framelens"}
        if info and info.max_model_len:
            common["max_model_len"] = info.max_model_len
        return JSONResponse({"object": "list", "data": [{"id": name, **common} for name in self._options.names]})

    async def metrics(self, request: Request) -> Response:
        """Forward the engine's metrics."""
        endpoint = self._ready()
        answer = await self._send(endpoint, "GET", "/metrics", None)
        await answer.aread()
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    async def ask(self, request: Request) -> Response:
        """Forward a request to the engine and its answer or stream to the client."""
        body = await self._body(request)
        named = body.get("model")
        if named not in self._options.names:
            if named is None:
                raise _Refused(400, self._say("no_model"), param="model")
            served = ", ".join(self._options.names)
            raise _Refused(404, self._say("unknown_model", name=str(named)[:200], known=served), code="model_not_found")
        name, messages = str(named), body.get("messages")
        is_about_videos = bool(self._options.settings and request.url.path == _CHAT and video_parts(messages))
        others = {**body, "messages": without_videos(messages)} if is_about_videos else body
        if not self._options.takes_pictures and _has_pictures(others):
            raise _Refused(400, self._say("no_pictures"), param="messages", code="pictures_not_taken")
        if not self._options.takes_tools and body.get("tools") and body.get("tool_choice", "auto") in ("auto", None):
            raise _Refused(400, self._say("no_tools"), param="tools", code="tools_not_taken")
        self._check_media([others.get("messages"), body.get("input")])
        if is_about_videos:
            return await self._ask_about_videos(request, body, name)
        endpoint = self._ready()
        answer = await self._send(endpoint, "POST", request.url.path, {**body, "model": endpoint.model})
        return await self._respond(answer, endpoint, name)

    async def _respond(
        self, answer: httpx.Response, endpoint: Endpoint, name: str, about: Mapping[str, Any] | None = None
    ) -> Response:
        """Return the engine's answer or stream to the client; `about` is added to an answer about videos."""
        if answer.status_code >= 400:
            await answer.aread()
            raise _converted_error(answer, endpoint.model, name)
        media = answer.headers.get("content-type", "application/json")
        if "event-stream" in media:
            return StreamingResponse(self._stream_lines(answer, endpoint.model, name, about), media_type=media)
        await answer.aread()
        content = _rename(answer.content, name)
        if about:
            content = _with_account(content, _warning(about, self._options.language), about)
        return Response(content, answer.status_code, media_type=media)

    # ---- videos

    async def _ask_about_videos(self, request: Request, body: Mapping[str, Any], name: str) -> Response:
        """Answer a question about videos: by the search, or by the engine with their keyframes."""
        endpoint, cancel, settings = self._ready(), threading.Event(), self._options.settings
        assert settings is not None
        watch = asyncio.create_task(_cancel_when_gone(request, cancel))
        try:
            with MessageVideos(body["messages"], settings, cancel) as videos:
                await asyncio.to_thread(videos.open)
                if videos.is_sought and self._options.takes_pictures:
                    return await self._search(videos, body, endpoint, name)
                return await self._send_keyframes(videos, body, endpoint, name)
        except Cancelled as error:
            raise ClientDisconnect from error
        except (ConfigError, InputError, StorageError) as error:
            text = error_text(error, self._options.language)
            status = status_of(error) if isinstance(error, StorageError) else 400
            raise _Refused(status, text, param="messages", code=error.key) from error
        finally:
            watch.cancel()

    async def _send_keyframes(
        self, videos: MessageVideos, body: Mapping[str, Any], endpoint: Endpoint, name: str
    ) -> Response:
        """Send the keyframes to the engine, fewer if it refuses them, described in words if it takes no pictures."""
        info = self._engine.status().info
        answer_tokens = body.get("max_completion_tokens") or body.get("max_tokens")
        capacity = RequestCapacity(
            info.max_model_len if info else None,
            answer_tokens if isinstance(answer_tokens, int) else _ANSWER_TOKENS,
        )
        in_words = not self._options.takes_pictures or await asyncio.to_thread(self._is_blind, endpoint)
        most = self._options.most_pictures or MOST_FRAMES
        while True:
            messages, sent = await asyncio.to_thread(videos.expanded, capacity, most=most, in_words=in_words)
            forwarded = {**body, "model": endpoint.model, "messages": messages}
            answer = await self._send(endpoint, "POST", _CHAT, forwarded)
            frames = sum(len(video.times) for video in sent)
            if answer.status_code < 400:
                return await self._respond(answer, endpoint, name, _about(sent, in_words=in_words))
            await answer.aread()
            error = refused(answer.status_code, answer.headers, answer.text, model=endpoint.model)
            log.info("%d frames of videos were refused: %s", frames, error)
            if isinstance(error, RequestTooLarge) and frames > len(sent) and not in_words:
                most = max(len(sent), frames // 2)
            elif isinstance(error, (ImageRejected, PicturesRefused)) and not in_words:
                in_words = True
            else:
                raise _converted_error(answer, endpoint.model, name)

    def _is_blind(self, endpoint: Endpoint) -> bool:
        """Return whether the engine refuses pictures or drops them silently; it is tried once, with two pictures."""
        info = self._engine.status().info
        if info is None or info.sees is None:
            chat = connect(endpoint.base_url, api_key=endpoint.api_key, model=endpoint.model)
            sees = prove_sight(chat).sees
            self._engine.note_sight(sees is not False)  # what can't be proven is asked with pictures
            return sees is False
        return not info.sees

    async def _search(self, videos: MessageVideos, body: Mapping[str, Any], endpoint: Endpoint, name: str) -> Response:
        """Answer when, how often or whether something is seen by looking for it, as `framelens ask` does."""
        try:
            text = await asyncio.to_thread(videos.searched, endpoint, self._options.language)
        except EngineError as error:
            raise _Refused(502, error_text(error, self._options.language), code="engine_failed") from error
        return _completed(text, name, is_stream=bool(body.get("stream")))

    async def unknown(self, request: Request) -> Response:
        """Refuse a path that the server doesn't have."""
        raise _Refused(404, self._say("unknown_path", path=request.url.path[:200]))

    def guarded(self, route: Any) -> Any:
        """Return the route with a check of the key and with all errors in the API's format."""

        async def checked(request: Request) -> Response:
            try:
                self._check(request)
                response: Response = await route(request)
                return response
            except _Refused as refused:
                return refused.response()
            except AppError as error:  # an answer beyond its limits
                log.warning("%s %s: %s", request.method, request.url.path, error)
                return _Refused(502, error_text(error, self._options.language), code="engine_failed").response()
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception:
                log.exception("%s %s failed", request.method, request.url.path)
                return _Refused(500, self._say("fault")).response()

        return checked

    # ---- requests

    def _check(self, request: Request) -> None:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secrets.compare_digest(key.strip().encode(), self._options.api_key.encode()):
            raise _Refused(401, self._say("wrong_key"), code="invalid_api_key")

    async def _body(self, request: Request) -> dict[str, Any]:
        whole = bytearray()
        async for piece in request.stream():
            whole += piece
            if len(whole) > _MOST_BYTES:
                raise _Refused(413, self._say("too_large", megabytes=_MOST_BYTES >> 20))
        try:
            body = json.loads(bytes(whole))
        except (ValueError, RecursionError) as error:
            raise _Refused(400, self._say("no_json")) from error
        if not isinstance(body, dict):
            raise _Refused(400, self._say("no_json"))
        return body

    def _check_media(self, content: object) -> None:
        """Check that pictures are data: an address would have the engine fetch it, also from within this network."""
        for url in _addresses(content):
            plain = _PLAIN_ADDRESS.fullmatch(url)
            if plain is None or plain[1].lower() not in self._options.media_domains:
                raise _Refused(400, self._say("foreign_media", url=url.strip()[:200]), param="messages")

    # ---- the engine

    def _start(self) -> None:
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._make_ready())

    async def _make_ready(self) -> None:
        try:
            self._endpoint = await asyncio.to_thread(self._engine.ensure_ready, lambda _: None, self._closing)
        except AppError as error:
            log.warning("the engine could not be started: %s", error)
            self._fail(error)
        except Exception as error:
            log.exception("the engine could not be started")
            self._fail(AppError.of(error))

    def _fail(self, error: AppError) -> None:
        if self._endpoint is None and not self._closing.is_set():
            self._options.on_failure(error)

    def _ready(self) -> Endpoint:
        """Return the engine's endpoint.

        Raises:
            _Refused: The engine is not ready. If it has ended, it is started again.
        """
        status = self._engine.status()
        if status.state == "ready" and self._endpoint is not None:
            return self._endpoint
        self._start()
        if status.error:
            raise _Refused(503, error_text(status.error, self._options.language), code="engine_failed")
        raise _Refused(503, self._say("starting"), code="engine_starting")

    async def _send(self, endpoint: Endpoint, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        url = endpoint.base_url.removesuffix("/v1") + path
        try:
            return await self._forwarder.send(method, url, endpoint.api_key, body)
        except httpx.TimeoutException as error:
            raise _Refused(504, self._say("no_answer"), code="engine_timeout") from error
        except httpx.HTTPError as error:
            raise await self._engine_failure() from error

    async def _engine_failure(self) -> _Refused:
        """Return the reason why the engine doesn't answer, and start it again."""
        error = await asyncio.to_thread(self._engine.end_if_unwell)
        self._start()
        message = error_text(error, self._options.language) if error else self._say("broke_off")
        return _Refused(502, message, code="engine_died")

    async def _stream_lines(
        self, answer: httpx.Response, engine_name: str, name: str, about: Mapping[str, Any] | None
    ) -> AsyncIterator[bytes]:
        """Yield the events of a stream; a stream that breaks off ends with an error event."""
        if about:
            yield _chunk(_warning(about, self._options.language), name, about)
        try:
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    line = "data: " + _event(line[6:].encode(), engine_name, name).decode()
                yield line.encode() + b"\n"
        except AppError as error:  # beyond its limits
            yield _error_event(_Refused(502, error_text(error, self._options.language), code="engine_failed"))
        except httpx.HTTPError:
            yield _error_event(await self._engine_failure())
        finally:
            await answer.aclose()

    def _say(self, key: str, **values: object) -> str:
        return t(f"serve.{key}", self._options.language, **values)


def _about(sent: Sequence[SentVideo], *, in_words: bool) -> dict[str, Any]:
    """Return which frames of the videos were sent, and how."""
    videos = [{"name": video.name, "seconds": round(video.seconds, 3), "frames": list(video.times)} for video in sent]
    return {"mode": "text" if in_words else "pictures", "videos": videos}


def _warning(about: Mapping[str, Any], language: Language) -> str:
    """Return the beginning of an answer: that the model has not seen the pictures, "" if it has."""
    return t("notice.text_mode", language, reason="") + "\n\n" if about["mode"] == "text" else ""


def _with_account(content: bytes, warning: str, about: Mapping[str, Any]) -> bytes:
    """Add which frames were sent to an answer, and the warning to its text."""
    try:
        answer = json.loads(content)
        message = answer["choices"][0]["message"]
    except (ValueError, LookupError, TypeError):
        return content
    message["content"] = warning + (message.get("content") or "")
    return json.dumps({**answer, "framelens": about}, ensure_ascii=False).encode()


def _completion(text: str, name: str, about: Mapping[str, Any], *, is_chunk: bool, is_end: bool) -> dict[str, Any]:
    """Return a completion of our own, or a chunk of one."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "delta" if is_chunk else "message": message, "finish_reason": "stop" if is_end else None}
    common = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": name}
    kind = "chat.completion.chunk" if is_chunk else "chat.completion"
    return {**common, "object": kind, "choices": [choice], "framelens": dict(about)}


def _chunk(text: str, name: str, about: Mapping[str, Any], *, is_end: bool = False) -> bytes:
    chunk = _completion(text, name, about, is_chunk=True, is_end=is_end)
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def _completed(text: str, name: str, *, is_stream: bool) -> Response:
    """Return an answer of the search as a completion, or as the only event of a stream."""
    about = {"mode": "search"}
    if is_stream:
        return Response(_chunk(text, name, about, is_end=True) + b"data: [DONE]\n\n", media_type="text/event-stream")
    return JSONResponse(_completion(text, name, about, is_chunk=False, is_end=True))


async def _cancel_when_gone(request: Request, cancel: threading.Event) -> None:
    """Set the event once the client has left."""
    while not await request.is_disconnected():
        await asyncio.sleep(_GONE_SECONDS)
    cancel.set()


_BARE = '{"error": "'
_STARTED = int(time.time())


def _error(status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _error_event(refused: _Refused) -> bytes:
    return b"data: " + json.dumps(_error(refused.status, refused.message, refused.code)).encode() + b"\n\n"


def _converted_error(answer: httpx.Response, engine_name: str, name: str) -> _Refused:
    """Convert an engine's error response. vLLM, transformers and FastAPI each have their own format."""
    status = 400 if answer.status_code == 422 else answer.status_code
    parsed = read_json(answer.content)
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else None
    code, param = (error.get("code"), error.get("param")) if isinstance(error, dict) else (None, None)
    return _Refused(
        status,
        message_in(answer.text).replace(engine_name, name),
        code=code if isinstance(code, str) else None,
        param=param and str(param),
    )


def _rename(content: bytes, name: str) -> bytes:
    """Set the requested model name in a JSON answer; engines return its folder, or a name with a revision."""
    try:
        parsed = json.loads(content)
    except ValueError:
        return content
    if not isinstance(parsed, dict) or parsed.get("model", name) == name:
        return content
    return json.dumps({**parsed, "model": name}, ensure_ascii=False).encode()


def _event(content: bytes, engine_name: str, name: str) -> bytes:
    """Set the model name in an event of a stream, or convert an error.

    Transformers sends errors as a plain sentence in JSON that is invalid if the sentence has quotation marks.
    """
    try:
        parsed = json.loads(content)
    except ValueError:
        parsed = {"error": content.decode(errors="replace").removeprefix(_BARE).removesuffix('"}')}
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if not isinstance(error, str):
        return _rename(content, name)
    return json.dumps(_error(500, redact(error).replace(engine_name, name)), ensure_ascii=False).encode()


def _addresses(part: object, name: str = "") -> Iterator[str]:
    """Yield the media that parts of messages name instead of holding data: addresses, or paths on the engine's machine.

    Args:
        part: Messages, or a value in them.
        name: Name of the field that holds it.
    """
    if isinstance(part, dict):
        for field_name, value in part.items():
            # Where the format is known, engines put "data:" before the sound.
            is_bare = (name, field_name) == ("input_audio", "data") and not part.get("format")
            yield from _addresses(value, name if is_bare else field_name)
    elif isinstance(part, list):
        for value in part:
            yield from _addresses(value, name)
    elif isinstance(part, str) and name in _MEDIA and not _DATA.match(part):
        yield part


def _has_pictures(body: Mapping[str, Any]) -> bool:
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") in _PICTURES:
                return True
    return False
