"""Command `framelens ask VIDEO|ID "question"`: a conversation about one analysed video.

The answer goes to standard output as it is written, then the frames that it cites; everything else goes to standard
error. A question whose answer fails or is stopped is kept with what there is of the answer.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from app import config
from app.cli.common import cancel_on_signals, confirm_deletion, in_services, services, use_language, wide_console
from app.core import ConfigError
from app.i18n import LANGUAGES, language, notice_text, t
from app.services import open_library, open_services
from app.services.analyses import with_named
from app.services.keyframes import parse_frames
from app.video import worker_started

if TYPE_CHECKING:
    from app.ask import AskSettings, Conversation
    from app.cli.main import Parser

_NUMBERS = ("temperature", "top_p", "max_tokens", "context_tokens", "repetition_penalty", "seed")
_MOST_LISTED = 50
"""Conversations in a list. Chosen by hand; not tuned."""


def add_arguments(parser: Parser) -> None:
    """Add the arguments of this command."""
    parser.is_intermixed = True

    def add(name: str, **options: object) -> None:
        key = f"cli.ask_{name.lstrip('-').replace('-', '_')}"
        parser.add_argument(name, help=t(key), **options)  # type: ignore[arg-type]

    add("about", nargs="?", metavar="VIDEO|ID")
    add("question", nargs="?", metavar="QUESTION")
    add("--continue", dest="conversation", metavar="ID")
    add("--edit", type=int, metavar="N")
    add("--frames", type=parse_frames, metavar="N")
    for name in _NUMBERS:
        add(f"--{name.replace('_', '-')}", type=_number(name), metavar="N")
    add("--system-prompt", metavar="TEXT")
    add("--list", action="store_true")
    add("--search", metavar="WORDS")
    add("--export", metavar="ID")
    add("--rename", nargs=2, metavar=("ID", "NAME"))
    add("--delete", metavar="ID")
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))
    parser.add_argument("--model", help=t("cli.model"))
    parser.add_argument("--base-url", help=t("cli.base_url"))
    parser.add_argument("--yes", action="store_true", help=t("cli.ask_yes"))
    parser.add_argument("--json", action="store_true", help=t("cli.ask_json"))
    parser.add_argument("--quiet", action="store_true", help=t("cli.quiet"))


def _number(name: str) -> Callable[[str], int | float]:
    """Return the parser of a setting; its limits are checked by AskSettings, whose error it shares."""

    def parse(text: str) -> int | float:
        from app.ask import LIMITS

        low, high = LIMITS[name]
        try:
            return type(low)(text)
        except ValueError:
            key = "setting_number" if isinstance(low, int) else "setting_decimal"
            raise ConfigError(key, key=name, value=text, low=low, high=high) from None

    return parse


def run(given: argparse.Namespace) -> int:
    """Answer the question, or list, export, rename or delete conversations, and return the exit code.

    Raises:
        AppError: A value, the video, the engine or the disk failed, or the user stopped the answer.
    """
    settings = with_named(config.load(), model=given.model or "", base_url=given.base_url or "")
    use_language(given, settings)
    if any((given.list, given.search, given.export, given.rename, given.delete)):
        with open_library(settings) as opened, in_services(opened):
            _manage(given)
        return 0
    if given.conversation and given.question is None:  # the only text is the question
        given.about, given.question = None, given.about
    if not (given.about or given.conversation):
        raise ConfigError("ask_about_missing")
    if given.edit is not None and not given.conversation:
        raise ConfigError("ask_edit_alone")
    from app.ask import checked_question
    from app.cli.commands.download import settle  # which knows all models

    checked_question(given.question or "")
    asked_with = ask_settings(given)
    if given.yes or (sys.stdin.isatty() and sys.stderr.isatty()):
        given.no_model = False
        settings = settle(settings, given)
        if given.no_model:
            raise ConfigError("ask_needs_model")
    cancel = cancel_on_signals()
    with worker_started():
        opened = open_services(settings, adopts=False)
        try:
            with in_services(opened):
                conversation = _conversation(given, cancel)
                _answer(conversation.asked(given.question, asked_with, edit=given.edit), given, cancel)
        finally:
            opened.close()
    return 0


def ask_settings(given: argparse.Namespace) -> AskSettings:
    """Return the settings of the options given; the others have their defaults.

    Raises:
        ConfigError: A value is out of its limits.
    """
    from app.ask import AskSettings

    return AskSettings(
        **{name: value for name in (*_NUMBERS, "system_prompt") if (value := getattr(given, name)) is not None}
    )


def _conversation(given: argparse.Namespace, cancel: threading.Event) -> Conversation:
    """Return the conversation to continue, or a new one about the video or analysis."""
    if given.conversation:
        return services().conversations.get(given.conversation)
    from app.cli.progress import Progress
    from app.services.conversations import begin

    events = begin(services(), given.about, frames=given.frames, language=language(), cancel=cancel)
    with Progress(quiet=given.quiet or not sys.stderr.isatty()) as progress, closing(events):
        while True:
            try:
                progress.show(next(events))
            except StopIteration as end:
                made: Conversation = end.value
                return made


def _answer(conversation: Conversation, given: argparse.Namespace, cancel: threading.Event) -> None:
    """Print the answer while it is written, then its evidence; with --json one document at the end."""
    from app import ask
    from app.services import conversations

    printer = _Printer(streams=not given.json, quiet=given.quiet)
    try:
        with closing(conversations.ask(services(), conversation, cancel)) as events:
            for event in events:
                printer.show(event)
    finally:
        if (done := printer.done) and given.json:
            name = services().jobs.snapshot(done.analysis_id).name
            _print_json(ask.answer_document(done, subject=name))


class _Printer:
    """Printer of the events of an answer."""

    def __init__(self, *, streams: bool, quiet: bool) -> None:
        self._streams = streams
        self._quiet = quiet
        self._phase = ""
        self.done: Conversation | None = None

    def show(self, event: object) -> None:
        """Print one event."""
        from app import ask
        from app.core import EngineProgress, Noticed
        from app.reports.content import printable

        match event:
            case ask.AnswerText(text, restart) if self._streams:
                print("\n" if restart else "", printable(text), sep="", end="", flush=True)
            case EngineProgress(phase, values) if phase != self._phase and not self._quiet and sys.stderr.isatty():
                self._phase = phase
                self._say(t(f"engine.phase.{phase}", **values))
            case Noticed(notice):
                self._say(notice_text(notice))
            case ask.AnswerDone(conversation):
                self.done = conversation
                self._end(conversation)

    def _end(self, conversation: Conversation) -> None:
        from app import ask

        turn = conversation.last
        if self._streams:
            print()
            for line in ask.cited_lines(turn):
                print(line)
            sys.stdout.flush()
        if turn.why and turn.state == "stopped":
            self._say(notice_text(turn.why))
        if turn.reasoning and not self._quiet:
            self._say(t("ask.reasoned", n=len(turn.reasoning)))
        if not self._quiet:
            self._say(t("ask.continue", id=conversation.id))

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _manage(given: argparse.Namespace) -> None:
    """List, export, rename or delete conversations."""
    kept = services().conversations
    if given.export:
        from app import ask

        one = kept.get(given.export)
        name = services().jobs.snapshot(one.analysis_id).name
        if given.json:
            _print_json(ask.document(one, subject=name))
        else:
            print(ask.as_markdown(one, subject=name), end="")
    elif given.rename:
        kept.rename(kept.get(given.rename[0]).id, given.rename[1])
    elif given.delete:
        _delete(kept.get(given.delete), given)
    else:
        _list(given)


def _delete(one: Conversation, given: argparse.Namespace) -> None:
    from app.reports.content.labels import one_line

    name = one_line(one.name)
    if not (given.yes or confirm_deletion(name)):
        return
    services().conversations.delete(one.id)
    print(t("cli.library_deleted", name=name), file=sys.stderr)


def _list(given: argparse.Namespace) -> None:
    from rich.table import Table
    from rich.text import Text

    from app.reports.content.labels import local_minute, one_line

    library = services().jobs.library
    about: list[str] | None = None
    if given.about and (path := Path(given.about).expanduser().absolute()).is_file():
        about = library.reports_on(sha256=services().switcher.session.extractions.sha256(path))
    elif given.about:
        about = [library.resolve_id(given.about)]
    found = services().conversations.find(given.search or "", analysis_ids=about, limit=_MOST_LISTED)
    names = {one.analysis_id: entry.name for one in found if (entry := library.entry(one.analysis_id))}
    if given.json:
        rows = [
            {"id": one.id, "created": one.created, "name": one.name, "analysis": one.analysis_id,
             "video": names.get(one.analysis_id, "")}
            for one in found
        ]  # fmt: skip
        _print_json(rows)
        return
    if not found:
        print(t("ask.none"))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "created", "question", "video"):
        table.add_column(t(f"ask.column_{column}"), no_wrap=column in ("id", "created"))
    for one in found:
        video = Text(one_line(names.get(one.analysis_id, "")))
        table.add_row(one.id, local_minute(one.created), Text(one_line(one.name)), video)
    wide_console().print(table)


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))
