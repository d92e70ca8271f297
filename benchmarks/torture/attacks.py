"""Attacks on an installation with three users behind nginx with HTTPS: one user and a stranger on what Ann has.

"Lost" counts what was read, changed or let through and must not be. The app is the real one, and so are nginx, the
certificate and the requests, some of which are written byte by byte.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import httpx
import websockets
from starlette.routing import Route
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.asyncio.client import connect

from app.api import AllowedHosts, Gate, routes
from app.config import AccessSettings
from app.core import Role
from app.services import COOKIE, Accounts, api_keys
from app.store import ApiStore, Store
from benchmarks.torture.line import Line, Scale
from tests.browser.conftest import running
from tests.cards import write_card_video
from tests.reverse_proxy import NAME, NGINX, free_port, reverse_proxy

_PASSWORD = "correct horse battery"
_USERS: tuple[tuple[str, Role], ...] = (("ada", "administrator"), ("ann", "analyst"), ("bob", "viewer"))
_SECRET = "ann-secret"
_EVIL = "https://evil.example"
_SLOW_FULL = 500
_GUESSES = 60
_MOST_ATTEMPTS = 30
"""Logins of one address in a minute (app/services/access/login_limits.py)."""
_OTHERS = {"job": "A" * 12, "video": "B" * 32}
_FORGED = (
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-For": "127.0.0.1, 127.0.0.1"},
    {"X-Real-IP": "127.0.0.1"},
    {"Forwarded": "for=127.0.0.1;proto=https;host=localhost"},
    {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "localhost"},
    {"X-Original-URL": "/_stcore/metrics", "X-Rewrite-URL": "/_stcore/metrics"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"X-Remote-User": "ada", "Remote-User": "ada", "X-Forwarded-User": "ada", "X-Forwarded-Email": "ada"},
    {"Authorization": "Basic YWRhOmFkYQ=="},
)
_TRAVERSALS = (
    "/api/videos/..%2f..%2fframelens.sqlite",
    "/api/videos/%2e%2e/%2e%2e/framelens.sqlite",
    "/media/..%2f..%2f..%2fetc%2fpasswd",
    "/static/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/app/static/..%2fmain.py",
    "/component/x/..%2f..%2f..%2fetc%2fpasswd",
    "/_stcore/bidi-components/x/..%2f..%2f..%2fetc%2fpasswd",
    "/_stcore/bidi-components/%2fetc%2fpasswd",
    "/..%5c..%5cetc%5cpasswd",
    "/%00/etc/passwd",
    "//etc/passwd",
    "/api/v1/jobs/..%2f..%2fuploads",
)
_REDIRECTS = ("//evil.example", "//evil.example/..", "/%2f%2fevil.example", "/\\evil.example", "/api//evil.example/")
_SMUGGLED = (
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
    b"Content-Length: 0\r\nContent-Length: 30\r\n\r\n",
    b"Content-Length: +0\r\n\r\n",
)


@dataclass
class Site:
    """The installation as it is seen from outside, with what belongs to Ann."""

    url: str
    direct: int
    cookies: dict[str, str]
    keys: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)
    api: dict[str, str] = field(default_factory=dict)

    def client(self, user: str = "", *, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
        """Return a client with the session of a user, from an address of loopback."""
        own = {"Host": urlsplit(self.url).netloc, **headers}
        if user:
            own |= {"Cookie": f"{COOKIE}={self.cookies[user]}", "FrameLens-Key": self.keys[user]}
        transport = httpx.HTTPTransport(verify=False, local_address=address)
        base_url = f"https://127.0.0.1:{urlsplit(self.url).port}"
        client = httpx.Client(transport=transport, base_url=base_url, headers=own, timeout=60)
        client.event_hooks["request"].append(_name_the_server)
        return client


def _name_the_server(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = NAME


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line for each kind of attack."""
    if NGINX is None:
        raise SystemExit("no nginx (apt-get install nginx-light)")
    folder = scale.folder("attacks")
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, {"FRAMELENS_TRUSTED_PROXIES": "127.0.0.1"}))
        store = stack.enter_context(closing(Store(folder / "data" / "framelens.sqlite")))
        accounts = Accounts(store, AccessSettings())
        for name, role in _USERS:
            accounts.add(name, _PASSWORD, role)
        port = free_port()
        options = (f"--browser.serverAddress={NAME}", f"--browser.serverPort={port}")
        app = stack.enter_context(running("app/main.py", folder, *options))
        upstream = urlsplit(app.url).port or 0
        url = stack.enter_context(reverse_proxy(folder / "nginx", port, upstream))
        site = _prepared(Site(url, upstream, {}, {}), store, accounts, scale)
        yield from (_strangers(site), _foreign_ids(site), _api_ids(site), _roles(site), _copied_media(site))
        yield from (_traversals(site), _forged_headers(site), _foreign_sites(site), _redirects(site), _caching(site))
        yield from (_cookies(site, accounts, scale), _fixation(site, accounts), _sockets(site, accounts))
        yield from (_smuggling(site), _slow(site, scale), _guesses(site))


