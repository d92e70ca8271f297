"""Commands, arguments and options of click, with texts in the user's language.

A command is a function of its `Options`:

    @command("keyframes", help="cli.keyframes_command")
    @argument("videos", nargs=-1, required=True, metavar="VIDEO", help="cli.videos")
    @option("--frames", type=parse_frames, metavar="N", help="cli.keyframes_frames")
    def run(options: Options) -> int:

`help` is the key of a text, or a function that returns the text. A `type` may raise an AppError, whose text is shown.
An option that is given twice is refused, unless it is a list (`is_list`). An option that isn't given has the value that
was given to it before the subcommand.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce, wraps
from itertools import takewhile
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType, SimpleNamespace
from typing import Any, TypeVar

import click

from framelens import i18n
from framelens.core.errors import AppError, Cancelled
from framelens.core.files import typed_path
from framelens.core.spelling import closest
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
_FILES = frozenset(
    (
        "FILE",
        "DIR",
        "FILE|DIR",
        "FILE|DIR/",
        "DIR|FILE",
        "FOLDER",
        "VIDEO",
        "ID|FILE",
        "FOLDER|LIST|GLOB",
        "SOURCE",
        "TARGET",
    )
)
"""Values that are paths, by the names that the help has for them: the shell completes them."""
_NAMES = frozenset((*_FILES, "ID", "ID NAME", "WORDS"))
"""Values whose blank is a slip, such as an unset variable."""
_NO_STREAMS = ("files", "folder", "id", "ids", "source")
"""Arguments of commands that neither read standard input nor write to standard output."""
_DASHES = re.compile("(?:-|[‐-―−－]{1,2})([^-‐-―−－].*)")
"""A single dash, or the dashes that word processors and web pages write for two, followed by an option's name."""
_WORDS = f"{__name__}.words"
"""Where a context has the words that a command was given."""
Text = str | Callable[[], str]
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Options(SimpleNamespace):
    """Values of the arguments and options of a command, by their names."""


def text_of(help_text: Text) -> str:
    """Return a text in the user's language."""
    return help_text() if callable(help_text) else t(help_text)


class _Parameter(click.Parameter):
    """An argument or an option that shows its text in the user's language, and checks its words."""

    text: Text

    @property
    def shown_name(self) -> str:
        """Return the name in errors, such as "-n/--frames"."""
        return self.human_readable_name if isinstance(self, click.Argument) else "/".join(self.opts)

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the words like the base class; an AppError of the type becomes an error of usage."""
        try:
            for word in _flat_words(value):
                self._check(word)
            return super().type_cast_value(ctx, value)
        except AppError as error:
            raise click.BadParameter(error_text(error), ctx, self) from error

    def _check(self, word: str) -> None:
        is_argument = isinstance(self, click.Argument)
        if not word.strip() and (self.metavar in _NAMES or (is_argument and (self.required or self.nargs == 1))):
            raise click.BadParameter(t("cli.value_blank"), param=self)
        if word == "-" and is_argument and self.name in _NO_STREAMS:
            raise click.BadParameter(t("cli.value_dash"), param=self)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Return the completions of the base class, or let the shell complete the names of files."""
        from click.shell_completion import CompletionItem  # few commands complete

        if self.metavar in _FILES:
            return [CompletionItem(incomplete, type="file")]
        return super().shell_complete(ctx, incomplete)


