"""Command `framelens ask [VIDEO|ID …] "question"`: a conversation about videos, images, or neither.

The answer goes to standard output as it is written, then the frames that it cites; everything else goes to standard
error. A question whose answer fails or is stopped is kept with the partial answer.
"""

from __future__ import annotations

import argparse
import re
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from framelens import registry
from framelens.analysis.planning.frame_budget import parse_frames
from framelens.cli import terminal
from framelens.cli.analysis_options import add_engine_options, load_settings, settle_model
from framelens.cli.common import (
    MOST_LISTED,
    add_range_options,
    add_subtitles_option,
    cancel_on_signals,
    confirm_deletion,
    in_services,
    print_json,
    print_trashed,
    services,
    whole_number,
    wide_console,
)
from framelens.cli.progress_lines import open_progress
from framelens.conversations.conversation import (
    LIMITS,
    AnswerDone,
    AnswerDraft,
    AnswerText,
    AskSettings,
    Conversation,
    Look,
    MomentsSearched,
    Queued,
    checked_question,
)
from framelens.conversations.images import read_image
from framelens.conversations.moments.timeline import strip
from framelens.conversations.retrieval.values import Looking
from framelens.core.domain import Selection
from framelens.core.errors import Cancelled, ConfigError
from framelens.core.events import EngineProgress, Noticed, value_of
from framelens.core.evidence import Moments
from framelens.core.files import typed_path
from framelens.core.links import is_link
from framelens.i18n import LANGUAGES, language, notice_text, t
from framelens.i18n.formatting import exactly, phase_text
from framelens.reports.content.labels import local_minute, one_line
from framelens.services.asking import FrameOptions
from framelens.services.container import open_library, open_services
from framelens.services.keyframes import build_selection
from framelens.video.worker_pool import worker_started

if TYPE_CHECKING:
    from framelens.cli.parser import Parser

_NUMBERS = (
    "temperature", "top_p", "max_tokens", "context_tokens", "repetition_penalty", "seed", "search_frames",
    "search_seconds",
)  # fmt: skip
_LOOKS = ("auto", "global", "local", "when", "count", "read", "spoken")
_VIDEO = re.compile(r"^\S+\.\w{2,4}$")
_MOST_LISTED = 50
"""Conversations in a list."""


def add_arguments(parser: Parser) -> None:
    """Add the arguments of this command."""
    parser.is_intermixed = True
    parser.set_defaults(stopped="cancelled")  # the beginning of the answer is kept

    def add(name: str, **options: object) -> None:
        key = f"cli.ask_{name.lstrip('-').replace('-', '_')}"
        parser.add_argument(name, help=t(key), **options)

    add("texts", nargs="*", metavar="VIDEO|ID … QUESTION")
    add("--image", action="append", default=[], type=Path, metavar="FILE")
    add("--continue", dest="conversation", metavar="ID")
    add("--edit", type=whole_number(1, MOST_LISTED), metavar="N")
    add("--frames", type=parse_frames, metavar="N")
    add_range_options(parser)
    add_subtitles_option(parser)
    parser.add_argument("--look", choices=_LOOKS, help=t("cli.ask_look"))
    for name in _NUMBERS:
        add(f"--{name.replace('_', '-')}", type=_number(name), metavar="N")
    add("--system-prompt", metavar="TEXT")
    add("--list", action="store_true")
    add("--search", metavar="WORDS")
    add("--export", metavar="ID")
    add("--rename", nargs=2, metavar=("ID", "NAME"))
    add("--delete", metavar="ID")
    add("--for-good", action="store_true")
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))
    add_engine_options(parser)
    add("--no-model", action="store_true")
    parser.add_argument("--yes", action="store_true", help=t("cli.ask_yes"))
    parser.add_argument("--json", action="store_true", help=t("cli.ask_json"))
    parser.add_argument("--quiet", action="store_true", help=t("cli.quiet"))


