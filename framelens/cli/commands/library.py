"""Command `framelens library`: lists, searches, names, tags, deletes, restores and imports stored analyses.

Tables and documents go to standard output, confirmations to standard error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from rich.table import Table
from rich.text import Text

from framelens import config
from framelens.cli import terminal
from framelens.cli.common import (
    MOST_LISTED,
    add_output_options,
    confirm_deletion,
    in_services,
    print_json,
    print_trashed,
    services,
    use_language,
    whole_number,
    wide_console,
)
from framelens.core.errors import AppError, ConfigError, InputError
from framelens.core.files import base_name
from framelens.core.units import clock
from framelens.i18n import error_text, t
from framelens.jobs.snapshot import State
from framelens.library.bulk_operations import Removed, purge, remove, sweep_trash
from framelens.reports.content.labels import local_minute, title_and_details
from framelens.reports.json import writer
from framelens.reports.text import plain
from framelens.services.container import open_library
from framelens.store.library_index import Hit, LibraryEntry, LibraryQuery, Order
from framelens.store.trash import TrashEntry

Ask = Callable[[argparse.Namespace], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, which lists analyses by default, and its subcommands."""
    parser.set_defaults(ask=_list)
    _filters(parser)
    add_output_options(parser, None)
    asks = parser.add_subparsers(dest="question", metavar=t("cli.command"))

    def add(name: str, ask: Ask) -> argparse.ArgumentParser:
        one = asks.add_parser(name, help=t(f"cli.library_{name}"))
        one.set_defaults(ask=ask)
        add_output_options(one, argparse.SUPPRESS)
        return one

    _filters(add("list", _list), again=True)
    add("show", _show).add_argument("id", metavar="ID", help=t("cli.library_id"))
    search = add("search", _list)
    search.add_argument("words", nargs="+", metavar="WORDS", help=t("cli.library_words"))
    _filters(search, again=True)
    rename = add("rename", _rename)
    rename.add_argument("id", metavar="ID", help=t("cli.library_id"))
    rename.add_argument("to", metavar="NAME", help=t("cli.library_new_name"))
    tag = add("tag", _tag)
    tag.add_argument("id", metavar="ID", help=t("cli.library_id"))
    tag.add_argument("tags", nargs="+", metavar="TAG", help=t("cli.library_tags"))
    tag.add_argument("--remove", action="store_true", help=t("cli.library_untag"))
    delete = add("delete", _delete)
    delete.add_argument("ids", nargs="+", metavar="ID", help=t("cli.library_id"))
    delete.add_argument("--for-good", action="store_true", help=t("cli.library_for_good"))
    delete.add_argument("--yes", action="store_true", help=t("cli.library_yes"))
    trash = add("trash", _trash)
    trash.add_argument("--empty", action="store_true", help=t("cli.library_empty"))
    trash.add_argument("--yes", action="store_true", help=t("cli.library_yes"))
    restore = add("restore", _restore)
    restore.add_argument("ids", nargs="+", metavar="ID", help=t("cli.library_trash_id"))
    import_ = add("import", _import)
    import_.add_argument("files", nargs="+", type=Path, metavar="FILE", help=t("cli.library_files"))


def _filters(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Add the filter options.

    With `again`, options that are missing here keep the values given before the subcommand.
    """

    def add(name: str, default: object, **more: Any) -> None:
        parser.add_argument(f"--{name}", default=argparse.SUPPRESS if again else default, **more)

    add("state", "", choices=get_args(State), help=t("cli.library_state"))
    for name in ("model", "template", "tag"):
        add(name, "", help=t(f"cli.library_by_{name}"))
    add("since", "", type=_day, metavar="DATE", help=t("cli.library_since"))
    add("sort", "best", choices=get_args(Order), help=t("cli.library_sort"))
    add("limit", 50, type=whole_number(1, MOST_LISTED), metavar="N", help=t("cli.library_limit"))


def _day(text: str) -> str:
    """Parse a day or a time and return it in UTC, comparable with times of analyses."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds")
    except ValueError as error:
        raise ConfigError("date_unreadable", given=text) from error


def run(given: argparse.Namespace) -> int:
    """Run the chosen subcommand and return the exit code.

    Raises:
        AppError: An id or a value is wrong, or the store or a file can't be used.
    """
    settings = config.load()
    use_language(given, settings)
    with open_library(settings) as opened, in_services(opened):
        opened.jobs.indexing.catch_up()
        _sweep_trash()
        return int(given.ask(given))


