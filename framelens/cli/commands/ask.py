"""Command `framelens ask [VIDEO|ID …] "question"`: a conversation about videos, images, or neither.

The answer goes to standard output as it is written, then the frames that it cites; everything else goes to standard
error. A question whose answer fails or is stopped is kept with the partial answer.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from framelens.analysis.planning.frame_budget import parse_frames
from framelens.cli import terminal
from framelens.cli.analysis_options import engine_options, load_settings, settle_model
from framelens.cli.common import (
    MOST_LISTED,
    cancel_on_signals,
    confirm_deletion,
    in_services,
    print_json,
    print_trashed,
    quiet_option,
    range_options,
    services,
    subtitles_option,
    whole_number,
    wide_console,
)
from framelens.cli.grammar import Choice, Options, argument, command, flag, option, parse_path, together
from framelens.cli.progress_lines import open_progress
from framelens.composition import open_library, open_services
from framelens.core.domain import Selection
from framelens.core.errors import Cancelled, ConfigError
from framelens.core.events import EngineProgress, Noticed, value_of
from framelens.core.evidence import Moments
from framelens.core.files import typed_path
from framelens.core.links import is_link
from framelens.i18n import language, notice_text, t
from framelens.i18n.formatting import exactly, phase_text
from framelens.jobs.asking import FrameOptions
from framelens.jobs.keyframes import build_selection
from framelens.questions.conversation import (
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
from framelens.questions.images import read_image
from framelens.questions.moments.timeline import strip
from framelens.questions.retrieval.values import Looking
from framelens.reports.content.labels import local_minute, one_line
from framelens.video.sources import file_of
from framelens.video.worker_pool import worker_started

_NUMBERS = (
    "temperature", "top_p", "max_tokens", "context_tokens", "repetition_penalty", "seed", "search_frames",
    "search_seconds",
)  # fmt: skip
_LOOKS = ("auto", "global", "local", "when", "count", "read", "spoken")
_VIDEO = re.compile(r"^\S+\.\w{2,4}$")
_MOST_LISTED = 50
"""Conversations in a list."""


def _number(name: str) -> Callable[[str], int | float]:
    """Return the parser of a setting; its limits are checked by AskSettings, whose error it shares."""

    def parse(text: str) -> int | float:
        low, high = AskSettings.LIMITS[name]
        try:
            return type(low)(text)
        except ValueError:
            key = "setting_number" if isinstance(low, int) else "setting_decimal"
            raise ConfigError(key, key=name, value=text, low=low, high=high) from None

    return parse


_numbers = together(
    *(
        option(f"--{name.replace('_', '-')}", type=_number(name), metavar="N", help=f"cli.ask_{name}")
        for name in _NUMBERS
    )
)


@command("ask", help="cli.ask_command", stopped="cancelled")  # the beginning of the answer is kept
@argument("texts", nargs=-1, metavar="VIDEO|ID … QUESTION", help="cli.ask_texts")
@option("--image", multiple=True, type=parse_path, metavar="FILE", help="cli.ask_image")
@option("--continue", "conversation", metavar="ID", help="cli.ask_continue")
@option("--edit", type=whole_number(1, MOST_LISTED), metavar="N", help="cli.ask_edit")
@option("--frames", type=parse_frames, metavar="N", help="cli.ask_frames")
@range_options
@subtitles_option
@flag("--library", help="cli.ask_library")
@option("--look", type=Choice(_LOOKS), help="cli.ask_look")
@_numbers
@option("--system-prompt", metavar="TEXT", help="cli.ask_system_prompt")
@flag("--list", help="cli.ask_list")
@option("--search", metavar="WORDS", help="cli.ask_search")
@option("--export", metavar="ID", help="cli.ask_export")
@option("--rename", nargs=2, metavar="ID NAME", help="cli.ask_rename")
@option("--delete", metavar="ID", help="cli.ask_delete")
@flag("--for-good", help="cli.ask_for_good")
@engine_options
@flag("--no-model", help="cli.ask_no_model")
@flag("--yes", help="cli.ask_yes")
@flag("--json", help="cli.ask_json")
@quiet_option
def run(options: Options) -> int:
    """Answer the question, or list, export, rename or delete conversations, and return the exit code.

    Raises:
        AppError: A value, the video, the engine or the disk failed, or the user stopped the answer.
    """
    settings = load_settings(options)
    if _asks_for_stored(options):
        with open_library(settings) as opened, in_services(opened):
            _manage(options)
        return 0
    about, question = _split(options.texts)
    if options.library and about:
        raise ConfigError("ask_library_about")
    question = sys.stdin.read().strip() if question == "-" else question
    if options.conversation and about:
        raise ConfigError("ask_continue_about", given=about[0])
    if options.conversation and options.subtitles:
        raise ConfigError("subtitles_alone")
    if options.edit is not None and not options.conversation:
        raise ConfigError("ask_edit_alone")
    if question or not options.conversation:
        checked_question(question)
    asked_with, clip = ask_settings(options), _clip(options)
    files = [read_image(path) for path in options.image]
    if options.yes or (sys.stdin.isatty() and sys.stderr.isatty() and not _is_about_text(question)):
        settings = settle_model(settings, options)
    cancel = cancel_on_signals()
    with worker_started():
        opened = open_services(settings, adopts=False)
        try:
            with in_services(opened):
                images = services().conversations.keep_images(files)
                conversation = _conversation(about, clip, options, cancel)
                if not question and conversation.last.can_continue:
                    question, options.edit = conversation.last.question, conversation.last.number
                conversation = conversation.with_question(
                    question,
                    asked_with,
                    edit=options.edit,
                    images=images or None,
                    look=_look(options, clip),
                )
                return _answer(conversation, options, cancel)
        finally:
            opened.close()


def _is_about_text(question: str) -> bool:
    """Return whether text on the screen or speech may answer a question, so that no model has to be downloaded."""
    from framelens.questions.retrieval.text_question import is_about_text

    return is_about_text(question)


def _split(texts: Sequence[str]) -> tuple[Sequence[str], str]:
    """Return the subjects of the question, and the question: the last text, unless it is a video and the only text."""
    if not texts or (len(texts) == 1 and (_VIDEO.search(texts[0]) or is_link(texts[0]))):
        return texts, ""
    return texts[:-1], texts[-1]


def _clip(options: Options) -> Selection:
    """Return the range of the videos.

    Raises:
        ConfigError: The range ends before it starts.
    """
    return build_selection(
        strategy=None, every=None, at=(), start=options.start, end=options.end, spelling=lambda name, _: f"--{name}"
    )


def _look(options: Options, clip: Selection) -> Look | None:
    """Return the options for where to look, or None without such options."""
    look = Look(options.look or "auto", everywhere=options.library)
    if clip == Selection():
        return look if look != Look() or options.look else None
    return replace(look, start_seconds=clip.start_seconds, end_seconds=clip.end_seconds)


def ask_settings(options: Options) -> AskSettings:
    """Return the settings of the options given; the others have their defaults.

    Raises:
        ConfigError: A value is out of its limits.
    """
    return AskSettings(
        **{name: value for name in (*_NUMBERS, "system_prompt") if (value := getattr(options, name)) is not None}
    )


def _conversation(about: Sequence[str], clip: Selection, options: Options, cancel: threading.Event) -> Conversation:
    """Return the conversation to continue, or a new conversation about these videos and analyses."""
    if options.conversation:
        return services().conversations.get(options.conversation)

    frame_options = FrameOptions(language(), options.frames, clip, options.subtitles, not options.no_model)
    about = [file_of(word) for word in about]
    with open_progress(quiet=options.quiet) as progress:
        return value_of(services().asking.begin(about, frame_options, cancel), progress.show)


def _answer(conversation: Conversation, options: Options, cancel: threading.Event) -> int:
    """Print the answer while it is written, then its evidence; with --json a document at the end.

    Return the exit code: a stop's if the user has stopped the answer.
    """
    from framelens.questions.export import answer_document

    printer = _Printer(streams=not options.json, quiet=options.quiet)
    try:
        asking = services().asking.ask(AnswerDraft(conversation), cancel, use_model=not options.no_model)
        with closing(asking) as events:
            for event in events:
                printer.show(event)
    except Cancelled as error:
        if not printer.done:
            raise
        return error.exit_code  # the printer has shown the error
    finally:
        if (done := printer.done) and options.json:
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
            case Queued(position) if position and not self._quiet:
                self._say(t("ask.queued", place=position))
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
        text = t("ask.moments.progress", frames=len(moments.samples), n=number, gap=gap)
        console = terminal.console(to_errors=True)
        line = Text(f"{strip(moments)} {text}")
        line.truncate(console.width - 1, overflow="ellipsis", pad=True)
        console.print(line, end="\n" if moments.ended else "\r")

    def _end(self, conversation: Conversation) -> None:
        from framelens.questions.export import cited_lines

        turn = conversation.last
        if self._streams and turn.answer:
            print()
            is_named = conversation.is_everywhere or len(conversation.about) > 1
            names = services().reports.video_names(conversation) if is_named else {}
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


def _asks_for_stored(options: Options) -> bool:
    """Return whether conversations are listed, exported, renamed or deleted; a command does only one of these.

    Raises:
        ConfigError: Two of these are requested, or one of them together with a question or options for a question.
    """
    acts = {
        "--list": options.list or options.search,
        "--export": options.export,
        "--rename": options.rename,
        "--delete": options.delete,
    }
    requested = [option for option, value in acts.items() if value]
    extras = [f"“{text}”" for text in options.texts[("--list" in requested) :]]
    extras += [f"--{name}" for name in ("image", "edit") if getattr(options, name)]
    extras += ["--continue"] if options.conversation else []
    if requested and (others := [*requested[1:], *extras]):
        raise ConfigError("ask_two_requests", option=requested[0], other=others[0])
    return bool(requested)


def _manage(options: Options) -> None:
    """List, export, rename or delete conversations."""
    repository = services().conversations
    if options.export:
        from framelens.questions.export import as_markdown, document

        conversation = services().reports.as_corrected(repository.get(options.export))
        names = services().reports.video_names(conversation)
        if options.json:
            print_json(document(conversation, names))
        else:
            print(as_markdown(conversation, names), end="")
        services().jobs.audit.record("export", conversation.id)
    elif options.rename:
        repository.rename(repository.get(options.rename[0]).id, options.rename[1])
    elif options.delete:
        _delete(repository.get(options.delete), options)
    else:
        _list(options)


def _delete(conversation: Conversation, options: Options) -> None:
    name = one_line(conversation.name)
    if options.for_good and not (options.yes or confirm_deletion(name)):
        return
    moved = services().conversations.discard(conversation.id)
    if not options.for_good:
        print_trashed(moved)
        return
    for entry in moved:
        services().jobs.trash.purge_conversation(entry)
        print(t("cli.library_deleted", name=name), file=sys.stderr)


def _list(options: Options) -> None:
    from rich.table import Table
    from rich.text import Text

    library = services().jobs.library
    about: list[str] | None = None
    if options.texts and (path := Path(typed_path(file_of(options.texts[0]))).absolute()).is_file():
        about = library.reports_on(sha256=services().switcher.session.extractions.sha256(path))
    elif options.texts:
        about = [library.resolve_id(options.texts[0])]
    conversations = services().conversations.find(options.search or "", analysis_ids=about, limit=_MOST_LISTED)
    ids = {analysis_id for conversation in conversations for analysis_id in conversation.about}
    names = {analysis_id: entry.name if (entry := library.entry(analysis_id)) else "" for analysis_id in ids}
    if options.json:
        rows = [
            {"id": conversation.id, "created": conversation.created, "name": conversation.name,
             "library": conversation.is_everywhere,
             "about": [{"analysis": analysis_id, "video": names[analysis_id]} for analysis_id in conversation.about]}
            for conversation in conversations
        ]  # fmt: skip
        print_json(rows)
        return
    if not conversations:
        print(t("ask.none"))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "created", "question", "video"):
        table.add_column(t(f"ask.column_{column}"), no_wrap=column in ("id", "created"))
    for conversation in conversations:
        videos = ", ".join(one_line(names[analysis_id]) for analysis_id in conversation.about)
        subjects = Text(videos or (t("ask.page.everywhere") if conversation.is_everywhere else ""))
        table.add_row(conversation.id, local_minute(conversation.created), Text(one_line(conversation.name)), subjects)
    wide_console().print(table)
