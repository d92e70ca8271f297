"""Messages at the start and the end: where the page is, on a desktop the page itself, and which work is kept.

Streamlit's own message comes before the page answers, is in English only and advertises Streamlit's tools for
developers; for an `st.App` Streamlit opens no browser (1.67). So config.toml turns it off.
"""

import asyncio
import sys
import webbrowser
from contextlib import suppress

import streamlit as st
from streamlit import config

from app import resources
from framelens.composition import Services
from framelens.core.roles import LOCAL_USER, as_user
from framelens.i18n import system_language, t

_WILDCARDS = ("", "0.0.0.0", "::")
_RETRY_SECONDS = 0.1


async def show() -> None:
    """Print the page's address once it answers, and open it where there is a desktop.

    Does nothing under another server than Streamlit's own, which doesn't say where it listens.
    """
    if config._server_mode != "starlette-app":
        return
    address = str(st.get_option("server.address") or "")
    host = "localhost" if address in _WILDCARDS else address
    port = int(st.get_option("server.port"))
    await _wait_for(host, port)
    protocol = "https" if st.get_option("server.sslCertFile") else "http"
    path = str(st.get_option("server.baseUrlPath")).strip("/")
    url = f"{protocol}://{f'[{host}]' if ':' in host else host}:{port}/{path}"
    services = resources.installed().services
    say(t("cli.app_ready", (services and services.settings.language) or system_language(), url=url))
    if not st.get_option("server.headless"):
        await asyncio.to_thread(webbrowser.open, url)


def farewell(services: Services) -> str:
    """Return the message about the end of the program, before its services are closed."""
    with as_user(LOCAL_USER):  # the jobs of all users
        count = len(services.jobs.running()) + len(services.jobs.waiting())
    key = "app_ended_unfinished" if count else "app_ended"
    return t(f"cli.{key}", services.settings.language or system_language(), n=count)


def say(text: str) -> None:
    """Print a message, unless the terminal is gone."""
    with suppress(OSError, ValueError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


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
