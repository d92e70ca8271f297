"""Commands, arguments and options of click, with texts in the user's language.

A command is a function of its `Options`:

    @command("keyframes", help="cli.keyframes_command")
    @argument("videos", nargs=-1, required=True, metavar="VIDEO", help="cli.videos")
    @option("--frames", type=parse_frames, metavar="N", help="cli.keyframes_frames")
    def run(options: Options) -> int:

`help` is the key of a text, or a function that returns the text. A `type` may raise an AppError, whose text is shown.
An option that isn't given has the value that was given to it before the subcommand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce, wraps
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from framelens import i18n
from framelens.core.errors import AppError, Cancelled
from framelens.core.files import given_path
from framelens.i18n import error_text, label, t
from framelens.jobs import running

SHORT = {
    "--output": "-o",
    "--format": "-f",
    "--frames": "-n",
    "--model": "-m",
    "--language": "-l",
    "--json": "-j",
    "--quiet": "-q",
    "--yes": "-y",
    "--verbose": "-v",
    "--version": "-V",
}
"""Short options: the same letter has the same meaning in every command."""
_FILES = re.compile("FILE|DIR|FOLDER|VIDEO|SOURCE|TARGET")
"""Names in the help of values that the shell completes as files."""
Text = str | Callable[[], str]
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Options(SimpleNamespace):
    """Values of the arguments and options of a command, by their names."""


def text_of(help_text: Text) -> str:
    """Return a text in the user's language."""
    return help_text() if callable(help_text) else t(help_text)


class Parameter(click.Parameter):
    """An argument or an option that shows its text in the user's language."""

    def __init__(self, declarations: Sequence[str], *, help: Text, **attributes: Any) -> None:
        super().__init__(declarations, **{"help": " ", **attributes})
        self.text = help

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the words like the base class, but not a default; an AppError of the type becomes a usage error."""
        try:
            return value if value is self.default else super().type_cast_value(ctx, value)
        except AppError as error:
            raise click.BadParameter(error_text(error), ctx, self) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Return the completions of the base class, or let the shell complete the names of files."""
        from click.shell_completion import CompletionItem  # few commands complete

        if self.metavar and _FILES.search(self.metavar):
            return [CompletionItem(incomplete, type="file")]
        return super().shell_complete(ctx, incomplete)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the names and the text for the help."""
        record = super().get_help_record(ctx)
        return (record[0], text_of(self.text)) if record else None


class Argument(Parameter, click.Argument):  # type: ignore[misc] # neither has a record without a text
    """An argument of a command."""

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the name for the usage line: in brackets if it may be left out, with dots if it may be repeated."""
        name = self.human_readable_name if self.required else f"[{self.human_readable_name}]"
        return [f"{name}…" if self.nargs == -1 else name]


argument = partial(click.argument, cls=Argument)
"""Return a decorator that adds an argument to a command."""


class Option(Parameter, click.Option):
    """An option of a command."""


def _settle(ctx: click.Context, option: Any, value: Any) -> Any:
    """Return the value of an option; one that isn't given has the value before the subcommand, if it is known there."""
    if ctx.parent and ctx.get_parameter_source(option.name) is ParameterSource.DEFAULT:
        value = ctx.parent.params.get(option.name, value)
    if option.multiple:
        tuples = (item if isinstance(item, tuple) else (item,) for item in value)
        return tuple(dict.fromkeys(item for items in tuples for item in items))
    return value


class Choice(click.Choice[str]):
    """A value among several.

    Args:
        choices: The values.
        parse: Function from what is typed to a value, which may raise an AppError.
    """

    def __init__(self, choices: Iterable[str], parse: Callable[[str], str] = str) -> None:
        super().__init__(tuple(choices))
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value that is meant."""
        return super().convert(self._parse(value), param, ctx)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the text about a value that is none of the choices."""
        return t("cli.usage.choice", value=value, choices=", ".join(self.choices))


def language_choice() -> Choice:
    """Return the type of a language, which may be spelled like a locale."""
    return Choice(i18n.LANGUAGES, parse=lambda text: i18n.named_language(text) or text)


parse_path = given_path
"""Return the path that was typed, as `~/report.json` or in quotation marks; a blank one is refused."""


def parse_output(text: str) -> str:
    """Return the path of an output as it was typed, since a folder may end with a separator; a blank one is refused."""
    given_path(text)
    return text


def option(*names: str, help: Text, **attributes: Any) -> Callable[[FunctionT], FunctionT]:
    """Return a decorator that adds an option to a command; the values of a `multiple` option may be tuples."""
    short = [SHORT[name] for name in names if name in SHORT]
    return click.option(*short, *names, cls=Option, help=help, **{"callback": _settle, **attributes})


flag = partial(option, is_flag=True)
"""Return a decorator that adds an option without a value to a command."""


def together(*decorators: Callable[[Any], Any]) -> Callable[[FunctionT], FunctionT]:
    """Return a decorator that adds several options, in this order."""
    return lambda function: reduce(lambda inner, decorate: decorate(inner), reversed(decorators), function)


