"""Entry point of the command line; each command is a module of app.cli.commands.

Exit codes: 0 done; 1 a fault of FrameLens; 2 wrong usage or setting; 3 the video; 4 the engine or model; 5 the disk;
130 stopped by the user; 141 the reader of the output has closed it, as `head` does.
"""

import argparse
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from io import TextIOWrapper
from itertools import pairwise
from typing import Any, NoReturn
from unicodedata import east_asian_width

from app import i18n
from app.core import AppError, Cancelled, Language, as_app_error
from app.i18n import LANGUAGES, catalogue, error_text, in_language, t

log = logging.getLogger(__name__)
_BROKEN_PIPE_EXIT_CODE = 141
_COMMANDS = {
    "app": "cli.app_command",
    "analyse": "cli.analyse",
    "batch": "cli.batch_command",
    "watch": "cli.watch_command",
    "ask": "cli.ask",
    "keyframes": "cli.keyframes_command",
    "library": "cli.library",
    "export": "cli.export",
    "download": "cli.download_command",
    "serve": "cli.serve_command",
    "users": "cli.users_command",
    "keys": "cli.keys_command",
    "audit": "cli.audit_command",
    "backup": "cli.backup_command",
    "restore": "cli.restore_command",
    "mcp": "cli.mcp_command",
    "cluster": "cli.cluster_command",
    "doctor": "cli.doctor_command",
    "models": "cli.models_command",
}
"""Help keys of the commands. The module app.cli.commands.NAME has `add_arguments` and `run`."""
_FOLDERS = {"users": "access.", "keys": "access.", "audit": "access.", "backup": "storage.", "restore": "storage."}
"""Packages of commands whose module is in one."""
_FORWARDS_ARGUMENTS = "app"
"""The command that forwards unknown arguments to another program."""
_ALIASES = {"analyse": ("analyze",)}
_WORDS_FOR_OPTIONS = {"help": "--help", "version": "--version"}
_OURS = "cli.argparse."
_WIDE = r"\u2e80-\u9fff\uff00-\uffef"
_ENDS = "，。、；：？！）】》”’"  # marks that can't begin a line
_BEGINS = "（【《“‘"  # marks that can't end a line
_UNIT = re.compile(rf"[{_BEGINS}]*(?:[{_WIDE}]|[^\s{_WIDE}]+)[{_ENDS}]*|\s+")
"""A unit that isn't broken across lines: a Chinese character or a word of another script with its marks, or blanks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors go to standard error as sentences, tracebacks to the log."""
    try:
        try:
            if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
                sys.stdout.reconfigure(errors="backslashreplace")  # for a file name that is not UTF-8
            return _run(argv)
        except KeyboardInterrupt:  # before the command handles it itself
            return interrupted()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python's final flush fails
        return _BROKEN_PIPE_EXIT_CODE


def interrupted() -> int:
    """Print that the user stopped the command, and return the exit code.

    For an interrupt before the command could handle it itself.
    """
    with in_language(i18n.system_language()):
        return _fail(Cancelled())


def _run(argv: Sequence[str] | None) -> int:
    logging.getLogger("app").addHandler(logging.NullHandler())  # before there is a log file, the terminal is not one
    words = _command_first(sys.argv[1:] if argv is None else argv)
    named = words[0] if words else ""
    with in_language(_wanted_language(sys.argv[1:] if argv is None else argv)):
        parser = build_parser(only=named)
        if named in _WORDS_FOR_OPTIONS:
            words = [_WORDS_FOR_OPTIONS[named]]
        if not words:
            parser.print_help()
            return 0
        if named == _FORWARDS_ARGUMENTS:
            given, unknown = parser.parse_known_args(words)
            given.unknown = unknown
        else:
            given = parser.parse_args(words)
        if given.language:
            i18n.set_language(given.language)
        try:
            return int(given.command(given))
        except Cancelled as error:
            return _fail(error)
        except AppError as error:
            log.warning("%s failed: %s", given.name, error)
            return _fail(error)
        except BrokenPipeError:
            raise
        except Exception as error:
            log.exception("%s failed", given.name)
            return _fail(as_app_error(error))


