"""Streamlit application as `streamlit run app/main.py` finds it: pages, routes, and the lifespan of the services.

`framelens.composition` builds the services, the views draw the pages; this module only starts and stops them.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # of which Streamlit knows only this folder

from app import page_messages, resources, start_message
from app.error_boundary import show_error
from app.page_requests import RequestsInTurn
from framelens import api, config, registry
from framelens.analysis.requests.engine_connector import import_engine_client
from framelens.composition import open_services
from framelens.core.errors import AppError, ConfigError
from framelens.i18n import error_text
from framelens.store.authentication import open_checked_store
from framelens.video.files import confine
from framelens.video.worker_pool import worker_ready

_base = str(st.get_option("server.baseUrlPath")).strip("/")
_base_path = f"/{_base}" if _base else ""
_public = str(st.get_option("browser.serverAddress") or "localhost")
allowed = api.AllowedHosts.for_server(
    st.get_option("server.address"),
    public_name="" if _public == "localhost" else _public,  # Streamlit's default, at whatever port
    public_port=int(st.get_option("browser.serverPort")),
    more_names=st.get_option("server.allowedHosts"),
    more_origins=st.get_option("server.corsAllowedOrigins"),
)
gate = api.Gate(allowed)

# Python's threads hand over its lock after 5 ms by default. With many pages a thread waits for it several times in each
# read of the store; other threads wait for that read, and so does the server's loop. When 50 sessions drew a report
# three times each, on two busy cores, the median in two rounds was 5.5 and 10.5 s a page instead of 17.5 and 18.4.
sys.setswitchinterval(0.0005)
api.replace_check_of_uvicorn()
api.limit_messages()


def _check_start() -> None:
    """End the start where others could use the page without a login; a wrong setting is shown on the page.

    Another server than Streamlit's own doesn't say where it listens: then `SessionProtection` refuses the requests.

    Settings of Streamlit in a folder of videos end it, too: they could name the service that logs users in.
    """
    here = Path.cwd()
    if here not in (config.REPOSITORY, Path(__file__).resolve().parent, Path.home()):
        for path in map((here / ".streamlit").joinpath, ("config.toml", "secrets.toml")):
            if path.exists():
                error = ConfigError("streamlit_settings_here", path=path, folder=Path.home() / ".streamlit")
                sys.stderr.write(f"{error_text(error)}\n")
                sys.exit(error.exit_code)
    address = st.get_option("server.address") or "localhost"
    with suppress(AppError):
        settings = config.load()
        try:
            public_address = "" if api.is_loopback(address) else address
            open_checked_store(settings.data_dir, settings.access, public_address=public_address).close()
        except ConfigError as error:
            sys.stderr.write(f"{error_text(error)}\n")
            sys.exit(error.exit_code)


_check_start()


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
    """Open the services for all pages and routes. A wrong setting is shown on the page instead of ending the server."""
    greeting = asyncio.create_task(start_message.show())
    try:
        async with _open() as state:
            yield state
    finally:
        greeting.cancel()


@asynccontextmanager
async def _open() -> AsyncIterator[dict[str, Any]]:
    try:
        services = await asyncio.to_thread(open_services)
    except AppError as error:
        logging.getLogger(__name__).error(error_text(error, "en"))
        resources.install(resources.Installed(error=error))
        yield {}
        return
    confine(services.settings.input_dirs)
    await asyncio.to_thread(services.resume)
    gate.services = services
    resources.install(
        resources.Installed(
            services=services,
            key=gate.key,
            base_path=_base_path,
            is_public=allowed.are_public,
            after_first_page=import_engine_client,
        )
    )
    try:
        with worker_ready(in_background=True):
            yield {"services": services}
    finally:
        farewell = start_message.farewell(services)
        await asyncio.to_thread(services.close)
        start_message.say(farewell)


# Streamlit's page with the server's address: a browser that opens a page below it would first look for the
# server there and log two errors.
_BASE_SCRIPT = "<head><script>window.__streamlit = { BACKEND_BASE_URL: new URL('.', location.href).href }</script>"
# The page has no language until turned.js gives it one, with the words of the link to its body, which are English.
_STYLE = "<style>html:not([lang]) [data-testid=stSkipToContent] { display: none }</style></head>"
_INDEX = (Path(st.__file__).with_name("static") / "index.html").read_text(encoding="utf-8")
_PAGE = _INDEX.replace("<head>", _BASE_SCRIPT, 1).replace("</head>", _STYLE, 1).replace('<html lang="en">', "<html>", 1)


async def _send_page(_: Request) -> HTMLResponse:
    return HTMLResponse(_PAGE, headers={"Cache-Control": "no-cache"})


_PAGES = (*registry.PAGES[1:], *registry.page_names())
ENTRY = str(Path(__file__).with_name("entry.py"))
ROUTES = [*api.routes(gate, base_path=_base_path), *(Route(f"{_base_path}/{name}", _send_page) for name in _PAGES)]
_MESSAGES = api.PageMessages(page_messages.kind_of, page_messages.KINDS, page_messages.DRAW, page_messages.session_of)
MIDDLEWARE = [
    Middleware(api.TrustedProxies, gate=gate),
    Middleware(api.PageProtection, allowed=allowed, policy=api.content_policy(_PAGE)),
    Middleware(api.SessionProtection, gate=gate, base_path=_base_path, messages=_MESSAGES),
    Middleware(RequestsInTurn),
]

# Streamlit finds this by parsing the source: it must stay an assignment of a literal call.
app = st.App(ENTRY, lifespan=lifespan, routes=ROUTES, middleware=MIDDLEWARE, on_script_error=show_error)
