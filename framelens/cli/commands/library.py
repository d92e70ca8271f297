"""Command `framelens library`: lists, searches, names, tags, deletes, restores and imports stored analyses.

Tables and documents go to standard output, confirmations to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar, get_args

from rich.table import Table
from rich.text import Text

from framelens import config
from framelens.cli import terminal
from framelens.cli.common import (
    MOST_LISTED,
    confirm_deletion,
    in_services,
    json_option,
    print_json,
    print_trashed,
    services,
    use_language,
    whole_number,
    wide_console,
)
from framelens.cli.grammar import Choice, Options, argument, flag, group, option, parse_path, together
from framelens.composition import open_library
from framelens.core.errors import AppError, ConfigError, InputError
from framelens.core.files import base_name
from framelens.core.units import clock
from framelens.i18n import error_text, t
from framelens.jobs.snapshot import State
from framelens.jobs.stored.bulk_operations import Removed, purge, remove_jobs, sweep, sweep_trash
from framelens.reports.content.labels import local_minute, title_and_details
from framelens.reports.json import writer
from framelens.reports.text import plain
from framelens.store.library_index import Hit, LibraryEntry, LibraryQuery, Order
from framelens.store.trash import TrashEntry


def _day(text: str) -> str:
    """Parse a day or a time and return it in UTC, comparable with times of analyses."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds")
    except ValueError as error:
        raise ConfigError("date_unreadable", given=text) from error


CommandT = TypeVar("CommandT", bound=Callable[[Options], int])
filters = together(
    option("--state", type=Choice(get_args(State)), help="cli.library_state"),
    option("--model", default="", metavar="NAME", help="cli.library_by_model"),
    option("--template", default="", metavar="NAME", help="cli.library_by_template"),
    option("--tag", default="", metavar="TAG", help="cli.library_by_tag"),
    option("--since", type=_day, default="", metavar="DATE", help="cli.library_since"),
    option("--sort", type=Choice(get_args(Order)), default="best", help="cli.library_sort"),
    option("--limit", type=whole_number(1, MOST_LISTED), default=50, metavar="N", help="cli.library_limit"),
)
"""Options that choose and order analyses."""
id_argument = argument("id", metavar="ID", help="cli.library_id")
yes_option = flag("--yes", help="cli.library_yes")


def opened(function: Callable[[Options], int]) -> Callable[[Options], int]:
    """Return the function that runs with the library open, whose trash loses what has expired."""

    @wraps(function)
    def act(options: Options) -> int:
        settings = config.load()
        use_language(options, settings)
        with open_library(settings) as services_opened, in_services(services_opened):
            services_opened.jobs.indexing.catch_up()
            _sweep()
            return function(options)

    return act


def _sweep() -> None:
    """Finish interrupted deletions, and delete what has expired in the trash, for users who never open the page."""
    sweep(services().jobs, services().videos)
    if services().jobs.trash.expired():
        sweep_trash(services().jobs, services().videos)


# ---- contents ---------------------------------------------------------------------------------------------------


@group("library", help="cli.library_command")
@filters
@json_option
def run(options: Options) -> int:
    """List the analyses and return the exit code.

    Raises:
        AppError: A value is wrong, or the store can't be used.
    """
    return opened(_list)(options)


def subcommand(name: str, *options: Callable[[Any], Any]) -> Callable[[CommandT], CommandT]:
    """Return a decorator that makes a function a subcommand, which is called with the library open."""

    def add(function: CommandT) -> CommandT:
        run.command(name, help=f"cli.library_{name}")(together(*options, json_option)(opened(function)))
        return function

    return add


