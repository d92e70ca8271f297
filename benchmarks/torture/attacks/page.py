"""Attacks on the page's WebSocket: by users who may not see its contents, and by a user who has lost a role.

Everything that the page drew for the role before is pressed with the current role, in messages that are written here:
Streamlit runs what belongs to a widget before it draws the page again.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.torture.line import Line, Scale
from benchmarks.torture.site import PASSWORD, SECRET, Site
from framelens.core.roles import Role
from framelens.store.authentication import COOKIE
from tests.reverse_proxy import NAME

_EVIL = "https://evil.example"
_SECONDS = 20.0
_WHOLE = ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY  # unlike a fragment's run, or a restarted run
_FULL = 1000
_PIECE = 1 << 14  # bytes
_SESSION_TABLES = ("sessions", "sqlite_sequence")
"""Tables that change when someone opens a page."""
_STEPS: dict[str, tuple[str, ...]] = {"library": ("library_all", "library_delete")}
"""Buttons that are pressed first, so that more is drawn: a selection has actions, and the deletion a question."""
_INTERNAL = "$$STREAMLIT_INTERNAL_KEY_"
_LOG_OUT = "log_out"
"""Not pressed, since the user would be gone for the next press."""
_DANGEROUS = ("library_cards", "library_delete_sure")
"""Always among the pressed widgets, at the smallest size, too."""


@dataclass
class _Page:
    """A page of a session, with the press and the state of each widget that it drew."""

    socket: ClientConnection
    name: str
    query: str
    widgets: dict[str, WidgetState] = field(default_factory=dict)
    values: dict[str, WidgetState] = field(default_factory=dict)
    text: bytearray = field(default_factory=bytearray)

    async def run(self, pressed: Iterable[WidgetState] = ()) -> None:
        """Run the page's script with the pressed widgets, and read what it draws.

        Raises:
            TimeoutError: The script doesn't end.
        """
        state = ClientState(page_name=self.name, query_string=self.query)
        states = self.values | {one.id: one for one in pressed}
        state.widget_states.widgets.extend(states.values())
        await self.socket.send(BackMsg(rerun_script=state).SerializeToString())
        async with asyncio.timeout(_SECONDS):
            while True:
                got = await self.socket.recv()
                data = got if isinstance(got, bytes) else got.encode()
                self.text += data
                message = ForwardMsg.FromString(data)
                if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
                    self._note(message.delta.new_element)
                if message.WhichOneof("type") == "script_finished" and message.script_finished == _WHOLE:
                    return

    def _note(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        drawn = getattr(element, kind)
        if press := _PRESSES.get(kind):
            widget = press(drawn)
            self.widgets[widget.id] = widget
        if value := _VALUES.get(kind):
            self.values[drawn.id] = value(drawn)

    def pressed(self, key: str) -> WidgetState:
        """Return the press of the widget with this key."""
        return next(one for one in self.widgets.values() if _key(one.id).endswith(key))


def _component(drawn: Any) -> WidgetState:
    """Return the events that a FrameLens component would send if each of its elements had been used on an entry."""
    shown = json.loads(drawn.mixed.json or drawn.json or "{}")
    entries = shown.get("entries") or shown.get("jobs") or [{}]
    one = {"id": entries[0].get("id", ""), "name": "taken", "action": "cancel"}
    said = [{"event": event, "value": one} for event in ("rename", "act")]
    said += [{"event": "retry", "value": 0}]
    return WidgetState(id=f"{_INTERNAL}{drawn.id}__events", json_trigger_value=json.dumps(said))


_PRESSES: dict[str, Callable[[Any], WidgetState]] = {
    "button": lambda drawn: WidgetState(id=drawn.id, trigger_value=True),
    "checkbox": lambda drawn: WidgetState(id=drawn.id, bool_value=not drawn.default),
    "text_input": lambda drawn: WidgetState(id=drawn.id, string_value="taken"),
    "text_area": lambda drawn: WidgetState(id=drawn.id, string_value="taken"),
    "number_input": lambda drawn: WidgetState(id=drawn.id, double_value=drawn.default + 1),
    "selectbox": lambda drawn: WidgetState(id=drawn.id, string_value=list(drawn.options)[-1]),
    "radio": lambda drawn: WidgetState(id=drawn.id, string_value=list(drawn.options)[-1]),
    "menu_button": lambda drawn: WidgetState(id=drawn.id, string_trigger_value={"data": list(drawn.options)[-1]}),
    "chat_input": lambda drawn: WidgetState(id=drawn.id, chat_input_value={"data": "taken"}),
    "bidi_component": _component,
}
"""Messages for a press of each kind of widget."""
_VALUES: dict[str, Callable[[Any], WidgetState]] = {
    "text_input": lambda drawn: WidgetState(id=drawn.id, string_value=drawn.value or drawn.default),
    "text_area": lambda drawn: WidgetState(id=drawn.id, string_value=drawn.value or drawn.default),
    "selectbox": lambda drawn: WidgetState(id=drawn.id, string_value=list(drawn.options)[drawn.default]),
    "bidi_component": lambda drawn: WidgetState(id=drawn.id, json_value="{}"),
}
"""States that the browser sends with every message."""


@asynccontextmanager
async def _opened(site: Site, name: str, cookie: str, *, query: str = "", origin: str = "") -> AsyncIterator[_Page]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    given: dict[str, Any] = {"subprotocols": ["streamlit"], "max_size": None, "proxy": None, "server_hostname": NAME}
    given |= {"host": "127.0.0.1", "port": urlsplit(site.url).port, "ssl": context, "origin": origin or site.url}
    address = f"wss{site.url.removeprefix('https')}/_stcore/stream"
    async with connect(address, additional_headers={"Cookie": f"{COOKIE}={cookie}"}, **given) as socket:
        yield _Page(socket, name, query)


def sockets(site: Site) -> Line:
    """The WebSocket from another website, without a session, with an ended session and with another user's."""
    ended = site.logins.redeem(site.logins.ticket_for("ann", is_verified=True))
    site.logins.log_out(ended)
    ann = site.cookies["ann"]
    tried = [(ann, _EVIL), *((cookie, site.url) for cookie in ("", ended, site.cookies["bob"], f"{ann}x"))]

    async def shown(cookie: str, origin: str) -> bool:
        try:
            async with _opened(site, "library", cookie, origin=origin) as page:
                await page.run()
                return SECRET.encode() in page.text
        except (TimeoutError, websockets.WebSocketException):
            return False

    async def shown_to_all() -> list[bool]:
        return await asyncio.gather(*(shown(*one) for one in tried))

    lost = sum(asyncio.run(shown_to_all()))
    assert asyncio.run(shown(ann, site.url)), "Ann doesn't see her own"
    return Line("WebSockets of others", len(tried), lost)


