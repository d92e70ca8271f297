"""Command `framelens find WORDS`: finds moments in all videos by words, by a picture, or by both."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from framelens import Cancelled, ConfigError, Moment, MomentHits, error_text
from framelens.plugin import Services, load, open_library, t
from framelens.plugin.command_line import (
    Options,
    ProgressLine,
    argument,
    cancel_on_signals,
    command,
    flag,
    json_option,
    option,
    parse_path,
    parse_seconds,
    print_json,
    quiet_option,
    settle_speech,
    use_language,
    whole_number,
    wide_console,
)
from framelens.plugin.files import Region, read_image, typed_path
from framelens.plugin.storage import LibrarySearch, MomentQuery
from framelens.plugin.texts import clock, single_line
from framelens.plugins.search.critic import checked, is_judged, verdict_of
from framelens.plugins.search.encoder import SIGLIP, SIZE, PictureModel
from framelens.plugins.search.moment_index import NEEDS_MODEL, REGION_NEEDS_MODEL

_MOST = 200
_POLL_SECONDS = 0.2


def parse_region(text: str) -> Region:
    """Parse left, top, right and bottom of a part of a picture, as fractions or percent.

    Raises:
        ConfigError: The text is something else.
    """
    edges = text.replace(",", " ").split()
    try:
        left, top, right, bottom = (float(edge[:-1]) / 100 if edge.endswith("%") else float(edge) for edge in edges)
    except ValueError:
        raise ConfigError("region_outside", given=text) from None
    return left, top, right, bottom


@command("find", help="cli.find_command", stopped="cancelled")
@argument("words", nargs=-1, metavar="WORDS", help="cli.find_words")
@option("--picture", type=parse_path, metavar="FILE", help="cli.find_picture")
@option("--report", default="", metavar="ID", help="cli.find_report")
@option("--at", type=parse_seconds, metavar="T", help="cli.find_at")
@option("--region", type=parse_region, metavar="L,T,R,B", help="cli.find_region")
@option("--limit", type=whole_number(1, _MOST), default=12, metavar="N", help="cli.find_limit")
@flag("--check", help="cli.find_check")
@flag("--download", help=lambda: t("cli.find_download", size=SIZE))
@json_option
@quiet_option
def run(options: Options) -> int:
    """Find the moments, print them and return the exit code.

    Raises:
        AppError: Nothing is asked for, or the picture can't be read.
        Cancelled: The user stopped it; what is indexed is kept.
    """
    settings = load()
    use_language(options, settings)
    words = " ".join(options.words).strip()
    image = read_image(Path(typed_path(str(options.picture)))) if options.picture else ("", b"")
    cancel, model = cancel_on_signals(), PictureModel(settings)
    if options.download:
        settle_speech(model, cancel, confirmed=True, quiet=options.quiet)
    if options.download and not (words or image[1] or options.report):
        print(t("cli.find_here", model=model.label))
        return 0
    with open_library(settings) as services:
        search = services.moment_search
        name, picture = services.reports.query_picture(options.report, options.at, image)
        query = MomentQuery(words, picture, name, options.limit, region=options.region)
        if words or picture:
            _index(services, search, cancel, quiet=options.quiet)
        hits = search.find(query)
        if options.check:
            hits = _checked(services, hits, words, cancel, quiet=options.quiet)
            if hits.moments and not is_judged(hits):
                print(t("search.undecided"), file=sys.stderr)
    if options.json:
        print_json(document_of(hits))
        return 0
    _print(hits)
    if model.download_bytes() and not (settings.embedding_base_url or hits.error):
        print(t("cli.find_offer", model=SIGLIP.name, size=SIZE, licence=SIGLIP.licence), file=sys.stderr)
    return 0


def _index(services: Services, search: LibrarySearch, cancel: threading.Event, *, quiet: bool) -> None:
    """Index what isn't indexed yet, and show how much is left."""
    services.jobs.indexing.catch_up()
    search.begin()
    with ProgressLine(quiet=quiet) as line:
        while search.task.is_running:
            if cancel.is_set():
                search.task.cancel()
                raise Cancelled
            line.show(t("cli.find_indexing", n=search.num_left))
            time.sleep(_POLL_SECONDS)


def _checked(services: Services, hits: MomentHits, words: str, cancel: threading.Event, *, quiet: bool) -> MomentHits:
    """Let the model look at the hits. Raises as `checked`."""
    with ProgressLine(quiet=quiet) as line:
        return checked(
            services, hits, words, cancel, lambda done, total: line.show(t("cli.find_checking", done=done, all=total))
        )


def document_of(hits: MomentHits) -> dict[str, object]:
    """Return the hits as they are given to programs."""
    problem = error_text(hits.error) if hits.error else None
    moments = [asdict(moment) for moment in hits.moments]
    return {"model": hits.model, "num_left": hits.num_left, "problem": problem, "moments": moments}


def _print(hits: MomentHits) -> None:
    if hits.error:
        needs_model = hits.error.key in (NEEDS_MODEL, REGION_NEEDS_MODEL)
        why = error_text(hits.error)
        print(why if needs_model else t("search.incomplete", why=why), file=sys.stderr)
    if not hits.moments:
        print(t("search.nothing"))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    is_checked = is_judged(hits)
    for name in ("time", "name", "why", *(["model"] if is_checked else []), "id"):
        table.add_column(t(f"search.column_{name}"), no_wrap=name in ("time", "id"))
    for moment in hits.moments:
        said = [Text(verdict_of(moment))] if is_checked else []
        table.add_row(_time(moment), Text(single_line(moment.name)), Text(_why(moment)), *said, moment.job_id)
    wide_console().print(table)


def _time(moment: Moment) -> str:
    return clock(moment.time_seconds).partition(".")[0]


def _why(moment: Moment) -> str:
    reasons = (t(f"search.reason.{reason}") for reason in moment.reasons)
    return " · ".join(filter(None, (*reasons, single_line(moment.text))))
