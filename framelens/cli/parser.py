"""Parser of the command line: texts in the user's language, suggestions for typing errors, and short options."""

import argparse
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn
from unicodedata import east_asian_width

from framelens import i18n
from framelens.core.errors import AppError
from framelens.core.files import typed_path
from framelens.core.spelling import closest
from framelens.i18n import catalogue, error_text, t

_NO_STREAMS = ("files", "folder", "id", "ids", "report", "source")
"""Arguments of commands that neither read standard input nor write to standard output."""
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
_GROUPS = {
    "frames": ("--strategy", "--every", "--at", "--start", "--end"),
    "speech": ("--subtitles", "--speakers", "--burn-subtitles"),
    "report": ("--all-findings", "--all-chapters", "--all-intervals", "--report", "--margin", "--chapters"),
    "answer": (
        *("--look", "--temperature", "--top-p", "--max-tokens", "--context-tokens", "--repetition-penalty", "--seed"),
        *("--search-frames", "--search-seconds", "--system-prompt"),
    ),
    "conversations": ("--edit", "--search", "--export", "--rename", "--delete"),
    "engine": (
        *("--base-url", "--device", "--engine", "--force-type", "--tools", "--vllm-config", "--hub", "--mirror"),
        *("--allow-pickle", "--tensor-parallel", "--copies", "--network", "--hosts"),
    ),
    "run": ("--env-file", "--plan", "--show-prompt", "--skip-done", "--anew", "--jobs", "--ray", "--stop"),
    "output": ("--appendix", "--overwrite", "--no-conversations", "--json-file"),
}
"""The groups of options in the long help; the short help leaves them out."""
_OURS = "cli.argparse."
_TO_A_FILE = "analyse"
"""The suggested command if a file is in the place of a command."""
_MEANT = {"--range": (("--from", "--to"), ("--start", "--end"))}
"""Options that no command has, and the groups of options to suggest: the first group that the command has."""
_DASH = re.compile("[-‐-―−－]")
_DASHES = re.compile("^(?:-|[‐-―−－]{1,2})([^-‐-―−－].*)")
"""A single dash, or the dashes that word processors and web pages write for two, followed by an option's name."""
_WIDE = r"\u2e80-\u9fff\uff00-\uffef"
_ENDS = "，。、；：？！）】》”’"  # marks that can't begin a line
_BEGINS = "（【《“‘"  # marks that can't end a line
_UNIT = re.compile(rf"[{_BEGINS}]*(?:[{_WIDE}]|[^\s{_WIDE}]+)[{_ENDS}]*|\s+")
"""A unit that isn't broken across lines: a Chinese character or a word of another script with its marks, or blanks."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose subparsers have the same class. A `type` may raise an AppError, whose text is shown.

    Attributes:
        is_intermixed: Options may stand between arguments that can be left out.
        passes_unknown: Unknown arguments are returned, for another program, and not refused.
        option_of_words: The option to suggest for a word without an option, in a command that takes no such words.
        examples: Lines of the help that show how the command is used.
        command_groups: Names of subcommands by the key of their group's heading; others are in the last group.
    """

    is_intermixed = False
    passes_unknown = False
    option_of_words = ""
    examples = ""
    command_groups: Mapping[str, Sequence[str]] = MappingProxyType({})

    def __init__(self, *args: Any, **options: Any) -> None:
        _translate_argparse()
        super().__init__(*args, **{"formatter_class": _Formatter, "allow_abbrev": False, "add_help": False, **options})
        self._named_groups: dict[str, argparse._ArgumentGroup] = {}
        self.register("action", None, _Store)
        self.register("action", "store", _Store)
        self.add_argument("-h", "--help", action=_Help, help=vars(argparse)["_"]("show this help message and exit"))
        self.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help=t("cli.verbose"))
        self.add_argument("--env-file", metavar="FILE", default=argparse.SUPPRESS, help=t("cli.env_file"))

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        """Add an argument to its group, with its short option if SHORT has one."""
        short = [SHORT[name] for name in names if name in SHORT]
        key = next((key for key, members in _GROUPS.items() if names[0] in members), "")
        if not key:
            return super().add_argument(*short, *names, **options)
        if key not in self._named_groups:
            self._named_groups[key] = self.add_argument_group(t(f"cli.group.{key}"))
        return self._named_groups[key].add_argument(*short, *names, **options)

    def print_short_help(self) -> None:
        """Print the help without the options of named groups."""
        self._print_message(self.format_help(is_short=True), sys.stdout)

    def format_help(self, *, is_short: bool = False) -> str:
        """Return the help: purpose, examples, arguments and options."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._usage_actions(), ())
        formatter.add_text(self.description)
        if self.examples:
            formatter.start_section(t("cli.group.examples"))
            formatter.add_text(self.examples)
            formatter.end_section()
        named = self._named_groups.values()
        for group in (*(group for group in self._action_groups if group not in named), *(() if is_short else named)):
            for title, actions in self._sections(group):
                formatter.start_section(title)
                formatter.add_arguments(actions)
                formatter.end_section()
        formatter.add_text(t("cli.all_options", command=self.prog) if is_short and named else self.epilog)
        return formatter.format_help()

    def _usage_actions(self) -> list[argparse.Action]:
        """Return what the usage of the help names: what must be given, and one word for all options."""
        needed = [action for action in self._actions if action.required or not action.option_strings]
        options = argparse.Action([], "options", nargs="*", metavar=t("cli.option"))
        return [next(action for action in self._actions if isinstance(action, _Help)), options, *needed]

    def _sections(self, group: argparse._ArgumentGroup) -> Iterator[tuple[str, Sequence[argparse.Action]]]:
        """Yield the heading and arguments of a group, or of each group of commands."""
        if not (group is self._positionals and self.command_groups):
            yield group.title or "", group._group_actions
            return
        (commands,) = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        known = {action.dest: action for action in commands._choices_actions}
        for key, names in self.command_groups.items():
            if members := [known.pop(name) for name in names if name in known]:
                yield t(f"cli.group.{key}"), members
        if known:
            yield t("cli.group.others"), [*known.values()]

    @property
    def commands(self) -> dict[str, "Parser"]:
        """Return the subparsers by name."""
        found = (one.choices for one in self._actions if isinstance(one, argparse._SubParsersAction))
        return {name: parser for choices in found for name, parser in choices.items()}

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments like the base class, or intermixed; exit if an argument is unknown."""
        if slips := self._dash_slips(args or ()):
            self.error(self._unknown(slips))
        if self.commands and (early := self._early(args or ())):
            self.error(self._misplaced(early))
        given, unknown = self._parse_intermixed(args, namespace) if self.is_intermixed else self._parse(args, namespace)
        if unknown and not self.passes_unknown:
            self.error(self._unknown(unknown))
        return given, unknown

    def _parse(self, args: Any, namespace: Any) -> Any:
        return super().parse_known_args(args, namespace)

    def _parse_intermixed(self, args: Any, namespace: Any) -> Any:
        passes, self.passes_unknown, self.is_intermixed = self.passes_unknown, True, False  # it calls parse_known_args
        # The other method cuts as many letters from the usage as "usage: " has, in whatever language it is.
        _, _, usage = self.format_usage().partition(self.prog)
        self.usage = f"{self.prog}{usage}".replace("%", "%%")
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.passes_unknown, self.is_intermixed, self.usage = passes, True, None

    def error(self, message: str) -> NoReturn:
        """Print the error and the command whose help explains the usage, and exit with 2."""
        line = catalogue(i18n.language())[f"{_OURS}error"] % {"prog": self.prog, "message": message}
        self.exit(2, f"{line}{t('cli.see_help', command=self.prog)}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write a message like the base class, but report standard output that is full or closed."""
        if message and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def _dash_slips(self, words: Iterable[str]) -> list[str]:
        """Return the words with misleading dashes, up to "--", which ends the options.

        argparse reads a single dash as a short option with its value, and dashes of word processors as a file's name.
        """
        return [word for word in takewhile(lambda word: word != "--", words) if self._is_slip(word)]

    def _early(self, words: Iterable[str]) -> str:
        """Return the first unknown option before a command's name, whose value would be taken for the name, or ""."""
        given = takewhile(lambda word: word.startswith("-") and word != "--", words)
        # A short option and its value may be a single word.
        names = ((word.partition("=")[0], word[:2]) for word in given)
        return next((name for name, short in names if not {name, short} & self._option_string_actions.keys()), "")

    def _misplaced(self, option: str) -> str:
        """Return the message about an option before a command's name; it says where an option of a command belongs."""
        if not any(one.knows(option) for one in self.commands.values()):
            return self._unknown([option])
        return t("cli.option_early", option=option, command=self.prog, place=t("cli.command"))

    def knows(self, option: str) -> bool:
        """Return whether this is an option of the command or of a subcommand."""
        return option in self._option_string_actions or any(one.knows(option) for one in self.commands.values())

    def _is_slip(self, word: str) -> bool:
        known, found = self._option_string_actions, _DASHES.match(word.partition("=")[0])
        if not found or os.path.lexists(word):
            return bool(_names_file(word)) and word.partition("=")[0] not in known
        return f"--{found[1]}" in known or (f"-{found[1]}" in known and not word.startswith("-"))

    def _unknown(self, words: Sequence[str]) -> str:
        """Return the message about unknown arguments, with what is probably meant by them.

        That is options of similar names, a file, `option_of_words`, or arguments of vLLM.
        """
        from framelens.core.engines.vllm_arguments import meant_argument

        message = catalogue(i18n.language())[f"{_OURS}unrecognized"] % " ".join(words)
        known = [name for name in self._option_string_actions if name.startswith("--")]
        names = [_DASHES.sub(r"--\1", word.partition("=")[0]) for word in words if _DASH.match(word) and word != "--"]
        named = [name for word in words if (name := _names_file(word))]
        if self.option_of_words and not words[0].startswith("-"):
            named = [f"{self.option_of_words} {words[0]}"]
        of_vllm = list(dict.fromkeys(filter(None, map(meant_argument, names))))
        is_exact = len(of_vllm) == len(names) and set(of_vllm) <= {name[2:].replace("-", "_") for name in names}
        meant = named or list(dict.fromkeys(one for name in names for one in _meant_by(name, known)))
        if meant and not (of_vllm and is_exact):
            return t("cli.option_meant", message=message, meant=", ".join(meant))
        return t("cli.option_of_vllm", message=message, keys=", ".join(of_vllm)) if of_vllm else message

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that isn't among the choices; name a similar choice. Python does so since 3.14 only."""
        if action.choices is None or value in action.choices:
            return
        choices = list(map(str, action.choices))
        suggestion = closest(str(value), choices)
        if isinstance(action, argparse._SubParsersAction) and _TO_A_FILE in choices and os.path.lexists(value):
            suggestion = f"{_TO_A_FILE} {value}"
        words = {"value": value, "suggestion": suggestion, "choices": ", ".join(choices)}
        meant = "_meant" if words["suggestion"] else ""
        if isinstance(action, argparse._SubParsersAction):
            is_of_plugin = value in chain(*self.command_groups.values())
            key = "cli.command_of_plugin" if is_of_plugin else f"cli.command_unknown{meant}"
            raise argparse.ArgumentError(None, t(key, **words))
        raise argparse.ArgumentError(action, catalogue(i18n.language())[f"{_OURS}choice{meant}"] % words)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        if not arg_string.strip() and _names_something(action):
            raise argparse.ArgumentError(action, t("cli.value_blank"))
        if arg_string == "-" and action.dest in _NO_STREAMS and not action.option_strings:
            raise argparse.ArgumentError(action, t("cli.value_dash"))
        if "--language" in action.option_strings:
            return i18n.named_language(arg_string) or arg_string
        if action.type is Path:
            return Path(typed_path(arg_string))
        try:
            return super()._get_value(action, arg_string)
        except AppError as error:
            raise argparse.ArgumentError(action, error_text(error)) from error


def _names_file(word: str) -> str:
    """Return the name of an existing file with "./" before it if it looks like options; "" for other words."""
    return f".{os.sep}{word}" if len(word) > 2 and word.startswith("-") and os.path.lexists(word) else ""


def _names_something(action: argparse.Action) -> bool:
    """Return whether an argument is a path or a name, whose blank value is a slip, such as an unset variable."""
    is_path = action.type is Path or "--output" in action.option_strings
    return (
        is_path
        or action.metavar in ("ID", "WORDS", ("ID", "NAME"))
        or not (action.option_strings or action.nargs in ("*", argparse.PARSER))
    )


def _meant_by(name: str, known: Collection[str]) -> Sequence[str]:
    """Return the known options that are probably meant by an unknown option."""
    groups = (group for group in _MEANT.get(name, ()) if set(group) <= set(known))
    similar = closest(name, known)
    return next(groups, (similar,) if similar else ())


@cache
def _translate_argparse() -> None:
    """Give argparse's own messages ("usage", "expected one argument") the language of the command.

    argparse looks them up in gettext, which knows only the language of the environment and needs compiled files. One
    replacement is enough for all parsers: it asks for the language at each text.
    """
    keys = {text: key for key, text in catalogue("en").items() if key.startswith(_OURS)}

    def translated(text: str) -> str:
        return catalogue(i18n.language())[keys[text]] if text in keys else text

    def plural(one: str, many: str, number: int) -> str:
        return translated(one if number == 1 else many)

    vars(argparse).update(_=translated, ngettext=plural)


class _Help(argparse._HelpAction):
    """Action that prints the short help for -h, and the long help for --help."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> NoReturn:
        if option_string == "-h":
            parser.print_short_help()
            parser.exit()
        super().__call__(parser, namespace, values, option_string)
        raise AssertionError  # the base class has ended the program


class _Store(argparse._StoreAction):
    """Action of an option with a value: a list continues where the option is repeated, another value is replaced."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        earlier = getattr(namespace, self.dest, None)
        if self.nargs is None and isinstance(values, tuple) and isinstance(earlier, tuple):
            values = tuple(dict.fromkeys((*earlier, *values)))
        setattr(namespace, self.dest, values)


class _Formatter(argparse.HelpFormatter):
    class _Section(argparse.HelpFormatter._Section):
        def format_help(self) -> str:
            plain, ours = f"{self.heading}:\n", vars(argparse)["_"]("%(heading)s:") % {"heading": self.heading}
            return super().format_help().replace(plain, f"{ours}\n", 1)  # Python 3.11 does not look this word up

    def _split_lines(self, text: str, width: int) -> list[str]:
        return list(_wrap(text, width))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (_wrap(line, width - len(indent)) for line in text.splitlines())
        return "\n".join(indent + line for lines in paragraphs for line in lines)


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
