"""Help of a command: its purpose, examples, arguments and options in groups, wrapped by what a terminal shows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from unicodedata import east_asian_width

import click

from framelens.cli.grammar import Command, Group
from framelens.i18n import label, t

COMMAND_GROUPS = {
    "watch": ("analyse", "ask", "keyframes", "clip", "transcript"),
    "reports": ("library", "find", "export", "batch", "cluster"),
    "models": ("models", "download", "serve"),
    "doors": ("app", "mcp", "admin", "doctor"),
}
"""The groups of commands, those of the built-in plugins among them."""
_OPTION_GROUPS = {
    "frames": ("--strategy", "--every", "--at", "--start", "--end", "--pace", "--time-limit"),
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
    "run": ("--env-file", "--plan", "--show-prompt", "--skip-done", "--anew", "--jobs", "--ray", "--stop", "--watch"),
    "output": ("--appendix", "--overwrite", "--no-conversations", "--json-file"),
}
"""The groups of options in the long help; the short help leaves them out."""
_GROUP_OF = {name: group for group, names in _OPTION_GROUPS.items() for name in names}
_COLUMN = 24
"""Where the texts begin, behind the names."""
_WIDE = r"\u2e80-\u9fff\uff00-\uffef"
_ENDS = "，。、；：？！）】》”’"  # marks that can't begin a line
_BEGINS = "（【《“‘"  # marks that can't end a line
_UNIT = re.compile(rf"[{_BEGINS}]*(?:[{_WIDE}]|[^\s{_WIDE}]+)[{_ENDS}]*|\s+")
"""A unit that isn't broken across lines: a Chinese character or a word of another script with its marks, or blanks."""


def help_lines(ctx: click.Context, *, is_short: bool) -> Iterator[str]:
    """Yield the lines of a command's help.

    Args:
        ctx: The context of the command.
        is_short: Leave out the options of groups.
    """
    width = shutil.get_terminal_size().columns - 2
    command = ctx.command
    needed = " ".join(command.collect_usage_pieces(ctx)[1:])
    yield from _wrap(f"{t('cli.usage.usage')}{ctx.command_path} [-h] [{t('cli.option')}…] {needed}", width)
    yield ""
    yield from _wrap(command.get_short_help_str() if isinstance(command, Command) else command.help or "", width)
    if examples := example_lines(ctx):
        yield from ("", _heading("examples"), *(f"  {line}" for line in examples))
    groups = {name: list(rows) for name, rows in _sections(ctx)}
    for name, rows in groups.items():
        if not (is_short and name in _OPTION_GROUPS):
            yield from ("", _heading(name), *_rows(rows, width))
    if is_short and groups.keys() & _OPTION_GROUPS.keys() and ctx.parent:
        yield from ("", t("cli.all_options", command=ctx.command_path))
    elif ctx.parent is None:
        yield from ("", t("cli.codes"), *t("cli.exit_codes").splitlines())


def example_lines(ctx: click.Context) -> list[str]:
    """Return lines that show how a command is used."""
    return label(f"cli.examples.{ctx.command_path.removeprefix('framelens ').replace(' ', '_')}", "").splitlines()


def _heading(name: str) -> str:
    return t("cli.usage.heading", heading=t(f"cli.group.{name}"))


def _sections(ctx: click.Context) -> Iterator[tuple[str, Iterable[tuple[str, str]]]]:
    """Yield the rows of each section by its name."""
    command = ctx.command
    rows = [(parameter, record) for parameter in command.get_params(ctx) if (record := parameter.get_help_record(ctx))]
    if arguments := [record for parameter, record in rows if isinstance(parameter, click.Argument)]:
        yield "arguments", arguments
    if isinstance(command, Group):
        yield from _subcommands(command, ctx)
    options = [
        (_GROUP_OF.get(parameter.opts[-1], "options"), record)
        for parameter, record in rows
        if isinstance(parameter, click.Option)
    ]
    for name in ("options", *_OPTION_GROUPS):
        if members := [record for group, record in options if group == name]:
            yield name, members


def _subcommands(command: Group, ctx: click.Context) -> Iterator[tuple[str, Iterable[tuple[str, str]]]]:
    rows = {name: (name, command.purpose(name)) for name in command.list_commands(ctx)}
    for group, names in COMMAND_GROUPS.items() if ctx.parent is None else ():
        if members := [rows.pop(name) for name in names if name in rows]:
            yield group, members
    if rows:
        yield "commands" if ctx.parent else "others", rows.values()


def _rows(rows: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """Yield names with their texts in a second column."""
    for name, text in rows:
        first, *rest = [*_wrap(text, width - _COLUMN), ""]
        if len(name) > _COLUMN - 4:
            yield f"  {name}"
            yield f"{'':{_COLUMN}}{first}"
        else:
            yield f"  {name:{_COLUMN - 2}}{first}".rstrip()
        yield from (f"{'':{_COLUMN}}{line}" for line in rest if line)


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
