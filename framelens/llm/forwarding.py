"""Requests of other programs, passed on to an engine as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from framelens.http_client import PooledClient, authorization, request_timeout, response_limits
from framelens.llm.limits import limits_of


class Forwarder:
    """Client that passes requests on, within the limits of time and bytes of their responses; for one event loop."""

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