def _number(name: str) -> Callable[[str], int | float]:
    """Return the parser of a setting; its limits are checked by AskSettings, whose error it shares."""

    def parse(text: str) -> int | float:
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
    settings = load_settings(given)
    if _asks_for_stored(given):
        with open_library(settings) as opened, in_services(opened):
            _manage(given)
        return 0
    about, question = _split(given.texts)
    question = sys.stdin.read().strip() if question == "-" else question
    if given.conversation and about:
        raise ConfigError("ask_continue_about", given=about[0])
    if given.conversation and given.subtitles:
        raise ConfigError("subtitles_alone")
    if given.edit is not None and not given.conversation:
        raise ConfigError("ask_edit_alone")
    if question or not given.conversation:
        checked_question(question)
    asked_with, clip = ask_settings(given), _clip(given)
    files = [read_image(path) for path in given.image]
    if given.yes or (sys.stdin.isatty() and sys.stderr.isatty() and not _is_about_text(question)):
        settings = settle_model(settings, given)
    cancel = cancel_on_signals()
    with worker_started():
        opened = open_services(settings, adopts=False)
        try:
            with in_services(opened):
                images = services().conversations.keep_images(files)
                conversation = _conversation(about, clip, given, cancel)
                if not question and conversation.last.can_continue:
                    question, given.edit = conversation.last.question, conversation.last.number
                conversation = conversation.asked(
                    question,
                    asked_with,
                    edit=given.edit,
                    images=images or None,
                    look=_look(given, clip),
                )
                return _answer(conversation, given, cancel)
        finally:
            opened.close()


def _is_about_text(question: str) -> bool:
    """Return whether text on the screen or speech may answer a question, so that no model has to be downloaded."""
    from framelens.conversations.retrieval.text_question import is_about_text

    return is_about_text(question)


def _split(texts: list[str]) -> tuple[list[str], str]:
    """Return the subjects of the question, and the question: the last text, unless it is a video and the only text."""
    if not texts or (len(texts) == 1 and (_VIDEO.search(texts[0]) or is_link(texts[0]))):
        return texts, ""
    return texts[:-1], texts[-1]


def _clip(given: argparse.Namespace) -> Selection:
    """Return the range of the videos.

    Raises:
        ConfigError: The range ends before it starts.
    """
    return build_selection(
        strategy=None, every=None, at=(), start=given.start, end=given.end, spelling=lambda name, _: f"--{name}"
    )


def _look(given: argparse.Namespace, clip: Selection) -> Look | None:
    """Return the options for where to look, or None without such options."""
    if clip == Selection():
        return Look(given.look) if given.look else None
    return Look(given.look or "auto", clip.start_seconds, clip.end_seconds)


def ask_settings(given: argparse.Namespace) -> AskSettings:
    """Return the settings of the options given; the others have their defaults.

    Raises:
        ConfigError: A value is out of its limits.
    """
    return AskSettings(
        **{name: value for name in (*_NUMBERS, "system_prompt") if (value := getattr(given, name)) is not None}
    )


def _conversation(
    about: list[str], clip: Selection, given: argparse.Namespace, cancel: threading.Event
) -> Conversation:
    """Return the conversation to continue, or a new conversation about these videos and analyses."""
    if given.conversation:
        return services().conversations.get(given.conversation)

    options = FrameOptions(language(), given.frames, clip, given.subtitles, not given.no_model)
    about = [registry.file_of(one) for one in about]
    with open_progress(quiet=given.quiet) as progress:
        return value_of(services().asking.begin(about, options, cancel), progress.show)


def _answer(conversation: Conversation, given: argparse.Namespace, cancel: threading.Event) -> int:
    """Print the answer while it is written, then its evidence; with --json a document at the end.

    Return the exit code: a stop's if the user has stopped the answer.
    """
    from framelens.conversations.export import answer_document

    printer = _Printer(streams=not given.json, quiet=given.quiet)
    try:
        asking = services().asking.ask(AnswerDraft(conversation), cancel, use_model=not given.no_model)
        with closing(asking) as events:
            for event in events:
                printer.show(event)
    except Cancelled as error:
        if not printer.done:
            raise
        return error.exit_code  # the printer has shown the error
    finally:
        if (done := printer.done) and given.json:
            print_json(answer_document(done, services().reports.video_names(done)))
    return 0


