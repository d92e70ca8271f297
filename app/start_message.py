"""Message at the start: where the page is, and on a desktop the page itself in the browser.

Streamlit's own message comes before the page answers, is in English only and advertises Streamlit's tools for
developers; for an `st.App` Streamlit opens no browser (1.67). So config.toml turns it off.
"""

import asyncio
import sys
import webbrowser

import streamlit as st
from streamlit import config

from app import resources
from framelens.i18n import in_language, system_language, t

_WILDCARDS = ("", "0.0.0.0", "::")
_RETRY_SECONDS = 0.1


async def show() -> None:
    """Print the page's address once it answers, and open it where there is a desktop.

    Does nothing under another server than Streamlit's own, which doesn't say where it listens.
    """
    if config._server_mode != "starlette-app":
        return
    given = str(st.get_option("server.address") or "")
    host = "localhost" if given in _WILDCARDS else given
    port = int(st.get_option("server.port"))
    await _wait_for(host, port)
    protocol = "https" if st.get_option("server.sslCertFile") else "http"
    path = str(st.get_option("server.baseUrlPath")).strip("/")
    url = f"{protocol}://{f'[{host}]' if ':' in host else host}:{port}/{path}"
    services = resources.installed().services
    with in_language((services and services.settings.language) or system_language()):
        sys.stdout.write(f"{t('cli.app_ready', url=url)}\n")
    sys.stdout.flush()
    if not st.get_option("server.headless"):
        await asyncio.to_thread(webbrowser.open, url)


async def _wait_for(host: str, port: int) -> None:
    """Wait until the server listens, which it does once the services are open."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        writer.close()
        return
