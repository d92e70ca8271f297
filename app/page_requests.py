"""Middleware that passes the requests of each page on in turn.

Streamlit interrupts a run for the next request. What was under way is then lost where two requests are close together:
the click whose callback had not begun or was in its middle, messages of a component, the end of a page. So a request
waits here until the previous request is answered, and a button does nothing while its action runs. A request may also
be older than what it asks about: the browser has sent it before it heard of the page and the address that the server
has switched to. Then it is passed on with these.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates

from app.page_messages import kind_of

LONGEST_WAIT_SECONDS = 5.0
"""From a request to the next, if the page takes longer: then it is interrupted. Some requests have no answer."""
_MOST_PLACES = 32
"""Replaced places of a page that are remembered."""
_TRIGGERS = ("trigger_value", "string_trigger_value", "chat_input_value", "json_trigger_value")
"""Values of widgets that are reported once: clicks, and messages of components."""
Place = tuple[str, tuple[tuple[str, str], ...]]
"""A page's hash, and names and values of its query string, sorted."""


class RequestsInTurn:
    """ASGI middleware that passes the requests of a WebSocket to Streamlit on in turn.

    Args:
        app: The protected app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or the messages of a WebSocket in turn."""
        if scope["type"] == "websocket":
            page = _Page(receive, send)
            receive, send = page.receive, page.send
        await self._app(scope, receive, send)


class _Page:
    """The requests of one page, and what the server has answered so far."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._answered = asyncio.Event()
        self._answered.set()
        self._polls_wait = False  # while a request other than a timer's is answered
        self._pressed = frozenset[str]()  # the buttons of that request
        self._hash = self._query = ""  # the server's page and address; unknown until the browser asks
        self._replaced: deque[Place] = deque(maxlen=_MOST_PLACES)

    async def receive(self) -> Message:
        """Return the browser's next message when it is its turn, but no timer's request that is old or would wait."""
        while True:
            message = await self._receive()
            content = message.get("bytes") or b""
            if kind_of(content) != "rerun_script":
                return message
            parsed = BackMsg.FromString(content)
            request = parsed.rerun_script
            if request.is_auto_rerun and not _has_click(request):
                if self._polls_wait or self._is_old(request):
                    continue  # the timer will ask again
            else:
                again = _pressed_ids(request) & self._pressed
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._answered.wait(), LONGEST_WAIT_SECONDS)
                self._answered.clear()
                self._polls_wait = True
                self._pressed = _pressed_ids(request)
                _release(request, again)
            self._bring_up_to_date(request)
            return {**message, "bytes": parsed.SerializeToString()}

    def _is_old(self, request: ClientState) -> bool:
        """Return whether a request was sent from a replaced place, unless the reader goes to that place."""
        page = request.page_script_hash or self._hash
        is_wish = request.is_history_navigation or not (
            page == self._hash or request.fragment_id or _has_click(request)
        )
        return not is_wish and _page_address(page, request.query_string) in self._replaced

    def _bring_up_to_date(self, request: ClientState) -> None:
        """Give a request the server's page and address, if it is for a fragment, or was sent from a replaced place.

        A button that was pressed in a replaced place is gone.
        """
        is_old = self._is_old(request)
        if is_old:
            _release(request, _pressed_ids(request))
        if is_old or (request.fragment_id and self._hash):
            request.page_script_hash, request.page_name, request.query_string = self._hash, "", self._query
        else:
            self._move(request.page_script_hash or self._hash, request.query_string)

    def _move(self, page: str, query: str) -> None:
        """Note the server's place; those before it are replaced."""
        before, after = _page_address(self._hash, self._query), _page_address(page, query)
        if before != after:
            with suppress(ValueError):
                self._replaced.remove(after)
            self._replaced.append(before)
        self._hash, self._query = page, query

    async def send(self, message: Message) -> None:
        """Send a message to the browser, and note what it says about the run of the page."""
        sent = ForwardMsg.FromString(message.get("bytes") or b"")
        match sent.WhichOneof("type"):
            case "new_session":
                self._answered.clear()
                self._move(sent.new_session.page_script_hash, self._query)
            case "navigation":  # the first run begins before the page is known
                self._move(sent.navigation.page_script_hash, self._query)
            case "page_info_changed":
                self._move(self._hash, sent.page_info_changed.query_string)
        await self._send(message)
        if sent.HasField("script_finished") and sent.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._polls_wait, self._pressed = False, frozenset()
            self._answered.set()


def _has_click(request: ClientState) -> bool:
    """Return whether a request has a click, or a message of a component."""
    return any(
        getattr(widget, name) for widget in request.widget_states.widgets for name in _TRIGGERS if widget.HasField(name)
    )


def _pressed_ids(request: ClientState) -> frozenset[str]:
    """Return the ids of the buttons that a request presses."""
    return frozenset(widget.id for widget in request.widget_states.widgets if widget.trigger_value)


def _release(request: ClientState, ids: frozenset[str]) -> None:
    """Leave buttons out of a request: as not pressed, Streamlit would call the function of a button that is gone."""
    widgets = [widget for widget in request.widget_states.widgets if widget.id not in ids]
    request.widget_states.CopyFrom(WidgetStates(widgets=widgets))


def _page_address(page: str, query: str) -> Place:
    return page, tuple(sorted(parse_qsl(query.removeprefix("?"), keep_blank_values=True)))
