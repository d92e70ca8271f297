"""The installation that is attacked: the real app behind nginx with HTTPS, and three users.

Ada is an administrator, Ann an analyst who has a video and its analysis, Bob a viewer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import httpx

from benchmarks.torture.line import Scale
from framelens.config import AccessSettings
from framelens.core.roles import Role
from framelens.plugins.accounts.accounts import Accounts
from framelens.plugins.accounts.logins import Logins
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore
from framelens.store.authentication import COOKIE
from framelens.store.database import Store
from tests.browser.conftest import running
from tests.cards import write_card_video
from tests.reverse_proxy import NAME, free_port, reverse_proxy

PASSWORD = "correct horse battery"
SECRET = "ann-secret"
"""Name of Ann's video."""
_USERS: tuple[tuple[str, Role], ...] = (("ada", "administrator"), ("ann", "analyst"), ("bob", "viewer"))


@dataclass
class Site:
    """The installation as it is seen from outside, and its accounts.

    Attributes:
        url: The address in front of nginx.
        direct: The port of FrameLens itself.
        database: The file of the store.
        accounts: The accounts.
        logins: Their logins and sessions.
        cookies: The login cookie of each user.
        keys: The session key of each user.
        ids: Ids of Ann's "job" and "video".
        api: The API key of each user.
        logs: The log files of the proxy.
        log: What FrameLens prints.
        input_folder: The allowed folder; the data folder lies in it.
        pid: The process of FrameLens.
        is_caddy: Whether the proxy is Caddy, not nginx.
    """

    url: str
    direct: int
    database: Path
    accounts: Accounts
    logins: Logins
    cookies: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    api: dict[str, str] = field(default_factory=dict)
    logs: tuple[Path, ...] = ()
    log: Path = Path()
    input_folder: Path = Path()
    pid: int = 0
    is_caddy: bool = False

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


@contextmanager
def attacked_site(
    scale: Scale, name: str = "attacks", variables: Mapping[str, str] | None = None, *, is_caddy: bool = False
) -> Iterator[Site]:
    """Start the app and the proxy, log everyone in, and let Ann upload a video and analyse it.

    Args:
        scale: Where it works.
        name: The folder there.
        variables: More of the app's environment.
        is_caddy: Whether the proxy is Caddy, not nginx.
    """
    folder = scale.folder(name)
    database = folder / "data" / "framelens.sqlite"
    (folder / "clips").mkdir()
    set_for_all = {
        "FRAMELENS_NETWORK": '{"trusted_proxies": "127.0.0.1"}',
        "FRAMELENS_INPUT_DIRS": str(folder),
        **(variables or {}),
    }
    with closing(Store(database)) as store, mock.patch.dict(os.environ, set_for_all):
        accounts = Accounts(store)
        for name, role in _USERS:
            accounts.add(name, PASSWORD, role)
        port = free_port()
        options = (f"--browser.serverAddress={NAME}", f"--browser.serverPort={port}")
        with running("app/main.py", folder, *options) as app:
            upstream = urlsplit(app.url).port or 0
            with reverse_proxy(folder / "proxy", port, upstream, is_caddy=is_caddy) as url:
                logs = tuple((folder / "proxy").glob("*.log"))
                logins = Logins(store, AccessSettings())
                site = Site(url, upstream, database, accounts, logins, logs=logs, input_folder=folder, pid=app.pid)
                site.log, site.is_caddy = folder / "server.log", is_caddy
                _log_in(site, ApiStore(store))
                _analyse(site, write_card_video(folder / "film.mp4", ["red", "blue"]))
                yield site


def _log_in(site: Site, api_store: ApiStore) -> None:
    for name, _ in _USERS:
        cookie = site.logins.redeem(site.logins.ticket_for(name, is_verified=True))
        session = site.logins.session(cookie)
        assert session
        site.cookies[name], site.keys[name] = cookie, session.key
        site.api[name] = api_keys.create(api_store, name, per_minute=100_000, account_id=session.user.id)


def _analyse(site: Site, path: Path) -> None:
    film = path.read_bytes()
    with site.client(Authorization=f"Bearer {site.api['ann']}") as ann:
        made = ann.post("/api/v1/uploads", json={"name": f"{SECRET}.mp4", "size_bytes": len(film)}).json()
        kind = {"Content-Type": "application/octet-stream"}
        ann.patch(f"/api/v1/uploads/{made['id']}", content=film, headers=kind).raise_for_status()
        asked = {"source": {"type": "upload", "id": made["id"]}, "use_model": False, "frames": 2}
        job = ann.post("/api/v1/jobs", json=asked).raise_for_status().json()
        while not ann.get(f"/api/v1/jobs/{job['id']}").json()["is_over"]:
            time.sleep(0.2)
    site.ids.update(job=job["id"], video=made["id"])
    with site.client("ann") as ann:
        assert ann.get(f"/api/videos/{made['id']}").content == film
