"""Code shared by commands: parsing of frames and times, output, exit codes, and stopping on a signal."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, get_args

from framelens import config
from framelens.cli import terminal
from framelens.cli.grammar import Choice, Options, flag, option, parse_path, together
from framelens.core.codec import to_document
from framelens.core.domain import MOST_SPEAKERS, Pace, Selection, Strategy
from framelens.core.errors import ConfigError
from framelens.core.redaction import redact
from framelens.i18n import notice_text, set_language, t
from framelens.jobs.keyframes import build_selection, parse_interval, parse_seconds, parse_times
from framelens.jobs.running import running

if TYPE_CHECKING:
    from rich.console import Console

    from framelens.composition import Services
    from framelens.config import Settings
    from framelens.engine.check_findings import CheckFinding, Severity
    from framelens.store.database import Store
    from framelens.store.trash import TrashEntry

_services: ContextVar[Services] = ContextVar("services")
_WIDTH_IN_A_PIPE = 140  # columns
MOST_LISTED = 1_000_000
"""Entries of a list."""
PORT = 65535
"""The highest port of TCP."""
_MARKS: Mapping[Severity, str] = {"stops": "❌", "hinders": "⚠️ ", "tells": "💡"}
_FROM_WORST = (130, 1, 5, 4, 3, 6, 2, 0)  # exit codes, most severe first


range_options = together(
    option("--start", type=parse_seconds, default=0.0, metavar="T", help="cli.start"),
    option("--end", type=parse_seconds, metavar="T", help="cli.end"),
)
"""Options for a range of the video."""
selection_options = together(
    option("--strategy", type=Choice(get_args(Strategy)), help="cli.strategy"),
    option("--every", type=parse_interval, metavar="SECONDS", help="cli.every"),
    option("--at", type=parse_times, multiple=True, metavar="T,T,…", help="cli.at"),
    option("--pace", type=Choice(get_args(Pace)), default="auto", help="cli.pace"),
    option("--time-limit", type=parse_interval, metavar="T", help="cli.time_limit"),
    range_options,
)
"""Options for choosing frames and a range; each command has `--frames` with its own text."""
json_option = flag("--json", help="cli.models_json")
quiet_option = flag("--quiet", help="cli.quiet")
subtitles_option = option("--subtitles", type=parse_path, metavar="FILE", help="cli.subtitles")


def parse_selection(options: Options) -> Selection:
    """Build the selection from the options; --every or --at imply their strategy.

    Raises:
        ConfigError: Options contradict each other, or an option is missing.
    """
    return build_selection(
        strategy=options.strategy,
        every=options.every,
        at=options.at,
        start=options.start,
        end=options.end,
        pace=options.pace,
        time_limit=options.time_limit,
        spelling=_option_text,
    )


def _option_text(name: str, value: object) -> str:
    values = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return f"--{name}" if value is None else f"--{name} {values}"


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return the parser of a whole number in a range, which includes both ends."""

    def parse(text: str) -> int:
        is_number = text.isdecimal() and len(text) <= len(str(high))
        if not (is_number and low <= int(text) <= high):
            raise ConfigError("whole_number_wrong", given=text, low=low, high=high)
        return int(text)

    return parse


def split_list(text: str) -> tuple[str, ...]:
    """Return the words of a list with commas or blanks between them."""
    return tuple(text.replace(",", " ").split())


def parse_speakers(text: str) -> int:
    """Parse the number of people who speak; "auto" is 0."""
    return 0 if text == "auto" else whole_number(1, MOST_SPEAKERS)(text)


speakers_option = option("--speakers", type=parse_speakers, metavar="N", help="cli.speakers")


def wide_console() -> Console:
    """Create a console for tables: as wide as the terminal, and of a fixed width in a pipe."""
    return terminal.console(width=None if sys.stdout.isatty() else _WIDTH_IN_A_PIPE)


def services() -> Services:
    """Return the services that the command has opened."""
    return _services.get()


@contextmanager
def in_services(opened: Services) -> Iterator[None]:
    """Let `services()` return `opened` within the context."""
    before = _services.set(opened)
    try:
        yield
    finally:
        _services.reset(before)


@contextmanager
def reporting_engine_notices(opened: Services, say: Callable[[str], None]) -> Iterator[None]:
    """Pass notices about the engine to `say`, and after the context new notices about engines that are left out."""
    earlier = opened.engine_notices
    for notice in earlier:
        say(notice_text(notice))
    try:
        yield
    finally:
        for notice in opened.engine_notices if opened.engine.is_pooled else ():
            if notice not in earlier:
                say(notice_text(notice))


def use_language(options: Options, settings: Settings) -> None:
    """Use the language of `--language`, else of the settings, for the rest of the command."""
    if requested := options.language or settings.language:
        set_language(requested)


def with_store(function: Callable[[Options, Store], None]) -> Callable[[Options], int]:
    """Return a command's function that opens the store of the settings for this one, and returns the exit code."""

    @wraps(function)
    def run(options: Options) -> int:
        from framelens.store.database import open_store

        settings = config.load()
        use_language(options, settings)
        with closing(open_store(settings.data_dir)) as store:
            function(options, store)
        return 0

    return run


def confirm_deletion(names: str) -> bool:
    """Ask on the terminal whether to delete the entries with these names, and return the answer.

    Raises:
        ConfigError: There is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise ConfigError("delete_unconfirmed")
    answer = input(t("cli.library_sure", names=names) + " ")
    return answer.strip().lower() in t("cli.library_sure_yes").split(",")


def print_trashed(moved: Sequence[TrashEntry]) -> None:
    """Print the entries that were moved to the trash, and the command that restores them."""
    for entry in moved:
        print(t("cli.library_trashed", name=" ".join(entry.name.splitlines())), file=sys.stderr)
    if moved:
        from framelens.store.trash import KEPT_DAYS  # deferred: most commands delete nothing

        command = " ".join(("framelens library restore", *(entry.id for entry in moved)))
        print(t("cli.library_undo", days=KEPT_DAYS, command=command), file=sys.stderr)


def worst_exit_code(exit_codes: Iterable[int]) -> int:
    """Return the most severe of several exit codes.

    The order is: stopped, internal error, disk, engine, video, another input, usage.
    """
    return min(exit_codes, key=_FROM_WORST.index)


def cancel_on_signals() -> threading.Event:
    """Return an event that SIGINT, SIGTERM or SIGHUP sets; a second signal ends the process at once."""
    cancel = running().cancel

    def stop(number: int, _frame: object) -> None:
        if cancel.is_set():  # second signal
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        # The main thread may hold the event's lock at this moment, so another thread sets it.
        threading.Thread(target=cancel.set, daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup sets it
        signal.signal(signal.SIGHUP, stop)
    return cancel


def print_json(value: object) -> None:
    """Print a value as indented JSON, with times in whole microseconds."""
    print(json.dumps(to_document(value), ensure_ascii=False, indent=2))


def finding_text(finding: CheckFinding) -> str:
    """Return the text of a finding without secrets."""
    return redact(notice_text(finding.notice))


def finding_lines(findings: Iterable[CheckFinding], good: str = "") -> Iterator[str]:
    """Yield a line for each finding and a line for each fix.

    Args:
        findings: The findings.
        good: The mark of a finding that only informs, in place of the usual mark.
    """
    for finding in findings:
        mark = good if good and finding.severity == "tells" else _MARKS[finding.severity]
        yield f"{mark} {finding_text(finding).removeprefix('❌ ')}"
        if finding.fix is not None:
            yield f"   → {notice_text(finding.fix.notice)}"