def _prepared(site: Site, store: Store, accounts: Accounts, scale: Scale) -> Site:
    """Log everyone in, and let Ann upload a video and analyse it."""
    for name, _ in _USERS:
        cookie = accounts.redeem(accounts.ticket_for(name, is_verified=True))
        session = accounts.session(cookie)
        assert session
        site.cookies[name], site.keys[name] = cookie, session.key
        site.api[name] = api_keys.create(ApiStore(store), name, per_minute=100_000, account_id=session.user.id)
    film = write_card_video(scale.folder("attacks") / "film.mp4", ["red", "blue"]).read_bytes()
    with site.client(Authorization=f"Bearer {site.api['ann']}") as ann:
        made = ann.post("/api/v1/uploads", json={"name": f"{_SECRET}.mp4", "size_bytes": len(film)}).json()
        kind = {"Content-Type": "application/octet-stream"}
        ann.patch(f"/api/v1/uploads/{made['id']}", content=film, headers=kind).raise_for_status()
        asked = {"source": {"type": "upload", "id": made["id"]}, "use_model": False, "frames": 2}
        job = ann.post("/api/v1/jobs", json=asked).raise_for_status().json()
        while not ann.get(f"/api/v1/jobs/{job['id']}").json()["is_over"]:
            time.sleep(0.2)
    site.ids.update(job=job["id"], video=made["id"])
    with site.client("ann") as ann:
        assert ann.get(f"/api/videos/{made['id']}").content == film
    return site


def _page_routes() -> list[tuple[str, str]]:
    found = [one for one in routes(Gate(AllowedHosts())) if isinstance(one, Route)]
    return [(method, one.path) for one in found for method in sorted(one.methods or ())]


def _filled(path: str, given: str) -> str:
    return re.sub(r"\{\w+\}", given, re.sub(r"\{\w+:int\}", "0", path))


def _strangers(site: Site) -> Line:
    """Every route without a session, with an ended one's key, and with the key of the process in the query."""
    count = lost = 0
    internals = ("/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/upload_file/a/b", "/media/a.png")
    with site.client() as stranger:
        tried = [*_page_routes(), *(("GET", path) for path in internals)]
        tried += [(method, "/api/v1/jobs") for method in ("GET", "POST")] + [("GET", "/api/v1/jobs/{id}")]
        for method, path in tried:
            for query in ("", "?key=", f"?key={site.keys['ann']}"):
                answer = stranger.request(method, f"{_filled(path, site.ids['job'])}{query}")
                count, lost = count + 1, lost + (answer.status_code < 400 or _SECRET in answer.text)
    return Line("strangers at every route", count, lost)


def _said(answer: httpx.Response, given: str) -> tuple[int, str]:
    return answer.status_code, answer.text.replace(given, "ID")


