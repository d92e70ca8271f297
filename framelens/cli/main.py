"""Entry point of the command line; each command is a module of framelens.cli.commands.

The exit codes are in the text cli.exit_codes, which the help and the manual page print.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from itertools import chain, pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from framelens import i18n
from framelens.cli import terminal
from framelens.cli.parser import SHORT, Parser
from framelens.core import own_version
from framelens.core.domain import Language
from framelens.core.errors import AppError, Cancelled, ConfigError, StorageError, as_app_error
from framelens.core.files import typed_path
from framelens.i18n import error_text, in_language, label, t
from framelens.services import running

if TYPE_CHECKING:
    from framelens.registry import Plugin

log = logging.getLogger(__name__)
_BROKEN_PIPE_EXIT_CODE = 141
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_COMMANDS = {
    "app": "cli.app_command",
    "analyse": "cli.analyse",
    "ask": "cli.ask",
    "keyframes": "cli.keyframes_command",
    "transcript": "cli.transcript_command",
    "library": "cli.library",
    "export": "cli.export",
    "download": "cli.download_command",
    "doctor": "cli.doctor_command",
    "plugins": "cli.plugins_command",
    "completion": "cli.completion_command",
    "man": "cli.man_command",
}
"""Help keys of the commands. The module framelens.cli.commands.NAME has `add_arguments` and `run`."""
_GROUPS = {
    "watch": ("analyse", "ask", "keyframes", "clip", "transcript"),
    "reports": ("library", "export", "speakers"),
    "many": ("batch", "watch", "cluster"),
    "models": ("models", "download", "serve", "speech"),
    "doors": ("app", "mcp", "users", "keys", "audit", "backup", "restore"),
    "system": ("doctor", "plugins", "completion", "man"),
}
"""The groups of commands in the help, those of the built-in plugins among them."""
_FORWARDS_ARGUMENTS = "app"
"""The command that forwards unknown arguments to another program."""
_ALIASES = {"analyse": ("analyze",)}
_WITHOUT_PLUGINS = ("--version",)
_OTHER_WORDS = ("help", "version")
"""Words that are read like options of the same name; a plugin's command can't have these names."""
_LOSING = ("strict", "surrogateescape")
"""Python's default error handlers of streams, which raise an exception for characters that the encoding lacks."""
_LANGUAGE = re.compile(rf"(?:--language(?:=|$)|{SHORT['--language']}=?)(.*)", re.DOTALL)
"""The option of the language; its value may follow in the same word."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Errors go to standard error as sentences, tracebacks to the log."""
    try:
        try:
            if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors in _LOSING:
                sys.stdout.reconfigure(errors="backslashreplace")  # for characters that the encoding lacks
            with terminal.clean_streams():
                return _run(argv)
        except KeyboardInterrupt:  # before the command handles it itself
            return interrupted()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        terminal.discard(sys.stdout)
        return _BROKEN_PIPE_EXIT_CODE
    except OSError as error:
        terminal.discard(sys.stdout)
        with in_language(_wanted_language(sys.argv[1:] if argv is None else argv)):
            return _fail(StorageError("output_refused", reason=error.strerror or str(error)))


def interrupted() -> int:
    """Print that the user stopped the command, and return the exit code.

    Called for an interrupt that arrives before the command can handle interrupts.
    """
    with in_language(_wanted_language(sys.argv[1:])):
        return _fail(Cancelled("stopped"))


def _run(argv: Sequence[str] | None) -> int:
    logging.getLogger("framelens").addHandler(
        logging.NullHandler()
    )  # before there is a log file, the terminal must not show the log
    typed = _take_env_file(sys.argv[1:] if argv is None else argv)
    with in_language(_wanted_language(typed)):
        try:
            given = _parse(_command_first(typed))
        except AppError as error:
            return _fail(error)
        if given is None:
            return 0
        if getattr(given, "language", None):  # a plugin's command may have no such option
            i18n.set_language(given.language)
        if getattr(given, "verbose", False):
            from framelens.store.fs_utils import log_to_terminal  # rarely needed

            log_to_terminal()
        if Path(".env").exists() and not getattr(given, "quiet", False):
            _tell_unread()
        running.begin(quiet=getattr(given, "quiet", False))
        try:
            return int(given.command(given))
        except (KeyboardInterrupt, Cancelled):
            return _fail(Cancelled(given.stopped))
        except AppError as error:
            log.warning("%s failed: %s", given.name, error)
            return _fail(error)
        except BrokenPipeError:
            raise
        except Exception as error:
            if _is_of_output(error):
                raise
            log.exception("%s failed", given.name)
            failure = as_app_error(error)
            failure.__cause__ = error
            return _fail(failure)


