"""Attacks on an installation with three users behind nginx or Caddy: one user and a stranger on what Ann has.

"Lost" counts what was read, changed or let through and must not be. The app is real, and so are the proxy, the
certificate and the requests, some of which are written byte by byte.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from urllib.parse import quote, urlsplit

import httpx
from starlette.routing import Route

from benchmarks.torture.attacks import engine, further, page, paths, state
from benchmarks.torture.line import Line, Scale
from benchmarks.torture.site import PASSWORD, SECRET, Site, attacked_site
from framelens.api import AllowedHosts, Gate, routes
from framelens.store.authentication import COOKIE
from tests.reverse_proxy import CADDY, NAME, NGINX

_EVIL = "https://evil.example"
_SLOW_FULL = 500
_GUESSES = 60
_MOST_ATTEMPTS = 30
"""Logins of an address in a minute (framelens/plugins/accounts/login_limits.py)."""
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


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line for each kind of attack."""
    if NGINX is None:
        raise SystemExit("no nginx (apt-get install nginx-light)")
    with attacked_site(scale) as site:
        yield from (_strangers(site), _foreign_ids(site), _api_ids(site), _roles(site), _copied_media(site))
        yield from (_traversals(site), _forged_headers(site), _foreign_sites(site), _redirects(site), _caching(site))
        yield from (
            _upload_route(site),
            _cookies(site, scale),
            _fixation(site),
            page.sockets(site),
            _smuggling(site),
        )
        yield from (page.messages(site), _odd_requests(site))
        yield from (_slow(site, scale), _guesses(site), page.lost_roles(site, scale))
        yield from (further.addresses(site), further.terminal(site), further.tools(site))
        yield from (further.two_apps(site), further.exports_at_once(site, scale))
        yield paths.swapped(site, scale)
    yield from _behind_caddy(scale)
    yield from state.run(scale)
    yield from engine.run(scale)


def _behind_caddy(scale: Scale) -> Iterator[Line]:
    """Yield a line for each kind of attack that a proxy makes a difference to."""
    kinds = (_strangers, _traversals, _forged_headers, _smuggling, page.sockets, _guesses)
    if CADDY is None:
        yield Line("attacks behind Caddy: not run, since it isn't installed", 0)
        return
    with attacked_site(scale, "caddy", is_caddy=True) as site:
        for attack in kinds:
            line = attack(site)
            yield replace(line, what=f"{line.what}, Caddy")


def _page_routes() -> list[tuple[str, str]]:
    found = [one for one in routes(Gate(AllowedHosts())) if isinstance(one, Route)]
    return [(method, one.path) for one in found for method in sorted(one.methods or ())]


def _filled(path: str, given: str) -> str:
    return re.sub(r"\{\w+\}", given, re.sub(r"\{\w+:int\}", "0", path))


def _strangers(site: Site) -> Line:
    """Every route without a session, without a key, with an empty key, and with a user's key in the query."""
    count = lost = 0
    internals = ("/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/upload_file/a/b", "/media/a.png")
    with site.client() as stranger:
        tried = [*_page_routes(), *(("GET", path) for path in internals)]
        tried += [(method, "/api/v1/jobs") for method in ("GET", "POST")] + [("GET", "/api/v1/jobs/{id}")]
        for method, path in tried:
            for query in ("", "?key=", f"?key={site.keys['ann']}"):
                answer = stranger.request(method, f"{_filled(path, site.ids['job'])}{query}")
                count, lost = count + 1, lost + (answer.status_code < 400 or SECRET in answer.text)
    return Line("strangers at every route", count, lost)


def _said(answer: httpx.Response, given: str) -> tuple[int, str]:
    return answer.status_code, answer.text.replace(given, "ID")


