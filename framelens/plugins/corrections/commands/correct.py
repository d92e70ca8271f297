"""Command `framelens library correct ID`: lists what a report says with keys, or corrects it."""

from __future__ import annotations

import sys

from framelens import Analysis, ConfigError
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
    parse_seconds,
    print_json,
    split_list,
    use_language,
)
from framelens.plugin.corrections import Draft
from framelens.plugin.storage import log_to
from framelens.plugin.texts import clock
from framelens.plugins.corrections.listing import CorrectedReport, Item, listed, report_of
from framelens.plugins.corrections.rewrite import rewrite
from framelens.plugins.corrections.transfer import offer_of, take_over


def _parse_frames(text: str) -> tuple[int, ...]:
    words = split_list(text)
    if not all(word.isdecimal() for word in words):
        raise ConfigError("correction_frames_wrong", given=text[:40])
    return tuple(map(int, words))


@command("correct", help="cli.correct_command")
@argument("id", metavar="ID", help="cli.library_id")
@argument("words", nargs=-1, metavar="KEY TEXT", help="cli.correct_words")
@option("--strike", multiple=True, metavar="KEY", help="cli.correct_strike")
@option("--bring-back", multiple=True, metavar="KEY", help="cli.correct_bring_back")
@option("--add", metavar="TEXT", help="cli.correct_add")
@option("--on", default="", metavar="KEY", help="cli.correct_on")
@option("--time", type=parse_seconds, metavar="T", help="cli.correct_time")
@option("--frames", type=_parse_frames, default=(), metavar="N,N…", help="cli.correct_frames")
@option("--rewrite", default="", metavar="HOW", help="cli.correct_rewrite")
@option("--take-over", default="", metavar="ID", help="cli.correct_take_over")
@flag("--undo", help="cli.correct_undo")
@flag("--redo", help="cli.correct_redo")
@option("--author", default="", metavar="NAME", help="cli.correct_author")
@flag("--differences", help="cli.correct_differences")
@json_option
def run(options: Options) -> int:
    """Correct the report if something is to be changed, print its items and return the exit code.

    Raises:
        AppError: There is no such report or item, or a correction can't be applied.
    """
    settings = load()
    use_language(options, settings)
    log_to(settings.data_dir)
    drafts = list(_drafts(options))
    with open_library(settings) as services:
        job_id = services.jobs.library.resolve_id(options.id)
        if options.take_over:
            offer = offer_of(services, job_id, services.jobs.library.resolve_id(options.take_over))
            report = listed(take_over(services, job_id, offer, options.author).analysis)
            print(t("cli.correct_taken", n=len(offer.drafts), left=offer.num_left), file=sys.stderr)
        elif options.rewrite:
            report = listed(_rewrite(services, job_id, options))
        elif drafts:
            report = listed(services.reports.correct(job_id, drafts, author=options.author).analysis)
        else:
            report = listed(report_of(services, job_id))
    if options.json:
        print_json(report.model_dump(mode="json"))
    else:
        _print_items(report, changed_only=options.differences or bool(drafts or options.rewrite or options.take_over))
    return 0


def _rewrite(services: Services, job_id: str, options: Options) -> Analysis:
    """Let the model rewrite the report, with its progress on standard error."""
    cancel = cancel_on_signals()
    with ProgressLine(quiet=options.json) as line:

        def show(progress: tuple[int, int]) -> None:
            line.show(t("cli.correct_rewriting", done=progress[0] + 1, all=progress[1]), "rewriting")

        made = rewrite(services, job_id, options.rewrite, options.author, cancel, show)
    print(t("cli.correct_rewritten", n=made.num_rewritten, left=made.num_left), file=sys.stderr)
    return made.analysis


def _drafts(options: Options) -> list[Draft]:
    """Return the corrections that the options ask for. Raises ConfigError if a key has no text."""
    evidence = options.frames, options.time
    drafts = [Draft("strike", key) for key in options.strike]
    drafts += [Draft("restore", key) for key in options.bring_back]
    if options.words:
        key, *words = options.words
        if not words:
            raise ConfigError("correction_text_missing", key=key[:40])
        drafts.append(Draft("replace", key, " ".join(words), *evidence))
    if options.add is not None:
        drafts.append(Draft("add", options.on, options.add, *evidence))
    drafts += [Draft("undo")] if options.undo else []
    return drafts + ([Draft("redo")] if options.redo else [])


def _print_items(report: CorrectedReport, *, changed_only: bool) -> None:
    """Print the items, each with its key; those that were changed with the model's words."""
    shown = [item for item in report.items if item.written_by or not (changed_only or item.kind == "picture")]
    question = ""
    for item in shown:
        if item.question != question:
            question = item.question
            print(f"      {' '.join(question.split())}")
        print(_line(item))
        if item.written_by and item.original and not item.is_struck:
            print(f"      {t('cli.correct_original')} {' '.join(item.original.split())}")
    if not shown:
        print(t("corrections.no_differences"), file=sys.stderr)
    if report.unmatched:
        print(t("corrections.unmatched", n=len(report.unmatched)), file=sys.stderr)


def _line(item: Item) -> str:
    text = " ".join((item.original if item.is_struck else item.text).split())
    struck = t("corrections.struck") if item.is_struck else ""
    time = "" if item.time_seconds is None or item.kind == "picture" else clock(item.time_seconds, digits=1)
    doubts = "⚠️ " + t("facts.list").join(item.doubts) if item.doubts else ""
    return "  ".join(filter(None, (f"{item.key:5}", time, text, struck, doubts, item.written_by)))