def _flat_words(value: Any) -> Iterator[str]:
    """Yield the words of a value, which may be a list of lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _flat_words(item)


class Argument(_Parameter, click.Argument):
    """An argument of a command."""

    def __init__(self, declarations: Sequence[str], *, help: Text, **attributes: Any) -> None:
        super().__init__(declarations, **attributes)
        self.text = help

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the name for the usage line: in brackets if it may be left out, with dots if it may be repeated."""
        name = self.human_readable_name if self.required else f"[{self.human_readable_name}]"
        return [f"{name}…" if self.nargs == -1 else name]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return the name and the text for the help."""
        return self.human_readable_name, text_of(self.text)


class Option(_Parameter, click.Option):
    """An option of a command.

    Args:
        declarations: Its names; SHORT gives it its short name.
        help: Its text.
        is_list: It may be repeated, and its value is a tuple of all its values.
        default: Its value where it isn't given.
        attributes: Arguments of the base class.
    """

    def __init__(
        self,
        declarations: Sequence[str],
        *,
        help: Text,
        is_list: bool = False,
        default: Any = None,
        **attributes: Any,
    ) -> None:
        short = [SHORT[name] for name in declarations if name in SHORT]
        attributes.setdefault("callback", _settle)
        # click keeps the last of several values, but for an option that may be repeated
        super().__init__([*short, *declarations], multiple=not attributes.get("is_flag"), **attributes)
        self.text = help
        self.is_list = is_list
        self.unset = () if is_list and default is None else default

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the values.

        Raises:
            BadParameter: A value is wrong, or an option that is no list is given twice.
        """
        if self.multiple and not self.is_list and value is not None and len(value) > 1:
            raise click.BadParameter(t("cli.usage.twice"), ctx, self)
        return super().type_cast_value(ctx, value)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the names and the text for the help."""
        record = super().get_help_record(ctx)
        return (record[0], text_of(self.text)) if record else None


def _settle(ctx: click.Context, option: Any, values: Any) -> Any:
    """Return the value of an option: all values of a list, the only value of another option, or the value before."""
    if option.is_list:
        values = (value if isinstance(value, tuple) else (value,) for value in values)
        values = tuple(dict.fromkeys(item for value in values for item in value))
    if not values:
        unset = bool(option.unset) if option.is_flag else option.unset
        return ctx.parent.params.get(option.name, unset) if ctx.parent else unset
    return values if option.is_list or option.is_flag else values[0]


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
        """Return the text about a value that is none of the choices, and which of them may be meant."""
        suggestion = closest(str(value), self.choices)
        key = "choice_meant" if suggestion else "choice"
        return t(f"cli.usage.{key}", value=value, suggestion=suggestion, choices=", ".join(self.choices))


def language_choice() -> Choice:
    """Return the type of a language, which may be spelled like a locale."""
    return Choice(i18n.LANGUAGES, parse=lambda text: i18n.named_language(text) or text)


def parse_path(text: str) -> Path:
    """Return the path that was typed, as `~/report.json` or in quotation marks."""
    return Path(typed_path(text))


def argument(name: str, *, help: Text, **attributes: Any) -> Callable[[FunctionT], FunctionT]:
    """Return a decorator that adds an argument to a command."""
    return click.argument(name, cls=Argument, help=help, **attributes)


def option(*names: str, help: Text, **attributes: Any) -> Callable[[FunctionT], FunctionT]:
    """Return a decorator that adds an option to a command."""
    return click.option(*names, cls=Option, help=help, **attributes)


def flag(*names: str, help: Text, **attributes: Any) -> Callable[[FunctionT], FunctionT]:
    """Return a decorator that adds an option without a value."""
    return option(*names, help=help, is_flag=True, **attributes)


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
        called = callback and _with_options(callback, stopped)
        super().__init__(name, callback=called, add_help_option=False, **attributes)
        self.text = help
        self.forwards = forwards
        names = {parameter.name for parameter in self.params}
        self.params += [parameter for parameter in common_options() if parameter.name not in names]

    def get_help(self, ctx: click.Context) -> str:
        """Return the help with all options."""
        from framelens.cli.help import help_lines  # few commands print their help

        return "\n".join(help_lines(ctx, is_short=False))

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return what the command is for, as completions show it."""
        return text_of(self.text)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words like the base class, but refuse a word that would be misread."""
        ctx.meta[_WORDS] = tuple(args)  # click takes them out of the list
        if not isinstance(self, click.Group):
            self._check_dashes(ctx, args)
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click's parser leaves it out
            raise
        if rest and not (self.forwards or ctx.resilient_parsing or isinstance(self, click.Group)):
            raise click.UsageError(t("cli.usage.unrecognized", words=" ".join(rest)), ctx)
        return rest

    def _check_dashes(self, ctx: click.Context, words: Sequence[str]) -> None:
        """Refuse options with a wrong dash, which would be read as a short option with its value or as a file.

        Raises:
            UsageError: There is such an option, or a file whose name begins like an option.
        """
        known = [name for parameter in self.params for name in parameter.opts]
        for word in takewhile(lambda word: word != "--", words):
            name = word.partition("=")[0]
            match = None if name in known else _DASHES.fullmatch(name)
            if match and word.startswith("-") and len(word) > 2 and os.path.lexists(word):
                message = t("cli.usage.unrecognized", words=word)
                raise click.UsageError(t("cli.option_meant", message=message, meant=f".{os.sep}{word}"), ctx)
            if match and (f"--{match[1]}" in known or (f"-{match[1]}" in known and not word.startswith("-"))):
                raise click.NoSuchOption(name, possibilities=known, ctx=ctx)


class Group(Command, click.Group):
    """A command with subcommands."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands, in the order of the help."""
        return list(self.commands)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what the usage line has behind the command's name."""
        word = f"{t('cli.command')} …"
        return [*click.Command.collect_usage_pieces(self, ctx), f"[{word}]" if self.invoke_without_command else word]

    def purpose(self, ctx: click.Context, name: str) -> str:
        """Return what a subcommand is for."""
        command = self.get_command(ctx, name)
        return command.get_short_help_str() if command else ""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand that the first word names.

        Raises:
            NoSuchCommand: There is none.
        """
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise click.NoSuchCommand(args[0], possibilities=self.list_commands(ctx), ctx=ctx)
        return command.name if command else None, command, args[1:]


class LazyGroup(Group):
    """A group whose subcommands are imported when they are used.

    Args:
        places: The subcommands as "module:object", by their names; each is for what `cli.NAME_command` says.
    """

    def __init__(
        self, name: str | None, *, places: Mapping[str, str] = MappingProxyType({}), **attributes: Any
    ) -> None:
        super().__init__(name, **attributes)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        return import_command(self.places[cmd_name]) if cmd_name in self.places else None

    def purpose(self, ctx: click.Context, name: str) -> str:
        """Return what a subcommand is for, without importing it."""
        return label(f"cli.{name}_command", name)


def import_command(place: str) -> click.Command:
    """Return the command that "module:object" names.

    Raises:
        TypeError: The object is no command.
    """
    found = resolve_name(place)
    if not isinstance(found, click.Command):
        raise TypeError(f"{place} is {type(found).__name__}, not a command of click")
    return found


def command(name: str, *, help: Text, **attributes: Any) -> Callable[[Callable[[Options], int]], Command]:
    """Return a decorator that makes a function a command."""
    return click.command(name, cls=Command, help=help, **attributes)


def group(name: str, *, help: Text, **attributes: Any) -> Callable[[Callable[[Options], int]], Group]:
    """Return a decorator that makes a function a group, which is called where no subcommand is named."""
    return click.command(name, cls=Group, help=help, invoke_without_command=True, **attributes)


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
    """Use the options that all commands have."""
    is_quiet = bool(getattr(options, "quiet", False))
    if options.language:
        i18n.set_language(options.language)
    if options.verbose:
        from framelens.store.fs_utils import log_to_terminal  # rarely needed

        log_to_terminal()
    if Path(".env").exists() and not is_quiet:
        _tell_unread()
    running.begin(quiet=is_quiet)


def _tell_unread() -> None:
    """Print that the settings of the current folder aren't read, if there are any."""
    from framelens import config

    if unread := config.unread_env_file():
        own = config.REPOSITORY / unread.name
        print(t("cli.env_unread", path=unread, name=unread.name, own=own), file=sys.stderr)