def _foreign_ids(site: Site) -> Line:
    count = lost = 0
    with site.client("bob", **{"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}) as bob:
        for method, path in _page_routes():
            if "{" not in path or "shared" in path:
                continue
            for kind, given in site.ids.items():
                answers = [_said(bob.request(method, _filled(path, one)), one) for one in (given, _OTHERS[kind])]
                count, lost = count + 1, lost + (answers[0] != answers[1] or answers[0][0] < 400)
    return Line("ids of others at the page's routes", count, lost)


def _api_ids(site: Site) -> Line:
    count = lost = 0
    with site.client(Authorization=f"Bearer {site.api['bob']}") as bob:
        known = bob.get("/api/v1/openapi.json").json()["paths"]
        for path, methods in known.items():
            for method in methods if "{" in path else ():
                for kind, given in site.ids.items():
                    place = _filled(path.replace("{name}", "html"), "{}")
                    answers = []
                    for one in (given, _OTHERS[kind]):
                        answer = bob.request(method, f"/api/v1{place.replace('{}', one)}", json={})
                        answers.append(_said(answer, one))
                    count, lost = count + 1, lost + (answers[0] != answers[1] or answers[0][0] < 400)
        for path in ("/api/v1/jobs", "/api/v1/conversations"):
            count, lost = count + 1, lost + (_SECRET in bob.get(path).text)
        for number in range(50):  # keys that were never made, of the same form
            forged = {"Authorization": f"Bearer {site.api['ann'][:-2]}{number:02}"}
            count, lost = count + 1, lost + (bob.get("/api/v1/jobs", headers=forged).status_code != 401)
    return Line("ids of others and wrong keys at the API", count, lost)


def _roles(site: Site) -> Line:
    """A viewer who does what only others may."""
    count = lost = 0
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "4"}
    with site.client("bob") as bob, site.client(Authorization=f"Bearer {site.api['bob']}") as program:
        tried = [bob.post("/api/uploads", headers=tus), bob.get("/_stcore/metrics")]
        tried += [bob.get("/_stcore/agent/openapi.json"), bob.post("/_stcore/agent/interact", json={})]
        tried.append(program.post("/api/v1/uploads", json={"name": "a.mp4", "size_bytes": 4}))
        job = {"source": {"type": "path", "path": "/etc/passwd"}, "use_model": False}
        tried.append(program.post("/api/v1/jobs", json=job))
    for answer in tried:
        count, lost = count + 1, lost + (answer.status_code < 400)
    return Line("a viewer as an analyst or administrator", count, lost)


def _copied_media(site: Site) -> Line:
    """Addresses of Ann's video and pictures in another browser."""
    count = lost = 0
    places = [f"/api/videos/{site.ids['video']}", f"/api/jobs/{site.ids['job']}/frames/0.jpg"]
    places += [f"/api/library/{site.ids['job']}.jpg", f"/api/library.zip?ids={site.ids['job']}"]
    for user in ("", "bob"):
        with site.client(user) as other:
            other.headers.pop("FrameLens-Key", None)
            for place in places:
                for key in (site.keys["ann"], site.keys["bob"] if user == "" else "", "0" * 64):
                    sign = "&" if "?" in place else "?"
                    answer = other.get(f"{place}{sign}key={key}")
                    count, lost = count + 1, lost + (answer.status_code < 400)
    return Line("copied addresses of media", count, lost)


def _traversals(site: Site) -> Line:
    count = lost = 0
    for user in ("", "bob", "ann"):
        for path in _TRAVERSALS:
            head, body = _raw(site, f"GET {path} HTTP/1.1\r\n", cookie=site.cookies.get(user, ""))
            text = head + body
            count += 1
            lost += b"root:x:" in text or b"SQLite format" in text or b"import streamlit" in text
    return Line("paths that lead out", count, lost)


def _forged_headers(site: Site) -> Line:
    count = lost = 0
    with site.client() as stranger:
        for forged in _FORGED:
            for path in ("/_stcore/metrics", f"/api/videos/{site.ids['video']}", "/api/v1/jobs"):
                answer = stranger.get(path, headers=forged)
                count, lost = count + 1, lost + (answer.status_code < 400)
    with site.client("ann") as ann:
        for host in (
            "evil.example",
            f"{NAME}.evil.example",
            "localhost",
            f"{NAME}@evil.example",
            f"{NAME}, evil.example",
        ):
            answer = ann.get("/", headers={"Host": host})
            count, lost = count + 1, lost + (answer.status_code < 400 and host != "localhost")
    return Line("forged headers", count, lost)


def _foreign_sites(site: Site) -> Line:
    """Requests that another website has Ann's browser send."""
    count = lost = 0
    sent: tuple[dict[str, str], ...] = ({"Origin": _EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"})
    sent += ({"Origin": f"{site.url}.evil.example"}, {"Origin": site.url.replace("https", "http")[:-1]})
    with site.client("ann") as ann:
        for headers in sent:
            for method, path in _page_routes():
                if "shared" in path:
                    continue
                answer = ann.request(method, _filled(path, site.ids["video"]), headers=headers)
                readable = "access-control-allow-origin" in answer.headers
                count, lost = count + 1, lost + (answer.status_code < 400 or readable)
    return Line("requests from other websites", count, lost)


def _redirects(site: Site) -> Line:
    count = lost = 0
    places = [
        *_REDIRECTS,
        "/?next=https://evil.example",
        f"/oauth2callback?state={quote(_EVIL)}",
        "/auth/login?provider=x",
    ]
    for place in places:
        head, _ = _raw(site, f"GET {place} HTTP/1.1\r\n", cookie=site.cookies["ann"])
        found = re.search(rb"(?im)^location: *(\S+)", head)
        target = urlsplit(found[1].decode("latin-1").replace("\\", "/")) if found else urlsplit("")
        count, lost = count + 1, lost + (target.netloc not in ("", urlsplit(site.url).netloc))
    return Line("redirects to elsewhere", count, lost)


def _caching(site: Site) -> Line:
    """Answers that a cache for all would keep."""
    count = lost = 0
    with site.client("ann") as ann, site.client(Authorization=f"Bearer {site.api['ann']}") as program:
        answers = [ann.get(f"/api/videos/{site.ids['video']}"), ann.get(f"/api/library/{site.ids['job']}.jpg")]
        answers += [ann.get(f"/api/library.zip?ids={site.ids['job']}"), ann.get("/")]
        answers += [program.get(path) for path in ("/api/v1/jobs", f"/api/v1/jobs/{site.ids['job']}")]
        answers.append(program.get(f"/api/v1/jobs/{site.ids['job']}/reports/json"))
        for answer in answers:
            kept = answer.headers.get("cache-control", "")
            count += 1
            lost += answer.status_code >= 400 or not re.search(r"private|no-store|no-cache", kept)
    return Line("private answers that a proxy may store", count, lost)


def _cookies(site: Site, accounts: Accounts, scale: Scale) -> Line:
    draw, good = Random(scale.seed), site.cookies["ann"]
    token, _, signature = good.rpartition(".")
    changed = [
        good[:-1],
        token,
        f"{token}.",
        f".{signature}",
        f"{token}.{signature[::-1]}",
        signature,
        "",
        "a.b",
        good * 9,
    ]
    changed += [f"{token[::-1]}.{signature}", f"{site.cookies['bob'].rpartition('.')[0]}.{signature}"]
    for _ in range(scale.count(1000)):
        place = draw.randrange(len(good) - 1)  # the last letter has bits that count for nothing
        changed.append(good[:place] + draw.choice("abcXYZ019-_".replace(good[place], "")) + good[place + 1 :])
    lost = sum(accounts.session(one) is not None for one in changed)
    with site.client() as stranger:
        for one in changed[:50]:
            answer = stranger.get("/_stcore/metrics", headers={"Cookie": f"{COOKIE}={one}"})
            lost += answer.status_code < 400
    return Line("changed cookies", len(changed) + 50, lost)


def _fixation(site: Site, accounts: Accounts) -> Line:
    """A session that was there before a login is another one after it, and ends alone."""
    lost = 0
    planted = site.cookies["bob"]
    sent = {"name": "ann", "password": _PASSWORD}
    with site.client(Cookie=f"{COOKIE}={planted}", Origin=site.url) as victim:
        answer = victim.post("/api/session", json=sent)
        fresh = answer.cookies.get(COOKIE, "")
        found = accounts.session(planted)
        lost += answer.status_code != 204 or fresh in ("", planted) or found is None or found.user.name != "bob"
        lost += not all(word in answer.headers["set-cookie"] for word in ("Secure", "HttpOnly", "SameSite=strict"))
    accounts.log_out(fresh)
    lost += accounts.session(fresh) is not None
    return Line("planted sessions", 3, lost)


def _sockets(site: Site, accounts: Accounts) -> Line:
    """The WebSocket from another website, without a session, with an ended one and with another user's."""
    ended = accounts.redeem(accounts.ticket_for("ann", is_verified=True))
    accounts.log_out(ended)
    ann = site.cookies["ann"]
    tried = [(ann, _EVIL), *((cookie, site.url) for cookie in ("", ended, site.cookies["bob"], f"{ann}x"))]

    async def shown(cookie: str, origin: str) -> bool:
        return await _socket_says(site, f"{site.url}/library", cookie, origin=origin)

    async def shown_to_all() -> list[bool]:
        return await asyncio.gather(*(shown(*one) for one in tried))

    lost = sum(asyncio.run(shown_to_all()))
    assert asyncio.run(shown(ann, site.url)), "Ann doesn't see her own"
    return Line("WebSockets of others", len(tried), lost)


async def _socket_says(site: Site, page: str, cookie: str, *, origin: str) -> bool:
    """Return whether a page that is opened with a cookie shows what Ann has."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    given: dict[str, Any] = {"origin": origin, "subprotocols": ["streamlit"], "max_size": None, "proxy": None}
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    try:
        async with connect(
            f"wss{site.url.removeprefix('https')}/_stcore/stream",
            **{"host": "127.0.0.1", "port": urlsplit(site.url).port, "ssl": context, "server_hostname": NAME},
            additional_headers=headers,
            **given,
        ) as socket:
            await socket.send(BackMsg(rerun_script={"page_name": page.rpartition("/")[2]}).SerializeToString())
            while True:
                message = await asyncio.wait_for(socket.recv(), 8)
                if _SECRET.encode() in (message if isinstance(message, bytes) else message.encode()):
                    return True
    except (TimeoutError, websockets.WebSocketException):
        return False


def _smuggling(site: Site) -> Line:
    """Two requests in one: the second must not be answered as a request of its own with the rights of the first."""
    count = lost = crashed = 0
    for framing in _SMUGGLED:
        hidden = b"GET /_stcore/health?hidden HTTP/1.1\r\nHost: " + NAME.encode() + b"\r\nX-Ignore: "
        _, body = _raw(site, "POST /api/session HTTP/1.1\r\n", rest=framing + hidden)
        count += 1
        # A second request on the same connection is the sender's own; nothing of it may reach another connection.
        with site.client() as stranger:
            answer = stranger.get("/_stcore/health")
            crashed += answer.status_code != 200
            lost += answer.text != "ok"
        lost += b"_stcore" in body
    return Line("requests inside of requests", count, lost, crashed)


def _slow(site: Site, scale: Scale) -> Line:
    """Connections to FrameLens itself that never end their request, while others use it."""
    count, held = scale.count(_SLOW_FULL), []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", site.direct))
        one.sendall(b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        held.append(one)
    began, failed = time.monotonic(), 0
    with site.client("ann") as ann:
        for _ in range(10):
            failed += ann.get(f"/api/videos/{site.ids['video']}").status_code != 200
    seconds = (time.monotonic() - began) / 10
    for one in held:
        one.close()
    return Line("connections that never end a request", count, 0, failed, f"others wait {seconds * 1000:.0f} ms")


def _guesses(site: Site) -> Line:
    """Passwords that are guessed from one address, which says that it is another one each time."""
    statuses, since = [], time.monotonic()
    with site.client(address="127.0.0.9", Origin=site.url) as guesser:
        for number in range(_GUESSES):
            forged = {"X-Forwarded-For": f"10.0.0.{number}", "X-Real-IP": f"10.0.1.{number}"}
            forged["Forwarded"] = f"for=10.0.2.{number}"
            sent = {"name": f"name{number}", "password": "a wrong password"}
            statuses.append(guesser.post("/api/session", json=sent, headers=forged).status_code)
    admitted = sum(status == 401 for status in statuses)
    most = _MOST_ATTEMPTS * (1 + int((time.monotonic() - since) / 60))
    lost = max(0, admitted - most) + sum(status not in (401, 429) for status in statuses)
    return Line("guessed passwords under forged addresses", len(statuses), lost, 0, f"{admitted} were compared")


def _raw(site: Site, line: str, *, cookie: str = "", rest: bytes = b"\r\n") -> tuple[bytes, bytes]:
    """Send a request as it is written, through nginx, and return head and body of all answers."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    head = f"{line}Host: {urlsplit(site.url).netloc}\r\nCookie: {COOKIE}={cookie}\r\n"
    head += "Connection: close\r\n" if rest == b"\r\n" else "Content-Type: application/json\r\n"
    with (
        socket.create_connection(("127.0.0.1", urlsplit(site.url).port or 0), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as wrapped,
    ):
        wrapped.sendall(head.encode("latin-1") + rest)
        got = bytearray()
        try:
            while piece := wrapped.recv(1 << 16):
                got += piece
        except (TimeoutError, OSError):
            pass
    answer, _, body = bytes(got).partition(b"\r\n\r\n")
    return answer, body