def _foreign_ids(site: Site) -> Line:
    count = lost = 0
    with site.client("bob", **{"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}) as bob:
        for method, path in _page_routes():
            if "{" not in path:
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
            count, lost = count + 1, lost + (SECRET in bob.get(path).text)
        never_made = {f"{site.api['ann'][:-2]}{number:02}" for number in range(50)} - {site.api["ann"]}
        for key in never_made:  # of the same form
            forged = {"Authorization": f"Bearer {key}"}
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
        for source in ({"type": "path", "path": "/etc/passwd"}, {"type": "url", "url": f"{_EVIL}/a.mp4"}):
            tried.append(program.post("/api/v1/jobs", json={"source": source, "use_model": False}))
        tried.append(program.post("/api/v1/webhooks", json={"url": f"{_EVIL}/"}))
        for method, path in (("POST", "cancel"), ("POST", "resume"), ("POST", "questions"), ("DELETE", "")):
            answer = program.request(method, f"/api/v1/jobs/{site.ids['job']}/{path}".rstrip("/"), json={})
            tried.append(answer)
    for answer in tried:
        count, lost = count + 1, lost + (answer.status_code < 400)
    return Line("a viewer as an analyst or administrator", count, lost)


def _upload_route(site: Site) -> Line:
    """Files for Streamlit's own upload route, which keeps them in memory, from every role."""
    count = lost = 0
    for user in ("", *site.cookies):
        with site.client(user) as someone:
            for method in ("PUT", "POST", "DELETE", "OPTIONS"):
                answer = someone.request(method, "/_stcore/upload_file/a/b", files={"file": b"a"})
                count, lost = count + 1, lost + ("nothing at" not in answer.text)
    return Line("Streamlit's own upload route", count, lost)


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
            # Caddy answers a name that it doesn't know with nothing.
            count, lost = count + 1, lost + (answer.status_code < 400 and answer.text != "" and host != "localhost")
    return Line("forged headers", count, lost)


def _foreign_sites(site: Site) -> Line:
    """Requests that another website has Ann's browser send."""
    count = lost = 0
    sent: tuple[dict[str, str], ...] = ({"Origin": _EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"})
    sent += ({"Origin": f"{site.url}.evil.example"}, {"Origin": site.url.replace("https", "http")[:-1]})
    with site.client("ann") as ann:
        for headers in sent:
            for method, path in _page_routes():
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


def _cookies(site: Site, scale: Scale) -> Line:
    draw, good = Random(scale.seed), site.cookies["ann"]
    changed = [good[::-1], good[:-1], good.swapcase(), "", "a.b", good * 9]
    for _ in range(scale.count(1000)):
        index = draw.randrange(len(good))
        changed.append(good[:index] + draw.choice("abcXYZ019-_".replace(good[index], "")) + good[index + 1 :])
    lost = sum(site.logins.session(one) is not None for one in changed)
    with site.client() as stranger:
        for one in changed[:50]:
            answer = stranger.get("/_stcore/metrics", headers={"Cookie": f"{COOKIE}={one}"})
            lost += answer.status_code < 400
    return Line("changed cookies", len(changed) + 50, lost)


def _fixation(site: Site) -> Line:
    """A session planted before a login: the login must begin another session, which log-out ends."""
    lost = 0
    planted = site.cookies["bob"]
    sent = {"name": "ann", "password": PASSWORD}
    with site.client(Cookie=f"{COOKIE}={planted}", Origin=site.url) as victim:
        answer = victim.post("/api/session", json=sent)
        fresh = answer.cookies.get(COOKIE, "")
        found = site.logins.session(planted)
        lost += answer.status_code != 204 or fresh in ("", planted) or found is None or found.user.name != "bob"
        lost += not all(word in answer.headers["set-cookie"] for word in ("Secure", "HttpOnly", "SameSite=strict"))
    site.logins.log_out(fresh)
    lost += site.logins.session(fresh) is not None
    return Line("planted sessions", 3, lost)


def _smuggling(site: Site) -> Line:
    """A request within a request: it must not be answered on its own, with the rights of the outer request."""
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


def _odd_requests(site: Site) -> Line:
    """Invalid bodies of a login, and paths that end with a control character."""
    count = lost = crashed = 0
    with site.client(Origin=site.url) as stranger:
        for body in (b"", b"[]", b"\xff", b"[" * 9000, b'{"name": "\\ud800", "password": ""}', b'"' + b"a" * 20_000):
            status = stranger.post("/api/session", content=body).status_code
            count, lost, crashed = count + 1, lost + (status < 400), crashed + (status >= 500)
    for place in (f"/api/videos/{site.ids['video']}%0a", f"/api/library/{site.ids['job']}.jpg%0a", "/api/v1/jobs%0a"):
        head, _ = _raw(site, f"GET {place}?key={site.keys['ann']} HTTP/1.1\r\n", cookie=site.cookies["ann"])
        status = int(head.split(b" ")[1])
        count, lost, crashed = count + 1, lost + (status < 400), crashed + (status >= 500)
    return Line("odd logins and paths", count, lost, crashed)


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
    """Passwords that are guessed from an address, which claims to be another address each time."""
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
