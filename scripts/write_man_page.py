"""Print the manual page of the commands in the format of man: `python scripts/write_man_page.py [--language zh]`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import click

from framelens.cli.help import help_lines
from framelens.cli.main import framelens
from framelens.core import own_version
from framelens.i18n import LANGUAGES, in_language, t


def contexts(command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yield the context of a command, then those of its subcommands."""
    ctx = click.Context(command, info_name=command.name, parent=parent)
    yield ctx
    for name in command.list_commands(ctx) if isinstance(command, click.Group) else ():
        if subcommand := command.get_command(ctx, name):
            yield from contexts(subcommand, ctx)


def page() -> Iterator[str]:
    """Yield the lines of the page: the help of each command below its name."""
    yield f'.TH FRAMELENS 1 "" "framelens {own_version()}" ""'
    yield from (".SH NAME", escaped(f"framelens - {t('cli.description')}"))
    for ctx in contexts(framelens):
        yield from (f'.SH "{escaped(ctx.command_path)}"', ".nf", *map(escaped, help_lines(ctx, is_short=False)), ".fi")


def escaped(line: str) -> str:
    """Escape a line for troff: backslashes, hyphens, and marks that begin a request."""
    line = line.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=LANGUAGES, default="en")
    with in_language(parser.parse_args().language):
        print("\n".join(page()))


if __name__ == "__main__":
    main()
