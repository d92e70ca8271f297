"""`framelens analyse VIDEO`: from a video to its report, with the same code as the page.

With exit code 4 the report has still been written, with everything that could be had without the model. Only when
nobody has named a model and none can be had is a report without one a success.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from app import config
from app.analysis.templates import Templates, built_in, load
from app.commands.common import add_choice, cancel_on_signals, frame_count, frames_of, not_written, selection_of
from app.config import Settings
from app.domain import Analysis, AnalysisEvent, AnalysisRequest, Language
from app.errors import AppError, Cancelled, ConfigError, EngineError
from app.i18n import LANGUAGES, error_text, notice_text, t
from app.reports import FORMATS, files_of, format_of
from app.reports.files import written
from app.video import child_begun, probe
from app.wiring import Services, open_services
from app.workbench import open_planner

if TYPE_CHECKING:
    from app.jobs import JobSnapshot

_BUDGET = 8


def add_arguments(parser: argparse.ArgumentParser, language: Language) -> None:
    """Add the arguments of this command."""
    parser.add_argument("video", type=Path, help=t("cli.video", language))
    parser.add_argument("--frames", type=frame_count, metavar="N", help=t("cli.frames", language))
    add_choice(parser, language)
    parser.add_argument("--template", metavar="NAME", help=t("cli.template", language, names=", ".join(built_in())))
    parser.add_argument("--question", default="", help=t("cli.question", language))
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language", language))
    parser.add_argument("--model", help=t("cli.model", language))
    parser.add_argument("--base-url", help=t("cli.base_url", language))
    parser.add_argument("--anew", action="store_true", help=t("cli.anew", language))
    parser.add_argument("--plan", action="store_true", help=t("cli.plan", language))
    parser.add_argument("--show-prompt", action="store_true", help=t("cli.show_prompt", language))
    parser.add_argument("--no-model", action="store_true", help=t("cli.no_model", language))
    parser.add_argument("--output", type=Path, metavar="FILE", help=t("cli.output", language))
    parser.add_argument("--format", choices=sorted(FORMATS), help=t("cli.format", language))
    parser.add_argument("--json", action="store_true", help=t("cli.json", language))
    parser.add_argument("--quiet", action="store_true", help=t("cli.quiet", language))


def run(given: argparse.Namespace, language: Language) -> int:
    """Analyse the video and deliver the report; the exit code. Raises AppErrors."""
    settings = _settings(given)
    language = given.language or settings.language or language
    templates = load(settings.template_dir)
    request = _request(given, settings, templates, language)
    if given.show_prompt:
        return _show_prompt(request, templates)
    if given.plan:
        return _show_plan(request, settings, templates, given, language)
    cancel = cancel_on_signals()
    with child_begun():
        services = open_services(settings, adopts=False)
        try:
            job = _analysed(services, request, given, language, cancel)
        finally:
            services.close()
    if job.analysis is None or (job.error and not isinstance(job.error, EngineError)):
        raise job.error or Cancelled()
    _deliver(job.analysis, given, language)
    return _verdict(job.error, settings, given, language)


def _analysed(
    services: Services, request: AnalysisRequest, given: argparse.Namespace, language: Language, cancel: threading.Event
) -> JobSnapshot:
    """The job at its end: a new one, one that goes on where it stopped, or one that was finished before."""
    from app.commands.progress import Progress  # other commands start without it

    jobs = services.jobs
    with Progress(language, quiet=given.quiet or not sys.stderr.isatty()) as progress:
        for notice in services.engine_notices if request.use_model else ():
            progress.say(notice_text(notice, language))
        events: queue.SimpleQueue[AnalysisEvent] = queue.SimpleQueue()
        stopped = None if given.anew else jobs.unfinished(request)
        if stopped:
            answered = sum(result.number > 0 for result in jobs.snapshot(stopped).results)
            progress.say(t("cli.goes_on", language, answered=answered))
            jobs.resume(stopped, listener=events.put)
        name = request.path.name
        job_id = stopped or jobs.submit(request, name=name, anew=given.anew, listener=events.put)
        job = jobs.snapshot(job_id)
        if job.state == "done":
            progress.say(t("cli.analysed_before", language, created=job.created[:16].replace("T", " ")))
        while not job.is_over or not events.empty():
            if cancel.is_set():
                jobs.cancel(job_id)
            with suppress(queue.Empty):
                progress.show(events.get(timeout=0.1))
            job = jobs.snapshot(job_id)
    return job


def _settings(given: argparse.Namespace) -> Settings:
    settings = config.load()
    if given.model:
        settings = replace(settings, model_path=given.model, model_chosen=True)
    return replace(settings, base_url=given.base_url) if given.base_url else settings


def _show_prompt(request: AnalysisRequest, templates: Templates) -> int:
    from app.analysis.prompts import exact_prompt

    for role, text in exact_prompt(request, templates.find(request.template), (), 1):
        print(f"[{role}]\n{text}\n")
    return 0


def _show_plan(
    request: AnalysisRequest, settings: Settings, templates: Templates, given: argparse.Namespace, language: Language
) -> int:
    from app.analysis.telling import details, headline

    forecast = open_planner(settings)(probe(request.path), request, templates.find(request.template))
    if given.json:
        print(json.dumps(asdict(forecast)))
        return 0
    for line in (headline(forecast, language), *details(forecast, language)):
        print(line)
    return 0


def _request(
    given: argparse.Namespace, settings: Settings, templates: Templates, language: Language
) -> AnalysisRequest:
    template = given.template or ("question" if given.question else "describe")
    if templates.find(template).needs_question and not given.question.strip():
        raise ConfigError("question_missing")
    selection = selection_of(given)
    request = AnalysisRequest(
        path=given.video.expanduser().absolute(),
        template=template,
        question=given.question,
        language=language,
        use_model=not given.no_model,
        selection=selection,
    )
    frames = frames_of(given, selection, _BUDGET, lambda: _held_frames(request, settings, templates))
    return replace(request, frames=frames)


def _held_frames(request: AnalysisRequest, settings: Settings, templates: Templates) -> int:
    return open_planner(settings).held_frames(probe(request.path), request, templates.find(request.template))


def _deliver(analysis: Analysis, given: argparse.Namespace, language: Language) -> None:
    to_stdout = given.json and given.output is None
    if to_stdout:
        from app.reports import json_report

        sys.stdout.buffer.write(json_report.without_pictures(analysis, language))
        sys.stdout.flush()
        return
    asked = given.format or ("json" if given.json else None)
    name = asked or (format_of(given.output.name) if given.output else None) or "markdown"
    path = given.output or _free_name(Path.cwd() / f"{given.video.stem}.report{FORMATS[name].suffix}")
    with not_written("report_not_written", path):
        for _ in written(files_of(name, analysis, language, path.name), path.parent):
            pass
    print(t("cli.written", language, path=path), file=sys.stderr if given.json else sys.stdout)


def _free_name(path: Path) -> Path:
    """`path`, or the first "…-2", "…-3" that does not exist: an earlier report is never overwritten."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(one for one in chain([path], numbered) if not one.exists())


def _verdict(failure: AppError | None, settings: Settings, given: argparse.Namespace, language: Language) -> int:
    if failure is None:
        return 0
    print(error_text(failure, language), file=sys.stderr)
    nobody_chose = not (settings.model_chosen or settings.base_url)
    no_model_here = failure.key in ("model_not_local", "vllm_not_installed", "local_engine_unsupported")
    return 0 if nobody_chose and no_model_here else failure.exit_code