class _Printer:
    """Printer of the events of an answer."""

    def __init__(self, *, streams: bool, quiet: bool) -> None:
        self._streams = streams
        self._quiet = quiet
        self._phase = ""
        self.done: Conversation | None = None

    def show(self, event: object) -> None:
        """Print an event."""
        match event:
            case AnswerText(text, restart) if self._streams:
                print("\n" if restart else "", text, sep="", end="", flush=True)
            case EngineProgress(phase) as progress if phase != self._phase and not self._quiet and sys.stderr.isatty():
                self._phase = phase
                self._say(phase_text(progress))
            case Queued(place) if place and not self._quiet:
                self._say(t("ask.queued", place=place))
            case Looking(step) if f"look.{step}" != self._phase and not self._quiet and sys.stderr.isatty():
                self._phase = f"look.{step}"
                self._say(t(f"ask.look.{step}"))
            case MomentsSearched(moments) if not self._quiet and sys.stderr.isatty():
                self._draw(moments)
            case Noticed(notice):
                self._say(notice_text(notice))
            case AnswerDone(conversation):
                self.done = conversation
                self._end(conversation)

    def _draw(self, moments: Moments) -> None:
        """Draw the samples of a search so far, over the drawing of the previous round."""
        from rich.text import Text

        gap, number = exactly(moments.widest_gap_seconds, digits=2), len(moments.intervals)
        words = t("ask.moments.progress", frames=len(moments.samples), n=number, gap=gap)
        console = terminal.console(to_errors=True)
        line = Text(f"{strip(moments)} {words}")
        line.truncate(console.width - 1, overflow="ellipsis", pad=True)
        console.print(line, end="\n" if moments.ended else "\r")

    def _end(self, conversation: Conversation) -> None:
        from framelens.conversations.export import cited_lines

        turn = conversation.last
        if self._streams and turn.answer:
            print()
            names = services().reports.video_names(conversation) if len(conversation.about) > 1 else {}
            for line in cited_lines(turn, names):
                print(line)
            sys.stdout.flush()
        if turn.why and turn.why.key == "ask_stopped":
            self._say(t("ask.stopped", id=conversation.id))
            return
        if turn.why and turn.state == "stopped":
            self._say(notice_text(turn.why))
        if turn.reasoning and not self._quiet:
            self._say(t("ask.reasoned", n=len(turn.reasoning)))
        if not self._quiet:
            key = "ask.moments.resume" if turn.can_continue else "ask.continue"
            self._say(t(key, id=conversation.id))

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _asks_for_stored(given: argparse.Namespace) -> bool:
    """Return whether conversations are listed, exported, renamed or deleted; a command does only one of these.

    Raises:
        ConfigError: Two of these are requested, or one of them together with a question or options for a question.
    """
    acts = {
        "--list": given.list or given.search,
        "--export": given.export,
        "--rename": given.rename,
        "--delete": given.delete,
    }
    asked = [option for option, value in acts.items() if value]
    more = [f"“{one}”" for one in given.texts[("--list" in asked) :]]
    more += [f"--{name}" for name in ("image", "edit") if getattr(given, name)]
    more += ["--continue"] if given.conversation else []
    if asked and (others := [*asked[1:], *more]):
        raise ConfigError("ask_two_requests", option=asked[0], other=others[0])
    return bool(asked)


def _manage(given: argparse.Namespace) -> None:
    """List, export, rename or delete conversations."""
    kept = services().conversations
    if given.export:
        from framelens.conversations.export import as_markdown, document

        one = kept.get(given.export)
        names = services().reports.video_names(one)
        if given.json:
            print_json(document(one, names))
        else:
            print(as_markdown(one, names), end="")
        services().jobs.audit.record("export", one.id)
    elif given.rename:
        kept.rename(kept.get(given.rename[0]).id, given.rename[1])
    elif given.delete:
        _delete(kept.get(given.delete), given)
    else:
        _list(given)


def _delete(one: Conversation, given: argparse.Namespace) -> None:
    name = one_line(one.name)
    if given.for_good and not (given.yes or confirm_deletion(name)):
        return
    moved = services().conversations.discard(one.id)
    if not given.for_good:
        print_trashed(moved)
        return
    for entry in moved:
        services().jobs.trash.purge_conversation(entry)
        print(t("cli.library_deleted", name=name), file=sys.stderr)


def _list(given: argparse.Namespace) -> None:
    from rich.table import Table
    from rich.text import Text

    library = services().jobs.library
    about: list[str] | None = None
    if given.texts and (path := Path(typed_path(registry.file_of(given.texts[0]))).absolute()).is_file():
        about = library.reports_on(sha256=services().switcher.session.extractions.sha256(path))
    elif given.texts:
        about = [library.resolve_id(given.texts[0])]
    found = services().conversations.find(given.search or "", analysis_ids=about, limit=_MOST_LISTED)
    ids = {analysis_id for one in found for analysis_id in one.about}
    names = {one: entry.name if (entry := library.entry(one)) else "" for one in ids}
    if given.json:
        rows = [
            {"id": one.id, "created": one.created, "name": one.name,
             "about": [{"analysis": analysis_id, "video": names[analysis_id]} for analysis_id in one.about]}
            for one in found
        ]  # fmt: skip
        print_json(rows)
        return
    if not found:
        print(t("ask.none"))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "created", "question", "video"):
        table.add_column(t(f"ask.column_{column}"), no_wrap=column in ("id", "created"))
    for one in found:
        videos = Text(", ".join(one_line(names[analysis_id]) for analysis_id in one.about))
        table.add_row(one.id, local_minute(one.created), Text(one_line(one.name)), videos)
    wide_console().print(table)