def _sweep_trash() -> None:
    """Delete the expired entries of the trash for good, for users who never open the page."""
    if services().jobs.trash.expired():
        sweep_trash(services().jobs, services().videos)


# ---- contents ---------------------------------------------------------------------------------------------------


def _list(given: argparse.Namespace) -> int:
    library = services().jobs.library
    typed = " ".join(getattr(given, "words", ()))
    states = (given.state,) if given.state else ()
    wanted = LibraryQuery(typed, states, model=given.model, template=given.template, tag=given.tag, since=given.since)
    near = _near(typed)
    limit = given.limit
    found = library.find(wanted, order=given.sort, offset=0, limit=limit, near=list(near))
    hits = {entry.id: library.hits(entry.id, typed, near=near.get(entry.id)) for entry in found}
    if given.json:
        documents = [{**_document(entry), "hits": [asdict(hit) for hit in hits[entry.id]]} for entry in found]
        print_json({"total": library.count(wanted, near=list(near)), "analyses": documents})
        return 0
    if typed and library.is_plain:
        print(t("library.plain"), file=sys.stderr)
    if not found:
        print(t("library.none" if typed or wanted != LibraryQuery() else "library.empty"))
        return 0
    wide_console().print(_table(found, hits))
    total = library.count(wanted, near=list(near))
    if total > len(found):
        print(t("library.shown", shown=len(found), total=total), file=sys.stderr)
    return 0


def _near(typed: str) -> dict[str, int]:
    """Return the index of the nearest passage by analysis; if semantic search fails, print why and return nothing."""
    semantic_index = services().semantic_index
    if not typed or semantic_index is None:
        return {}
    try:
        semantic_index.catch_up()
        return {one.job_id: one.place for one in semantic_index.near(typed)}
    except AppError as error:
        print(t("library.meaning_failed", why=error_text(error)), file=sys.stderr)
        return {}


