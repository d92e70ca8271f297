"""Requests to an engine that are no chat of our own: embeddings and transcriptions, and those of other programs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import openai

from framelens.core.errors import EngineBusy
from framelens.http_client import (
    PooledClient,
    authorization,
    on_request_loop,
    request_loop,
    request_timeout,
    response_limits,
)
from framelens.llm.client import EngineClient
from framelens.llm.error_mapping import engine_error
from framelens.llm.limits import limits_of
from framelens.llm.refusals import is_refusal, message_in, read_json, refused
from framelens.llm.retries import repeated

T = TypeVar("T")
_MOST_QUOTED = 200


@dataclass(frozen=True)
class EngineAnswer:
    """Answer of an engine.

    Attributes:
        value: The parsed JSON, None if it is none.
        url: Its address.
        quoted: Its beginning, or the message in it, for an error that says what came instead.
    """

    value: Any
    url: str
    quoted: str


class EngineRequests:
    """Requests to the engine at an address, on the event loop of all requests, which keeps their connections."""

    def __init__(self, base_url: str, api_key: str, *, timeout_seconds: float) -> None:
        self._base_url = base_url
        self._client = EngineClient(base_url, api_key, timeout_seconds=timeout_seconds)

    @staticmethod
    def start(work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine that awaits answers."""
        return asyncio.run_coroutine_threadsafe(work, request_loop())

    @staticmethod
    def each(work: AsyncIterator[T], cancel: threading.Event | None = None) -> Generator[T, None, None]:
        """Yield what an iterator that awaits answers yields; see `on_request_loop`."""
        return on_request_loop(work, cancel)

    async def answer(
        self, send: Callable[[EngineClient], Awaitable[Any]], *, refusable: Collection[int] = ()
    ) -> EngineAnswer | None:
        """Return the answer to a request, which is sent again if the engine is busy.

        Args:
            send: Sends the request, and returns the response or what `with_raw_response` returns.
            refusable: Statuses with which the engine may refuse the request; the answer is None then.

        Raises:
            AppError: The engine refuses or doesn't answer.
        """

        async def sent() -> EngineAnswer | None:
            try:
                received = await send(self._client)
                response = getattr(received, "http_response", received)
            except openai.APIStatusError as error:
                response = error.response
            except Exception as error:  # mapped to an AppError, or a bug that is raised unchanged
                if (mapped := engine_error(error, base_url=self._base_url)) is None:
                    raise
                raise mapped from error
            value = read_json(response.text)
            if response.is_success and not is_refusal(value):
                return EngineAnswer(value, str(response.url), message_in(response.text)[:_MOST_QUOTED])
            refusal = refused(response.status_code, response.headers, response.text)
            if response.status_code in refusable and not isinstance(refusal, EngineBusy):
                return None
            raise refusal

        return await repeated(sent)


class Forwarder:
    """Client that passes requests on as they are, within the limits of time and bytes of their responses.

    It belongs to the event loop that runs when it is made.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._seconds = timeout_seconds
        self._http = PooledClient(trust_env=False, loop=asyncio.get_running_loop())

    async def send(self, method: str, url: str, api_key: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """Return the response, whose body is still to be read.

        Raises:
            httpx.HTTPError: The engine doesn't answer.
        """
        headers, timeout = authorization(api_key), request_timeout(self._seconds)
        request = self._http.build_request(method, url, json=body, headers=headers, timeout=timeout)
        with response_limits(limits_of(url, body, self._seconds)):
            return await self._http.send(request, stream=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