@subcommand("search", argument("words", nargs=-1, required=True, metavar="WORDS", help="cli.library_words"), filters)
@subcommand("list", filters)
def _list(options: Options) -> int:
    library = services().jobs.library
    typed = " ".join(getattr(options, "words", ()))
    states = (options.state,) if options.state else ()
    query = LibraryQuery(
        typed, states, model=options.model, template=options.template, tag=options.tag, since=options.since
    )
    near = _near(typed)
    limit = options.limit
    entries = library.find(query, order=options.sort, offset=0, limit=limit, near=list(near))
    hits = {entry.id: library.hits(entry.id, typed, near=near.get(entry.id)) for entry in entries}
    if options.json:
        documents = [{**_document(entry), "hits": [asdict(hit) for hit in hits[entry.id]]} for entry in entries]
        print_json({"total": library.count(query, near=list(near)), "analyses": documents})
        return 0
    if typed and library.is_plain:
        print(t("library.plain"), file=sys.stderr)
    if not entries:
        print(t("library.none" if typed or query != LibraryQuery() else "library.empty"))
        return 0
    wide_console().print(_table(entries, hits))
    total = library.count(query, near=list(near))
    if total > len(entries):
        print(t("library.shown", shown=len(entries), total=total), file=sys.stderr)
    return 0


def _near(typed: str) -> dict[str, int]:
    """Return the index of the nearest passage by analysis; if that search fails, print why and return nothing."""
    search = services().library_search
    if not typed or search is None:
        return {}
    try:
        search.catch_up_passages()
        return {passage.job_id: passage.place for passage in search.near(typed)}
    except AppError as error:
        print(t("library.meaning_failed", why=error_text(error)), file=sys.stderr)
        return {}


