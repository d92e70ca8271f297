"""Entry point of the command line; each command is a module of framelens.cli.commands.

The exit codes are in the text cli.exit_codes, which the help prints.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import TextIOWrapper
from itertools import chain, pairwise, takewhile
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

import click
from click.exceptions import Exit, NoArgsIsHelpError

from framelens import i18n
from framelens.cli import terminal
from framelens.cli.grammar import Group, Options, add_common_options, flag
from framelens.core import own_version
from framelens.core.domain import Language
from framelens.core.errors import AppError, Cancelled, ConfigError, StorageError
from framelens.core.files import reason_of, typed_path
from framelens.i18n import error_text, in_language, t

log = logging.getLogger(__name__)
_BROKEN_PIPE_EXIT_CODE = 141
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_COMMANDS = {
    name: f"framelens.cli.commands.{name}:run"
    for name in ("app", "analyse", "ask", "keyframes", "transcript", "library", "export", "download", "doctor")
}
"""The commands of the core as "module:object"."""
_SUBCOMMANDS = {
    "admin backup": "framelens.cli.commands.backup:write",
    "admin restore": "framelens.cli.commands.backup:restore",
}
"""Its commands in the group that plugins add to."""
_ALIASES = {"analyze": "analyse"}
_COMPLETION = "_FRAMELENS_COMPLETE"
"""The variable with which shells ask for completions."""
_LOSING = ("strict", "surrogateescape")
"""Python's default error handlers of streams, which raise an exception for characters that the encoding lacks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Errors go to standard error as sentences, tracebacks to the log."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors in _LOSING:
                sys.stdout.reconfigure(errors="backslashreplace")  # for characters that the encoding lacks
            with terminal.clean_streams():
                return _run(words)
        except KeyboardInterrupt:  # before the command handles it itself
            return interrupted()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        terminal.discard(sys.stdout)
        return _BROKEN_PIPE_EXIT_CODE
    except OSError as error:
        terminal.discard(sys.stdout)
        with in_language(_requested_language(words)):
            return _fail(StorageError("output_refused", reason=reason_of(error)))


def interrupted() -> int:
    """Print that the user stopped the command, and return the exit code.

    Called for an interrupt that arrives before the command can handle interrupts.
    """
    with in_language(_requested_language(sys.argv[1:])):
        return _fail(Cancelled("stopped"))


def _run(words: list[str]) -> int:
    # before there is a log file, the terminal must not show the log
    logging.getLogger("framelens").addHandler(logging.NullHandler())
    for path in _values_of("--env-file", words):  # the commands of plugins depend on the settings
        os.environ["FRAMELENS_ENV_FILE"] = str(Path(typed_path(path)).absolute())
    if instruction := os.environ.get(_COMPLETION):
        from click.shell_completion import shell_complete

        return shell_complete(framelens, {}, "framelens", _COMPLETION, instruction)
    ctx: click.Context | None = None
    with in_language(_requested_language(words)):
        if words[:1] in (["help"], ["version"]):
            words = [*words[1:], f"--{words[0]}"]
        try:
            with framelens.make_context("framelens", words) as ctx:
                return int(framelens.invoke(ctx) or 0)
        except Exit as ended:
            return ended.exit_code
        except NoArgsIsHelpError as error:
            print(error.message, file=sys.stderr)
            return error.exit_code
        except click.UsageError as error:
            return _refuse(error)
        except click.ClickException as error:  # of a plugin's own command
            print(error.format_message(), file=sys.stderr)
            return error.exit_code
        except click.Abort:
            return _fail(Cancelled("stopped"))
        except Cancelled as error:
            return _fail(error)
        except AppError as error:
            log.warning("framelens %s failed: %s", words[0] if words else "", error)
            return _fail(error)
        except BrokenPipeError:
            raise
        except Exception as error:
            if _is_of_output(error):
                raise
            return _fail(_failure(error, ctx))


def _failure(error: Exception, ctx: click.Context | None) -> AppError:
    """Return the error for the user about an unexpected exception, which the log gets."""
    from framelens.registry import BUILT_IN, PluginPart

    name = (ctx and ctx.invoked_subcommand) or ""
    log.exception("framelens %s failed", name)
    failure, part = AppError.of(error), cast(Any, framelens.commands.get(name))
    if isinstance(part, PluginPart) and part.plugin not in BUILT_IN and failure.key != "extra_missing":
        failure = part.failure(error)
    failure.__cause__ = error
    return failure