def _is_of_output(error: Exception) -> bool:
    """Return whether an error comes from writing to standard output, such as to a file on a full disk."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT_ERRORS


def _parse(words: list[str]) -> argparse.Namespace | None:
    """Parse the words; without words, print the help and return None."""
    if words[:1] == ["help"]:
        words = [*_command_first(words[1:]), "--help"]
    words = ["--version", *words[1:]] if words[:1] == ["version"] else words
    named = next((word for word in words if not word.startswith("-") or word in _WITHOUT_PLUGINS), "")
    parser = build_parser(only=named)
    if not words:
        parser.print_help()
        return None
    given = argparse.Namespace()
    _, given.unknown = parser.parse_known_args(words, given)
    return given


def build_parser(*, only: str | None = None) -> Parser:
    """Build the argument parser of all commands.

    Args:
        only: Name of the command that will run. The other commands get their names only, and their modules, which
            import much, are not imported. None builds the arguments of every command.
    """
    parser = Parser("framelens", description=t("cli.description"), epilog=f"{t('cli.codes')}\n{t('cli.exit_codes')}")
    parser.passes_unknown = only == _FORWARDS_ARGUMENTS
    parser.set_defaults(stopped="stopped")
    parser.add_argument("--version", action=_Version, help=t("cli.argparse.version"))
    parser.add_argument("--language", choices=i18n.LANGUAGES, default=argparse.SUPPRESS, help=t("cli.language"))
    parser.command_groups, parser.examples = _GROUPS, t("cli.examples.framelens")
    commands = parser.add_subparsers(dest="name", required=True, metavar=t("cli.command"))
    known = {name: f"framelens.cli.commands.{name}" for name in _COMMANDS}
    of_core = (*known, *chain(*_ALIASES.values()))
    owners: dict[str, Plugin] = {}
    if only not in (*of_core, *_WITHOUT_PLUGINS):
        from framelens import registry  # reads settings and finds the plugins

        for plugin, name, place in registry.commands((*of_core, *_OTHER_WORDS)):
            known[name], owners[name] = place, plugin
    for name, place in known.items():
        aliases = _ALIASES.get(name, ())
        purpose = label(_COMMANDS.get(name, f"cli.{name}_command"), name)
        command = commands.add_parser(name, aliases=aliases, help=purpose, description=purpose)
        command.examples = label(f"cli.examples.{name}", "")
        will_run = only in (name, *aliases)
        if only is None or will_run:
            if name in owners:
                _add_of_plugin(command, place, owners[name], will_run=will_run)
            else:
                _add(command, place)
            command.passes_unknown = parser.passes_unknown
    return parser


def _add(command: Parser, place: str) -> None:
    """Give a command the arguments and the `run` function of its module."""
    module = import_module(place)
    command.set_defaults(command=module.run)
    module.add_arguments(command)
    if not (command.knows("--language") or command.passes_unknown):
        command.add_argument("--language", choices=i18n.LANGUAGES, default=argparse.SUPPRESS, help=t("cli.language"))


def _add_of_plugin(command: Parser, place: str, plugin: Plugin, *, will_run: bool) -> None:
    """Give a command of a plugin its arguments and its function; a faulty command gets nothing.

    Raises:
        ConfigError: "plugin_failed", if a faulty command will run.
    """
    from framelens import registry

    try:
        _add(command, place)
    except registry.FAULTS as error:
        registry.leave_out(plugin, place, error)
        if will_run:
            raise ConfigError("plugin_failed", **registry.failure_values(plugin, error)) from error
    else:
        command.set_defaults(command=registry.guarded(plugin, command.get_default("command"), int, may_exit=True))


class _Version(argparse.Action):
    """Option that prints the installed version and exits; argparse's own action would look it up on every start."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"framelens {own_version()}")
        parser.exit()


def _command_first(words: Sequence[str]) -> list[str]:
    """Return the words with `--language` behind the command; argparse doesn't take it before the command's name."""
    given = list(words)
    leading = 0
    while given[leading:] and _LANGUAGE.match(given[leading]):
        leading += 2 if given[leading] in ("--language", SHORT["--language"]) else 1
    is_command = bool(given[leading:]) and not given[leading].startswith("-")
    return [given[leading], *given[:leading], *given[leading + 1 :]] if leading and is_command else given[leading:]


def _take_env_file(words: Sequence[str]) -> list[str]:
    """Put the file that `--env-file` names into the environment, and return the other words.

    That is done before the words are parsed, since a plugin's commands depend on the settings; processes that a command
    starts inherit it.
    """
    own = list(takewhile(lambda word: word != "--", words))
    rest = list(words[len(own) :])
    for place, word in enumerate(own):
        option, is_joined, value = word.partition("=")
        if option == "--env-file" and (is_joined or place + 1 < len(own)):
            os.environ["FRAMELENS_ENV_FILE"] = str(Path(typed_path(value if is_joined else own[place + 1])).absolute())
            return _take_env_file([*own[:place], *own[place + (1 if is_joined else 2) :], *rest])
    return [*own, *rest]


def _tell_unread() -> None:
    """Print that the settings of the current folder aren't read, if there are any."""
    from framelens import config

    if unread := config.unread_env_file():
        own = config.REPOSITORY / unread.name
        print(t("cli.env_unread", path=unread, name=unread.name, own=own), file=sys.stderr)


def _wanted_language(words: Sequence[str]) -> Language:
    """Return the language that --language names, else the system's: help and errors are written before parsing ends."""
    for word, following in pairwise((*words, "")):
        if (found := _LANGUAGE.match(word)) and (named := i18n.named_language(found[1] or following)):
            return named
    return i18n.system_language()


def _fail(error: AppError) -> int:
    if "log" in error.values and not Path(str(error.values["log"])).is_absolute():
        _log_failure(error)
    print(error_text(error), file=sys.stderr)
    return error.exit_code


def _log_failure(error: AppError) -> None:
    """Write the traceback of a failure to the log that its message names, which the command hasn't opened."""
    from framelens import config
    from framelens.store.fs_utils import log_to

    with suppress(AppError):  # the settings may be wrong, and the folder unwritable
        error.values["log"] = str(log_to(config.load().data_dir))
        log.error("%s", error, exc_info=error.__cause__)


if __name__ == "__main__":
    sys.exit(main())
