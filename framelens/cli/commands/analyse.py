"""Command `framelens analyse VIDEO…`: analyses videos and writes their reports, with the same code as the web page.

This module handles a single video, the plugin `batch` several. With exit code 4 the report has still been written, with
everything that needs no model. A report without a model counts as success only if the user named no model and the
default model isn't available.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from framelens import registry
from framelens.analysis.planning.estimate import details, headline
from framelens.analysis.prompts.prompts import exact_prompt
from framelens.analysis.prompts.templates import Templates
from framelens.cli import terminal
from framelens.cli.analysis_options import (
    analysis_options,
    build_common_request,
    build_given_request,
    load_settings,
    print_failures,
    settle_model,
)
from framelens.cli.common import (
    cancel_on_signals,
    quiet_option,
    reporting_engine_notices,
    subtitles_option,
    worst_exit_code,
)
from framelens.cli.grammar import Choice, Options, argument, command, flag, option, parse_output
from framelens.cli.progress_lines import open_progress
from framelens.cli.report_output import Output, appendix_option, overwrite_option, parse_outputs
from framelens.composition import Services, open_services
from framelens.config import Settings
from framelens.core.codec import to_document
from framelens.core.domain import Analysis, AnalysisRequest
from framelens.core.errors import AppError, ConfigError
from framelens.core.files import readable
from framelens.i18n import error_text, language, t
from framelens.jobs.analyses import AnalysisRun, is_expected, raise_without_report
from framelens.jobs.engine_session import open_planner
from framelens.reports.content.labels import local_minute
from framelens.reports.formats import FORMATS, usable_format
from framelens.video.extractor import probe
from framelens.video.files import check_file, printable_path
from framelens.video.inputs import Inputs, resolve
from framelens.video.worker_pool import worker_started

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot


@command("analyse", help="cli.analyse_command", stopped="cancelled")  # finished parts are kept
@argument("videos", nargs=-1, required=True, metavar="VIDEO", help="cli.videos")
@analysis_options
@subtitles_option
@flag("--plan", help="cli.plan")
@flag("--show-prompt", help="cli.show_prompt")
@flag("--skip-done", help="cli.skip_done")
@option("--output", type=parse_output, multiple=True, metavar="FILE|DIR/", help="cli.output")
@option(
    "--format",
    type=Choice(sorted(FORMATS), usable_format),
    metavar="FORMAT",
    help=lambda: t("cli.format", choices=", ".join(sorted(FORMATS))),
)
@appendix_option
@overwrite_option
@flag("--json", help="cli.json")
@quiet_option
def run(options: Options) -> int:
    """Analyse the videos, write the reports and return the exit code.

    Raises:
        AppError: A setting, the only video or the disk failed; of several videos, each failed video is reported.
    """
    settings = load_settings(options)
    templates = Templates(settings.template_dir)
    if options.anew and options.skip_done:
        raise ConfigError("anew_or_skip")
    inputs = resolve(options.videos)
    if options.subtitles and not inputs.is_one_file:
        raise ConfigError("subtitles_of_several")
    if len(inputs.items) == 1 and (error := inputs.items[0].error):
        raise error
    paths = [item.path for item in inputs.items]
    is_several = not inputs.is_one_file or options.skip_done
    outputs = parse_outputs(options, paths, is_one=not is_several)
    analyse_several = next(registry.functions("cli.several"), None) if is_several else None
    if not (options.show_prompt or options.plan):
        if is_several and analyse_several is None:
            raise ConfigError("several_without_plugin")
        if inputs.is_one_file:
            check_file(inputs.items[0].path)
        build_common_request(options, settings)  # wrong options are reported before a download
        settings = settle_model(settings, options)
    make = partial(build_given_request, options, settings, templates)
    if options.show_prompt:
        return _show_prompt(make(inputs.items[0].path), templates)
    if options.plan:
        return _show_plans(inputs, make, settings, templates, options)
    if analyse_several:
        return int(analyse_several(inputs.items, partial(_exit_code, settings), settings, options, outputs[0]))
    request = make(inputs.items[0].path)
    cancel = cancel_on_signals()
    with worker_started():
        services = open_services(settings, adopts=False)
        try:
            job = _run_job(services, request, options, cancel)
            offers = list(registry.results("report.offers", services, job))
            if job.analysis:  # its report is written below
                services.jobs.audit.record("export", job.id, job.name)
        finally:
            services.close()
    raise_without_report(job)
    assert job.analysis
    _write_reports(job.analysis, request.path, outputs, offers, options)
    if job.error is None:
        return 0
    print_failures([job.error])
    return _exit_code(settings, job.error)


def _run_job(services: Services, request: AnalysisRequest, options: Options, cancel: threading.Event) -> JobSnapshot:
    """Run the job to its end and return it: a new job, a resumed job, or a job that was finished before."""
    with open_progress(quiet=options.quiet) as progress:
        name = readable(request.path.name)
        with reporting_engine_notices(services, progress.say) if request.use_model else nullcontext():
            run = AnalysisRun.begin(services.jobs, request, name=name, force=options.anew)
            if run.answered:
                progress.say(t("cli.continuing", answered=run.answered))
            if run.was_finished:
                progress.say(t("cli.analysed_before", created=local_minute(run.job.created)))
            for update in run.updates(cancel):
                progress.show(update)
        return run.result()


def _show_prompt(request: AnalysisRequest, templates: Templates) -> int:
    for role, text in exact_prompt(request, templates.find(request.template), (), 1):
        print(f"[{role}]\n{text}\n")
    return 0


def _show_plans(
    inputs: Inputs,
    make: Callable[[Path], AnalysisRequest],
    settings: Settings,
    templates: Templates,
    options: Options,
) -> int:
    """Print the plan of each video, with its path if there are several, and errors as sentences."""
    codes = [0]
    for item in inputs.items:
        try:
            if item.error:
                raise item.error
            request = make(item.path)
            forecast = open_planner(settings)(probe(item.path), request, templates.find(request.template))
        except ConfigError:
            raise
        except AppError as error:
            if inputs.is_one_file:
                raise
            print(error_text(error), file=sys.stderr)
            codes.append(error.exit_code)
            continue
        source = {} if inputs.is_one_file else {"path": str(item.path)}
        if options.json:
            print(json.dumps(to_document({**source, **asdict(forecast)})))
            continue
        for line in (*map(printable_path, source.values()), headline(forecast), *details(forecast)):
            print(line)
    if not (options.no_model or options.json):
        from framelens.cli.commands.download import print_missing

        print_missing(settings)
    return worst_exit_code(codes)


def _write_reports(
    analysis: Analysis, video: Path, outputs: Iterable[Output], offers: list[dict[str, str | int]], options: Options
) -> None:
    """Write the reports, and print what earlier reports offer."""
    for offer in offers if not options.quiet else ():
        print(f"{offer['text']}\n  {offer['command']}", file=sys.stderr)
    if options.json and not options.output:
        from framelens.reports.json import writer

        terminal.write_document(writer.without_pictures(analysis, language(), offers=offers))
        return
    for output in outputs:
        path = output.path_for(video)
        output.write(analysis, path)
        print(t("cli.written", path=path), file=sys.stderr if options.json else sys.stdout)


def _exit_code(settings: Settings, failure: AppError) -> int:
    """Return the exit code of an analysis whose report was made without the model that failed."""
    return 0 if is_expected(failure, settings) else failure.exit_code