class Command(click.Command):
    """A command with the help of FrameLens.

    Args:
        name: Its name.
        help: What it is for.
        callback: The function; that of a group is called where no subcommand is named.
        stopped: The key of the error that says what a stop by the user leaves.
        forwards: Unknown arguments are for another program, and in the option `unknown`.
        attributes: Further arguments of the base class.
    """

    def __init__(
        self,
        name: str | None,
        *,
        help: Text,
        callback: Callable[[Options], int] | None = None,
        stopped: str = "stopped",
        forwards: bool = False,
        **attributes: Any,
    ) -> None:
        attributes["context_settings"] = {"allow_extra_args": True, "ignore_unknown_options": forwards}
        function = callback and _with_options(callback, stopped)
        super().__init__(name, callback=function, add_help_option=False, **attributes)
        self.text = help
        self.forwards = forwards
        add_common_options(self)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help with all options."""
        from framelens.cli.help import help_lines  # few commands print their help

        return "\n".join(help_lines(ctx, is_short=False))

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return what the command is for, as completions show it."""
        return text_of(self.text)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words like the base class; errors know their command, and words left over are named."""
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click's parser leaves it out
            raise
        if rest and not (self.forwards or ctx.resilient_parsing or isinstance(self, click.Group)):
            raise click.UsageError(t("cli.usage.unrecognized", words=" ".join(rest)), ctx)
        return rest


class Group(Command, click.Group):
    """A command with subcommands; a value of `commands` may be "module:object", for what `cli.NAME_command` says."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands, those of plugins behind the others, in the order of the help."""
        self._add_parts()
        return list(self.commands)

    def _add_parts(self) -> None:
        """Add the subcommands that plugins name "GROUP NAME"."""
        from framelens import registry  # reads settings and finds the plugins

        for part in registry.parts("commands"):
            group, _, name = part.name.partition(" ")
            if name and group == self.name:
                self.commands.setdefault(name, part.value)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what the usage line has behind the command's name."""
        word = f"{t('cli.command')} …"
        return [*click.Command.collect_usage_pieces(self, ctx), f"[{word}]" if self.invoke_without_command else word]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand; one that is named as "module:object" is imported."""
        if cmd_name not in self.commands:
            self._add_parts()
        entry: Any = self.commands.get(cmd_name)
        command: click.Command | None = resolve_name(entry) if isinstance(entry, str) else entry
        return command

    def purpose(self, name: str) -> str:
        """Return what a subcommand is for, without importing it."""
        entry = self.commands[name]
        return entry.get_short_help_str() if isinstance(entry, click.Command) else label(f"cli.{name}_command", name)


command = partial(click.command, cls=Command)
"""Return a decorator that makes a function of options a command."""


def group(name: str, *, help: Text) -> Callable[[Callable[[Options], int]], Group]:
    """Return a decorator that makes a function a group, which is called where no subcommand is named."""
    return click.command(name, cls=Group, help=help, invoke_without_command=True)


def _with_options(function: Callable[[Options], int], stopped: str) -> Callable[..., int]:
    """Return the function that click calls with the values of arguments and options."""

    @wraps(function)
    def call(**values: Any) -> int:
        ctx = click.get_current_context()
        if ctx.invoked_subcommand:
            return 0
        options = Options(**values, unknown=ctx.args)
        _begin(options)
        try:
            return int(function(options))
        except (KeyboardInterrupt, Cancelled):
            raise Cancelled(stopped) from None

    return call


def _begin(options: Options) -> None:
    """Use the options that all commands have, and name settings of the current folder, which aren't read."""
    is_quiet = bool(getattr(options, "quiet", False))
    if options.language:
        i18n.set_language(options.language)
    if options.verbose:
        from framelens.store.fs_utils import log_to_terminal  # rarely needed

        log_to_terminal()
    if Path(".env").exists() and not is_quiet:
        from framelens import config

        if path := config.unread_env_file():
            own = config.REPOSITORY / path.name
            print(t("cli.env_unread", path=path, name=path.name, own=own), file=sys.stderr)
    running.begin(quiet=is_quiet)


def _print_help(ctx: click.Context, option: click.Parameter, is_given: bool) -> None:
    """Print the short help for -h, else the long help, and end the command."""
    from framelens.cli.help import help_lines  # few commands print their help

    if is_given and not ctx.resilient_parsing:
        print("\n".join(help_lines(ctx, is_short="-h" in option.opts)))
        ctx.exit()


_help_option = partial(flag, help="cli.usage.help", is_eager=True, expose_value=False, callback=_print_help)
_common_options = (
    _help_option("-h", "short_help", hidden=True),
    _help_option("--help"),
    flag("--verbose", help="cli.verbose"),
    option("--language", type=language_choice(), help="cli.language"),
    # main reads it before the words are parsed, since the commands of plugins depend on the settings
    option("--env-file", metavar="FILE", help="cli.env_file", expose_value=False),
)


def add_common_options(target: click.Command) -> None:
    """Add the options that all commands have; a command of click alone gets no values of them."""
    own = {name for parameter in target.params for name in parameter.opts}
    common = click.Command(None)
    for decorate in _common_options:
        decorate(common)
    for parameter in common.params:
        if own.isdisjoint(parameter.opts):
            parameter.expose_value &= isinstance(target, Command)
            target.params.append(parameter)
    target.add_help_option = False
