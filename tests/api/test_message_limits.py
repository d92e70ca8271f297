"""Messages of WebSockets beyond their limits, sent by a real client to a real server."""

import asyncio
import socket as sockets
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import uvicorn
import websockets
from starlette.types import Receive, Scope, Send

from framelens.api import limit_messages
from framelens.api.message_limits import MOST_PIECES, USER_BYTES, VISITOR_BYTES, let_users_send_more


async def echo_sizes(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept, at the path /user as from a logged-in user, and answer each message with its size."""
    if scope["type"] != "websocket":
        return
    if scope["path"] == "/user":
        let_users_send_more(scope)
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message["bytes"]))})


@contextmanager
def served() -> Iterator[str]:
    listening = sockets.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(echo_sizes, ws="websockets-sansio", lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    limit_messages()
    with served() as url:
        yield url


def answer(url: str, message: bytes | list[bytes]) -> str:
    """What the server answers, or with which code it closes."""

    async def pieces(of: list[bytes]) -> AsyncIterator[bytes]:
        for one in of:
            yield one

    async def ask() -> str:
        async with websockets.connect(url, max_size=None) as client:
            try:
                await client.send(pieces(message) if isinstance(message, list) else message)
                return str(await client.recv())
            except websockets.ConnectionClosed as closed:
                return str(closed.rcvd.code if closed.rcvd else "")

    return asyncio.run(ask())


@pytest.mark.parametrize(("path", "most"), [("/visitor", VISITOR_BYTES), ("/user", USER_BYTES)])
def test_a_message_beyond_the_limit_closes_the_connection(server: str, path: str, most: int) -> None:
    assert answer(server + path, bytes(most)) == str(most)
    assert answer(server + path, bytes(most + 1)) == "1009"
    assert answer(server + path, [bytes(most), b"x"]) == "1009"


def test_a_message_of_many_empty_pieces_closes_the_connection(server: str) -> None:
    assert answer(server + "/user", [b"x"] * (MOST_PIECES - 1)) == str(MOST_PIECES - 1)
    assert answer(server + "/user", [b"x", *[b""] * (2 * MOST_PIECES)]) in ("1009", "")  # reset before it was read