def build_parser(*, only: str | None = None) -> argparse.ArgumentParser:
    """Build the argument parser of all commands.

    Args:
        only: Name of the command that will run. The others get their names only, and their modules, which import much,
            are not imported. None builds the arguments of every command.
    """
    _translate_argparse()
    parser: argparse.ArgumentParser = Parser("framelens", description=t("cli.description"))
    parser.add_argument("--version", action=_Version, help=t("cli.argparse.version"))
    commands = parser.add_subparsers(dest="name", required=True, metavar=t("cli.command"))
    for name, help_key in _COMMANDS.items():
        aliases = _ALIASES.get(name, ())
        command = commands.add_parser(name, aliases=aliases, help=t(help_key))
        if only is None or only in (name, *aliases):
            module = import_module(f"app.cli.commands.{_FOLDERS.get(name, '')}{name}")
            command.set_defaults(command=module.run)
            module.add_arguments(command)
    return parser


class _Version(argparse.Action):
    """Option that prints the installed version and exits; argparse's own action would look it up on every start."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"framelens {version('framelens')}")
        parser.exit()


def _command_first(words: Sequence[str]) -> list[str]:
    """Return the words with `--language` behind the command; argparse doesn't take it before the command's name."""
    given = list(words)
    leading = 0
    while given[leading:] and given[leading].partition("=")[0] == "--language":
        leading += 1 if "=" in given[leading] else 2
    is_command = bool(given[leading:]) and not given[leading].startswith("-")
    return [given[leading], *given[:leading], *given[leading + 1 :]] if leading and is_command else given[leading:]


def _wanted_language(words: Sequence[str]) -> Language:
    """Return the language that --language names, else the system's: help and errors are written before parsing ends."""
    for word, following in pairwise((*words, "")):
        name, _, value = word.partition("=")
        if name == "--language" and (tag := value or following) in LANGUAGES:
            return i18n.language_of(tag)
    return i18n.system_language()


def _fail(error: AppError) -> int:
    from app.reports.content import printable  # rarely needed

    print(printable(error_text(error)), file=sys.stderr)  # an engine's words may turn a terminal's text around
    return error.exit_code


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose subparsers have the same class. A `type` may raise an AppError, whose text is shown.

    Attributes:
        is_intermixed: Options may stand between arguments that can be left out.
    """

    is_intermixed = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": _Formatter, **options})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments like the base class, or intermixed ones."""
        if not self.is_intermixed:
            return super().parse_known_args(args, namespace)
        self.is_intermixed = False  # the other method calls this one
        # The other method cuts as many letters from the usage as "usage: " has, in whatever language it is.
        _, _, usage = self.format_usage().partition(self.prog)
        self.usage = f"{self.prog}{usage}".replace("%", "%%")
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.is_intermixed, self.usage = True, None

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except AppError as error:
            raise argparse.ArgumentError(action, error_text(error)) from error


def _translate_argparse() -> None:
    """Give argparse's own messages ("usage", "expected one argument") the language of the command.

    argparse looks them up in gettext, which knows only the language of the environment and needs compiled files.
    """
    keys = {text: key for key, text in catalogue("en").items() if key.startswith(_OURS)}

    def translated(text: str) -> str:
        return catalogue(i18n.language())[keys[text]] if text in keys else text

    def plural(one: str, many: str, number: int) -> str:
        return translated(one if number == 1 else many)

    vars(argparse).update(_=translated, ngettext=plural)


class _Formatter(argparse.HelpFormatter):
    class _Section(argparse.HelpFormatter._Section):
        def format_help(self) -> str:
            plain, ours = f"{self.heading}:\n", vars(argparse)["_"]("%(heading)s:") % {"heading": self.heading}
            return super().format_help().replace(plain, f"{ours}\n", 1)  # Python 3.11 does not look this one up

    def _split_lines(self, text: str, width: int) -> list[str]:
        return list(_wrap(text, width))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in _wrap(text, width - len(indent)))


def _wrap(text: str, width: int) -> Iterator[str]:
    """Split `text` into lines of at most `width` columns, longer only if a single word is."""
    line = ""
    for unit in _UNIT.findall(" ".join(text.split())):
        if line.strip() and _display_width(line + unit) > width:
            yield line.rstrip()
            line = ""
        line = line + unit if line else unit.lstrip()
    if line:
        yield line.rstrip()


def _display_width(text: str) -> int:
    """Return the terminal columns of `text`: two for each wide character."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


if __name__ == "__main__":
    sys.exit(main())
