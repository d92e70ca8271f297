"""Command `framelens app`: serves the web page; other options are passed to Streamlit."""

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from framelens.cli.common import PORT, whole_number
from framelens.core.errors import ConfigError
from framelens.i18n import LANGUAGES, t


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument of this command; framelens.cli.main forwards unknown arguments."""
    parser.description = t("cli.app_command")
    parser.add_argument("--host", help=t("cli.app_host"))
    parser.add_argument("--port", type=whole_number(0, PORT), help=t("cli.app_port"))
    parser.add_argument("--insecure", action="store_true", help=t("cli.app_insecure"))
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))


def application() -> Path:
    """Return the folder of the Streamlit application: inside an installed package, else beside the package."""
    library = Path(__file__).resolve().parents[2]
    installed = library / "application" / "app"
    return installed if installed.is_dir() else library.parent / "app"


def run(given: argparse.Namespace) -> int:
    """Serve the page until the process ends, and return the exit code.

    Raises:
        ConfigError: Streamlit isn't installed.
    """
    if find_spec("streamlit") is None:
        raise ConfigError("app_not_installed", python=sys.executable)
    # -P keeps a file in the working directory from being imported in place of a library.
    command = [sys.executable, "-P", str(application() / "server.py"), *given.unknown]
    command += [] if given.host is None else ["--server.address", given.host]
    command += [] if given.port is None else ["--server.port", str(given.port)]
    if given.insecure:
        os.environ["FRAMELENS_INSECURE"] = "on"
    if given.language:
        os.environ["FRAMELENS_LANGUAGE"] = given.language
    if os.name == "posix":  # signals reach the server itself
        os.execv(command[0], command)
    return subprocess.call(command)
