"""Command `framelens man`: prints the manual page of all commands and options in the format of man."""

import argparse
from collections.abc import Iterator

from framelens.cli.main import build_parser
from framelens.cli.parser import Parser
from framelens.core import own_version
from framelens.i18n import LANGUAGES, t


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument of this command."""
    parser.description = t("cli.man_how")
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))


def run(given: argparse.Namespace) -> int:
    """Print the page and return the exit code."""
    print("\n".join(page_of(build_parser())))
    return 0


def page_of(parser: Parser) -> Iterator[str]:
    """Yield the lines of the page: a section for each part, and a section for each command with its subcommands."""
    yield f'.TH FRAMELENS 1 "" "framelens {own_version()}" ""'
    yield from (f'.SH "{t("cli.man_name")}"', _escaped(f"framelens - {parser.description}"))
    yield from _section(parser)
    yield f'.SH "{t("cli.man_exit_codes")}"'
    for code, meaning in exit_codes():
        yield from (".TP", f".B {code}", _escaped(meaning))


def exit_codes() -> Iterator[tuple[str, str]]:
    """Yield the exit codes of all commands and their meaning."""
    for line in t("cli.exit_codes").splitlines():
        code, _, meaning = line.partition(" ")
        yield code, meaning


def _section(parser: Parser) -> Iterator[str]:
    """Yield the usage, the arguments and the subcommands of a command."""
    formatter = parser._get_formatter()
    yield from (f'.SH "{_escaped(parser.prog)}"', ".nf", _escaped(parser.format_usage().strip()), ".fi")
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction) and action.help != argparse.SUPPRESS:
            name = formatter._format_action_invocation(action)
            yield from (".TP", f".B {_escaped(name)}", _escaped(formatter._expand_help(action) if action.help else ""))
    sections = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    helps = {one.dest: one.help for action in sections for one in action._choices_actions}
    for name, help_text in helps.items():
        command = parser.commands[name]
        yield from _with_purpose(_section(command), help_text or "")


def _with_purpose(lines: Iterator[str], purpose: str) -> Iterator[str]:
    """Yield the lines of a section with its purpose after the heading."""
    yield from (next(lines), _escaped(purpose), ".PP")
    yield from lines


def _escaped(text: str) -> str:
    """Escape text for troff: backslashes, hyphens, and marks that begin a request."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)
