"""Command `framelens mcp`: a server of the Model Context Protocol, for programs with a language model of their own.

It speaks over standard input and output, where nothing but the protocol is written, or over HTTP on loopback.
"""

import json
import secrets
import signal
import sys
from contextlib import closing
from pathlib import Path

from framelens import ConfigError, __version__
from framelens.plugin import open_services, t
from framelens.plugin.command_line import (
    PORT,
    Options,
    command,
    engine_options,
    load_settings,
    option,
    parse_path,
    whole_number,
)
from framelens.plugin.files import shown_path, typed_path
from framelens.plugin.processes import require
from framelens.plugins.server.listening import open_socket

_HOST = "127.0.0.1"


@command("mcp", help="cli.mcp_command")
@option("--root", multiple=True, type=parse_path, metavar="DIR", help="cli.mcp_root")
@option("--http", type=whole_number(0, PORT), metavar="PORT", help="cli.mcp_http")
@engine_options
def run(options: Options) -> int:
    """Serve until standard input ends or the process is stopped, and return the exit code.

    Raises:
        AppError: A setting is wrong, a package is missing, or the port is in use.
    """
    require("mcp")
    settings = load_settings(options)
    roots = [_root(folder) for folder in options.root]
    listening = None if options.http is None else open_socket(_HOST, options.http)
    if listening:
        listening.listen()  # so that a client may connect as soon as it reads the address

    from framelens.plugins.server.mcp.server import Server, serve_http
    from framelens.plugins.server.mcp.tools import McpTools

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like an interrupt: the engine is stopped
    with closing(open_services(settings, adopts=False)) as opened, closing(McpTools(opened, roots)) as tools:
        server = Server(tools, version=__version__)
        if listening is None:
            server.run()
            return 0
        key = settings.serve_api_key or secrets.token_urlsafe(24)
        shown = "…" if settings.serve_api_key else key
        entry = {"type": "http", "url": f"http://{_HOST}:{listening.getsockname()[1]}/mcp"}
        headers = {"headers": {"Authorization": f"Bearer {shown}"}}
        print(t("cli.mcp_serving"), json.dumps({"mcpServers": {"framelens": {**entry, **headers}}}), file=sys.stderr)
        serve_http(server, listening, key)


def _root(folder: Path) -> Path:
    real = Path(typed_path(str(folder))).resolve()
    if not real.is_dir():
        raise ConfigError("mcp_root_missing", path=shown_path(folder))
    return real
