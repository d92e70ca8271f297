"""Command `framelens completion SHELL`: prints the script with which a shell completes commands, options and files."""

import argparse
import sys

from framelens.cli.main import build_parser
from framelens.cli.parser import Parser
from framelens.i18n import LANGUAGES, t

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
_FILES = frozenset(("FILE", "DIR", "FILE|DIR/", "FOLDER", "VIDEO", "VIDEO|ID … QUESTION", "FOLDER|LIST|GLOB"))
"""Values that are paths, by the names that the help has for them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.description = t("cli.completion_how")
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=t("cli.completion_shell"))
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))


def run(given: argparse.Namespace) -> int:
    """Print the script and return the exit code."""
    import shtab  # no other command needs it

    parser = build_parser()
    _mark_files(parser, shtab.FILE)
    sys.stdout.write(shtab.complete(parser, given.shell))
    return 0


def _mark_files(parser: Parser, complete: object) -> None:
    """Let values that are paths be completed with the names of files."""
    for action in parser._actions:
        if action.metavar in _FILES:
            action.complete = complete  # type: ignore[attr-defined]
    for command in parser.commands.values():
        _mark_files(command, complete)