def _table(found: list[LibraryEntry], hits: Mapping[str, list[Hit]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("id", "created", "name", "length", "state", "model", "tags"):
        table.add_column(t(f"library.column_{name}"), no_wrap=name in ("id", "created", "length"))
    for entry in found:
        length = clock(entry.seconds).partition(".")[0] if entry.seconds else ""
        title, details = title_and_details(
            entry.name, title=entry.title, question=entry.question, part=_part(entry.start_seconds, entry.end_seconds)
        )
        lines = [Text(_line(title)), *([Text(f"  {_line(details)}", "dim")] if details else [])]
        words = [*lines, *(_hit_line(hit) for hit in hits[entry.id])]
        cells = (
            length,
            t(f"library.state.{services().jobs.state_of(entry)}"),
            base_name(entry.model),
        )
        table.add_row(entry.id, local_minute(entry.created), Text("\n").join(words), *cells, ", ".join(entry.tags))
    return table


def _part(start_seconds: float, end_seconds: float | None) -> str:
    """Format the analysed range of the video, "" for the whole video."""
    if not start_seconds and end_seconds is None:
        return ""
    return "–".join("" if one is None else clock(one).partition(".")[0] for one in (start_seconds, end_seconds))


def _hit_line(hit: Hit) -> Text:
    """Format a hit: time, kind, and the passage with the words in bold."""
    time = clock(hit.seconds).partition(".")[0] if hit.seconds is not None else ""
    kind = t(f"library.kind.{hit.kind}" if hit.marks else "library.kind_near")
    line, end = Text(f"  {' · '.join(filter(None, (time, kind)))} ", "dim"), 0
    for start, stop in hit.marks:
        line.append(_line(hit.text[end:start])).append(_line(hit.text[start:stop]), "bold")
        end = stop
    return line.append(_line(hit.text[end:]))


def _line(text: str) -> str:
    """Put foreign text on one line of a terminal."""
    return " ".join(text.splitlines())


def _show(given: argparse.Namespace) -> int:
    job_id = services().jobs.library.resolve_id(given.id)
    analysis, entry = services().reports.get(job_id), services().jobs.library.entry(job_id)
    if analysis is None or entry is None:
        raise InputError("no_report_yet", id=job_id)
    language = given.language or analysis.request.language
    if given.json:
        terminal.write_document(writer.without_pictures(analysis, language))
    else:
        print(plain.write(analysis, language), end="")
    return 0


# ---- actions ---------------------------------------------------------------------------------------------------------


def _rename(given: argparse.Namespace) -> int:
    job_id = services().jobs.library.resolve_id(given.id)
    services().jobs.rename(job_id, given.to)
    return _print_entries([job_id], given)


def _tag(given: argparse.Namespace) -> int:
    job_id, library = services().jobs.library.resolve_id(given.id), services().jobs.library
    for tag in filter(None, (one.strip() for one in given.tags)):
        (library.untag if given.remove else library.tag)([job_id], tag)
    return _print_entries([job_id], given)


def _delete(given: argparse.Namespace) -> int:
    if given.for_good:
        return _delete_for_good(given)
    moved, errors = services().jobs.discard([services().jobs.library.resolve_id(one) for one in given.ids])
    print_trashed(moved)
    return _print_errors(errors)


def _delete_for_good(given: argparse.Namespace) -> int:
    """Delete analyses, and conversations in the trash, permanently."""
    listed: dict[str, str] = {}  # name by id
    trashed: dict[str, TrashEntry] = {}
    for one in given.ids:
        match _resolved(one):
            case TrashEntry() as entry:
                trashed[entry.id] = entry
            case LibraryEntry() as found:
                listed[found.id] = found.name
    if not _is_confirmed([*listed.values(), *(entry.name for entry in trashed.values())], given):
        return 0
    jobs, videos = services().jobs, services().videos
    return _print_removed([*remove(jobs, videos, listed), *purge(jobs, videos, trashed.values())])


def _resolved(given: str) -> LibraryEntry | TrashEntry:
    """Return the entry with this id or beginning of an id, from the library or else from the trash."""
    library = services().jobs.library
    try:
        entry = library.entry(library.resolve_id(given))
    except InputError as error:
        entry = None
        if error.key != "job_unknown" or not any(one.id.startswith(given) for one in services().jobs.trash.entries()):
            raise
    return entry or services().jobs.trash.resolve(given)


def _is_confirmed(names: Iterable[str], given: argparse.Namespace) -> bool:
    return given.yes or confirm_deletion(", ".join(map(_line, names)))


def _print_removed(done: Iterable[Removed]) -> int:
    """Print the permanently deleted entries and return the exit code."""
    errors = []
    for one in done:
        if one.error:
            errors.append(one.error)
        else:
            key = "cli.library_deleted_video" if one.with_video else "cli.library_deleted"
            print(t(key, name=_line(one.name)), file=sys.stderr)
    return _print_errors(errors)


def _print_errors(errors: Iterable[AppError]) -> int:
    """Print why analyses were not deleted, and return the exit code."""
    failed = 0
    for error in errors:
        print(error_text(error), file=sys.stderr)
        failed = error.exit_code
    return failed


def _trash(given: argparse.Namespace) -> int:
    entries = services().jobs.trash.entries()
    if given.empty and entries:
        is_confirmed = _is_confirmed((entry.name for entry in entries), given)
        return _print_removed(purge(services().jobs, services().videos, entries)) if is_confirmed else 0
    names = ("id", "kind", "name", "deleted", "days_left")
    if given.json:
        documents = [{name: getattr(entry, name) for name in names} for entry in entries]
        print_json({"total": len(entries), "analyses": documents})
        return 0
    if not entries:
        print(t("cli.library_trash_none"))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(t(f"library.column_{name}"), no_wrap=name != "name")
    for entry in entries:
        kind = t(f"cli.library_kind_{entry.kind}")
        table.add_row(entry.id, kind, Text(_line(entry.name)), local_minute(entry.deleted), str(entry.days_left))
    wide_console().print(table)
    return 0


def _restore(given: argparse.Namespace) -> int:
    ids = list(dict.fromkeys(services().jobs.trash.resolve(one).id for one in given.ids))
    restored = services().jobs.trash.restore(ids)
    for entry in restored:
        if entry.kind == "conversation":
            print(t("cli.library_restored", name=_line(entry.name)), file=sys.stderr)
    return _print_entries([entry.id for entry in restored if entry.kind == "report"], given)


def _import(given: argparse.Namespace) -> int:
    from framelens.library.report_import import reports_in

    ids = [services().reports.add(analysis) for analysis in reports_in(given.files)]
    return _print_entries(list(dict.fromkeys(ids)), given)


def _print_entries(ids: list[str], given: argparse.Namespace) -> int:
    """Print the analyses after the change."""
    entries = services().jobs.library.entries(ids)
    if given.json:
        print_json([_document(entry) for entry in entries])
        return 0
    for entry in entries:
        print(" · ".join(filter(None, (entry.id, _line(entry.name), ", ".join(entry.tags)))))
    return 0


def _document(entry: LibraryEntry) -> dict[str, Any]:
    known = {**asdict(entry), "state": services().jobs.state_of(entry)}
    return {name: value for name, value in known.items() if name not in ("owner", "has_cover")}
