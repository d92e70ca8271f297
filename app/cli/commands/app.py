"""Command `framelens app`: serves the web page; other options are passed to Streamlit.

It also is the program that does so, which imports little before Ctrl-C is handled.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_MAIN = Path(__file__).resolve().parents[2] / "main.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument of this command; app.cli.main forwards the unknown ones."""
    from app.i18n import t

    parser.description = t("cli.app_command")
    parser.add_argument("--insecure", action="store_true", help=t("cli.app_insecure"))
    parser.set_defaults(language=None)


def run(given: argparse.Namespace) -> int:
    """Serve the page until the process ends, and return the exit code."""
    # -P keeps a file in the working directory from being imported in place of a library.
    command = [sys.executable, "-P", "-m", __name__, *given.unknown]
    if given.insecure:
        os.environ["FRAMELENS_INSECURE"] = "on"
    if os.name == "posix":  # signals reach the server itself
        os.execv(command[0], command)
    import subprocess

    return subprocess.call(command)


def serve(options: Sequence[str]) -> int:
    """Run Streamlit with these options and return the exit code; Ctrl-C while it is imported ends without a traceback.

    In a process of its own, so that nothing of the command line, such as its language, holds for the page.
    """
    try:
        import click
        from streamlit.web.cli import main

        try:
            return int(main(["run", str(_MAIN), *options], prog_name="streamlit", standalone_mode=False) or 0)
        except click.Abort as error:  # Ctrl-C, as click puts it
            raise KeyboardInterrupt from error
        except click.ClickException as error:
            error.show()
            return error.exit_code
    except KeyboardInterrupt:
        from app.cli.main import interrupted

        return interrupted()


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