def messages(site: Site) -> Line:
    """Messages of Streamlit's protocol that the page never sends, and long messages, without a login and logged in."""
    kinds = [BackMsg(load_git_info=True), BackMsg(clear_cache=True), BackMsg(debug_shutdown_runtime=True)]
    kinds[1:1] = [BackMsg(), BackMsg(), BackMsg()]
    kinds[1].backend_operation_request.install_skills.SetInParent()
    kinds[2].backend_operation_request.dismiss_skills_nudge.SetInParent()
    kinds[3].file_urls_request.file_names.append("a.png")

    async def answered(cookie: str, message: BackMsg) -> bool:
        """Send a message, then ask for the page, and return whether the message was answered."""
        async with _opened(site, "", cookie) as page:
            await page.socket.send(message.SerializeToString())
            await page.run()
            return any(kind in page.text for kind in (b"git_info", b"/_stcore/upload_file/"))

    async def taken(cookie: str, size: int) -> bool:
        """Send a message of a size in pieces, and return whether the connection stays open."""

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(size // _PIECE):
                yield bytes(_PIECE)

        async with _opened(site, "", cookie) as page:
            with suppress(websockets.ConnectionClosed):
                await page.socket.send(pieces())
            try:
                async with asyncio.timeout(_SECONDS):
                    await page.socket.wait_closed()
            except TimeoutError:
                return True
            return False

    tried = [asyncio.run(answered(cookie, one)) for cookie in ("", site.cookies["bob"]) for one in kinds]
    tried += [asyncio.run(taken("", 1 << 20)), asyncio.run(taken(site.cookies["ann"], 8 << 20))]
    return Line("messages that the page doesn't send", len(tried), sum(tried))


async def imports(site: Site, upload_id: str, mark: str) -> bool:
    """Import an upload on Ann's library page, and return whether the page shows an error of the program."""
    async with _opened(site, "library", site.cookies["ann"]) as page:
        await page.run()
        key = next(one for one in page.widgets if _key(one).endswith("library_import"))
        said = [{"event": "uploaded", "value": {"ids": [upload_id], "refused": [], "mark": mark}}]
        await page.run([WidgetState(id=key, json_trigger_value=json.dumps(said))])
        return b"Traceback" in page.text


@dataclass(frozen=True)
class _Loss:
    """A page that a user has open, and the role that the user has before and after."""

    page: str
    query: str
    user: str
    before: Role
    after: Role


def lost_roles(site: Site, scale: Scale) -> Line:
    """Everything on open pages, pressed by a user whose role was taken away since."""
    site.accounts.add("amy", PASSWORD, "administrator")  # the last administrator can't lose the role
    job = f"job={site.ids['job']}"
    losses = [
        _Loss(page, query, "ann", "analyst", "viewer") for page, query in (("", job), ("library", ""), ("ask", job))
    ]
    losses += [_Loss(page, "", "ada", "administrator", "analyst") for page in ("models", "system")]
    count, changed = 0, []
    for loss in losses:
        chosen = asyncio.run(_chosen(site, loss, scale))
        count += len(chosen)
        changed += [one for one in chosen if asyncio.run(_changes(site, loss, one))]
    kept = _Loss("library", "", "ann", "analyst", "analyst")
    rename = next(one for one in asyncio.run(_chosen(site, kept, scale)) if _key(one).endswith("library_cards"))
    assert asyncio.run(_changes(site, kept, rename)), "Ann can't rename her own"
    return Line("presses with a role that was taken away", count, len(changed), 0, ", ".join(changed))


async def _chosen(site: Site, loss: _Loss, scale: Scale) -> list[str]:
    """Return the ids of the widgets of a page that are pressed."""
    async with _prepared(site, loss) as page:
        ids = sorted(one for one in page.widgets if not _key(one).endswith(_LOG_OUT))
    always = [one for one in ids if _key(one).endswith(_DANGEROUS)]
    drawn = Random(scale.seed).sample(ids, min(len(ids), scale.count(_FULL)))
    return list(dict.fromkeys((*always, *drawn)))


async def _changes(site: Site, loss: _Loss, widget: str) -> bool:
    """Press a widget with the role of after, and return whether anything stored has changed."""
    async with _prepared(site, loss) as page:
        site.accounts.set_role(loss.user, loss.after)
        stored = _stored(site)
        await page.run([page.widgets[widget]])
        now = _stored(site)
        site.accounts.set_role(loss.user, loss.before)
    return now != stored


def _key(widget: str) -> str:
    """Return the end of a widget's id, which is its key."""
    return widget.split("__events")[0]


@asynccontextmanager
async def _prepared(site: Site, loss: _Loss) -> AsyncIterator[_Page]:
    """Open a page and press what makes it draw more."""
    async with _opened(site, loss.page, site.cookies[loss.user], query=loss.query) as page:
        await page.run()
        for step in _STEPS.get(loss.page, ()):
            await page.run([page.pressed(step)])
        yield page


def _stored(site: Site) -> dict[str, list[tuple[object, ...]]]:
    """Return everything that is stored, but for the sessions."""
    with closing(sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: connection.execute(f'SELECT * FROM "{name}"').fetchall()
            for name in tables
            if name not in _SESSION_TABLES
        }
