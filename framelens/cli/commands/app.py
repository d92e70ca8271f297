"""Command `framelens app`: serves the web page; other options are passed to Streamlit."""

import os
import subprocess
import sys
from pathlib import Path

from framelens.cli.common import PORT, whole_number
from framelens.cli.grammar import Options, command, flag, option
from framelens.core.installation import require


def application() -> Path:
    """Return the folder of the Streamlit application: inside an installed package, else beside the package."""
    library = Path(__file__).resolve().parents[2]
    installed = library / "application" / "app"
    return installed if installed.is_dir() else library.parent / "app"


@command("app", help="cli.app_command", forwards=True)
@option("--host", metavar="HOST", help="cli.app_host")
@option("--port", type=whole_number(0, PORT), metavar="PORT", help="cli.app_port")
@flag("--insecure", help="cli.app_insecure")
def run(options: Options) -> int:
    """Serve the page until the process ends, and return the exit code.

    Raises:
        ConfigError: Streamlit isn't installed.
    """
    require("streamlit")
    # -P keeps a file in the working directory from being imported in place of a library.
    command = [sys.executable, "-P", str(application() / "server.py"), *options.unknown]
    command += [] if options.host is None else ["--server.address", options.host]
    command += [] if options.port is None else ["--server.port", str(options.port)]
    if options.insecure:
        os.environ["FRAMELENS_INSECURE"] = "on"
    if options.language:
        os.environ["FRAMELENS_LANGUAGE"] = options.language
    if os.name == "posix":  # signals reach the server itself
        os.execv(command[0], command)
    return subprocess.call(command)
