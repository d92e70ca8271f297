"""The commands as click knows them: all of them, and the options that words have."""

from collections.abc import Iterator, Sequence

import click

from framelens.cli.grammar import Options
from framelens.cli.main import framelens


def contexts(command: click.Command = framelens, parent: click.Context | None = None) -> Iterator[click.Context]:
    """The context of a command, and those of the commands below it."""
    ctx = click.Context(command, info_name=command.name, parent=parent)
    yield ctx
    for name in command.list_commands(ctx) if isinstance(command, click.Group) else ():
        found = command.get_command(ctx, name)
        assert found is not None, name
        yield from contexts(found, ctx)


def parsed(words: Sequence[str]) -> Options:
    """The values that the words of a command line have for the command that they name, which is not run."""
    ctx, rest = framelens.make_context("framelens", list(words)), []
    while isinstance(ctx.command, click.Group) and (rest := [*ctx._protected_args, *ctx.args]):
        with ctx:
            name, command, rest = ctx.command.resolve_command(ctx, rest)
            assert command is not None
            ctx = command.make_context(name, rest, parent=ctx)
    return Options(**{"name": ctx.command.name, "unknown": ctx.args, **ctx.params})
