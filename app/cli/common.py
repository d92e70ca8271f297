"""Code shared by commands: parsing of frames and times, output, exit codes, and stopping on a signal."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from app.analysis.planning import time_parsing
from app.core import MOST_FRAMES, ConfigError, Language, Selection, StorageError, Strategy
from app.i18n import LANGUAGES, t

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
_WIDTH_IN_A_PIPE = 140  # columns; chosen by hand, not tuned
_FROM_WORST = (130, 1, 5, 4, 3, 2, 0)  # exit codes, most severe first
FIT = 0
"""Marker for as many frames as one request to the model holds."""


def frame_count(text: str) -> int:
    """Parse a number of frames, 1 to 256, or "fit" as FIT.

    Raises:
        ConfigError: The text is neither.
    """
    if text == "fit":
        return FIT
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MOST_FRAMES:
        raise ConfigError("frames_wrong", given=text, most=MOST_FRAMES)
    return number


def interval(text: str) -> float:
    """Parse a positive number of seconds.

    Raises:
        ConfigError: The text is no time, or zero.
    """
    length = _parse_time(time_parsing.parse_seconds, text)
    if not length:
        raise ConfigError("interval_empty", given=text)
    return length


def add_selection_options(parser: argparse.ArgumentParser, language: Language) -> None:
    """Add the options for choosing frames and a range; each command adds `--frames` with its own help text."""
    seconds, times = partial(_parse_time, time_parsing.parse_seconds), partial(_parse_time, time_parsing.parse_times)
    parser.add_argument("--strategy", choices=get_args(Strategy), help=t("cli.strategy", language))
    parser.add_argument("--every", type=interval, metavar="SECONDS", help=t("cli.every", language))
    parser.add_argument("--at", type=times, metavar="T,T,…", help=t("cli.at", language))
    parser.add_argument("--start", type=seconds, default=0.0, metavar="T", help=t("cli.start", language))
    parser.add_argument("--end", type=seconds, metavar="T", help=t("cli.end", language))


def parse_selection(given: argparse.Namespace) -> Selection:
    """Build the selection from the options; --every or --at imply their strategy.

    Raises:
        ConfigError: Options contradict each other, or one is missing.
    """
    implied: Strategy = "times" if given.at else "every" if given.every else "auto"
    strategy: Strategy = given.strategy or implied
    if strategy == "every" and not given.every:
        raise ConfigError("option_missing", strategy=strategy, option="--every 5")
    if strategy == "times" and not given.at:
        raise ConfigError("option_missing", strategy=strategy, option="--at 1.5,3,7.25")
    for option, value, owner in (("--every", given.every, "every"), ("--at", given.at, "times")):
        if value and strategy != owner:
            raise ConfigError("option_unused", option=option, strategy=strategy, owner=owner)
    if given.end is not None and given.end <= given.start:
        raise ConfigError("range_reversed", start=f"{given.start:g}", end=f"{given.end:g}")
    return Selection(strategy, given.every, given.at or (), given.start, given.end)


def frame_limit(given: argparse.Namespace, selection: Selection, usual: int, fit: Callable[[], int]) -> int:
    """Return the maximum number of frames.

    Args:
        given: The parsed options.
        selection: The chosen strategy.
        usual: Default number, for strategies that don't set the number themselves.
        fit: Returns the number for `--frames fit`.
    """
    if given.frames is None:
        return time_parsing.default_frames(selection.strategy, usual)
    return fit() if given.frames == FIT else int(given.frames)


def _parse_time(read: Callable[[str], T], text: str) -> T:
    """Parse one or several times; raise ConfigError with the given text."""
    try:
        return read(text)
    except ValueError as error:
        raise ConfigError("time_unreadable", given=text) from error


def add_output_options(parser: argparse.ArgumentParser, language: Language, default: str | None) -> None:
    """Add the options of commands that print tables or documents.

    `default` is argparse.SUPPRESS for a subcommand, so that options given before its name still apply.
    """
    no = False if default is None else default
    parser.add_argument("--json", action="store_true", default=no, help=t("cli.models_json", language))
    parser.add_argument("--language", choices=LANGUAGES, default=default, help=t("cli.language", language))


def wide_console() -> Console:
    """Create a console for tables: as wide as the terminal, and of a fixed width in a pipe."""
    from rich.console import Console  # other commands start without it

    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_IN_A_PIPE)


@contextmanager
def storage_errors(key: str, path: Path) -> Iterator[None]:
    """Convert an OSError inside the block to StorageError(key) with the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(key, path=str(path), reason=error.strerror or str(error)) from error


def worst_exit_code(exit_codes: Iterable[int]) -> int:
    """Return the most severe of several exit codes.

    The order is: stopped, internal error, disk, engine, video, usage.
    """
    return min(exit_codes, key=_FROM_WORST.index)


def cancel_on_signals() -> threading.Event:
    """Return an event that SIGINT or SIGTERM sets; a second signal ends the process at once."""
    cancel = threading.Event()

    def stop(number: int, _frame: object) -> None:
        if cancel.is_set():  # second signal
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        cancel.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return cancel