def _table(entries: list[LibraryEntry], hits: Mapping[str, list[Hit]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("id", "created", "name", "length", "state", "model", "tags"):
        table.add_column(t(f"library.column_{name}"), no_wrap=name in ("id", "created", "length"))
    for entry in entries:
        length = clock(entry.seconds).partition(".")[0] if entry.seconds else ""
        title, details = title_and_details(
            entry.name, title=entry.title, question=entry.question, part=_part(entry.start_seconds, entry.end_seconds)
        )
        lines = [Text(_line(title)), *([Text(f"  {_line(details)}", "dim")] if details else [])]
        texts = [*lines, *(_hit_line(hit) for hit in hits[entry.id])]
        cells = (
            length,
            t(f"library.state.{services().jobs.state_of(entry)}"),
            base_name(entry.model),
        )
        table.add_row(entry.id, local_minute(entry.created), Text("\n").join(texts), *cells, ", ".join(entry.tags))
    return table


def _part(start_seconds: float, end_seconds: float | None) -> str:
    """Format the analysed range of the video, "" for the whole video."""
    if not start_seconds and end_seconds is None:
        return ""
    return "–".join(
        "" if seconds is None else clock(seconds).partition(".")[0] for seconds in (start_seconds, end_seconds)
    )


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


@subcommand("show", id_argument)
def _show(options: Options) -> int:
    job_id = services().jobs.library.resolve_id(options.id)
    analysis, entry = services().reports.get(job_id), services().jobs.library.entry(job_id)
    if analysis is None or entry is None:
        raise InputError("no_report_yet", id=job_id)
    language = options.language or analysis.request.language
    if options.json:
        terminal.write_document(writer.without_pictures(analysis, language))
    else:
        print(plain.write(analysis, language), end="")
    return 0


# ---- actions ---------------------------------------------------------------------------------------------------------


@subcommand("rename", id_argument, argument("to", metavar="NAME", help="cli.library_new_name"))
def _rename(options: Options) -> int:
    job_id = services().jobs.library.resolve_id(options.id)
    services().jobs.rename(job_id, options.to)
    return _print_entries([job_id], options)


@subcommand(
    "tag",
    id_argument,
    argument("tags", nargs=-1, required=True, metavar="TAG", help="cli.library_tags"),
    flag("--remove", help="cli.library_untag"),
)
def _tag(options: Options) -> int:
    job_id, library = services().jobs.library.resolve_id(options.id), services().jobs.library
    for tag in filter(None, (tag.strip() for tag in options.tags)):
        (library.untag if options.remove else library.tag)([job_id], tag)
    return _print_entries([job_id], options)


@subcommand(
    "delete",
    argument("ids", nargs=-1, required=True, metavar="ID", help="cli.library_id"),
    flag("--for-good", help="cli.library_for_good"),
    yes_option,
)
def _delete(options: Options) -> int:
    if options.for_good:
        return _delete_for_good(options)
    moved, errors = services().jobs.discard([services().jobs.library.resolve_id(word) for word in options.ids])
    print_trashed(moved)
    return _print_errors(errors)


def _delete_for_good(options: Options) -> int:
    """Delete analyses, and conversations in the trash, permanently."""
    names: dict[str, str] = {}  # name by id
    trashed: dict[str, TrashEntry] = {}
    for word in options.ids:
        match _find_entry(word):
            case TrashEntry() as entry:
                trashed[entry.id] = entry
            case LibraryEntry() as entry_listed:
                names[entry_listed.id] = entry_listed.name
    if not _is_confirmed([*names.values(), *(entry.name for entry in trashed.values())], options):
        return 0
    jobs, videos = services().jobs, services().videos
    return _print_removed([*remove_jobs(jobs, videos, names), *purge(jobs, videos, trashed.values())])


def _find_entry(word: str) -> LibraryEntry | TrashEntry:
    """Return the entry with this id or beginning of an id, from the library or else from the trash."""
    library = services().jobs.library
    try:
        entry = library.entry(library.resolve_id(word))
    except InputError as error:
        entry = None
        if error.key != "job_unknown" or not any(
            trashed.id.startswith(word) for trashed in services().jobs.trash.entries()
        ):
            raise
    return entry or services().jobs.trash.resolve(word)


def _is_confirmed(names: Iterable[str], options: Options) -> bool:
    return options.yes or confirm_deletion(", ".join(map(_line, names)))


def _print_removed(done: Iterable[Removed]) -> int:
    """Print the permanently deleted entries and return the exit code."""
    errors = []
    for removed in done:
        if removed.error:
            errors.append(removed.error)
        else:
            key = "cli.library_deleted_video" if removed.with_video else "cli.library_deleted"
            print(t(key, name=_line(removed.name)), file=sys.stderr)
    return _print_errors(errors)


def _print_errors(errors: Iterable[AppError]) -> int:
    """Print why analyses were not deleted, and return the exit code."""
    failed = 0
    for error in errors:
        print(error_text(error), file=sys.stderr)
        failed = error.exit_code
    return failed


@subcommand("trash", flag("--empty", help="cli.library_empty"), yes_option)
def _trash(options: Options) -> int:
    entries = services().jobs.trash.entries()
    if options.empty and entries:
        is_confirmed = _is_confirmed((entry.name for entry in entries), options)
        return _print_removed(purge(services().jobs, services().videos, entries)) if is_confirmed else 0
    names = ("id", "kind", "name", "deleted", "days_left")
    if options.json:
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


@subcommand("restore", argument("ids", nargs=-1, required=True, metavar="ID", help="cli.library_trash_id"))
def _restore(options: Options) -> int:
    ids = list(dict.fromkeys(services().jobs.trash.resolve(word).id for word in options.ids))
    restored = services().jobs.trash.restore(ids)
    for entry in restored:
        if entry.kind == "conversation":
            print(t("cli.library_restored", name=_line(entry.name)), file=sys.stderr)
    return _print_entries([entry.id for entry in restored if entry.kind == "report"], options)


@subcommand(
    "import", argument("files", nargs=-1, required=True, type=parse_path, metavar="FILE", help="cli.library_files")
)
def _import(options: Options) -> int:
    from framelens.jobs.stored.report_import import reports_in

    ids = [services().reports.add(analysis) for analysis in reports_in(options.files)]
    return _print_entries(list(dict.fromkeys(ids)), options)


def _print_entries(ids: list[str], options: Options) -> int:
    """Print the analyses after the change."""
    entries = services().jobs.library.entries(ids)
    if options.json:
        print_json([_document(entry) for entry in entries])
        return 0
    for entry in entries:
        print(" · ".join(filter(None, (entry.id, _line(entry.name), ", ".join(entry.tags)))))
    return 0


def _document(entry: LibraryEntry) -> dict[str, Any]:
    fields = {**asdict(entry), "state": services().jobs.state_of(entry)}
    return {name: value for name, value in fields.items() if name not in ("owner", "has_cover")}