def _is_of_output(error: Exception) -> bool:
    """Return whether an error comes from writing to standard output, such as to a file on a full disk."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT_ERRORS


class _Commands(Group):
    """The commands of FrameLens and its plugins. Plugins are looked for when a command isn't FrameLens's own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        from framelens import registry  # reads settings and finds the plugins

        commands: dict[str, Any] = dict(_COMMANDS)
        parts = registry.unique("commands", (*_COMMANDS, *_SUBCOMMANDS, *_ALIASES, "help", "version"))
        entries: list[tuple[str, Any]] = [*_SUBCOMMANDS.items(), *((part.name, part) for part in parts)]
        for words, part in entries:
            name, _, subcommand = words.partition(" ")
            shared = commands.setdefault(name, Group(name, help=f"cli.{name}_command") if subcommand else part)
            if subcommand and isinstance(shared, Group):
                shared.commands[subcommand] = getattr(part, "value", part)
        self.commands = commands
        return list(commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names, in either spelling."""
        return super().resolve_command(ctx, [_ALIASES.get(args[0], args[0]), *args[1:]])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; a faulty one of a plugin is left out.

        Raises:
            ConfigError: "plugin_failed", if the command is a plugin's that can't be imported.
        """
        if cmd_name in _COMMANDS or cmd_name not in self.list_commands(ctx):
            return super().get_command(ctx, cmd_name)
        from framelens.registry import PLUGIN_FAULTS

        part: Any = self.commands[cmd_name]
        try:
            command: click.Command = part if isinstance(part, Group) else resolve_name(part.value)
            command.name = cmd_name
            add_common_options(command)
        except PLUGIN_FAULTS as error:
            if isinstance(error, ModuleNotFoundError) and (missing := AppError.of(error)).key == "extra_missing":
                raise missing from error
            part.leave_out(error)
            raise part.failure(error, ConfigError) from error
        return command


@click.command(
    "framelens", cls=_Commands, help="cli.description", invoke_without_command=True, commands=cast(Any, _COMMANDS)
)
@flag("--version", help="cli.usage.version")
def framelens(options: Options) -> int:
    """Print the version, or the help."""
    if options.version:
        print(f"framelens {own_version()}")
    else:
        print(click.get_current_context().get_help())
    return 0


def _values_of(option: str, words: Sequence[str], short: str = "") -> Iterator[str]:
    """Yield the values that words give an option before the words are parsed."""
    own = takewhile(lambda word: word != "--", words)
    for word, following in pairwise(chain(own, [""])):
        name, _, value = word.partition("=")
        if short and word.startswith(short):
            name, value = option, word.removeprefix(short)
        if name == option and (value or following):
            yield value or following


def _requested_language(words: Sequence[str]) -> Language:
    """Return the language that --language names, else the system's: help and errors are written before parsing ends."""
    languages = map(i18n.named_language, _values_of("--language", words, "-l"))
    return next(filter(None, languages), i18n.system_language())


def _usage_text(error: click.UsageError) -> str:
    """Return what is wrong with the words of a command, and what is probably meant."""
    match error:
        case click.NoSuchOption(option_name=name):
            return _unknown_option(name, next(iter(error.possibilities or ()), ""))
        case click.NoSuchCommand(command_name=name):
            return _unknown_command(name, next(iter(error.possibilities or ()), ""), error.ctx)
        case click.MissingParameter(param=click.Parameter() as parameter):
            return t("cli.usage.required", names=parameter.get_error_hint(error.ctx).replace("'", ""))
        case click.BadOptionUsage(option_name=name, ctx=click.Context() as ctx):
            option = next(option for option in ctx.command.params if name in option.opts)
            key = "no_value" if getattr(option, "is_flag", False) else "values"
            return t("cli.usage.argument", name=name, message=t(f"cli.usage.{key}", n=option.nargs))
        case click.BadParameter(param=click.Parameter() as parameter):
            name = parameter.get_error_hint(error.ctx).replace("'", "")
            return t("cli.usage.argument", name=name, message=error.message)
    return error.format_message()


def _unknown_option(name: str, similar: str) -> str:
    """Return the text about an unknown option: what vLLM calls it, or the similar option."""
    from framelens.core.engines.vllm_arguments import meant_argument

    message = t("cli.usage.unrecognized", words=name)
    of_vllm = meant_argument(name)
    if of_vllm and (not similar or of_vllm == name.lstrip("-").replace("-", "_")):
        return t("cli.option_of_vllm", message=message, keys=of_vllm)
    return t("cli.option_meant", message=message, meant=similar) if similar else message


def _unknown_command(name: str, similar: str, ctx: click.Context | None) -> str:
    """Return the text about an unknown command: it is a plugin's, a file, or the similar command is meant."""
    from framelens.cli.help import COMMAND_GROUPS  # few commands need them

    if ctx and ctx.parent is None:
        if any(name in names for names in COMMAND_GROUPS.values()):
            return t("cli.command_of_plugin", value=name)
        similar = f"analyse {name}" if os.path.lexists(name) else similar
    key = "cli.command_unknown_meant" if similar else "cli.command_unknown"
    choices = ctx.command.list_commands(ctx) if ctx and isinstance(ctx.command, Group) else ()
    return t(key, value=name, suggestion=similar, choices=", ".join(choices))


def _refuse(error: click.UsageError) -> int:
    """Print what is wrong with the words, and the command whose help explains them; return the exit code."""
    path = error.ctx.command_path if error.ctx else "framelens"
    print(t("cli.usage.error", command=path, message=_usage_text(error)), file=sys.stderr)
    print(t("cli.see_help", command=path), file=sys.stderr)
    return 2


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
