"""Program that serves the page: Streamlit with its options, and sentences for what ends it before it serves.

These are Ctrl-C while it is imported, and a port that can't be used. It imports little before it handles the first.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

from framelens.core.errors import AppError, Cancelled, ConfigError
from framelens.core.files import ensure_home

_MAIN = Path(__file__).resolve().with_name("main.py")


def serve(options: list[str]) -> int:
    """Run Streamlit with these options until the process ends, and return the exit code."""
    ensure_home()
    try:
        import click
        from streamlit.web.cli import main

        _check_port(options)
        try:
            return int(main(["run", str(_MAIN), *options], prog_name="streamlit", standalone_mode=False) or 0)
        except click.Abort as error:  # Ctrl-C, as click puts it
            raise KeyboardInterrupt from error
        except click.ClickException as error:
            error.show()
            return error.exit_code
    except KeyboardInterrupt:
        return _fail(Cancelled())
    except AppError as error:
        return _fail(error)


def _fail(error: AppError) -> int:
    from framelens.i18n import error_text, in_language, system_language

    with in_language(system_language()):
        sys.stderr.write(f"{error_text(error)}\n")
    return error.exit_code


def _check_port(options: list[str]) -> None:
    """Check that the port the user has set can be used; without a set port, Streamlit looks for a free port.

    Streamlit itself only logs a line in English if the port can't be used (1.67).

    Raises:
        ConfigError: The port is in use, or this user may not use it.
    """
    from streamlit import config

    port = _option("server.port", options) or (
        config.is_manually_set("server.port") and config.get_option("server.port")
    )
    host = _option("server.address", options) or str(config.get_option("server.address") or "")
    config._config_options = None  # Streamlit would report a change when it reads the options for itself
    if not port or not str(port).isdecimal():  # Streamlit names a wrong value
        return
    try:
        _listen(host, int(port)).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            with _listen("127.0.0.1", 0) as other:
                raise ConfigError("app_port_taken", port=port, free=other.getsockname()[1]) from error
        if error.errno == errno.EACCES:
            raise ConfigError("app_port_refused", port=port) from error


def _listen(host: str, port: int) -> socket.socket:
    """Listen as Streamlit does: without a host on all addresses. Raises OSError."""
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    return socket.create_server((host, port), family=family)


def _option(name: str, options: list[str]) -> str:
    """Return the value of an option of Streamlit from the command line or its variable, "" if it isn't given."""
    for index, option in enumerate(options):
        if option == f"--{name}":
            return options[index + 1] if index + 1 < len(options) else ""
        if option.startswith(f"--{name}="):
            return option.partition("=")[2]
    return os.environ.get(f"STREAMLIT_{name.replace('.', '_').upper()}", "")


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