# ---- options of all commands -----------------------------------------------------------------------------------------


def common_options(*, exposes: bool = True) -> list[click.Parameter]:
    """Make the options that all commands have.

    Args:
        exposes: The command gets the values of these options.
    """
    return [
        Option(
            ["-h", "--help"],
            help="cli.usage.help",
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_help,
        ),
        Option(["--verbose"], help="cli.verbose", is_flag=True, expose_value=exposes),
        Option(["--language"], help="cli.language", type=language_choice(), expose_value=exposes),
        # main reads it before the words are parsed, since the commands of plugins depend on the settings
        Option(["--env-file"], help="cli.env_file", metavar="FILE", expose_value=False),
    ]


def _print_help(ctx: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    """Print the short help for -h, else the long help, and end the command."""
    from framelens.cli.help import help_lines  # few commands print their help

    if is_wanted and not ctx.resilient_parsing:
        print("\n".join(help_lines(ctx, is_short="-h" in ctx.meta[_WORDS])))
        ctx.exit()


# ---- errors of usage -------------------------------------------------------------------------------------------------


def usage_text(error: click.UsageError) -> str:
    """Return what is wrong with the words of a command, and what is probably meant."""
    match error:
        case click.NoSuchOption():
            return _unknown_option(error)
        case click.NoSuchCommand():
            return _unknown_command(error)
        case click.MissingParameter(param=_Parameter() as parameter):
            return t("cli.usage.required", names=parameter.shown_name)
        case click.BadOptionUsage(ctx=click.Context() as ctx):
            known = (
                param for param in ctx.command.params if error.option_name in param.opts and isinstance(param, Option)
            )
            message = next((t(_needs(one), n=one.nargs) for one in known), error.message)
            return t("cli.usage.argument", name=error.option_name, message=message)
        case click.BadParameter(param=_Parameter() as parameter):
            return t("cli.usage.argument", name=parameter.shown_name, message=error.message)
    return error.format_message()


def _needs(parameter: Option) -> str:
    """Return the key of the text that says how many values an option takes."""
    if parameter.is_flag:
        return "cli.usage.no_value"
    return "cli.usage.one_value" if parameter.nargs == 1 else "cli.usage.values"


def _unknown_option(error: click.NoSuchOption) -> str:
    """Return the text about an unknown option: where it belongs, what vLLM calls it, or a similar option."""
    from framelens.cli.help import is_option_below
    from framelens.core.engines.vllm_arguments import meant_argument

    name, meant = error.option_name, next(iter(error.possibilities or ()), "")
    if error.ctx and isinstance(error.ctx.command, click.Group) and is_option_below(error.ctx.command, name):
        return t("cli.option_early", option=name, command=error.ctx.command_path, place=t("cli.command"))
    message = t("cli.usage.unrecognized", words=name)
    of_vllm = meant_argument(name)
    if of_vllm and (not meant or of_vllm == name.lstrip("-").replace("-", "_")):
        return t("cli.option_of_vllm", message=message, keys=of_vllm)
    return t("cli.option_meant", message=message, meant=meant) if meant else message


def _unknown_command(error: click.NoSuchCommand) -> str:
    """Return the text about an unknown command: it is a plugin's, a file, or a similar command is meant."""
    from framelens.cli.help import COMMAND_GROUPS

    name, meant = error.command_name, next(iter(error.possibilities or ()), "")
    if not (error.ctx and error.ctx.parent):
        if any(name in names for names in COMMAND_GROUPS.values()):
            return t("cli.command_of_plugin", value=name)
        meant = f"analyse {name}" if os.path.lexists(name) else meant
    key = "cli.command_unknown_meant" if meant else "cli.command_unknown"
    choices = error.ctx.command.list_commands(error.ctx) if error.ctx and isinstance(error.ctx.command, Group) else ()
    return t(key, value=name, suggestion=meant, choices=", ".join(choices))
