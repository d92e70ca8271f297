"""Entry point of the command line; each command is a module of framelens.cli.commands.

The exit codes are in the text cli.exit_codes, which the help prints.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from itertools import chain, pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit, NoArgsIsHelpError

from framelens import i18n
from framelens.cli import terminal
from framelens.cli.grammar import LazyGroup, Options, common_options, flag, import_command, usage_text
from framelens.core import own_version
from framelens.core.domain import Language
from framelens.core.errors import AppError, Cancelled, ConfigError, StorageError, as_app_error
from framelens.core.files import typed_path
from framelens.i18n import error_text, in_language, t

if TYPE_CHECKING:
    from framelens.registry import Part

log = logging.getLogger(__name__)
_BROKEN_PIPE_EXIT_CODE = 141
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_COMMANDS = ("app", "analyse", "ask", "keyframes", "transcript", "library", "export", "download", "doctor")
"""The command NAME is `run` in the module framelens.cli.commands.NAME."""
_ALIASES = {"analyze": "analyse"}
_OTHER_WORDS = ("help", "version")
"""Words that are read like options of the same name; a plugin's command can't have these names."""
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
        with in_language(_wanted_language(words)):
            return _fail(StorageError("output_refused", reason=error.strerror or str(error)))


def interrupted() -> int:
    """Print that the user stopped the command, and return the exit code.

    Called for an interrupt that arrives before the command can handle interrupts.
    """
    with in_language(_wanted_language(sys.argv[1:])):
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
    with in_language(_wanted_language(words)):
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
    name = (ctx and ctx.invoked_subcommand) or ""
    log.exception("framelens %s failed", name)
    failure = as_app_error(error)
    if (part := _foreign_part(name)) and failure.key != "extra_missing":
        failure = part.failure(error)
    failure.__cause__ = error
    return failure


def _is_of_output(error: Exception) -> bool:
    """Return whether an error comes from writing to standard output, such as to a file on a full disk."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT_ERRORS


class _Commands(LazyGroup):
    """The commands of FrameLens and its plugins. Plugins are looked for when a command isn't FrameLens's own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [*self.places, *_of_plugins()]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names; "help" and "version" are read like options."""
        if args == ["version"]:
            _print_version()
            ctx.exit()
        if args == ["help"]:
            print(ctx.get_help())
            ctx.exit()
        return super().resolve_command(ctx, [*args[1:], "--help"] if args[0] == "help" else args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; a faulty one of a plugin is left out.

        Raises:
            ConfigError: "plugin_failed", if the command is a plugin's that can't be imported.
        """
        name = _ALIASES.get(cmd_name, cmd_name)
        if name in self.places:
            return super().get_command(ctx, name)
        if name not in _of_plugins():
            return None
        from framelens import registry

        part = _of_plugins()[name]
        try:
            return _with_common_options(import_command(part.value), name)
        except registry.PLUGIN_FAULTS as error:
            if isinstance(error, ModuleNotFoundError) and (missing := as_app_error(error)).key == "extra_missing":
                raise missing from error
            part.leave_out(error)
            raise part.failure(error, ConfigError) from error


def _of_plugins() -> Mapping[str, Part]:
    """Return the commands of plugins by their names."""
    from framelens import registry  # reads settings and finds the plugins

    taken = (*_COMMANDS, *_ALIASES, *_OTHER_WORDS)
    return {part.name: part for part in registry.unique("commands", taken)}


def _foreign_part(name: str) -> Part | None:
    """Return the command if it is of a plugin that isn't built in."""
    if name in _COMMANDS or name not in _of_plugins():
        return None
    from framelens.registry import BUILT_IN

    part = _of_plugins()[name]
    return None if part.plugin in BUILT_IN else part


def _print_version() -> None:
    print(f"framelens {own_version()}")


def _with_common_options(made: click.Command, name: str) -> click.Command:
    """Give a command that a plugin made with click alone the name and the options that all commands have."""
    made.name = name
    known = {name for parameter in made.params for name in parameter.opts}
    if not known & {"--env-file"}:
        common = (common_option for common_option in common_options(exposes=False) if not known & {*common_option.opts})
        made.params += common
        made.add_help_option = False
    return made


@click.command(
    "framelens",
    cls=_Commands,
    help="cli.description",
    invoke_without_command=True,
    places={name: f"framelens.cli.commands.{name}:run" for name in _COMMANDS},
)
@flag("--version", help="cli.usage.version")
def framelens(options: Options) -> int:
    """Print the version, or the help."""
    if options.version:
        _print_version()
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


def _wanted_language(words: Sequence[str]) -> Language:
    """Return the language that --language names, else the system's: help and errors are written before parsing ends."""
    named = map(i18n.named_language, _values_of("--language", words, "-l"))
    return next(filter(None, named), i18n.system_language())


def _refuse(error: click.UsageError) -> int:
    """Print what is wrong with the words, and the command whose help explains them; return the exit code."""
    path = error.ctx.command_path if error.ctx else "framelens"
    print(t("cli.usage.error", command=path, message=usage_text(error)), file=sys.stderr)
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
